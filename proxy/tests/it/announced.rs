//! The addresses that load balancers announce, as the log has them.

use crate::app::App;
use crate::program::RUNTIMES;
use crate::provoked::child::{Proxy, exchange};
use prometheus_rsocket_protocol::rsocket::frame::Setup;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Runs a test on each runtime that the program has.
fn on_each_runtime(options: &[&str], test: impl Fn(&Proxy)) {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        let runtime = format!("--runtime={runtime}");
        test(&Proxy::start(&[&[&*runtime], options].concat()));
    }
}

/// A connection that begins with these bytes.
fn begin(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn upgrade(lines: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{lines}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Opens a WebSocket, on which no RSocket follows.
fn open_websocket(to: SocketAddr, header: &str, lines: &str) {
    let mut stream = begin(to, [header, &upgrade(lines)].concat().as_bytes());
    stream.read_exact(&mut [0; 12]).unwrap();
    // A frame that is not masked.
    stream.write_all(b"\x82\x01x").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

const V1: &str = "PROXY TCP4 203.0.113.7 198.51.100.1 4711 7001\r\n";

#[test]
fn the_peer_in_log_lines_is_the_one_announced() {
    let options = ["--proxy-protocol=optional", "--trusted-proxies=127.0.0.1,10.0.0.0/8"];
    on_each_runtime(&options, |proxy| {
        drop(App::connect_on(begin(proxy.tcp, V1.as_bytes()), Setup::default()));
        for event in ["application connected", "application gone"] {
            let line = proxy.wait_line(event);
            assert!(line.contains("203.0.113.7:4711") && !line.contains("127.0.0.1"), "{line}");
        }
        // A health check, and an application that connects past the load balancer.
        for header in ["PROXY UNKNOWN\r\n", ""] {
            drop(App::connect_on(begin(proxy.tcp, header.as_bytes()), Setup::default()));
            let line = proxy.wait_line("application gone");
            assert!(line.contains("127.0.0.1:"), "{line}");
        }
    });
}

#[test]
fn of_x_forwarded_for_the_last_address_that_is_not_trusted_counts() {
    let options = ["--proxy-protocol=optional", "--trusted-proxies=127.0.0.1,10.0.0.0/8"];
    on_each_runtime(&options, |proxy| {
        for (header, lines, peer) in [
            ("", "X-Forwarded-For: 203.0.113.8\r\n", "peer=\"203.0.113.8\""),
            // What the client has sent before is nobody's word.
            ("", "X-Forwarded-For: 1.1.1.1, 203.0.113.9\r\n", "peer=\"203.0.113.9\""),
            (
                "",
                "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 203.0.113.10\r\nX-Forwarded-For: 10.0.0.2\r\n",
                "peer=\"203.0.113.10\"",
            ),
            // One load balancer behind the other.
            (
                "PROXY TCP4 10.1.1.1 198.51.100.1 4711 8081\r\n",
                "X-Forwarded-For: 203.0.113.11\r\n",
                "peer=\"203.0.113.11\"",
            ),
            // A client that pretends to be a load balancer.
            (V1, "X-Forwarded-For: 1.1.1.1\r\n", "peer=\"203.0.113.7:4711\""),
            ("", "X-Forwarded-For: nonsense\r\n", "peer=\"127.0.0.1:"),
        ] {
            // Another path than a WebSocket's, whose end has a line for each peer.
            let request = format!("{header}GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
            exchange(proxy.websocket, request.as_bytes());
            let line = proxy.wait_line("connection refused");
            assert!(line.contains(peer), "{peer} in {line}");
        }
        open_websocket(proxy.websocket, "", "X-Forwarded-For: 203.0.113.12\r\n");
        let line = proxy.wait_line("transport failed");
        assert!(line.contains("peer=\"203.0.113.12\""), "{line}");
    });
}

#[test]
fn nobody_believes_a_stranger() {
    let options = ["--proxy-protocol=optional", "--trusted-proxies=10.0.0.0/8"];
    on_each_runtime(&options, |proxy| {
        exchange(proxy.tcp, V1.as_bytes());
        let line = proxy.wait_line("connection refused");
        for part in ["proxy_header", "127.0.0.1:", "not in --trusted-proxies"] {
            assert!(line.contains(part), "{part} in {line}");
        }
        open_websocket(proxy.websocket, "", "X-Forwarded-For: 203.0.113.12\r\n");
        let line = proxy.wait_line("transport failed");
        assert!(line.contains("127.0.0.1:"), "{line}");
    });
}

#[test]
fn before_tls_a_header_of_a_stranger_is_recognised_too() {
    let option = |what, file| {
        format!("--tcp-tls-{what}={}/../runtime/tests/pem/{file}", env!("CARGO_MANIFEST_DIR"))
    };
    let (cert, key) = (option("cert", "server.pem"), option("key", "server.key"));
    let options = ["--proxy-protocol=optional", "--trusted-proxies=10.0.0.0/8", &cert, &key];
    on_each_runtime(&options, |proxy| {
        exchange(proxy.tcp, V1.as_bytes());
        let line = proxy.wait_line("TLS handshake failed");
        assert!(line.contains("not in --trusted-proxies"), "{line}");
    });
}

#[test]
fn a_header_that_is_not_believed_is_logged_by_its_reason() {
    for (trusted, bytes, reason) in [
        ("127.0.0.1", &b"\0\0\x38\0\0\0\0\x04"[..], "missing"),
        ("127.0.0.1", b"PROXY nonsense\r\n", "malformed"),
        ("10.0.0.0/8", V1.as_bytes(), "untrusted"),
    ] {
        let trusted = format!("--trusted-proxies={trusted}");
        on_each_runtime(&["--proxy-protocol=required", &trusted], |proxy| {
            exchange(proxy.tcp, bytes);
            let line = proxy.wait_line("it has no PROXY header that is believed");
            assert!(line.contains(&format!("reason=\"{reason}\"")), "{line}");
        });
    }
}

#[test]
fn health_checks_are_no_news() {
    for protocol in ["--proxy-protocol=optional", "--proxy-protocol=required"] {
        let runtimes = RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in);
        for (runtime, _) in runtimes {
            let runtime = format!("--runtime={runtime}");
            let proxy = Proxy::start(&[&runtime, protocol, "--trusted-proxies=127.0.0.1"]);
            for to in [proxy.tcp, proxy.websocket] {
                for bytes in [&b""[..], b"PROXY UNKNOWN\r\n"] {
                    drop(begin(to, bytes));
                }
            }
            let empty = "prometheus_proxy_probes_total{kind=\"empty\",listener=\"websocket\"}";
            proxy.wait_counted(empty);
            assert!(!proxy.ended().has_logged("WARN"));
        }
    }
}
