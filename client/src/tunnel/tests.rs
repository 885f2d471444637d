use super::*;
use futures_lite::future::block_on;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A stream that yields these pieces, and records what is written.
struct Scripted {
    pieces: VecDeque<Vec<u8>>,
    written: Vec<u8>,
}

impl Scripted {
    fn new(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self { pieces, written: Vec::new() }
    }

    fn rest(&self) -> Vec<u8> {
        self.pieces.iter().flatten().copied().collect()
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Some(mut piece) = self.pieces.pop_front() else { return Poll::Ready(Ok(0)) };
        let len = piece.len().min(buf.len());
        let rest = piece.split_off(len);
        buf[..len].copy_from_slice(&piece);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A write may be partial.
        let len = buf.len().min(7);
        self.written.extend_from_slice(&buf[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn opened(url: &str, host: &str, answer: &[u8]) -> io::Result<Scripted> {
    let via = url.parse().unwrap();
    block_on(open(Scripted::new([answer.to_vec()]), &via, host, 7001))
}

fn refused(url: &str, answer: &[u8]) -> (io::ErrorKind, String) {
    match opened(url, "host", answer) {
        Ok(_) => panic!("{answer:?} grants the tunnel"),
        Err(error) => (error.kind(), error.to_string()),
    }
}

#[test]
fn the_request_has_what_it_needs_and_no_more() {
    for (url, host, request) in [
        ("squid", "host", "CONNECT host:7001 HTTP/1.1\r\nHost: host:7001\r\n\r\n"),
        ("squid", "::1", "CONNECT [::1]:7001 HTTP/1.1\r\nHost: [::1]:7001\r\n\r\n"),
        (
            "u:p@squid",
            "host",
            "CONNECT host:7001 HTTP/1.1\r\nHost: host:7001\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
        ),
    ] {
        let stream = opened(url, host, b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert_eq!(String::from_utf8(stream.written).unwrap(), request);
    }
}

#[test]
fn successes_grant_the_tunnel_whatever_their_headers_say() {
    for head in [
        &b"HTTP/1.0 200 Connection established\r\n\r\n"[..],
        b"HTTP/1.1 204\r\n\r\n",
        b"HTTP/1.1 200 OK\nA: b\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 299 X\r\nTransfer-Encoding: chunked\r\nProxy-Agent: t\r\n\r\n",
    ] {
        let stream = opened("squid", "host", &[head, b"\r\n\r\nrest"].concat()).unwrap();
        assert_eq!(stream.rest(), b"\r\n\r\nrest", "{head:?}");
    }
}

#[test]
fn refusals_are_named() {
    use io::ErrorKind::{ConnectionRefused, InvalidData, PermissionDenied, UnexpectedEof};
    let needs = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    let head = |len: usize| [b"HTTP/1.1 200 OK\r\nA: ", &*vec![b'x'; len], b"\r\n\r\n"].concat();
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
    for (url, answer, kind, text) in [
        (
            "squid",
            &needs[..],
            PermissionDenied,
            "status 407 Proxy Authentication Required; it wants",
        ),
        ("u:p@squid", needs, PermissionDenied, "Required; it does not take the user"),
        ("squid", b"HTTP/1.1 403 No \x80\t!\r\n\r\n", ConnectionRefused, "refused with status 403"),
        ("u:p@squid", b"HTTP/1.1 401 No\r\n\r\n", PermissionDenied, "401 No; it does not take"),
        ("squid", b"HTTP/1.1 502\r\n\r\n", ConnectionRefused, "refused with status 502"),
        ("squid", b"HTTP/1.1 100 Continue\r\n\r\n", ConnectionRefused, "status 100 Continue"),
        ("squid", b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", ConnectionRefused, "301 Moved"),
        ("squid", b"HTTP/1.1 200 OK\r\n", UnexpectedEof, "closed without an answer"),
        ("squid", b"", UnexpectedEof, "closed without an answer"),
        ("squid", b"SSH-2.0-OpenSSH\r\n\r\n", InvalidData, "not HTTP"),
        ("squid", b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", InvalidData, "not HTTP"),
        ("squid", many.as_bytes(), InvalidData, "not HTTP"),
        ("squid", &head(MAX_HEAD), InvalidData, "longer than 16384 bytes"),
    ] {
        let (found, error) = refused(url, answer);
        assert!(error.starts_with("CONNECT host:7001: ") && error.contains(text), "{error}");
        assert_eq!(found, kind, "{error}");
        assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
    }
    // The longest that fits.
    opened("squid", "host", &head(MAX_HEAD - "HTTP/1.1 200 OK\r\nA: \r\n\r\n".len())).unwrap();
}

proptest! {
    #[test]
    fn nothing_behind_the_head_is_lost_however_it_comes(
        cuts in prop::collection::vec(0..400_usize, 0..20),
        headers in prop::collection::vec("[A-Za-z-]{1,12}: [ -~]{0,30}", 0..6),
        reason in "[ -~]{0,20}",
        code in 200..300_u16,
        is_short in any::<bool>(),
        rest in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let end = if is_short { "\n" } else { "\r\n" };
        let mut answer = format!("HTTP/1.1 {code} {reason}{end}");
        for header in headers {
            answer.extend([&header, end]);
        }
        let mut answer = [answer.as_bytes(), end.as_bytes(), &rest].concat();
        let mut pieces = VecDeque::new();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < answer.len()).collect();
        cuts.sort_unstable();
        for cut in cuts.into_iter().rev() {
            pieces.push_front(answer.split_off(cut));
        }
        pieces.push_front(answer);
        let via = "squid".parse().unwrap();
        let stream = block_on(open(Scripted::new(pieces), &via, "h", 1)).unwrap();
        prop_assert_eq!(stream.rest(), rest);
    }

    #[test]
    fn garbage_is_an_error_or_a_success_and_never_a_panic(
        head in prop_oneof![Just(""), Just("HTTP/1.1 "), Just("HTTP/1.1 200 OK\r\n")],
        garbage in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n')], 0..300),
    ) {
        let answer = [head.as_bytes(), &garbage].concat();
        if let Ok(stream) = opened("squid", "h", &answer) {
            let taken = answer.len() - stream.rest().len();
            prop_assert!(answer[..taken].ends_with(b"\n\n") || answer[..taken].ends_with(b"\n\r\n"));
        }
    }
}
