//! The one future that a client runs as.

use crate::client::{Command, Config, MetricsError, Status};
use crate::lines::{Cause, Lines};
use crate::shared::Shared;
use crate::transport::{self, Transport};
use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_lite::{FutureExt, Stream};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::agent::{
    Action, Agent, DisconnectReason, Event, PushFailure, PushId, SealJob, Sealed, Ticket,
};
use prometheus_rsocket_protocol::envelope::Fingerprint;
use prometheus_rsocket_protocol::report::{Report, ReportKind};
use prometheus_rsocket_runtime::{
    DriverConfig, Elapsed, Line, Owner, Runtime, Timer, drive, timeout,
};
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// A client that runs.
pub(crate) struct Running<R, M> {
    runtime: R,
    agent: Agent,
    duties: Duties<R, M>,
}

impl<R, M, F> Running<R, M>
where
    R: Runtime,
    M: FnMut() -> F,
    F: Future<Output = Result<String, MetricsError>> + Send + 'static,
{
    pub(crate) fn new(
        runtime: R,
        config: Config,
        metrics: M,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        let mut seed = [0; 8];
        // Without randomness nothing can be sealed either, which is reported when it comes to that.
        let _ = runtime.fill_random(&mut seed);
        let agent = Agent::new(config.agent(), u64::from_ne_bytes(seed), runtime.now());
        let duties = Duties {
            runtime: runtime.clone(),
            metrics,
            config,
            commands: Box::pin(commands),
            commands_ended: false,
            works: Vec::new(),
            pushes: Vec::new(),
            proxy: 0,
            failed: None,
            probe: None,
            report: None,
            lines: Lines::default(),
            shared,
        };
        Self { runtime, agent, duties }
    }
}

/// Runs a client until it is closed.
pub(crate) async fn run<R, M, F>(mut running: Running<R, M>)
where
    R: Runtime,
    M: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<String, MetricsError>> + Send + 'static,
{
    let Running { runtime, agent, duties } = &mut running;
    loop {
        match agent.poll_action(runtime.now()) {
            Action::Connect { proxy } => connect_and_drive(runtime, proxy, agent, duties).await,
            // Nothing is left of a connection that is over but to hear of it.
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

async fn connect_and_drive<R, M, F>(
    runtime: &R,
    proxy: usize,
    agent: &mut Agent,
    duties: &mut Duties<R, M>,
) where
    R: Runtime,
    M: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<String, MetricsError>> + Send + 'static,
{
    duties.proxy = proxy;
    duties.shared.set(Status::Connecting);
    // Boxed, so that what handshakes need is gone with them.
    let mut connecting = Box::pin(transport::open(runtime.clone(), proxy, &duties.config));
    let mut timer = runtime.timer();
    // Commands count while connecting, too, and so does the end of the time that a push has: who closes does not want to
    // wait for a connection.
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
                Transport::Messages(stream) => drive(runtime, stream, agent, duties, &driver).await,
            };
            agent.handle_transport_gone(runtime.now());
            match driven {
                Ok(_) => {}
                // The agent has heard of it.
                Err(error) => tracing::debug!(error = %Line(error), "transport failed"),
            }
        }
        Err(error) => agent.handle_connect_failed(runtime.now(), &error.to_string()),
    }
}

/// Waits for a time, or until a command has given the agent something else to do.
async fn wait<R, M, F>(runtime: &R, until: Instant, agent: &mut Agent, duties: &mut Duties<R, M>)
where
    R: Runtime,
    M: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<String, MetricsError>> + Send + 'static,
{
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

/// What is to be done for the agent, connected or not: commands taken, metrics fetched and sealed, handles told.
struct Duties<R, M> {
    runtime: R,
    metrics: M,
    config: Config,
    commands: Pin<Box<Receiver<Command>>>,
    commands_ended: bool,
    /// At most one for each scrape that the agent allows at once, and one for the push.
    works: Vec<(Ticket, Working)>,
    /// Who waits for a push; there are at most two, for one is under way and one follows, with any number of callers.
    pushes: Vec<(PushId, Sender<Result<(), PushFailure>>)>,
    /// The proxy that is connected to, or was last.
    proxy: usize,
    /// The proxy that was last lost, or could not be connected to.
    failed: Option<usize>,
    /// At most one, while there is a connection.
    probe: Option<(usize, Probing)>,
    /// The last report that came.
    report: Option<Report>,
    lines: Lines,
    shared: Arc<Shared>,
}

impl<R, M> Drop for Duties<R, M> {
    fn drop(&mut self) {
        // Also where the client's future panics, or is dropped with its runtime: nobody shall wait for ever. What still comes is
        // refused, and what has come is dropped: its sender waits for that.
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        self.shared.set(Status::Closed);
    }
}

type Working = Pin<Box<dyn Future<Output = Work> + Send>>;

type Probing = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// What was done for the agent.
enum Work {
    Fetched(Ticket, Result<Bytes, String>),
    Sealed(Sealed),
}

impl<R, M, F> Owner<Agent> for Duties<R, M>
where
    R: Runtime,
    M: FnMut() -> F,
    F: Future<Output = Result<String, MetricsError>> + Send + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, agent: &mut Agent) {
        self.poll_commands(cx, now, agent);
        // What is finished can begin something new, which wants to be polled as well.
        loop {
            while let Some(event) = agent.poll_event() {
                self.on_event(now, event, agent);
            }
            if !self.poll_works(cx, now, agent) && !self.poll_probe(cx, now, agent) {
                break;
            }
        }
        // The last handle is gone. Who is pushing is let finish.
        if self.commands_ended && !agent.is_pushing() {
            agent.close(now);
        }
    }
}

impl<R, M, F> Duties<R, M>
where
    R: Runtime,
    M: FnMut() -> F,
    F: Future<Output = Result<String, MetricsError>> + Send + 'static,
{
    fn poll_commands(&mut self, cx: &mut Context<'_>, now: Instant, agent: &mut Agent) {
        while !self.commands_ended {
            match self.commands.as_mut().poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Command::Close)) => agent.close(now),
                Poll::Ready(Some(Command::Push { is_last, done })) => {
                    let push = if is_last { agent.push_and_close(now) } else { agent.push(now) };
                    // Those who do not wait any more are not kept.
                    self.pushes.retain(|(_, done)| !done.is_closed());
                    // A channel that is dropped tells the caller that the client is closed.
                    self.pushes.extend(push.map(|push| (push, done)));
                }
                Poll::Ready(None) => self.commands_ended = true,
            }
        }
    }

    /// Keeps a proxy's key for the next start. That it cannot be kept does not end what goes well.
    fn store_pin(&self, proxy: String, pin: Fingerprint) {
        let Some(file) = self.config.pin_file.clone() else { return };
        let stored = self.runtime.unblock(move || file.add(proxy, pin));
        self.runtime.spawn(async move {
            match stored.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the proxy's key is pinned until the end of this process alone"),
                Err(error) => tracing::error!(%error, "the proxy's key is not stored"),
            }
        });
    }

    fn on_event(&mut self, now: Instant, event: Event, agent: &mut Agent) {
        match event {
            Event::Ready => {
                if let Some(suppressed) = self.lines.pass(now, Cause::Connected) {
                    let proxy = self.config.proxies.at(self.proxy);
                    tracing::info!(%proxy, suppressed, "connected to the proxy");
                }
                self.shared.set(Status::Ready { report: None });
            }
            Event::Disconnected { proxy, reason: reason @ DisconnectReason::Returning, .. } => {
                self.probe = None;
                if let Some(suppressed) = self.lines.pass(now, Cause::Returning) {
                    let proxy = self.config.proxies.at(proxy);
                    tracing::info!(%proxy, suppressed, "leaving the proxy, as an earlier one can be reached again");
                }
                self.shared.set(Status::Waiting { reason: reason.to_string(), retry_at: now });
            }
            Event::Disconnected { proxy, reason, retry_in } => {
                self.probe = None;
                self.failed = Some(proxy);
                if let Some(suppressed) = self.lines.pass(now, Cause::NotConnected) {
                    let (proxy, reason) = (self.config.proxies.at(proxy), Line(&reason));
                    tracing::warn!(%proxy, %reason, ?retry_in, suppressed, "not connected to the proxy");
                }
                let retry_at = now.checked_add(retry_in).unwrap_or(now);
                self.shared.set(Status::Waiting { reason: reason.to_string(), retry_at });
            }
            Event::KeyRefused { error } => {
                if let Some(suppressed) = self.lines.pass(now, Cause::KeyRefused) {
                    let error = Line(error);
                    tracing::warn!(%error, suppressed, "the proxy's key is refused");
                }
            }
            Event::OfferRefused { error } => {
                if let Some(suppressed) = self.lines.pass(now, Cause::KeyRefused) {
                    let error = Line(error);
                    tracing::warn!(%error, suppressed, "the proxy's offer of version 2 of the envelope cannot be read");
                }
            }
            Event::KeyPinned { proxy, fingerprint } => {
                let proxy = self.config.proxies.at(proxy).to_string();
                tracing::info!(proxy, sha256 = %fingerprint, "this key of the proxy is pinned");
                self.store_pin(proxy, fingerprint);
            }
            // That the connection ended has a line of its own, with the same reason.
            Event::ProxyRefused { reason } => tracing::debug!(%reason, "the proxy is refused"),
            Event::MetricsWanted { ticket } => self.fetch(ticket),
            Event::SealWanted { ticket } => {
                if let Some(job) = agent.seal_again(now, ticket) {
                    self.seal(job);
                }
            }
            Event::Canceled { ticket } => self.works.retain(|(other, _)| *other != ticket),
            Event::ProbeWanted { proxy } => {
                let opening = transport::open(self.runtime.clone(), proxy, &self.config);
                let probing = async move { opening.await.map(drop) };
                self.probe = Some((proxy, Box::pin(probing)));
            }
            Event::Pushed { push, result, .. } => self.on_pushed(push, result),
            Event::Reported { report } => self.on_report(now, report),
            Event::Stopped => tracing::debug!("closed"),
            other => tracing::debug!(event = %Line(format_args!("{other:?}")), "event"),
        }
    }

    fn on_pushed(&mut self, push: PushId, result: Result<(), PushFailure>) {
        let result = result.map_err(|failure| match failure {
            PushFailure::NotConnected { reason } => {
                let proxy = self.config.proxies.at(self.failed.unwrap_or_default());
                PushFailure::NotConnected { reason: format!("{proxy}: {reason}") }
            }
            other => other,
        });
        for (_, done) in self.pushes.extract_if(.., |(other, _)| *other == push) {
            // Nobody waits any more if this fails.
            let _ = done.try_send(result.clone());
        }
    }

    /// Each report is logged once, also where the next connection brings it again.
    fn on_report(&mut self, now: Instant, report: Report) {
        if self.report.as_ref() != Some(&report) {
            let is_first = self.report.is_none();
            if !(is_first && report.kind == ReportKind::Served)
                && let Some(suppressed) = self.lines.pass(now, Cause::Report)
            {
                log_report(&report, suppressed);
            }
            self.report = Some(report.clone());
        }
        self.shared.set(Status::Ready { report: Some(report) });
    }

    fn fetch(&mut self, ticket: Ticket) {
        // The application's own code: should it panic, this scrape fails and no more.
        let metrics = catch_unwind(AssertUnwindSafe(|| (self.metrics)()));
        let (runtime, time) = (self.runtime.clone(), self.config.metrics_timeout);
        let fetching = async move {
            let metrics = async move { AssertUnwindSafe(metrics?).catch_unwind().await };
            let text = match within(&runtime, time, metrics).await {
                Ok(Ok(Ok(text))) => Ok(Bytes::from(text)),
                Ok(Ok(Err(error))) => Err(error.to_string()),
                Ok(Err(_panic)) => Err("the application panicked over its metrics".to_owned()),
                Err(Elapsed) => Err(format!("the metrics did not come within {time:?}")),
            };
            Work::Fetched(ticket, text)
        };
        self.works.push((ticket, Box::pin(fetching)));
    }

    fn seal(&mut self, job: SealJob) {
        let ticket = job.ticket();
        let source = self.runtime.clone();
        let sealing = self.runtime.unblock(move || {
            let mut seed = [0; 32];
            source.fill_random(&mut seed).map(|()| job.run(seed))
        });
        let sealing = async move {
            let sealed = match sealing.await {
                Ok(Ok(sealed)) => sealed,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the system gives no randomness");
                    Sealed::lost(ticket)
                }
                Err(error) => {
                    tracing::error!(%error, "a worker was lost");
                    Sealed::lost(ticket)
                }
            };
            Work::Sealed(sealed)
        };
        self.works.push((ticket, Box::pin(sealing)));
    }

    /// Polls the probe, and says whether it has ended.
    fn poll_probe(&mut self, cx: &mut Context<'_>, now: Instant, agent: &mut Agent) -> bool {
        let Some((proxy, probing)) = &mut self.probe else { return false };
        let (Poll::Ready(result), proxy) = (probing.as_mut().poll(cx), *proxy) else {
            return false;
        };
        self.probe = None;
        if let Err(error) = &result {
            tracing::debug!(%error, "the proxy cannot be reached yet");
        }
        agent.handle_probed(now, proxy, result.is_ok());
        true
    }

    /// Polls what is under way, and says whether anything was finished.
    fn poll_works(&mut self, cx: &mut Context<'_>, now: Instant, agent: &mut Agent) -> bool {
        let mut finished = Vec::new();
        self.works.retain_mut(|(_, work)| match work.as_mut().poll(cx) {
            Poll::Ready(work) => {
                finished.push(work);
                false
            }
            Poll::Pending => true,
        });
        let is_any = !finished.is_empty();
        for work in finished {
            match work {
                Work::Fetched(ticket, text) => {
                    if let Err(error) = &text
                        && let Some(suppressed) = self.lines.pass(now, Cause::NoMetrics)
                    {
                        tracing::warn!(error = %Line(error), suppressed, "no metrics");
                    }
                    if let Some(job) = agent.answer(now, ticket, text) {
                        self.seal(job);
                    }
                }
                Work::Sealed(sealed) => agent.handle_sealed(now, sealed),
            }
        }
        is_any
    }
}

fn log_report(Report { kind, message, .. }: &Report, suppressed: Option<u64>) {
    let message = Line(message);
    match kind {
        ReportKind::Served => tracing::info!(suppressed, "the proxy serves the metrics again"),
        ReportKind::Refused => {
            tracing::warn!(%message, suppressed, "the proxy refuses the metrics");
        }
        ReportKind::Reduced => {
            tracing::warn!(%message, suppressed, "the proxy leaves out a part of the metrics");
        }
        ReportKind::Collided => tracing::warn!(
            %message, suppressed, "the proxy has some of the series from another application"
        ),
        other => {
            tracing::warn!(?other, %message, suppressed, "the proxy has something to say");
        }
    }
}

/// Gives a future so much time; more than the clock can count is as much as it wants.
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
