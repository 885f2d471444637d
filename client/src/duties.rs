//! The agent's owner, with and without a connection.

use crate::client::Command;
use crate::config::Config;
use crate::lines::{Cause, Lines};
use crate::own::{ConnectionError, ScrapeOutcome};
use crate::run::within;
use crate::source::{DynSource, Fetching};
use crate::status::{Shared, Status};
use crate::transport;
use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_lite::Stream;
use prometheus_rsocket_protocol::agent::{
    Agent, DisconnectReason, Event, PushFailure, PushId, SealJob, Sealed, Ticket,
};
use prometheus_rsocket_protocol::envelope::Fingerprint;
use prometheus_rsocket_protocol::report::{Report, ReportKind};
use prometheus_rsocket_runtime::{Elapsed, JobLost, Line, Owner, Runtime};
use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The agent's owner, with and without a connection. It takes commands, fetches and seals metrics, and reports to handles.
pub(crate) struct Duties<R> {
    runtime: R,
    /// Locked while the source is asked, away from the event loop.
    source: Arc<Mutex<Box<dyn DynSource>>>,
    config: Config,
    commands: Pin<Box<Receiver<Command>>>,
    commands_ended: bool,
    /// At most one for each scrape that the agent allows at once, and one for the push.
    works: Vec<Underway>,
    /// Pushes that callers wait for. There are at most two, one under way and one that follows, with any number of callers.
    pushes: Vec<(PushId, Sender<Result<(), PushFailure>>)>,
    /// The proxy of the current or last connection.
    proxy: usize,
    /// The proxy that was lost last, or could not be connected to.
    failed: Option<usize>,
    /// At most one, and only while there is a connection.
    probe: Option<(usize, Probing)>,
    /// The last report received.
    report: Option<Report>,
    /// The connected proxy must not get the metrics.
    is_refused: bool,
    lines: Lines,
    shared: Arc<Shared>,
}

impl<R> Drop for Duties<R> {
    fn drop(&mut self) {
        // Also if the client's future panics, or is dropped with its runtime, so that no caller waits forever. Later commands are refused. Queued
        // ones are dropped, which ends the wait of their senders.
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        self.shared.set(Status::Closed);
    }
}

/// Work that is under way for the agent.
struct Underway {
    ticket: Ticket,
    is_push: bool,
    working: Working,
}

type Working = Pin<Box<dyn Future<Output = Work> + Send>>;

type Probing = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Finished work for the agent.
enum Work {
    Fetched(Result<Bytes, String>),
    Sealed(Sealed),
}

impl<R: Runtime> Owner<Agent> for Duties<R> {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, agent: &mut Agent) {
        self.poll_commands(cx, now, agent);
        // Finished work can begin new work, which has to be polled as well.
        loop {
            while let Some(event) = agent.poll_event() {
                self.on_event(now, event, agent);
            }
            if !self.poll_works(cx, now, agent) && !self.poll_probe(cx, now, agent) {
                break;
            }
        }
        // The last handle is gone. A push that is under way may finish.
        if self.commands_ended && !agent.is_pushing() {
            agent.close(now);
        }
    }
}

impl<R: Runtime> Duties<R> {
    pub(crate) fn new(
        runtime: R,
        config: Config,
        source: Box<dyn DynSource>,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            runtime,
            source: Arc::new(Mutex::new(source)),
            config,
            commands: Box::pin(commands),
            commands_ended: false,
            works: Vec::new(),
            pushes: Vec::new(),
            proxy: 0,
            failed: None,
            probe: None,
            report: None,
            is_refused: false,
            lines: Lines::default(),
            shared,
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn begin_to_connect(&mut self, proxy: usize) {
        self.proxy = proxy;
        self.shared.counters.on_attempt();
        self.shared.set(Status::Connecting);
    }

    fn poll_commands(&mut self, cx: &mut Context<'_>, now: Instant, agent: &mut Agent) {
        while !self.commands_ended {
            match self.commands.as_mut().poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Command::Close)) => agent.close(now),
                Poll::Ready(Some(Command::Push { is_last, done })) => {
                    let push = if is_last { agent.push_and_close(now) } else { agent.push(now) };
                    // Callers that no longer wait are forgotten.
                    self.pushes.retain(|(_, done)| !done.is_closed());
                    // A dropped channel tells the caller that the client is closed.
                    self.pushes.extend(push.map(|push| (push, done)));
                }
                Poll::Ready(None) => self.commands_ended = true,
            }
        }
    }

    /// Stores a proxy's key for the next start. If that fails, the connection continues.
    fn store_pin(&self, proxy: String, pin: Fingerprint) {
        let Some(file) = self.config.pin_file.clone() else { return };
        let stored = self.runtime.unblock(move || file.add(proxy, pin));
        self.runtime.spawn(async move {
            match stored.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the proxy's key cannot be stored and is pinned only until this process ends"),
                Err(error) => tracing::error!(%error, "the proxy's key could not be stored"),
            }
        });
    }

    fn on_event(&mut self, now: Instant, event: Event, agent: &mut Agent) {
        match event {
            Event::Ready => self.on_ready(now, agent),
            Event::Disconnected { proxy, reason, retry_in } => {
                self.on_disconnected(now, proxy, &reason, retry_in);
            }
            Event::GaveUp { reason } => {
                self.probe = None;
                self.shared.counters.on_error((&reason).into());
                let proxies = &self.config.proxies;
                tracing::error!(%proxies, reason = %Line(&reason), "gave up connecting to the proxy");
                self.shared.set(Status::GaveUp { reason: reason.to_string() });
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
                tracing::info!(proxy, sha256 = %fingerprint, "pinned the proxy's key");
                self.store_pin(proxy, fingerprint);
            }
            // The end of the connection is logged by itself, with the same reason.
            Event::ProxyRefused { reason } => {
                self.is_refused = true;
                tracing::debug!(%reason, "the proxy is refused");
            }
            Event::MetricsWanted { ticket } => self.fetch(ticket, agent.is_for_push(ticket)),
            Event::SealWanted { ticket } => {
                if let Some(job) = agent.seal_again(now, ticket) {
                    self.seal(job, true);
                }
            }
            Event::Canceled { ticket } => self.on_canceled(ticket),
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

    fn on_ready(&mut self, now: Instant, agent: &Agent) {
        if let Some(suppressed) = self.lines.pass(now, Cause::Connected) {
            let proxy = self.config.proxies.at(self.proxy);
            tracing::info!(%proxy, suppressed, "connected to the proxy");
        }
        self.shared.counters.on_connected();
        self.shared.set(Status::Ready { report: None });
        if let Some(on_key) = &self.config.on_key {
            on_key.call(agent.key());
        }
    }

    fn on_disconnected(
        &mut self,
        now: Instant,
        proxy: usize,
        reason: &DisconnectReason,
        retry_in: Duration,
    ) {
        self.probe = None;
        let is_refused = std::mem::take(&mut self.is_refused);
        let retry_at = now.checked_add(retry_in).unwrap_or(now);
        self.shared.set(Status::Waiting { reason: reason.to_string(), retry_at });
        let url = self.config.proxies.at(proxy);
        if matches!(reason, DisconnectReason::Returning) {
            if let Some(suppressed) = self.lines.pass(now, Cause::Returning) {
                tracing::info!(proxy = %url, suppressed, "leaving the proxy because an earlier one can be reached again");
            }
            return;
        }
        self.failed = Some(proxy);
        let error = if is_refused { ConnectionError::Untrusted } else { reason.into() };
        self.shared.counters.on_error(error);
        if let Some(suppressed) = self.lines.pass(now, Cause::NotConnected) {
            let reason = Line(reason);
            tracing::warn!(proxy = %url, %reason, ?retry_in, suppressed, "not connected to the proxy");
        }
    }

    fn on_canceled(&mut self, ticket: Ticket) {
        for work in self.works.extract_if(.., |work| work.ticket == ticket) {
            if !work.is_push {
                self.shared.counters.on_scrape(ScrapeOutcome::Canceled);
            }
        }
    }

    fn on_pushed(&mut self, push: PushId, result: Result<(), PushFailure>) {
        self.shared.counters.on_push(result.is_ok());
        let result = result.map_err(|failure| match failure {
            PushFailure::NotConnected { reason } => {
                let proxy = self.config.proxies.at(self.failed.unwrap_or_default());
                PushFailure::NotConnected { reason: format!("{proxy}: {reason}") }
            }
            other => other,
        });
        for (_, done) in self.pushes.extract_if(.., |(other, _)| *other == push) {
            // Fails only if the caller no longer waits.
            let _ = done.try_send(result.clone());
        }
    }

    /// Logs each report once, even if the next connection repeats it.
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

    fn fetch(&mut self, ticket: Ticket, is_push: bool) {
        let source = Arc::clone(&self.source);
        // Dropped with the future, that is, once the metrics are no longer wanted.
        let wanted = Arc::new(());
        let still = Arc::downgrade(&wanted);
        // Encoding 10,000 series takes up to 10 ms, depending on the crate.
        let asking = self.runtime.unblock(move || {
            let _still = still.upgrade()?;
            // Nothing panics while the lock is held: `fetch` catches panics.
            let metrics = source.lock().unwrap_or_else(PoisonError::into_inner).fetch();
            Some(begun(metrics))
        });
        // Rust 1.91 does not see that the future below is `Send` unless this type is named.
        let asking: Pin<Box<dyn Future<Output = Result<Option<Fetching>, JobLost>> + Send>> =
            Box::pin(asking);
        let metrics = async move {
            let _wanted = wanted;
            match asking.await {
                Ok(Some(metrics)) => metrics.await,
                Ok(None) => Err("the metrics are not wanted any more".into()),
                Err(error) => Err(error.into()),
            }
        };
        let (runtime, time) = (self.runtime.clone(), self.config.metrics_timeout);
        let shared = self.config.own_metrics.then(|| Arc::clone(&self.shared));
        let fetching = async move {
            let text = match within(&runtime, time, metrics).await {
                Ok(Ok(text)) => Ok(Bytes::from(match shared {
                    Some(shared) => shared.with_own_metrics(text),
                    None => text,
                })),
                Ok(Err(error)) => Err(error.to_string()),
                Err(Elapsed) => Err(format!("the metrics did not come within {time:?}")),
            };
            Work::Fetched(text)
        };
        self.works.push(Underway { ticket, is_push, working: Box::pin(fetching) });
    }

    fn seal(&mut self, job: SealJob, is_push: bool) {
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
        self.works.push(Underway { ticket, is_push, working: Box::pin(sealing) });
    }

    /// Polls the probe. Returns whether it has ended.
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

    /// Polls the work under way. Returns whether any of it has finished.
    fn poll_works(&mut self, cx: &mut Context<'_>, now: Instant, agent: &mut Agent) -> bool {
        let mut finished = Vec::new();
        self.works.retain_mut(|work| match work.working.as_mut().poll(cx) {
            Poll::Ready(result) => {
                finished.push((work.ticket, work.is_push, result));
                false
            }
            Poll::Pending => true,
        });
        let is_any = !finished.is_empty();
        for (ticket, is_push, result) in finished {
            let outcome = match result {
                Work::Fetched(text) => self.on_fetched(now, ticket, is_push, text, agent),
                Work::Sealed(sealed) => {
                    agent.handle_sealed(now, sealed);
                    Some(ScrapeOutcome::Answered)
                }
            };
            if let Some(outcome) = outcome.filter(|_| !is_push) {
                self.shared.counters.on_scrape(outcome);
            }
        }
        is_any
    }

    /// Passes the metrics to the agent. Returns the outcome if there is nothing to seal.
    fn on_fetched(
        &mut self,
        now: Instant,
        ticket: Ticket,
        is_push: bool,
        text: Result<Bytes, String>,
        agent: &mut Agent,
    ) -> Option<ScrapeOutcome> {
        let outcome = text.is_err().then_some(ScrapeOutcome::NoMetrics);
        if let Err(error) = &text
            && let Some(suppressed) = self.lines.pass(now, Cause::NoMetrics)
        {
            tracing::warn!(error = %Line(error), suppressed, "no metrics");
        }
        if let Some(job) = agent.answer(now, ticket, text) {
            self.seal(job, is_push);
        }
        outcome
    }
}

/// Polls the future once. Metrics that are ready immediately, as those of registries, are then joined and filtered here, away from the event loop.
fn begun(mut metrics: Fetching) -> Fetching {
    match metrics.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(text) => Box::pin(ready(text)),
        // The caller polls it again immediately.
        Poll::Pending => metrics,
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
            tracing::warn!(%message, suppressed, "the proxy leaves out part of the metrics");
        }
        ReportKind::Collided => tracing::warn!(
            %message, suppressed, "the proxy already has some of these series from another application"
        ),
        other => {
            tracing::warn!(?other, %message, suppressed, "the proxy sent a report");
        }
    }
}
