//! Applications behind a load balancer that announces their addresses.

use super::Leaf;
use super::crowds::setup;
use super::transports::{tls_on, trusting};
use super::world::{World, exchange};
use crate::app::App;
use prometheus_rsocket_client::{Client, Config};
use prometheus_rsocket_protocol::rsocket::frame::Setup;
use prometheus_rsocket_runtime::Runtime;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const TRUSTED: &str = "--trusted-proxies=127.0.0.1";

/// The header of version 1 for a client with this address.
fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 198.51.100.1 4711 7001\r\n").into_bytes()
}

/// The header of version 2 for 203.0.113.7, with an extension.
fn v2(is_local: bool) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x21 - u8::from(is_local), 0x11, 0, 12 + 7]);
    header.extend([203, 0, 113, 7, 198, 51, 100, 1, 0x12, 0x67, 0x1b, 0x59]);
    header.extend([0x04, 0, 4, 0, 0, 0, 0]);
    header
}

/// A load balancer that sends this header, byte by byte, for each connection.
fn balancer(to: SocketAddr, header: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, mut server) = (client.unwrap(), TcpStream::connect(to).unwrap());
            server.set_nodelay(true).unwrap();
            for byte in &header {
                server.write_all(&[*byte]).unwrap();
                thread::yield_now();
            }
            let (client_too, server_too) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pipe(client, server));
            thread::spawn(move || pipe(server_too, client_too));
        }
    });
    address
}

fn pipe(mut from: TcpStream, mut to: TcpStream) {
    // Either end may break it off.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn begin(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn wait_errors(world: &World, cause: &str, count: f64) {
    world.wait_own(&format!("prometheus_proxy_connection_error_total{{cause=\"{cause}\"}}"), count);
}

/// Connects with our own client, and is scraped.
fn is_scraped(world: World, scheme: &str, address: SocketAddr) {
    let url = format!("{scheme}://localhost:{}", address.port());
    let mut config = Config::new(url.parse().unwrap());
    config.tls = Some(trusting(None));
    Leaf::block_on(Some(1), |runtime| async move {
        let metrics = || "behind 1\n".to_owned();
        let (client, running) = Client::new(runtime.clone(), config, metrics);
        runtime.spawn(running);
        client.wait_ready(Duration::from_secs(20)).await.unwrap();
        let text = runtime.unblock(move || world.scrape().text()).await.unwrap();
        assert_eq!(text, "behind 1\n");
    })
    .unwrap();
}

#[test]
fn a_header_comes_before_every_transport() {
    for protocol in ["--proxy-protocol=optional", "--proxy-protocol=required"] {
        for (scheme, header) in [
            ("tcp", v1("203.0.113.7")),
            ("ws", v2(false)),
            ("tls", v2(false)),
            ("wss", v1("203.0.113.7")),
            ("tls", v2(true)),
            ("ws", b"PROXY UNKNOWN\r\n".to_vec()),
        ] {
            let tls = match scheme {
                "tls" => tls_on("tcp").to_vec(),
                "wss" => tls_on("websocket").to_vec(),
                _ => Vec::new(),
            };
            let mut options = vec![protocol, TRUSTED, "--inject-identity=never"];
            options.extend(tls.iter().map(String::as_str));
            let world = World::start(&options);
            let to = if scheme.starts_with('w') { world.websocket } else { world.tcp };
            let address = balancer(to, header);
            is_scraped(world, scheme, address);
        }
    }
}

#[test]
fn whoever_is_not_trusted_gets_in_over_tls_without_a_header() {
    let [cert, key] = tls_on("tcp");
    let options = ["--proxy-protocol=optional", "--trusted-proxies=10.0.0.0/8", &cert, &key];
    let world = World::start(&[&options[..], &["--inject-identity=never"]].concat());
    let address = world.tcp;
    is_scraped(world, "tls", address);
}

#[test]
fn without_a_header_an_application_gets_in_only_where_it_is_optional() {
    let world = World::start(&["--proxy-protocol=optional", TRUSTED]);
    drop(App::connect(world.tcp));
    let world = World::start(&["--proxy-protocol=required", TRUSTED]);
    let setup = b"\0\0\x38\0\0\0\0\x04\0\0\x01\0\0\0\0";
    for (count, bytes) in (1..).zip([&setup[..], b"PROXY TCP4 1.2.3.4\r\n", &[b'P'; 5000]]) {
        let mut answer = Vec::new();
        // It may be reset.
        let _ = begin(world.tcp, bytes).read_to_end(&mut answer);
        assert!(answer.is_empty());
        wait_errors(&world, "proxy_header", f64::from(count));
    }
    let mut app = App::connect_on(begin(world.tcp, &v2(false)), Setup::default());
    let scraping = world.scrape();
    app.answer_text("undisturbed 1\n");
    assert_eq!(scraping.text(), "undisturbed 1\n");
}

#[test]
fn a_header_must_come_within_the_time_for_setup() {
    let world = World::start(&["--proxy-protocol=optional", TRUSTED, "--setup-timeout=100ms"]);
    assert!(exchange(world.tcp, b"PROXY TCP4 ").is_empty());
    wait_errors(&world, "proxy_header", 1.0);
}

#[test]
fn a_header_of_a_stranger_is_no_rsocket() {
    let world = World::start(&["--proxy-protocol=optional", "--trusted-proxies=10.0.0.0/8"]);
    let answer = exchange(world.tcp, &v1("203.0.113.7"));
    assert!(String::from_utf8_lossy(&answer).contains("PROXY"), "{answer:?}");
    wait_errors(&world, "not_rsocket", 1.0);
    assert!(exchange(world.websocket, &v1("203.0.113.7")).starts_with(b"HTTP/1.1 400"));
    let kind = "prometheus_proxy_probes_total{kind=\"proxy_header\",listener=\"websocket\"}";
    world.wait_own(kind, 1.0);
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Opens a WebSocket for a client.
fn websocket_for(to: SocketAddr, client: &str) -> TcpStream {
    // What the client has said itself comes first.
    let lines = format!("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: {client}\r\n\r\n");
    let mut stream = begin(to, [UPGRADE, &lines].concat().as_bytes());
    stream.read_exact(&mut [0; 12]).unwrap();
    stream
}

fn flood_evicts_its_own(
    open: impl Fn(&World, &str) -> TcpStream,
    set_up: impl Fn(Vec<u8>) -> Vec<u8>,
) {
    let world = World::start(&["--proxy-protocol=optional", TRUSTED, "--max-connections=3"]);
    // The oldest, which would go first if all were one peer's.
    let mut calm = open(&world, "203.0.113.7");
    world.wait_tables(|tables| tables.connections == 1);
    let flood: Vec<_> = (0..20).map(|_| open(&world, "203.0.113.8")).collect();
    wait_errors(&world, "evicted", 18.0);
    calm.write_all(&set_up(setup(20_000, 90_000))).unwrap();
    // The proxy's key: an ERROR, even behind the rest of the answer to the upgrade, would be shorter.
    calm.read_exact(&mut [0; 300]).unwrap();
    drop(flood);
}

#[test]
fn peers_behind_one_load_balancer_do_not_share_a_share() {
    flood_evicts_its_own(|world, client| begin(world.tcp, &v1(client)), |setup| setup);
    let in_message = |setup: Vec<u8>| {
        // Masked by zeros, and without the prefix.
        let setup = &setup[3..];
        let head = [0x82, 0x80 | u8::try_from(setup.len()).unwrap(), 0, 0, 0, 0];
        [&head, setup].concat()
    };
    flood_evicts_its_own(|world, client| websocket_for(world.websocket, client), in_message);
}
