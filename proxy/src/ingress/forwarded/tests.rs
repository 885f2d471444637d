use super::{Balancers, Begun, HeaderError, MAX_HEADER};
use crate::config::{ProxyProtocol, TrustedProxies};
use futures_lite::AsyncReadExt;
use futures_lite::future::block_on;
use futures_lite::io::Cursor;
use http::{HeaderMap, HeaderValue};
use ppp::v2::{Builder, Command, Protocol, Version};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

fn balancers(is_required: bool) -> Balancers {
    let protocol = if is_required { ProxyProtocol::Required } else { ProxyProtocol::Optional };
    let trusted: TrustedProxies = "10.0.0.0/8".parse().unwrap();
    Balancers { protocol, trusted }
}

const TRUSTED: &str = "10.0.0.1";

fn read(bytes: &[u8], is_required: bool) -> Result<(Option<SocketAddr>, Vec<u8>), &'static str> {
    read_from(TRUSTED, bytes, is_required)
}

/// Returns the announced address and the bytes after the header, or the name of the error.
fn read_from(
    peer: &str,
    bytes: &[u8],
    is_required: bool,
) -> Result<(Option<SocketAddr>, Vec<u8>), &'static str> {
    block_on(async {
        // Byte by byte, as the network may split it.
        let mut stream = Begun::new(OneByOne(Cursor::new(bytes.to_vec())));
        let read = balancers(is_required).read_header(&mut stream, peer.parse().unwrap()).await;
        let client = read.map_err(|error: HeaderError| error.name())?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        Ok((client, rest))
    })
}

struct OneByOne(Cursor<Vec<u8>>);

impl futures_io::AsyncRead for OneByOne {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        let len = buf.len().min(1);
        std::pin::Pin::new(&mut self.0).poll_read(cx, &mut buf[..len])
    }
}

fn v2(command: Command) -> Vec<u8> {
    let addresses: (SocketAddr, SocketAddr) =
        ("[2001:db8::7]:4711".parse().unwrap(), "[2001:db8::1]:7001".parse().unwrap());
    let builder = Builder::with_addresses(Version::Two | command, Protocol::Stream, addresses);
    builder.write_tlv(ppp::v2::Type::NoOp, b"filler").unwrap().build().unwrap()
}

#[test]
fn the_client_is_who_the_header_says() {
    let v4 = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 7001\r\n\0\0\x38";
    let expected = (Some("203.0.113.7:4711".parse().unwrap()), b"\0\0\x38".to_vec());
    assert_eq!(read(v4, true), Ok(expected));
    let mut bytes = v2(Command::Proxy);
    bytes.extend_from_slice(b"GET / HTTP/1.1");
    let expected = (Some("[2001:db8::7]:4711".parse().unwrap()), b"GET / HTTP/1.1".to_vec());
    assert_eq!(read(&bytes, true), Ok(expected));
}

#[test]
fn a_header_may_say_nothing_of_the_client() {
    assert_eq!(read(b"PROXY UNKNOWN\r\nrest", true), Ok((None, b"rest".to_vec())));
    assert_eq!(read(&v2(Command::Local), true), Ok((None, Vec::new())));
}

#[test]
fn without_a_header_every_byte_is_the_peers_unless_one_is_required() {
    for bytes in [
        &b"\0\0\x38\0\0\0\0\x04"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIX",
    ] {
        assert_eq!(read(bytes, false), Ok((None, bytes.to_vec())));
        assert_eq!(read(bytes, true), Err("missing"));
    }
    assert_eq!(read(b"", false), Err("closed"));
    assert_eq!(read(b"P", false), Err("cut"));
}

#[test]
fn what_begins_like_a_header_must_be_one_and_short() {
    let endless = [b"PROXY ".to_vec(), vec![b'x'; 2 * MAX_HEADER]].concat();
    let mut long = v2(Command::Proxy);
    long[14..16].copy_from_slice(&[0xff, 0xff]);
    long.resize(2 * MAX_HEADER, 0);
    let mut version = v2(Command::Proxy);
    version[12] = 0x31;
    for (bytes, error) in [
        (&b"PROXY nonsense\r\n"[..], "malformed"),
        (b"PROXY TCP4 203.0.113.7 1 2\r\n", "malformed"),
        (&endless, "malformed"),
        (&long, "too_long"),
        (&version, "malformed"),
    ] {
        for is_required in [false, true] {
            assert_eq!(read(bytes, is_required), Err(error), "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn a_header_of_a_stranger_is_not_believed() {
    assert!(!balancers(false).expects_header("192.0.2.1".parse().unwrap()));
    for (bytes, error) in [
        (&b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 7001\r\n"[..], "untrusted"),
        (b"PROXY nonsense\r\n", "untrusted"),
        (b"\0\0\x38\0\0\0\0\x04", "missing"),
        (b"", "closed"),
    ] {
        assert_eq!(read_from("192.0.2.1", bytes, true), Err(error));
    }
}

proptest! {
    #[test]
    fn no_byte_is_lost_behind_a_header(bytes: Vec<u8>, is_v2: bool) {
        let header =
            if is_v2 { v2(Command::Proxy) } else { b"PROXY UNKNOWN ::1 ::1 1 2\r\n".to_vec() };
        let (_, rest) = read(&[header, bytes.clone()].concat(), true).unwrap();
        prop_assert_eq!(rest, bytes);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, is_required: bool) {
        let _ = read(&bytes, is_required);
    }
}

#[test]
fn the_client_is_the_last_hop_that_is_not_trusted() {
    let client = |lines: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("X-Forwarded-For", HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        balancers(false).forwarded_for(&headers)
    };
    let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    assert_eq!(client(&["203.0.113.7"]), address("203.0.113.7"));
    assert_eq!(client(&["1.1.1.1, 203.0.113.7, 10.0.0.2"]), address("203.0.113.7"));
    assert_eq!(client(&["1.1.1.1", "203.0.113.7:4711,10.0.0.2"]), address("203.0.113.7"));
    assert_eq!(client(&["[2001:db8::7]:80"]), address("2001:db8::7"));
    assert_eq!(client(&["10.0.0.3, 10.0.0.2"]), address("10.0.0.3"));
    assert_eq!(client(&["203.0.113.7, unknown"]), None);
    assert_eq!(client(&["203.0.113.7, unknown, 10.0.0.2"]), address("10.0.0.2"));
    // Bytes that are not text do not make earlier addresses of the client's trusted.
    assert_eq!(client(&["1.1.1.1", "\u{e9}, 203.0.113.7"]), address("203.0.113.7"));
    assert_eq!(client(&["1.1.1.1", "\u{e9}"]), None);
    assert_eq!(client(&[]), None);
    let many = ["10.0.0.9"; 100].join(",");
    let mut headers = HeaderMap::new();
    headers.append("X-Forwarded-For", format!("1.1.1.1,{many}").parse().unwrap());
    assert_eq!(balancers(false).forwarded_for(&headers), address("10.0.0.9"));
}

#[test]
fn what_came_along_with_a_header_is_not_waited_for() {
    let bytes = [b"PROXY UNKNOWN\r\n", &b"\x16\x03\x01"[..]].concat();
    let peer = TRUSTED.parse().unwrap();
    block_on(async {
        // After these bytes, neither more nor an end arrives.
        let mut stream = Begun::new(Silent(Cursor::new(bytes)));
        assert_eq!(balancers(true).read_header(&mut stream, peer).await.unwrap(), None);
        assert!(!stream.is_header().await.unwrap());
        let mut first = [0; 3];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(first, *b"\x16\x03\x01");
    });
}

#[test]
fn a_line_that_is_whole_and_says_too_little_is_malformed() {
    assert_eq!(read(b"PROXY TCP4 1.2.3.4\r\n", true), Err("malformed"));
}

/// Yields these bytes, and then neither more nor an end.
struct Silent(Cursor<Vec<u8>>);

impl futures_io::AsyncRead for Silent {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut [u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        match std::pin::Pin::new(&mut self.0).poll_read(cx, buf) {
            std::task::Poll::Ready(Ok(0)) => std::task::Poll::Pending,
            read => read,
        }
    }
}
