//! What applications do.

use super::child::{Proxy, Seen, exchange};
use super::http::pem;
use super::pushes::push;
use crate::app::App;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{
    AesKeySize, KeyUnwrap, PeerKey, RsaKeyPair, SecretKey, encrypt, seal,
};
use prometheus_rsocket_protocol::hello;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup, Version};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use prometheus_rsocket_protocol::rsocket::metadata::{Entry, MimeId, MimeType};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(super) const SCENARIOS: &[fn() -> Seen] = &[
    setups,
    ends,
    web_sockets,
    full,
    making_room,
    proxy_headers,
    bad_answers,
    no_answers,
    shared_series,
    reduced_texts,
    crowd,
    crowd_of_reports,
    crowd_of_strangers,
];

fn prefixed(setup: Setup) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_prefixed(&Frame::on_connection(Body::Setup(Box::new(setup))), &mut bytes).unwrap();
    bytes.to_vec()
}

/// A SETUP with a hello that is none.
fn odd_hello() -> Setup {
    let mut metadata = BytesMut::new();
    let entry = Entry::new(MimeType::named(hello::MIME).unwrap(), Bytes::from_static(b"\x01"));
    entry.encode(&mut metadata).unwrap();
    let mime = MimeId::COMPOSITE_METADATA.name().unwrap();
    Setup {
        metadata_mime: Bytes::from_static(mime.as_bytes()),
        payload: Payload::new(metadata.freeze(), Bytes::new()),
        ..Setup::default()
    }
}

fn setups() -> Seen {
    let proxy = Proxy::start(&[]);
    let other = Setup { version: Version { major: 9, minor: 0 }, ..Setup::default() };
    exchange(proxy.tcp, &prefixed(other));
    for _ in 0..12 {
        drop(App::connect_with(proxy.tcp, odd_hello()));
        let resuming = Setup { resume_token: Some("t".into()), ..Setup::default() };
        exchange(proxy.tcp, &prefixed(resuming));
    }
    proxy.wait_line("hello cannot be read");
    proxy.wait_line("ended before it was set up");
    proxy.wait_counted("prometheus_proxy_connection_error_total{cause=\"setup_rejected\"}");
    proxy.seen()
}

fn ends() -> Seen {
    let proxy = Proxy::start(&["--max-frame-bytes=4096"]);
    let silent = Setup { keepalive_ms: 100, max_lifetime_ms: 300, ..Setup::default() };
    let silent = App::connect_with(proxy.tcp, silent);
    // Half a frame, and the end.
    let mut broken = App::connect(proxy.tcp).into_stream();
    broken.write_all(&[0, 0, 9, 0]).unwrap();
    drop(broken);
    let mut long = App::connect(proxy.tcp).into_stream();
    long.write_all(&[0, 0x10, 0x01]).unwrap();
    // Pushes whose metadata is longer than their frame.
    let mut rude = App::connect(proxy.tcp).into_stream();
    for stream_id in [1, 3, 5, 7, 9] {
        rude.write_all(&[0, 0, 10, 0, 0, 0, stream_id, 0x15, 0x20, 0, 0, 9, b'a']).unwrap();
    }
    for cause in ["io", "frame_too_long", "keepalive_timeout", "protocol_violation"] {
        let series = format!("prometheus_proxy_connection_error_total{{cause=\"{cause}\"}}");
        proxy.wait_counted(&series);
    }
    drop((silent, rude));
    proxy.seen()
}

fn web_sockets() -> Seen {
    let proxy = Proxy::start(&[]);
    exchange(proxy.websocket, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut stream = TcpStream::connect(proxy.websocket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    // A text message; frames come in binary ones.
    stream.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    drop(stream);
    proxy.wait_line("transport failed");
    proxy.seen()
}

fn full() -> Seen {
    let proxy = Proxy::start(&["--max-connections=1"]);
    let _first = App::connect(proxy.tcp);
    exchange(proxy.tcp, b"");
    proxy.wait_line("connection refused");
    proxy.seen()
}

/// Connections that are not set up yet make room for others, before and during their handshake.
fn making_room() -> Seen {
    let proxy = Proxy::start(&["--max-connections=1"]);
    let silent = TcpStream::connect(proxy.tcp).unwrap();
    let _app = App::connect(proxy.tcp);
    proxy.wait_line("ended before it was set up: another needs its place");
    drop(silent);
    let mut seen = proxy.seen();
    let (cert, key) = (pem("server.pem"), pem("server.key"));
    let (cert, key) = (format!("--tcp-tls-cert={cert}"), format!("--tcp-tls-key={key}"));
    let proxy = Proxy::start(&["--max-connections=1", &cert, &key]);
    let _silent = [(); 2].map(|()| TcpStream::connect(proxy.tcp).unwrap());
    proxy.wait_line("dropped during its handshake: another needs its place");
    seen.add(proxy.seen());
    seen
}

fn proxy_headers() -> Seen {
    let proxy = Proxy::start(&["--proxy-protocol=required", "--trusted-proxies=127.0.0.1"]);
    exchange(proxy.tcp, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    proxy.wait_line("it has no PROXY header that is believed");
    proxy.seen()
}

/// A payload whose Snappy block is given, sealed by hand.
fn sealed_block(key: &[u8], block: &[u8]) -> Payload {
    let secret = SecretKey::new(vec![5; 16]).unwrap();
    let wrapped = PeerKey::parse(key).unwrap().wrap(&secret, [6; 32]).unwrap();
    Payload::new(wrapped, encrypt(&secret, block))
}

fn bad_answers() -> Seen {
    let proxy = Proxy::start(&["--max-series=2"]);
    let mut app = App::connect(proxy.tcp);
    let other = RsaKeyPair::generate(2048, [8; 32]).unwrap();
    let other = PeerKey::parse(&other.public_key()).unwrap();
    for payload in [
        seal(&other, b"a 1\n", AesKeySize::Aes128, [7; 32]).unwrap(),
        Payload { data: vec![3; 33].into(), ..app.sealed(b"a 1\n") },
        sealed_block(&app.key, &[4, 0xff]),
        app.sealed(b"a{b=\"\xff\"} 1\n"),
        app.sealed(b"a 1\nthis is } no metric\n"),
        app.sealed(b"a 1\nb 2\nc 3\n"),
        Payload::from_data("a 1\n"),
        Payload::new("plaintext", "a 1\n"),
        app.sealed(b"good 1\n"),
    ] {
        let scraping = proxy.scrape(20.0);
        app.answer(payload);
        scraping.join().unwrap();
    }
    proxy.wait_line("can be scraped again");
    proxy.seen()
}

fn no_answers() -> Seen {
    let proxy = Proxy::start(&[]);
    let mut app = App::connect(proxy.tcp);
    let scraping = proxy.scrape(20.0);
    let stream_id = app.asked();
    app.connection().reject(stream_id, ErrorCode::APPLICATION_ERROR, "no").unwrap();
    app.flush();
    scraping.join().unwrap();
    let scraping = proxy.scrape(20.0);
    let stream_id = app.asked();
    app.connection().complete(stream_id).unwrap();
    app.flush();
    scraping.join().unwrap();
    // It sees the request and the end of that later.
    proxy.scrape(0.6).join().unwrap();
    app.asked();
    assert!(matches!(app.next(), Event::Canceled { .. }));
    let scraping = proxy.scrape(20.0);
    while !matches!(app.next(), Event::RequestResponse { .. }) {}
    drop(app);
    scraping.join().unwrap();
    proxy.seen()
}

fn shared_series() -> Seen {
    let proxy = Proxy::start(&["--inject-identity=never", "--group-families"]);
    let mut apps = ["a", "b"].map(|name| App::connect_as(proxy.tcp, &[("instance", name)]));
    let scraping = proxy.scrape(20.0);
    apps[0].answer_text("# TYPE jobs counter\njobs 1\n");
    apps[1].answer_text("# TYPE jobs gauge\njobs 1\njobs{x=\"1\"} 2\n");
    scraping.join().unwrap();
    proxy.wait_line("part of the application's metrics is left out");
    proxy.seen()
}

fn reduced_texts() -> Seen {
    let proxy = Proxy::start(&["--on-bad-line=drop-family"]);
    let mut app = App::connect(proxy.tcp);
    let scraping = proxy.scrape(20.0);
    app.answer_text("good 1\nbad 1 x\n");
    scraping.join().unwrap();
    proxy.seen()
}

/// More of each kind than one peer may have logged.
const CROWD: usize = 12;

fn crowd() -> Seen {
    let proxy = Proxy::start(&["--identity-labels=instance", "--push-ttl=300ms"]);
    let mut apps: Vec<_> = (0..CROWD).map(|_| App::connect(proxy.tcp)).collect();
    let round = |apps: &mut [App], text: &str| {
        let scraping = proxy.scrape(20.0);
        for app in apps.iter_mut() {
            app.answer_text(text);
        }
        scraping.join().unwrap();
    };
    round(&mut apps, "bad{ 1\n");
    // All with the same identity.
    round(&mut apps, "good{instance=\"a\"} 1\n");
    for (nth, app) in apps.iter_mut().enumerate() {
        push(app, Payload::new(vec![1; 256], vec![2; 32]));
        // None has the series of another, which it would replace.
        let last = app.sealed(format!("last_{nth}{{instance=\"a\"}} 1\n").as_bytes());
        push(app, last);
    }
    proxy.wait_counted("prometheus_proxy_log_lines_suppressed_total{cause=\"push_expired\"}");
    drop(apps);
    proxy.wait_counted("prometheus_proxy_log_lines_suppressed_total{cause=\"gone\"}");
    proxy.seen()
}

fn crowd_of_reports() -> Seen {
    let proxy = Proxy::start(&["--on-bad-line=drop-family"]);
    let name = |number: usize| format!("app-{number}");
    let connect = |number| App::connect_as(proxy.tcp, &[("instance", &*name(number))]);
    let mut apps: Vec<_> = (0..CROWD).map(connect).collect();
    let scraping = proxy.scrape(20.0);
    for app in &mut apps {
        app.answer_text("good 1\nbad 1 x\n");
    }
    scraping.join().unwrap();
    proxy.wait_counted("prometheus_proxy_log_lines_suppressed_total{cause=\"report\"}");
    proxy.seen()
}

fn crowd_of_strangers() -> Seen {
    let proxy = Proxy::start(&[]);
    for _ in 0..CROWD {
        exchange(proxy.tcp, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    proxy.seen()
}
