use std::fmt;

/// What bytes look like that were to be RSocket's and are another protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// An HTTP request.
    HttpRequest,
    /// An HTTP response: the peer serves HTTP.
    HttpResponse,
    /// The header that a proxy puts before a connection's bytes, of either version.
    ProxyHeader,
    /// What either side of SSH begins with.
    Ssh,
    /// An alert of TLS: the peer serves TLS, and could make nothing of what it was sent.
    TlsAlert,
    /// The ClientHello that TLS begins with.
    TlsClientHello,
    /// An HTTP request that asks for a WebSocket.
    WebSocketUpgrade,
}

impl Foreign {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::HttpRequest,
        Self::HttpResponse,
        Self::ProxyHeader,
        Self::Ssh,
        Self::TlsAlert,
        Self::TlsClientHello,
        Self::WebSocketUpgrade,
    ];

    /// A name for counters.
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

/// Says what the first bytes of a connection look like, prefix included; `None` if they may be RSocket's, or are unknown or
/// too few. Looks no further than [`LOOKED_AT`] bytes.
///
/// As the length of a first frame, each of these would be more than 850,000, which SETUP never has.
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

/// Whether more bytes could change what [`looks_like`] says.
pub(crate) fn is_undecided(bytes: &[u8]) -> bool {
    matches!(look(bytes), Look::AtLeast(_) | Look::TooFew)
}

/// How many bytes are looked at: as far as a header that asks for a WebSocket is to be expected.
pub const LOOKED_AT: usize = 512;

enum Look {
    /// This, whatever comes.
    Foreign(Foreign),
    /// An HTTP request, whose headers have not all come.
    AtLeast(Foreign),
    /// So far it could become one of them.
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

/// Whether bytes begin as given, `None` while they may.
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
    // Whole lines alone: more of a value could come.
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

/// What one byte has to be.
#[derive(Clone, Copy)]
enum Byte {
    Any,
    Is(u8),
    UpTo(u8),
}

/// Each byte as it is.
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
    // What HTTP/2 begins with.
    (&exactly(b"PRI * HTTP/2"), Foreign::HttpRequest),
    (&exactly(b"PUT "), Foreign::HttpRequest),
    (&exactly(b"TRACE "), Foreign::HttpRequest),
    (&exactly(b"HTTP/"), Foreign::HttpResponse),
    (&exactly(b"PROXY "), Foreign::ProxyHeader),
    (&exactly(b"\r\n\r\n\0\r\nQUIT\n"), Foreign::ProxyHeader),
    (&exactly(b"SSH-"), Foreign::Ssh),
    // A record of TLS: its type, its version, its length, and the kind of message.
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
        /// What is decided is never changed by what follows.
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
