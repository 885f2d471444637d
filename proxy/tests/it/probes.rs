//! Somebody who is neither an application nor a scraper, on any port.

use super::world::{World, exchange};
use crate::app::App;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

fn probes(listener: &str, kind: &str) -> String {
    format!("prometheus_proxy_probes_total{{kind=\"{kind}\",listener=\"{listener}\"}}")
}

/// Sends bytes, and leaves.
fn probe(to: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
}

#[test]
fn probes_are_counted_by_kind_on_every_port_and_disturb_nobody() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    let ports = [("tcp", world.tcp), ("websocket", world.websocket), ("http", world.http)];
    let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
    for (listener, address) in ports {
        for (kind, bytes) in [
            ("empty", &b""[..]),
            ("unknown", b"\x01"),
            ("proxy_header", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"),
            ("tls_client_hello", hello),
            ("ssh", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        ] {
            probe(address, bytes);
            world.wait_own(&probes(listener, kind), 1.0);
        }
    }
    exchange(world.tcp, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    world.wait_own(&probes("tcp", "http_request"), 1.0);
    exchange(world.websocket, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    world.wait_own(&probes("websocket", "http_request"), 1.0);
    let setup = b"\0\0\x38\0\0\0\0\x04\0\0\x01\0\0\0\0";
    exchange(world.http, setup);
    world.wait_own(&probes("http", "rsocket"), 1.0);
    let scraping = world.scrape();
    app.answer_text("undisturbed 1\n");
    assert_eq!(scraping.text(), "undisturbed 1\n");
}
