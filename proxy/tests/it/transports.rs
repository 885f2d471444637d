//! Applications over every transport, and what does not come about on them.

use super::Leaf;
use super::world::{World, exchange};
use crate::app::App;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_client::{Client, ClientTls, ClientTlsFiles, Config};
use prometheus_rsocket_runtime::Runtime;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

const SECONDS_20: Duration = Duration::from_secs(20);

/// A certificate or key for tests.
pub(super) fn pem(name: &str) -> String {
    format!("{}/../runtime/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Options that put TLS on a listener.
pub(super) fn tls_on(listener: &str) -> [String; 2] {
    let option = |what, file| format!("--{listener}-tls-{what}={}", pem(file));
    [option("cert", "server.pem"), option("key", "server.key")]
}

fn start(options: &[String]) -> World {
    World::start(&options.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn trusting(identity: Option<&str>) -> ClientTls {
    let mut files = ClientTlsFiles::default();
    files.ca = Some(pem("ca.pem").into());
    files.identity = identity.map(|name| {
        (PathBuf::from(pem(&format!("{name}.pem"))), PathBuf::from(pem(&format!("{name}.key"))))
    });
    ClientTls::load(files).unwrap()
}

fn config(scheme: &str, address: SocketAddr) -> Config {
    let mut config =
        Config::new(format!("{scheme}://localhost:{}", address.port()).parse().unwrap());
    config.tls = Some(trusting(None));
    config
}

fn errors(world: &World, cause: &str) -> f64 {
    world.own(&format!("prometheus_proxy_connection_error_total{{cause=\"{cause}\"}}"))
}

fn wait_errors(world: &World, cause: &str, count: f64) {
    world.wait_own(&format!("prometheus_proxy_connection_error_total{{cause=\"{cause}\"}}"), count);
}

#[test]
fn applications_are_scraped_and_push_over_every_transport() {
    for (scheme, options) in [
        ("tcp", Vec::new()),
        ("ws", Vec::new()),
        ("tls", tls_on("tcp").to_vec()),
        ("wss", tls_on("websocket").to_vec()),
        ("ws", vec!["--envelope=plaintext".to_owned()]),
    ] {
        let options = [options, vec!["--inject-identity=never".to_owned()]].concat();
        let world = start(&options);
        let address = if scheme.starts_with('w') { world.websocket } else { world.tcp };
        let config = config(scheme, address);
        Leaf::block_on(Some(1), |runtime| async move {
            let mut number = 0;
            let metrics = move || {
                number += 1;
                let filler: String =
                    (0..5000).map(|n| format!("filler{{n=\"{n}\"}} 1\n")).collect();
                format!("asked {number}\n{filler}")
            };
            let (client, running) = Client::new(runtime.clone(), config, metrics);
            runtime.spawn(running);
            client.wait_ready(SECONDS_20).await.unwrap();
            let (scraped, world) =
                runtime.unblock(|| (world.scrape().text(), world)).await.unwrap();
            assert_eq!(scraped.lines().next(), Some("asked 1"), "{scheme}");
            client.push_and_close().await.unwrap();
            let pushed = runtime.unblock(move || world.scrape().text()).await.unwrap();
            assert_eq!(pushed.lines().next(), Some("asked 2"), "{scheme}");
        })
        .unwrap();
    }
}

#[test]
fn only_who_shows_a_certificate_is_let_in_where_one_is_required() {
    let mut options = tls_on("tcp").to_vec();
    options.push(format!("--tcp-tls-client-ca={}", pem("ca.pem")));
    let world = start(&options);
    for (identity, is_let_in) in
        [(None, false), (Some("stranger"), false), (Some("expired"), false), (Some("client"), true)]
    {
        let before = errors(&world, "tls");
        let mut config = config("tls", world.tcp);
        config.tls = Some(trusting(identity));
        let patience = if is_let_in { SECONDS_20 } else { Duration::from_millis(300) };
        let connected = Leaf::block_on(Some(1), |runtime| async move {
            let metrics = String::new;
            let (client, running) = Client::new(runtime.clone(), config, metrics);
            runtime.spawn(running);
            client.wait_ready(patience).await
        });
        assert_eq!(connected.unwrap().is_ok(), is_let_in, "{identity:?}");
        if !is_let_in {
            wait_errors(&world, "tls", before + 1.0);
        }
    }
}

#[test]
fn prometheus_scrapes_over_https() {
    let world = start(&tls_on("http"));
    let mut app = App::connect(world.tcp);
    let http = world.http;
    let scraping = std::thread::spawn(move || {
        Leaf::block_on(Some(1), |runtime| async move {
            let stream = runtime.connect("localhost", http.port()).await.unwrap();
            let mut stream = trusting(None).connect("localhost", stream).await.unwrap();
            let request =
                b"GET /metrics/connected HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        })
        .unwrap()
    });
    app.answer_text("secured 1\n");
    let answer = scraping.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("secured 1\n"), "{answer}");
}

#[test]
fn plain_bytes_on_a_tls_port_and_tls_on_a_plain_one_are_refused_and_counted() {
    let world = start(&tls_on("tcp"));
    // What TLS has to say to it is an alert.
    let answer = exchange(world.tcp, b"\0\0\x38\0\0\0\0\x04\0\0\x01\0\0\0\0");
    assert!(answer.first().is_none_or(|kind| *kind == 0x15), "{answer:?}");
    wait_errors(&world, "tls", 1.0);
    let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
    assert!(exchange(world.websocket, hello).starts_with(b"HTTP/1.1 400"));
    wait_errors(&world, "websocket", 1.0);
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let mut options = tls_on("tcp").to_vec();
    options.push("--handshake-timeout=100ms".to_owned());
    let world = start(&options);
    for (address, begin, cause) in [
        (world.tcp, &b"\x16\x03\x01"[..], "tls"),
        (world.websocket, b"GET / HTTP/1.1\r\n", "websocket"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SECONDS_20)).unwrap();
        stream.write_all(begin).unwrap();
        // Closed in one way or the other, not timed out.
        let end = stream.read(&mut [0; 100]);
        assert!(!matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock));
        wait_errors(&world, cause, 1.0);
    }
}

#[test]
fn what_is_no_rsocket_on_a_websocket_is_refused_and_disturbs_nobody() {
    let world = start(&["--websocket-path=/rsocket".to_owned()]);
    let mut app = App::connect(world.tcp);
    let upgrade = |path: &str, message: &[u8]| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        exchange(world.websocket, &[head.as_bytes(), message].concat())
    };
    assert!(upgrade("/elsewhere", b"").starts_with(b"HTTP/1.1 404"));
    wait_errors(&world, "websocket", 1.0);
    // A text message, masked by zeros: closed with 1003.
    let answer = upgrade("/rsocket", b"\x81\x82\0\0\0\0hi");
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    assert!(answer.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == [0x03, 0xeb]));
    wait_errors(&world, "websocket", 2.0);
    // No WebSocket frame at all.
    assert!(upgrade("/rsocket", &[0xff; 14]).starts_with(b"HTTP/1.1 101"));
    wait_errors(&world, "websocket", 3.0);
    // An empty message is no frame.
    assert!(upgrade("/rsocket", b"\x82\x80\0\0\0\0").starts_with(b"HTTP/1.1 101"));
    wait_errors(&world, "not_rsocket", 1.0);
    // More than a SETUP may have, announced in a fragment: closed with 1009.
    let answer = upgrade("/rsocket", b"\x02\xff\0\0\0\0\0\x01\0\x01\0\0\0\0");
    assert!(answer.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == [0x03, 0xf1]));
    wait_errors(&world, "websocket", 4.0);
    let scraping = world.scrape();
    app.answer_text("undisturbed 1\n");
    assert_eq!(scraping.text(), "undisturbed 1\n");
}
