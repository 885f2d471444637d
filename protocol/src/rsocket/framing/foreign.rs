use std::fmt;

/// Another protocol that a peer speaks where RSocket was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// An HTTP request.
    HttpRequest,
    /// An HTTP response: the peer serves HTTP.
    HttpResponse,
    /// A PROXY protocol header of version 1 or 2, which a load balancer sends before the bytes of a connection.
    ProxyHeader,
    /// The version string with which both sides of SSH begin.
    Ssh,
    /// A TLS alert: the peer serves TLS, and did not understand what it was sent.
    TlsAlert,
    /// A ClientHello, with which a TLS client begins.
    TlsClientHello,
    /// An HTTP request for an upgrade to WebSocket.
    WebSocketUpgrade,
}

impl Foreign {
    /// All variants.
    pub const ALL: [Self; 7] = [
        Self::HttpRequest,
        Self::HttpResponse,
        Self::ProxyHeader,
        Self::Ssh,
        Self::TlsAlert,
        Self::TlsClientHello,
        Self::WebSocketUpgrade,
    ];

    /// The name of this protocol in counters, in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpRequest => "http_request",
            Self::HttpResponse => "http_response",
            Self::ProxyHeader => "proxy_header",
            Self::Ssh => "ssh",
            Self::TlsAlert => "tls_alert",
            Self::TlsClientHello => "tls_client_hello",
            Self::WebSocketUpgrade => "websocket_upgrade",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HttpRequest => "an HTTP request",
            Self::HttpResponse => "an HTTP response",
            Self::ProxyHeader => "a PROXY protocol header",
            Self::Ssh => "an SSH banner",
            Self::TlsAlert => "a TLS alert",
            Self::TlsClientHello => "a TLS ClientHello",
            Self::WebSocketUpgrade => "a WebSocket upgrade",
        })
    }
}

/// Identifies the protocol of the first bytes of a connection, length prefix included. Returns `None` if they may be RSocket,
/// are unknown, or are too few. Looks at no more than the first [`LOOKED_AT`] bytes.
///
/// Read as a length prefix, each of these announces more than 850,000 bytes, far more than a SETUP frame has.
///
/// ```
/// use prometheus_rsocket_protocol::rsocket::framing::{Foreign, looks_like};
///
/// assert_eq!(looks_like(b"HTTP/1.1 400 Bad Request\r\n"), Some(Foreign::HttpResponse));
/// assert_eq!(looks_like(b"\0\0\x38\0\0\0\0\x04\0"), None);
/// ```
pub fn looks_like(bytes: &[u8]) -> Option<Foreign> {
    match look(bytes) {
        Look::Foreign(foreign) | Look::AtLeast(foreign) => Some(foreign),
        Look::Unknown | Look::TooFew => None,
    }
}

/// Whether more bytes could change the result of [`looks_like`].
pub(crate) fn is_undecided(bytes: &[u8]) -> bool {
    matches!(look(bytes), Look::AtLeast(_) | Look::TooFew)
}

/// How many bytes [`looks_like`] looks at. A header that asks for WebSocket is expected within them.
pub const LOOKED_AT: usize = 512;

enum Look {
    /// Decided: no further byte changes it.
    Foreign(Foreign),
    /// An HTTP request, whose header fields have not all arrived.
    AtLeast(Foreign),
    /// The bytes may become one of the known protocols.
    TooFew,
    Unknown,
}

fn look(bytes: &[u8]) -> Look {
    let mut look = Look::Unknown;
    for (start, foreign) in STARTS {
        match begins_with(bytes, start) {
            Some(true) if *foreign == Foreign::HttpRequest => return look_at_request(bytes),
            Some(true) => return Look::Foreign(*foreign),
            Some(false) => {}
            None => look = Look::TooFew,
        }
    }
    look
}

/// Whether `bytes` begin with `start`; `None` while more bytes could decide it.
fn begins_with(bytes: &[u8], start: &[Byte]) -> Option<bool> {
    let is_like = bytes.iter().zip(start).all(|(byte, expected)| match expected {
        Byte::Any => true,
        Byte::Is(expected) => byte == expected,
        Byte::UpTo(longest) => byte <= longest,
    });
    match is_like {
        true if bytes.len() < start.len() => None,
        is_like => Some(is_like),
    }
}

fn look_at_request(bytes: &[u8]) -> Look {
    let bytes = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let end = memchr::memmem::find(bytes, b"\r\n\r\n");
    // Only whole lines count, since the value in an unfinished line may go on.
    let lines = memchr::memrchr(b'\n', bytes).and_then(|end| bytes.get(..end)).unwrap_or_default();
    let head = end.and_then(|end| bytes.get(..end)).unwrap_or(lines);
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let is_upgrade = lines.any(|line| {
        let (name, value) = line.split_at(line.len().min(UPGRADE.len()));
        name.eq_ignore_ascii_case(UPGRADE) && value.trim_ascii().eq_ignore_ascii_case(b"websocket")
    });
    if is_upgrade {
        Look::Foreign(Foreign::WebSocketUpgrade)
    } else if end.is_some() || bytes.len() == LOOKED_AT {
        Look::Foreign(Foreign::HttpRequest)
    } else {
        Look::AtLeast(Foreign::HttpRequest)
    }
}

const UPGRADE: &[u8] = b"upgrade:";

/// A pattern for one byte.
#[derive(Clone, Copy)]
enum Byte {
    Any,
    Is(u8),
    UpTo(u8),
}

/// A pattern that matches exactly this text.
const fn exactly<const N: usize>(text: &[u8; N]) -> [Byte; N] {
    let mut bytes = [Byte::Any; N];
    let (mut rest, mut left): (&[u8], &mut [Byte]) = (text, &mut bytes);
    while let ([first, text @ ..], [byte, others @ ..]) = (rest, left) {
        *byte = Byte::Is(*first);
        (rest, left) = (text, others);
    }
    bytes
}

const STARTS: &[(&[Byte], Foreign)] = &[
    (&exactly(b"CONNECT "), Foreign::HttpRequest),
    (&exactly(b"DELETE "), Foreign::HttpRequest),
    (&exactly(b"GET "), Foreign::HttpRequest),
    (&exactly(b"HEAD "), Foreign::HttpRequest),
    (&exactly(b"OPTIONS "), Foreign::HttpRequest),
    (&exactly(b"PATCH "), Foreign::HttpRequest),
    (&exactly(b"POST "), Foreign::HttpRequest),
    // The preface of an HTTP/2 client.
    (&exactly(b"PRI * HTTP/2"), Foreign::HttpRequest),
    (&exactly(b"PUT "), Foreign::HttpRequest),
    (&exactly(b"TRACE "), Foreign::HttpRequest),
    (&exactly(b"HTTP/"), Foreign::HttpResponse),
    (&exactly(b"PROXY "), Foreign::ProxyHeader),
    (&exactly(b"\r\n\r\n\0\r\nQUIT\n"), Foreign::ProxyHeader),
    (&exactly(b"SSH-"), Foreign::Ssh),
    // TLS records: content type, version, length, and the first byte of the message (alert level or handshake type).
    (
        &[Byte::Is(21), Byte::Is(3), Byte::UpTo(4), Byte::Is(0), Byte::Is(2), Byte::UpTo(2)],
        Foreign::TlsAlert,
    ),
    (
        &[Byte::Is(22), Byte::Is(3), Byte::UpTo(4), Byte::Any, Byte::Any, Byte::Is(1)],
        Foreign::TlsClientHello,
    ),
];

#[cfg(test)]
mod tests {
    use super::{Foreign, LOOKED_AT, STARTS, is_undecided, looks_like};
    use proptest::prelude::*;

    const KNOWN: &[(&[u8], Foreign)] = &[
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", Foreign::HttpRequest),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Foreign::HttpRequest),
        (b"HTTP/1.1 400 Bad Request\r\n", Foreign::HttpResponse),
        (b"HTTP/1.0 200 OK\r\n", Foreign::HttpResponse),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", Foreign::ProxyHeader),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Foreign::ProxyHeader),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Foreign::Ssh),
        (b"\x15\x03\x01\0\x02\x02\x46", Foreign::TlsAlert),
        (b"\x15\x03\x03\0\x02\x02\x0a", Foreign::TlsAlert),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", Foreign::TlsClientHello),
        (
            b"GET / HTTP/1.1\r\nhost: a\r\nConnection: Upgrade\r\nUPGRADE:  WebSocket \r\n\r\n",
            Foreign::WebSocketUpgrade,
        ),
    ];

    #[test]
    fn each_is_known_by_its_first_bytes() {
        for (bytes, foreign) in KNOWN {
            assert_eq!(looks_like(bytes), Some(*foreign), "{}", bytes.escape_ascii());
        }
        for foreign in Foreign::ALL {
            assert!(KNOWN.iter().any(|(_, known)| *known == foreign), "{foreign}");
        }
    }

    #[test]
    fn rsocket_is_none_of_them() {
        for bytes in
            [&b""[..], b"\0\0\x38\0\0\0\0\x04\0", b"GE", b"GEX", b"\x16\x03\x01\0", b"HTTQ/"]
        {
            assert_eq!(looks_like(bytes), None, "{}", bytes.escape_ascii());
        }
        assert!(is_undecided(b"") && is_undecided(b"GE") && is_undecided(b"GET / HTTP/1.1\r\n"));
        assert!(!is_undecided(b"\0") && !is_undecided(b"GEX"));
    }

    #[test]
    fn no_more_is_waited_for_than_is_looked_at() {
        let mut long = b"GET / HTTP/1.1\r\n".to_vec();
        long.resize(LOOKED_AT, b'x');
        assert!(is_undecided(&long[..LOOKED_AT - 1]) && !is_undecided(&long));
        long.extend_from_slice(b"\r\nUpgrade: websocket\r\n\r\n");
        assert_eq!(looks_like(&long), Some(Foreign::HttpRequest));
        assert!(STARTS.iter().all(|(start, _)| start.len() <= 16));
    }

    proptest! {
        /// Bytes that follow never change a decision.
        #[test]
        fn a_decision_stands(
            start in prop::sample::select(KNOWN),
            cut in any::<prop::sample::Index>(),
            rest in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let cut = cut.index(start.0.len() + 1);
            let mut bytes = start.0[..cut].to_vec();
            let decided = (!is_undecided(&bytes)).then(|| looks_like(&bytes));
            bytes.extend(rest);
            if let Some(decided) = decided {
                prop_assert_eq!(looks_like(&bytes), decided);
                prop_assert!(!is_undecided(&bytes));
            }
        }
    }
}
