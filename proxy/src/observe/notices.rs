//! What happens among the applications, as counts and log lines: one line each, however it went wrong.

use crate::observe::probes::ProbeLog;
use crate::observe::telemetry::{
    ApplicationErrorCause, ConnectionErrorCause, ListenerName, ProbeKind, PushDropCause, PushKind,
    PushOutcome, ScrapeOutcome, SignalType, Telemetry,
};
use prometheus_rsocket_protocol::collector::{
    AppRef, JobError, Notice, PushError, ScrapeFailure, is_ordinary,
};
use prometheus_rsocket_protocol::envelope::OpenError;
use prometheus_rsocket_protocol::exposition::ExpositionErrorKind;
use prometheus_rsocket_protocol::report::ReportKind;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Violation};
use std::time::{Duration, Instant};

/// Counts one notice; never waits.
pub(crate) fn count(telemetry: &Telemetry, now: Instant, notice: &Notice) {
    match notice {
        Notice::Gone { app, reason, was_connected } => {
            let cause = reason.as_ref().and_then(|reason| cause_of_close(reason, *was_connected));
            if let Some(cause) = cause {
                telemetry.connection_failed(cause);
            }
            let probe = reason.as_ref().filter(|_| !was_connected).and_then(ProbeKind::of_close);
            if let Some(kind) = probe {
                telemetry.probed(ListenerName::of(app.peer.transport), kind);
            }
        }
        Notice::PushExpired { .. } => telemetry.push_dropped(PushDropCause::Expired),
        Notice::PushHeld { acknowledged, .. } => {
            on_push(telemetry, *acknowledged, PushOutcome::Held);
        }
        Notice::PushRejected { acknowledged, error, .. } => {
            on_push(telemetry, *acknowledged, PushOutcome::Rejected);
            telemetry.application_failed(match error {
                PushError::Job(error) => cause_of_job(error),
                _ => ApplicationErrorCause::Overloaded,
            });
        }
        Notice::PushServed { .. } => telemetry.pushes_served(1),
        // A push that stands in for an application that had gone is no scrape of it.
        Notice::Scraped { is_push: true, .. } => {}
        Notice::Scraped { result, took, .. } => on_scraped(telemetry, now, result, *took),
        Notice::Violation { .. } => {
            telemetry.connection_failed(ConnectionErrorCause::ProtocolViolation);
        }
        _ => {}
    }
}

/// Logs one notice.
pub(crate) fn log(probes: &ProbeLog, now: Instant, notice: &Notice) {
    match notice {
        Notice::Connected { app, came_back, is_duplicate } => {
            let (id, peer) = (&app.path, &app.peer);
            let (transport, labels) = (peer.transport.name(), &app.labels);
            tracing::info!(%id, %labels, peer = peer.address, transport, came_back, "application connected");
            warn_of_duplicate(app, *is_duplicate);
        }
        Notice::Gone { app, reason, was_connected } => {
            if *was_connected {
                log_gone(app, reason.as_ref());
            } else {
                log_not_set_up(probes, now, app, reason.as_ref());
            }
        }
        Notice::HelloIgnored { app, error } => {
            let (id, peer) = (&app.path, &app.peer.address);
            tracing::warn!(%id, peer, %error, "the application's hello cannot be read and is ignored");
        }
        Notice::Identified { app, came_back, is_duplicate } => {
            let (id, labels, peer) = (&app.path, &app.labels, &app.peer.address);
            tracing::info!(%id, %labels, peer, came_back, "application identified by its metrics");
            warn_of_duplicate(app, *is_duplicate);
        }
        Notice::PushExpired { app } => {
            let (id, labels) = (&app.path, &app.labels);
            tracing::warn!(%id, %labels, "push expired without having been scraped");
        }
        Notice::PushHeld { app, .. } => {
            tracing::info!(id = %app.path, labels = %app.labels, "push held");
        }
        Notice::PushRejected { app, error, .. } => {
            let (id, labels, peer) = (&app.path, &app.labels, &app.peer.address);
            tracing::warn!(%id, %labels, peer, %error, "push not stored");
        }
        Notice::PushServed { app } => tracing::debug!(id = %app.path, "push served"),
        Notice::PushSuperseded { app } => tracing::debug!(id = %app.path, "push superseded"),
        Notice::Recovered { app } => {
            let (id, labels) = (&app.path, &app.labels);
            tracing::info!(%id, %labels, "application can be scraped again");
        }
        // That a text is refused has a line of its own.
        Notice::Reported { report, .. }
            if matches!(report.kind, ReportKind::Refused | ReportKind::Served) => {}
        Notice::Reported { app, report } => {
            let (id, labels, what) = (&app.path, &app.labels, &report.message);
            tracing::warn!(%id, %labels, what, "part of the application's metrics is left out");
        }
        Notice::Scraped { app, result: Ok(text_len), took, is_push } => {
            tracing::trace!(id = %app.path, text_len, is_push, ?took, "scraped");
        }
        Notice::Scraped { app, result: Err(failure), took, .. } => {
            tracing::debug!(id = %app.path, error = %failure, ?took, "not scraped");
        }
        Notice::ScrapeFailing { app, failure } => {
            let (id, labels, peer) = (&app.path, &app.labels, &app.peer.address);
            let reason = failure.reason();
            tracing::warn!(%id, %labels, peer, reason, error = %failure, "scrape failed");
        }
        Notice::Violation { app, violation } => {
            let (id, labels, peer) = (&app.path, &app.labels, &app.peer.address);
            tracing::warn!(%id, %labels, peer, %violation, "application broke the protocol");
        }
        other => tracing::debug!(?other, "notice"),
    }
}

fn warn_of_duplicate(app: &AppRef, is_duplicate: bool) {
    if is_duplicate {
        let (id, labels, peer) = (&app.path, &app.labels, &app.peer.address);
        tracing::warn!(%id, %labels, peer, "another live application has the same identity");
    }
}

fn log_gone(app: &AppRef, reason: Option<&CloseReason>) {
    let is_ordinary = reason.is_some_and(is_ordinary);
    let (id, labels, peer) = (&app.path, &app.labels, &app.peer.address);
    match reason {
        Some(_) if is_ordinary => tracing::info!(%id, %labels, peer, "application gone"),
        Some(reason) => tracing::info!(%id, %labels, peer, %reason, "application gone"),
        None => tracing::info!(%id, %labels, peer, reason = TASK_ENDED, "application gone"),
    }
}

fn log_not_set_up(probes: &ProbeLog, now: Instant, app: &AppRef, reason: Option<&CloseReason>) {
    let (peer, listener) = (&*app.peer.address, ListenerName::of(app.peer.transport));
    let Some(reason) = reason else {
        return probes.on_not_set_up(now, listener, peer, &TASK_ENDED);
    };
    match ProbeKind::of_close(reason) {
        Some(kind) => probes.on_probe(now, listener, kind, peer, reason),
        None if is_ordinary(reason) => {
            tracing::debug!(peer, %reason, "connection ended before it was set up");
        }
        None => probes.on_not_set_up(now, listener, peer, reason),
    }
}

/// Why a connection is over whose session has not said so.
const TASK_ENDED: &str = "its task ended";

fn on_push(telemetry: &Telemetry, acknowledged: bool, outcome: PushOutcome) {
    let signal = match outcome {
        PushOutcome::Held => SignalType::OnComplete,
        PushOutcome::Rejected => SignalType::OnError,
    };
    if acknowledged {
        telemetry.pushed(PushKind::RequestResponse, outcome);
    } else {
        telemetry.pushed(PushKind::FireAndForget, outcome);
        telemetry.fire_and_forget_ended(signal);
    }
}

fn on_scraped(
    telemetry: &Telemetry,
    now: Instant,
    result: &Result<usize, ScrapeFailure>,
    took: Duration,
) {
    let (outcome, signal) = match result {
        Ok(text_len) => {
            telemetry.payload_received(*text_len, now);
            (ScrapeOutcome::Success, SignalType::OnComplete)
        }
        Err(failure) => {
            telemetry.application_failed(cause_of_failure(failure));
            match failure {
                ScrapeFailure::Closed => (ScrapeOutcome::Closed, SignalType::OnError),
                ScrapeFailure::TimedOut => (ScrapeOutcome::Timeout, SignalType::Cancel),
                ScrapeFailure::Empty | ScrapeFailure::Job(_) => {
                    (ScrapeOutcome::Error, SignalType::OnComplete)
                }
                _ => (ScrapeOutcome::Error, SignalType::OnError),
            }
        }
    };
    telemetry.application_scraped(outcome, took, now);
    telemetry.request_response_ended(signal, took);
}

/// An ordinary end is no error.
fn cause_of_close(reason: &CloseReason, was_connected: bool) -> Option<ConnectionErrorCause> {
    match reason {
        CloseReason::KeepAliveTimeout { .. } => Some(ConnectionErrorCause::KeepaliveTimeout),
        CloseReason::SetupTimeout { .. } => Some(ConnectionErrorCause::SetupTimeout),
        CloseReason::Eof { unfinished } if *unfinished > 0 => Some(ConnectionErrorCause::Io),
        CloseReason::Transport { unfinished, .. } if was_connected || *unfinished > 0 => {
            Some(ConnectionErrorCause::Io)
        }
        CloseReason::NotRsocket(_) => Some(ConnectionErrorCause::NotRsocket),
        CloseReason::Violation(violation) => Some(match violation {
            Violation::FirstFrame | Violation::NotRsocket(_) | Violation::NotSetup(_) => {
                ConnectionErrorCause::NotRsocket
            }
            Violation::UnsupportedVersion(_) => ConnectionErrorCause::SetupVersion,
            Violation::LeaseUnsupported
            | Violation::ResumeInSetup
            | Violation::ResumeUnsupported
            | Violation::SetupOnStream(_) => ConnectionErrorCause::SetupRejected,
            Violation::FrameTooLong(_) => ConnectionErrorCause::FrameTooLong,
            _ => ConnectionErrorCause::ProtocolViolation,
        }),
        _ => None,
    }
}

fn cause_of_failure(failure: &ScrapeFailure) -> ApplicationErrorCause {
    match failure {
        ScrapeFailure::Closed => ApplicationErrorCause::Closed,
        ScrapeFailure::Empty => ApplicationErrorCause::NoMetadata,
        ScrapeFailure::Job(error) => cause_of_job(error),
        ScrapeFailure::NotAsked(_) | ScrapeFailure::Overloaded => ApplicationErrorCause::Overloaded,
        ScrapeFailure::TimedOut => ApplicationErrorCause::Timeout,
        _ => ApplicationErrorCause::AnswerError,
    }
}

fn cause_of_job(error: &JobError) -> ApplicationErrorCause {
    match error {
        JobError::Exposition(error) => match error.kind {
            ExpositionErrorKind::LineTooLong { .. }
            | ExpositionErrorKind::TextTooLong { .. }
            | ExpositionErrorKind::TooManyFamilies { .. }
            | ExpositionErrorKind::TooManyLabels { .. }
            | ExpositionErrorKind::TooManySeries { .. } => ApplicationErrorCause::TooLarge,
            ExpositionErrorKind::NotUtf8 => ApplicationErrorCause::NotUtf8,
            _ => ApplicationErrorCause::Exposition,
        },
        JobError::Open(error) => match error {
            OpenError::Decrypt { .. } => ApplicationErrorCause::Decrypt,
            OpenError::NoMetadata => ApplicationErrorCause::NoMetadata,
            OpenError::PlaintextRefused => ApplicationErrorCause::PlaintextRefused,
            OpenError::TooLong { .. } => ApplicationErrorCause::TooLarge,
            OpenError::KeySize { .. } | OpenError::Unwrap(_) => ApplicationErrorCause::Unwrap,
            _ => ApplicationErrorCause::Decompress,
        },
        _ => ApplicationErrorCause::Overloaded,
    }
}
