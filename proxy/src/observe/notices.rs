//! Events among the applications, as counts and log lines.

mod lines;

#[cfg(test)]
mod tests;

pub(crate) use lines::log;

use crate::observe::telemetry::{
    ApplicationErrorCause, ConnectionErrorCause, FailureReason, Label, ListenerName, ProbeKind,
    PushDropCause, PushKind, PushOutcome, ScrapeOutcome, SignalType, Telemetry,
};
use prometheus_rsocket_protocol::collector::{
    JobError, Notice, PushError, PushEviction, ScrapeFailure, TurnedAway,
};
use prometheus_rsocket_protocol::envelope::OpenError;
use prometheus_rsocket_protocol::exposition::ExpositionErrorKind;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Violation};
use std::time::{Duration, Instant};

/// Counts one notice. Never waits.
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
        Notice::PushEvicted { cause, .. } => telemetry.push_dropped(match cause {
            PushEviction::Delivered => PushDropCause::Delivered,
            PushEviction::LivesOn => PushDropCause::LivesOn,
            PushEviction::PartlyDelivered => PushDropCause::PartlyDelivered,
        }),
        Notice::PushExpired { was_served: false, .. } => {
            telemetry.push_dropped(PushDropCause::Expired);
        }
        Notice::PushExpired { was_served: true, .. } => {
            telemetry.push_dropped(PushDropCause::ExpiredServed);
        }
        Notice::PushHeld { acknowledged, .. } => {
            on_push(telemetry, *acknowledged, PushOutcome::Held);
        }
        Notice::PushRepeated { acknowledged, .. } => {
            on_push(telemetry, *acknowledged, PushOutcome::Repeated);
        }
        Notice::PushRejected { acknowledged, error, .. } => {
            on_push(telemetry, *acknowledged, PushOutcome::Rejected);
            telemetry.application_failed(match error {
                PushError::Job(error) => cause_of_job(error),
                PushError::NotAdmitted => ApplicationErrorCause::NotAdmitted,
                PushError::OverShare(_) => ApplicationErrorCause::OverShare,
                PushError::Store { .. } => ApplicationErrorCause::NotStored,
                _ => ApplicationErrorCause::Overloaded,
            });
        }
        Notice::PushReplaced { .. } => telemetry.push_dropped(PushDropCause::Replaced),
        Notice::PushServed { .. } => telemetry.pushes_served(1),
        // A push that stands in for an application that has gone is not a scrape of it.
        Notice::Scraped { is_push: true, .. } => {}
        Notice::Scraped { result, took, .. } => on_scraped(telemetry, now, result, *took),
        Notice::TurnedAway { reason, .. } => telemetry.connection_failed(match reason {
            TurnedAway::Credentials => ConnectionErrorCause::Credentials,
            TurnedAway::Envelope => ConnectionErrorCause::Envelope,
            TurnedAway::Identity => ConnectionErrorCause::Identity,
            TurnedAway::Throttled => ConnectionErrorCause::Throttled,
            TurnedAway::Transport { .. } => ConnectionErrorCause::CredentialsTransport,
            _ => ConnectionErrorCause::AdmissionOverloaded,
        }),
        Notice::Violation { .. } => {
            telemetry.connection_failed(ConnectionErrorCause::ProtocolViolation);
        }
        _ => {}
    }
}

fn on_push(telemetry: &Telemetry, acknowledged: bool, outcome: PushOutcome) {
    let signal = match outcome {
        PushOutcome::Held | PushOutcome::Repeated => SignalType::OnComplete,
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
            telemetry.app_scrape_failed(FailureReason::of(failure));
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

impl FailureReason {
    fn of(failure: &ScrapeFailure) -> Self {
        let reason = failure.reason();
        Self::ALL.iter().copied().find(|known| known.value() == reason).unwrap_or(Self::Unknown)
    }
}

/// Returns the cause of an error, or `None` for an ordinary end.
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
            OpenError::NoIdempotencyKey | OpenError::NotSealed | OpenError::Seal(_) => {
                ApplicationErrorCause::Seal
            }
            OpenError::Purpose | OpenError::Tag => ApplicationErrorCause::Tampered,
            OpenError::Replayed { .. } => ApplicationErrorCause::Replayed,
            OpenError::UnknownKey => ApplicationErrorCause::UnknownKey,
            _ => ApplicationErrorCause::Decompress,
        },
        _ => ApplicationErrorCause::Overloaded,
    }
}
