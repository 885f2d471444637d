//! What happens among the applications, as counts and log lines: one line each, however it went wrong.

use crate::observe::telemetry::{
    ApplicationErrorCause, ConnectionErrorCause, PushDropCause, PushKind, PushOutcome,
    ScrapeOutcome, SignalType, Telemetry,
};
use prometheus_rsocket_protocol::collector::{AppId, JobError, Notice, PushError, ScrapeFailure};
use prometheus_rsocket_protocol::envelope::OpenError;
use prometheus_rsocket_protocol::exposition::ExpositionErrorKind;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Violation};
use std::time::{Duration, Instant};

/// Counts one notice; never waits.
pub(crate) fn count(telemetry: &Telemetry, now: Instant, notice: &Notice) {
    match notice {
        Notice::Gone { reason, .. } => {
            if let Some(cause) = reason.as_ref().and_then(cause_of_close) {
                telemetry.connection_failed(cause);
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
        Notice::Scraped { result, took, .. } => on_scraped(telemetry, now, result, *took),
        Notice::Violation { .. } => {
            telemetry.connection_failed(ConnectionErrorCause::ProtocolViolation);
        }
        _ => {}
    }
}

/// Logs one notice.
pub(crate) fn log(notice: &Notice) {
    match notice {
        Notice::Connected { app } => tracing::info!(%app, "application connected"),
        Notice::Gone { app, reason, was_connected } => {
            log_gone(*app, reason.as_ref(), *was_connected);
        }
        Notice::PushExpired { app } => {
            tracing::warn!(%app, "push expired without having been scraped");
        }
        Notice::PushHeld { app, .. } => tracing::info!(%app, "push held"),
        Notice::PushRejected { app, error, .. } => tracing::warn!(%app, %error, "push not stored"),
        Notice::PushServed { app } => tracing::debug!(%app, "push served"),
        Notice::Scraped { app, result: Ok(text_len), took } => {
            tracing::trace!(%app, text_len, ?took, "scraped");
        }
        Notice::Scraped { app, result: Err(failure), took } => {
            tracing::warn!(%app, error = %failure, ?took, "scrape failed");
        }
        Notice::Violation { app, violation } => {
            tracing::warn!(%app, %violation, "application broke the protocol");
        }
        other => tracing::debug!(?other, "notice"),
    }
}

fn log_gone(app: AppId, reason: Option<&CloseReason>, was_connected: bool) {
    // A connection that opens and closes without a word is how load balancers look whether anybody is there.
    let is_probe = matches!(reason, Some(CloseReason::Eof { unfinished: 0 })) && !was_connected;
    let reason = reason.map_or_else(|| "its task ended".to_owned(), ToString::to_string);
    if is_probe {
        tracing::debug!(%app, reason, "connection ended before it was set up");
    } else if was_connected {
        tracing::info!(%app, reason, "application gone");
    } else {
        tracing::warn!(%app, reason, "connection ended before it was set up");
    }
}

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
fn cause_of_close(reason: &CloseReason) -> Option<ConnectionErrorCause> {
    match reason {
        CloseReason::KeepAliveTimeout { .. } => Some(ConnectionErrorCause::KeepaliveTimeout),
        CloseReason::SetupTimeout { .. } => Some(ConnectionErrorCause::SetupTimeout),
        CloseReason::Eof { unfinished } if *unfinished > 0 => Some(ConnectionErrorCause::Io),
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
            | ExpositionErrorKind::TooManyLabels { .. }
            | ExpositionErrorKind::TooManySeries { .. } => ApplicationErrorCause::TooLarge,
            _ => ApplicationErrorCause::Exposition,
        },
        JobError::Open(error) => match error {
            OpenError::Decrypt { .. } => ApplicationErrorCause::Decrypt,
            OpenError::NoMetadata => ApplicationErrorCause::NoMetadata,
            OpenError::NotUtf8(_) => ApplicationErrorCause::NotUtf8,
            OpenError::PlaintextRefused => ApplicationErrorCause::PlaintextRefused,
            OpenError::TooLong { .. } => ApplicationErrorCause::TooLarge,
            OpenError::KeySize { .. } | OpenError::Unwrap(_) => ApplicationErrorCause::Unwrap,
            _ => ApplicationErrorCause::Decompress,
        },
        _ => ApplicationErrorCause::Overloaded,
    }
}
