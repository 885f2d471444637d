use crate::observe::telemetry::ProbeKind;
use http::StatusCode;
use std::{error::Error, fmt, io};

/// Why a connection did not become a WebSocket.
#[derive(Debug)]
pub(crate) enum UpgradeError {
    /// The client closed the connection without a request, mostly as a probe.
    Eof,
    /// The connection failed, or ended in the middle of a request, whose beginning looked like this.
    Io(ProbeKind, io::Error),
    /// The client does not speak HTTP/1.1: what its data looks like, and what is wrong with it.
    NotHttp(ProbeKind, String),
    /// An ordinary request, as from a browser.
    NotWebSocket,
    /// An invalid request to upgrade: the status of the answer, and what is wrong.
    Refused(StatusCode, String),
}

impl UpgradeError {
    /// Converts an error of hyper's, given the first bytes from the client.
    pub(super) fn of_hyper(error: &hyper::Error, first: Option<&[u8]>) -> Self {
        if error.is_parse_too_large() {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            let why = format!("the head of the request is longer than {} bytes", super::HEAD_MAX);
            return Self::Refused(status, why);
        }
        let first = first.unwrap_or_default();
        // The client may have left before it could be answered.
        let kind = ProbeKind::of_first(first);
        if error.is_parse() {
            let what = recognise(first).map_or_else(|| error.to_string(), str::to_owned);
            return Self::NotHttp(kind, what);
        }
        if error.is_incomplete_message() {
            let what = "the connection ended in the middle of the request";
            return Self::Io(kind, io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        let io_kind = source.map_or(io::ErrorKind::Other, io::Error::kind);
        Self::Io(kind, io::Error::new(io_kind, error.to_string()))
    }

    /// A failure of the transport itself.
    pub(super) fn of_io(error: io::Error) -> Self {
        Self::Io(ProbeKind::Unknown, error)
    }

    /// Returns what the client is, if it does not mean to open a WebSocket.
    pub(crate) fn probe(&self) -> Option<ProbeKind> {
        match self {
            Self::Eof => Some(ProbeKind::Empty),
            Self::Io(kind, _) | Self::NotHttp(kind, _) => Some(*kind),
            Self::NotWebSocket => Some(ProbeKind::HttpRequest),
            Self::Refused(..) => None,
        }
    }

    /// Whether the client was sent an answer, which it should have time to read.
    pub(super) fn is_answered(&self) -> bool {
        match self {
            Self::NotHttp(..) | Self::NotWebSocket | Self::Refused(..) => true,
            Self::Eof | Self::Io(..) => false,
        }
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("closed without a request"),
            Self::Io(_, error) => write!(f, "no WebSocket: {error}"),
            Self::NotHttp(_, what) => write!(f, "not a WebSocket client: {what}"),
            Self::NotWebSocket => f.write_str("an HTTP request that does not ask for a WebSocket"),
            Self::Refused(status, why) => write!(f, "WebSocket refused with {status}: {why}"),
        }
    }
}

impl Error for UpgradeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Eof | Self::NotHttp(..) | Self::NotWebSocket | Self::Refused(..) => None,
        }
    }
}

/// Recognises protocols of neighbouring ports.
fn recognise(first: &[u8]) -> Option<&'static str> {
    match first {
        [0x16, 0x03, ..] => Some("a TLS handshake on a port without TLS"),
        // A length, stream 0, and the frame type: SETUP or RESUME.
        [0, _, _, 0, 0, 0, 0, kind, ..] if matches!(kind >> 2, 0x01 | 0x0d) => {
            Some("RSocket over TCP on the port for RSocket over WebSocket")
        }
        [b'P', b'R', b'I', b' ', ..] => Some("HTTP/2, which is not spoken here"),
        _ => None,
    }
}
