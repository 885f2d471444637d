//! Connections of anonymous peers: health checks of load balancers, port scans, and clients of another protocol.

use crate::observe::telemetry::{Label, ListenerName, LogCause, ProbeKind, Telemetry};
use prometheus_rsocket_protocol::collector::Transport;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Violation};
use prometheus_rsocket_protocol::rsocket::framing::{Foreign, looks_like};
use prometheus_rsocket_runtime::Line;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

/// Logs such connections, as many of each peer as [may be](Telemetry::may_log). One that sent nothing is logged only for debugging.
#[derive(Debug)]
pub(crate) struct ProbeLog {
    pub(super) telemetry: Arc<Telemetry>,
}

impl ProbeLog {
    /// Returns a log whose lines share the limits of all others.
    pub(crate) fn new(telemetry: &Arc<Telemetry>) -> Self {
        Self { telemetry: Arc::clone(telemetry) }
    }

    /// Logs a peer that is neither an application nor a scraper.
    pub(crate) fn on_probe(
        &self,
        now: Instant,
        listener: ListenerName,
        kind: ProbeKind,
        peer: &str,
        error: &dyn Display,
    ) {
        let (listener_name, kind_name, error) = (listener.value(), kind.value(), Line(error));
        if kind == ProbeKind::Empty {
            tracing::debug!(listener = listener_name, peer, "connection without a byte");
            return;
        }
        // Such a header from a trusted source has been removed before.
        let hint = (kind == ProbeKind::ProxyHeader && listener != ListenerName::Http).then_some(
            "the source is not in --trusted-proxies, or --proxy-protocol is off: the header is not read",
        );
        if let Some(suppressed) = self.telemetry.may_log(now, LogCause::Probe, peer) {
            tracing::warn!(
                listener = listener_name,
                kind = kind_name,
                peer,
                %error,
                hint,
                suppressed,
                "connection refused: it is not what this port serves"
            );
        }
    }

    /// Logs an application whose connection ended before it was set up, if it was an application.
    pub(crate) fn on_not_set_up(
        &self,
        now: Instant,
        listener: ListenerName,
        peer: &str,
        error: &dyn Display,
    ) {
        if let Some(suppressed) = self.telemetry.may_log(now, LogCause::NotSetUp, peer) {
            let (listener, error) = (listener.value(), Line(error));
            tracing::warn!(
                listener, peer, %error, suppressed, "connection ended before it was set up"
            );
        }
    }
}

impl ListenerName {
    /// Returns the listener to which applications connect over this transport.
    pub(crate) fn of(transport: Transport) -> Self {
        match transport {
            Transport::WebSocket => Self::WebSocket,
            _ => Self::Tcp,
        }
    }
}

impl ProbeKind {
    /// Returns what a connection was that ended before an application was set up on it. `None` if an RSocket client has failed, or the proxy has
    /// ended the connection.
    pub(crate) fn of_close(reason: &CloseReason) -> Option<Self> {
        if let Some(foreign) = reason.foreign() {
            return Some(foreign.into());
        }
        match reason {
            CloseReason::Eof { unfinished: 0 } | CloseReason::Transport { unfinished: 0, .. } => {
                Some(Self::Empty)
            }
            CloseReason::Eof { .. }
            | CloseReason::Transport { .. }
            | CloseReason::Violation(
                Violation::Decode(_)
                | Violation::FirstFrame
                | Violation::FrameTooLong(_)
                | Violation::NotSetup(_),
            ) => Some(Self::Unknown),
            CloseReason::SetupTimeout { .. } => Some(Self::Silent),
            _ => None,
        }
    }

    /// Returns what the first bytes of a connection are.
    pub(crate) fn of_first(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Empty,
            // A length, stream 0, and the frame type: SETUP or RESUME.
            [0, _, _, 0, 0, 0, 0, kind, ..] if matches!(kind >> 2, 0x01 | 0x0d) => Self::Rsocket,
            bytes => looks_like(bytes).map_or(Self::Unknown, Self::from),
        }
    }
}

impl From<Foreign> for ProbeKind {
    fn from(foreign: Foreign) -> Self {
        match foreign {
            Foreign::HttpRequest => Self::HttpRequest,
            Foreign::HttpResponse => Self::HttpResponse,
            Foreign::ProxyHeader => Self::ProxyHeader,
            Foreign::Ssh => Self::Ssh,
            Foreign::TlsAlert => Self::TlsAlert,
            Foreign::TlsClientHello => Self::TlsClientHello,
            Foreign::WebSocketUpgrade => Self::WebSocketUpgrade,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_another_protocol_has_a_kind_of_that_name() {
        for foreign in Foreign::ALL {
            assert_eq!(ProbeKind::from(foreign).value(), foreign.name());
        }
    }

    #[test]
    fn first_bytes_tell_the_kind() {
        for (bytes, kind) in [
            (&b""[..], ProbeKind::Empty),
            (b"\x01", ProbeKind::Unknown),
            (b"PROXY TCP4 10.0.0.1", ProbeKind::ProxyHeader),
            (b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c", ProbeKind::ProxyHeader),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", ProbeKind::TlsClientHello),
            (b"\0\0\x38\0\0\0\0\x04\0\0\x01\0\0", ProbeKind::Rsocket),
        ] {
            assert_eq!(ProbeKind::of_first(bytes), kind, "{}", bytes.escape_ascii());
        }
    }
}
