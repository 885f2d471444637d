//! Log lines: one for each notice. Each names the application that it is about, and where that is.

use crate::observe::probes::ProbeLog;
use crate::observe::telemetry::{ListenerName, LogCause, ProbeKind};
use prometheus_rsocket_protocol::collector::{AppRef, Notice, ScrapeFailure, TurnedAway};
use prometheus_rsocket_protocol::report::{Report, ReportKind};
use prometheus_rsocket_protocol::rsocket::connection::CloseReason;
use prometheus_rsocket_runtime::Line;
use std::fmt::{self, Display};
use std::time::Instant;
use tracing::field::display;

/// A line about an application.
macro_rules! line {
    ($level:ident, $app:expr, $($rest:tt)+) => {{
        let app: &AppRef = $app;
        tracing::$level!(
            app = %Line(&app.path),
            labels = (!app.labels.is_empty()).then(|| display(Line(&app.labels))),
            peer = app.peer.address,
            transport = app.peer.transport.name(),
            $($rest)+
        )
    }};
}

/// A line about an application, unless its peer has caused too many lines of that cause.
macro_rules! throttled {
    ($log:expr, $cause:ident, $level:ident, $app:expr, $($rest:tt)+) => {{
        if let Some(suppressed) = $log.pass(LogCause::$cause, $app) {
            // Most lines suppress none.
            let suppressed = (suppressed > 0).then_some(suppressed);
            line!($level, $app, suppressed, $($rest)+);
        }
    }};
}

/// Logs the notices of one moment.
struct Log<'a> {
    probes: &'a ProbeLog,
    now: Instant,
}

impl Log<'_> {
    fn pass(&self, cause: LogCause, app: &AppRef) -> Option<u64> {
        self.probes.telemetry.may_log(self.now, cause, &app.peer.address)
    }
}

/// Logs one notice.
pub(crate) fn log(probes: &ProbeLog, now: Instant, notice: &Notice) {
    let log = &Log { probes, now };
    match notice {
        Notice::Connected { app, came_back, is_duplicate } => {
            let tls_subject = app.peer.tls_subject().map(|subject| display(Line(subject)));
            let entry = app.entry.as_ref().map(|entry| display(Line(entry)));
            throttled!(
                log,
                Connected,
                info,
                app,
                entry,
                tls_subject,
                came_back,
                "application connected"
            );
            warn_of_duplicate(log, app, *is_duplicate);
        }
        Notice::Gone { app, reason, was_connected: true } => log_gone(log, app, reason.as_ref()),
        Notice::Gone { app, reason, was_connected: false } => {
            log_not_set_up(log, app, reason.as_ref());
        }
        Notice::HelloIgnored { app, error } => {
            let error = Line(error);
            throttled!(log, Hello, warn, app, %error, "the application's hello cannot be read and is ignored");
        }
        Notice::Identified { app, came_back, is_duplicate } => {
            throttled!(
                log,
                Identified,
                info,
                app,
                came_back,
                "application identified by its metrics"
            );
            warn_of_duplicate(log, app, *is_duplicate);
        }
        Notice::PushEvicted { app, cause } => {
            line!(debug, app, ?cause, "push dropped to make room for another one");
        }
        Notice::PushExpired { app, was_served: true } => line!(debug, app, "push expired"),
        Notice::PushExpired { app, was_served: false } => {
            throttled!(log, PushExpired, warn, app, "push expired without having been scraped");
        }
        Notice::PushHeld { app, .. } => throttled!(log, PushHeld, info, app, "push held"),
        Notice::PushRejected { app, error, .. } => {
            let error = Line(error);
            throttled!(log, PushRejected, warn, app, %error, "push not stored");
        }
        Notice::PushRepeated { app, .. } => line!(debug, app, "push held already"),
        Notice::PushReplaced { app } => line!(debug, app, "push replaced by a later one"),
        Notice::PushServed { app } => line!(debug, app, "push served"),
        Notice::PushSuperseded { app } => line!(debug, app, "push superseded"),
        Notice::Recovered { app } => {
            throttled!(log, Recovered, info, app, "application can be scraped again")
        }
        Notice::Reported { app, report } => log_report(log, app, report),
        Notice::Scraped { app, result: Ok(text_len), took, is_push } => {
            line!(trace, app, text_len, is_push, ?took, "scraped");
        }
        Notice::Scraped { app, result: Err(failure), took, .. } => {
            let error = Line(failure);
            line!(trace, app, %error, ?took, "not scraped");
        }
        Notice::ScrapeFailing { app, failure } => log_failing(log, app, failure),
        Notice::TurnedAway { app, reason } => {
            let entry = match reason {
                TurnedAway::Transport { entry } => Some(display(Line(entry))),
                _ => None,
            };
            let reason = reason.reason();
            throttled!(log, TurnedAway, warn, app, reason, entry, "application turned away");
        }
        Notice::Violation { app, violation } => {
            let violation = Line(violation);
            throttled!(log, Violation, warn, app, %violation, "application broke the protocol");
        }
        other => tracing::debug!(notice = %Line(format_args!("{other:?}")), "notice"),
    }
}

fn warn_of_duplicate(log: &Log<'_>, app: &AppRef, is_duplicate: bool) {
    if is_duplicate {
        throttled!(log, Duplicate, warn, app, "another live application has the same identity");
    }
}

fn log_gone(log: &Log<'_>, app: &AppRef, reason: Option<&CloseReason>) {
    let why = Why(reason);
    let reason = Line(&why);
    match why.0 {
        Some(CloseReason::Violation(_)) => {
            throttled!(log, Gone, warn, app, %reason, "application gone")
        }
        _ => throttled!(log, Gone, info, app, %reason, "application gone"),
    }
}

fn log_not_set_up(log: &Log<'_>, app: &AppRef, reason: Option<&CloseReason>) {
    let (peer, listener) = (&*app.peer.address, ListenerName::of(app.peer.transport));
    let (error, now) = (Why(reason), log.now);
    match reason.map(|reason| (ProbeKind::of_close(reason), reason.is_ordinary())) {
        Some((Some(kind), _)) => log.probes.on_probe(now, listener, kind, peer, &error),
        Some((None, true)) => {
            tracing::debug!(peer, reason = %Line(&error), "connection ended before it was set up");
        }
        Some((None, false)) | None => log.probes.on_not_set_up(now, listener, peer, &error),
    }
}

fn log_failing(log: &Log<'_>, app: &AppRef, failure: &ScrapeFailure) {
    let (reason, error) = (failure.reason(), Line(failure));
    throttled!(log, ScrapeFailing, warn, app, reason, %error, "scrape failed");
}

fn log_report(log: &Log<'_>, app: &AppRef, report: &Report) {
    let what = Line(&report.message);
    match report.kind {
        // A text that is refused, and one that is served again, are logged by themselves.
        ReportKind::Refused | ReportKind::Served => {}
        _ => {
            throttled!(log, Report, warn, app, %what, "part of the application's metrics is left out")
        }
    }
}

/// Why a connection is over; `None` if its session did not say.
struct Why<'a>(Option<&'a CloseReason>);

impl Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("its task ended"),
            // The code is an error even if the proxy only shuts down.
            Some(CloseReason::Local { message, .. }) => {
                write!(f, "closed by the proxy: {message}")
            }
            Some(reason) => reason.fmt(f),
        }
    }
}
