//! The one future that a client runs as.

use crate::client::Command;
use crate::config::Config;
use crate::duties::Duties;
use crate::source::DynSource;
use crate::status::Shared;
use crate::transport::{self, Transport};
use async_channel::Receiver;
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::agent::{Action, Agent};
use prometheus_rsocket_runtime::{
    DriverConfig, Elapsed, Line, Owner, Runtime, Timer, drive, timeout,
};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

/// A running client.
pub(crate) struct Running<R> {
    runtime: R,
    agent: Agent,
    duties: Duties<R>,
}

impl<R: Runtime> Running<R> {
    pub(crate) fn new(
        runtime: R,
        config: Config,
        source: Box<dyn DynSource>,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        let mut seed = [0; 8];
        // Without randomness, nothing can be sealed either. Sealing reports that.
        let _ = runtime.fill_random(&mut seed);
        let agent = Agent::new(config.agent(), u64::from_ne_bytes(seed), runtime.now());
        let duties = Duties::new(runtime.clone(), config, source, commands, shared);
        Self { runtime, agent, duties }
    }
}

/// Runs a client until it is closed.
pub(crate) async fn run<R: Runtime>(mut running: Running<R>) {
    let Running { runtime, agent, duties } = &mut running;
    loop {
        match agent.poll_action(runtime.now()) {
            Action::Connect { proxy } => connect_and_drive(runtime, proxy, agent, duties).await,
            // The connection is over already; the agent only has to be told.
            Action::Drive => agent.handle_eof(runtime.now()),
            Action::Wait(until) => wait(runtime, until, agent, duties).await,
            Action::Stop => break,
        }
    }
    poll_fn(|cx| {
        duties.poll(cx, runtime.now(), agent);
        Poll::Ready(())
    })
    .await;
}

async fn connect_and_drive<R: Runtime>(
    runtime: &R,
    proxy: usize,
    agent: &mut Agent,
    duties: &mut Duties<R>,
) {
    duties.begin_to_connect(proxy);
    // Boxed, so that memory that handshakes need is freed afterwards.
    let mut connecting = Box::pin(transport::open(runtime.clone(), proxy, duties.config()));
    let mut timer = runtime.timer();
    // Commands also count while connecting, and so does the time limit of a push: a caller that closes the client does not want to wait for a
    // connection.
    let stream = poll_fn(|cx| {
        loop {
            let now = runtime.now();
            duties.poll(cx, now, agent);
            match agent.poll_action(now) {
                Action::Connect { .. } => {}
                Action::Drive | Action::Stop | Action::Wait(_) => return Poll::Ready(None),
            }
            if let Poll::Ready(stream) = connecting.as_mut().poll(cx) {
                return Poll::Ready(Some(stream));
            }
            let Some(timeout) = agent.poll_timeout() else { return Poll::Pending };
            timer.reset(timeout);
            ready!(timer.poll(cx));
            agent.handle_timeout(runtime.now());
        }
    });
    let Some(stream) = stream.await else { return };
    drop(connecting);
    match stream {
        Ok(stream) => {
            agent.handle_connected(runtime.now());
            let driver = DriverConfig::default();
            let driven = match stream {
                Transport::Bytes(stream) => drive(runtime, stream, agent, duties, &driver).await,
                #[cfg(feature = "websocket")]
                Transport::Messages(stream) => drive(runtime, stream, agent, duties, &driver).await,
            };
            agent.handle_transport_gone(runtime.now());
            match driven {
                Ok(_) => {}
                // The agent has been told.
                Err(error) => tracing::debug!(error = %Line(error), "transport failed"),
            }
        }
        Err(error) => agent.handle_connect_failed(runtime.now(), &error.to_string()),
    }
}

/// Waits for a time, or until a command has given the agent something else to do.
async fn wait<R: Runtime>(runtime: &R, until: Instant, agent: &mut Agent, duties: &mut Duties<R>) {
    let mut timer = runtime.timer();
    timer.reset(agent.poll_timeout().map_or(until, |timeout| timeout.min(until)));
    poll_fn(|cx| {
        let now = runtime.now();
        agent.handle_timeout(now);
        duties.poll(cx, now, agent);
        match agent.poll_action(now) {
            Action::Wait(still) if still == until => timer.poll(cx),
            Action::Connect { .. } | Action::Drive | Action::Stop | Action::Wait(_) => {
                Poll::Ready(())
            }
        }
    })
    .await;
}

/// Runs a future for at most `time`. A duration that overflows `Instant` means no time limit.
pub(crate) async fn within<R: Runtime, F: Future>(
    runtime: &R,
    time: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    match runtime.now().checked_add(time) {
        Some(deadline) => timeout(runtime, deadline, future).await,
        None => Ok(future.await),
    }
}
