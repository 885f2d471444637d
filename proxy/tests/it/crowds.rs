//! More connections than there are places, and connections that say nothing or go on for ever.

use super::Leaf;
use super::transports::{tls_on, trusting};
use super::world::{World, exchange, get};
use crate::app::App;
use bytes::BytesMut;
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup};
use prometheus_rsocket_protocol::rsocket::framing::{
    MAX_RECEIVED_FRAME, encode_prefixed, split_frame,
};
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

const CAUSES: &str = "prometheus_proxy_connection_error_total";

fn wait_errors(world: &World, cause: &str, count: f64) {
    world.wait_own(&format!("{CAUSES}{{cause=\"{cause}\"}}"), count);
}

fn errors(world: &World, cause: &str) -> f64 {
    world.own(&format!("{CAUSES}{{cause=\"{cause}\"}}"))
}

/// A frame about the connection as it is on the wire.
fn wire(body: Body) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_prefixed(&Frame::on_connection(body), &mut bytes).unwrap();
    bytes.to_vec()
}

pub(super) fn setup(keepalive_ms: u32, max_lifetime_ms: u32) -> Vec<u8> {
    wire(Body::Setup(Box::new(Setup { keepalive_ms, max_lifetime_ms, ..Setup::default() })))
}

fn keepalive(len: usize) -> Vec<u8> {
    wire(Body::KeepAlive { respond: true, position: 0, data: vec![7; len].into() })
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// All frames until the other side ends.
fn rest(mut stream: &TcpStream) -> Vec<Frame> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    frames(&bytes)
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut bytes = BytesMut::from(bytes);
    let next = || split_frame(&mut bytes, MAX_RECEIVED_FRAME).unwrap();
    std::iter::from_fn(next).map(|frame| Frame::decode(frame).unwrap()).collect()
}

/// What the last frame says, which is ERROR on stream 0.
#[track_caller]
fn last_word(frames: &[Frame]) -> (ErrorCode, String) {
    match frames.last() {
        Some(Frame { stream_id, body: Body::Error { code, data }, .. }) => {
            assert!(stream_id.is_connection());
            (*code, String::from_utf8(data.to_vec()).unwrap())
        }
        other => panic!("no ERROR: {other:?}"),
    }
}

#[track_caller]
fn assert_turned_away(frames: &[Frame]) {
    let (code, text) = last_word(frames);
    assert_eq!(code, ErrorCode::REJECTED_SETUP);
    assert!(text.starts_with("as many connections are open as this proxy allows"), "{text}");
    assert_eq!(frames.len(), 1);
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn beyond_the_limit_a_peer_is_told_so_and_the_applications_stay() {
    let world = World::start(&["--max-connections=2"]);
    let mut one = App::connect(world.tcp);
    let two = App::connect(world.tcp);
    let websocket = world.websocket;
    let upgrade = thread::spawn(move || exchange(websocket, UPGRADE.as_bytes()));
    let stream = connect(world.tcp);
    (&stream).write_all(&setup(20_000, 90_000)).unwrap();
    assert_turned_away(&rest(&stream));
    let answer = String::from_utf8(upgrade.join().unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: "), "{answer}");
    wait_errors(&world, "too_many_connections", 2.0);
    assert_eq!(errors(&world, "evicted"), 0.0);
    // One that waits is served once a place is free.
    let waiting = thread::spawn(move || App::connect(world.tcp));
    drop(two);
    let mut waiting = waiting.join().unwrap();
    let scraping = world.scrape();
    one.answer_text("one 1\n");
    waiting.answer_text("waited 1\n");
    assert_eq!(scraping.text(), "one 1\nwaited 1\n");
}

#[test]
fn whoever_is_not_set_up_makes_room_the_oldest_first() {
    let world = World::start(&["--max-connections=3"]);
    let mut app = App::connect(world.tcp);
    let first = connect(world.tcp);
    world.wait_tables(|tables| tables.connections == 2);
    // One in the middle of its request to upgrade, which cannot be told.
    let mut second = connect(world.websocket);
    second.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    // Two of them make room.
    let third = App::connect(world.tcp);
    assert_turned_away(&rest(&first));
    wait_errors(&world, "evicted", 1.0);
    let fourth = App::connect(world.tcp);
    let end = second.read(&mut [0; 100]);
    assert!(!matches!(&end, Ok(1..)), "{end:?}");
    wait_errors(&world, "evicted", 2.0);
    world.wait_tables(|tables| tables.connections == 3);
    drop((third, fourth));
    world.wait_tables(|tables| tables.connections == 1);
    let scraping = world.scrape();
    app.answer_text("stayed 1\n");
    assert_eq!(scraping.text(), "stayed 1\n");
}

#[test]
fn applications_get_in_while_others_connect_and_say_nothing() {
    let world = World::start(&["--max-connections=16"]);
    let tcp = world.tcp;
    let mut silent = Vec::new();
    for number in 0..8 {
        silent.extend((0..40).map(|_| connect(tcp)));
        let app = App::connect_as(tcp, &[("instance", &format!("app{number}"))]);
        thread::spawn(move || app.serve(&format!("served{number} 1\n")));
    }
    world.wait_tables(|tables| tables.connections <= 16);
    let text = world.scrape().text();
    for number in 0..8 {
        assert!(
            text.contains(&format!("served{number}{{instance=\"app{number}\"}} 1\n")),
            "{text}"
        );
    }
    // Of the silent ones that had to go, those for which there was room were told why.
    let told = silent.iter().take(100).filter(|stream| !rest_or_nothing(stream).is_empty());
    assert!(told.count() > 0);
    assert_eq!(errors(&world, "too_many_connections"), 0.0);
}

/// The frames until the other side ends, in whatever way.
fn rest_or_nothing(mut stream: &TcpStream) -> Vec<Frame> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    frames(&bytes)
}

#[test]
fn a_frame_that_never_ends_keeps_nobody_alive() {
    let world = World::start(&[]);
    let stream = connect(world.tcp);
    (&stream).write_all(&setup(60_000, 400)).unwrap();
    let drip = stream.try_clone().unwrap();
    thread::spawn(move || {
        let long = [&[0xf0, 0, 0][..], &[0; 6]].concat();
        // Until the connection ends.
        for byte in long.iter().chain(std::iter::repeat(&0)) {
            if (&drip).write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let (code, text) = last_word(&rest(&stream));
    assert_eq!(code, ErrorCode::CONNECTION_ERROR);
    assert_eq!(text, "no keep-alive acks for 400ms");
    wait_errors(&world, "keepalive_timeout", 1.0);
}

#[test]
fn pings_keep_no_websocket_alive() {
    let world = World::start(&[]);
    let stream = connect(world.websocket);
    // Masked by zeros.
    let setup = setup(60_000, 400)[3..].to_vec();
    let head = [0x82, 0x80 | setup.len() as u8, 0, 0, 0, 0];
    (&stream).write_all(&[UPGRADE.as_bytes(), &head, &setup].concat()).unwrap();
    let pings = stream.try_clone().unwrap();
    thread::spawn(move || {
        while (&pings).write_all(b"\x89\x81\0\0\0\0?").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut answer = Vec::new();
    let _ = (&stream).read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("no keep-alive acks for 400ms"), "{answer}");
    assert!(answer.contains("\u{fffd}\u{1}?"), "pings are answered: {answer}");
    wait_errors(&world, "keepalive_timeout", 1.0);
}

#[test]
fn a_flood_of_keepalives_is_echoed_whole_and_disturbs_nobody() {
    let world = World::start(&[]);
    let mut app = App::connect(world.tcp);
    let flood = connect(world.tcp);
    // An interval of a millisecond, too.
    (&flood).write_all(&setup(1, 60_000)).unwrap();
    (&flood).write_all(&keepalive(100).repeat(50)).unwrap();
    let mut echoes = Vec::new();
    let mut chunk = [0; 10_000];
    let is_echo = |frame: &&Frame| matches!(&frame.body, Body::KeepAlive { respond: false, data, .. } if data.len() == 100);
    while frames(&echoes).iter().filter(is_echo).count() < 50 {
        let len = (&flood).read(&mut chunk).unwrap();
        echoes.extend_from_slice(&chunk[..len]);
    }
    let scraping = world.scrape();
    app.answer_text("undisturbed 1\n");
    drop(flood);
    assert_eq!(scraping.text(), "undisturbed 1\n");
}

#[test]
fn keepalives_with_too_much_data_end_their_connection() {
    let world = World::start(&[]);
    let stream = connect(world.tcp);
    (&stream).write_all(&setup(20_000, 90_000)).unwrap();
    (&stream).write_all(&keepalive(65_536)).unwrap();
    (&stream).write_all(&keepalive(65_537)).unwrap();
    let frames = rest(&stream);
    let (code, text) = last_word(&frames);
    assert_eq!(code, ErrorCode::CONNECTION_ERROR);
    assert_eq!(text, "KEEPALIVE with data of 65537 bytes, of which at most 65536 are echoed");
    wait_errors(&world, "protocol_violation", 1.0);
}

#[test]
fn reserved_names_are_left_out_and_their_sender_hears_of_it() {
    let world = World::start(&["--app-metrics=on"]);
    let mut app = App::connect_as(world.tcp, &[("instance", "a")]);
    let scraping = world.scrape();
    app.answer_text(
        "good 1\nup{instance=\"b\"} 0\nscrape_samples_scraped 5\nprometheus_proxy_app_up 1\n",
    );
    let text = scraping.text();
    assert!(text.starts_with("good{instance=\"a\"} 1\n"), "{text}");
    assert!(!text.contains("\nup{") && !text.contains("\nscrape_samples"), "{text}");
    assert!(text.contains("\nprometheus_proxy_app_up{instance=\"a\"} 1\n"), "{text}");
    match app.next() {
        Event::MetadataPush { metadata } => {
            let report = String::from_utf8_lossy(&metadata).into_owned();
            assert!(report.contains("reserved"), "{report}");
        }
        other => panic!("a report was expected, not {other:?}"),
    }
    world.wait_own("prometheus_proxy_reduced_texts_total", 1.0);
    // The application's own path is no exception.
    let http = world.http;
    let single = thread::spawn(move || get(http, "/metrics/app/a", "").text());
    app.answer_text_between_reports("up 1\nother 2\n");
    assert_eq!(single.join().unwrap(), "other{instance=\"a\"} 2\n");
}

/// Over TLS: sends SETUP, then a byte now and then; the frames until the other side ends.
fn drip_over_tls(tcp: SocketAddr, max_lifetime_ms: u32, pause: Duration) -> Vec<Frame> {
    Leaf::block_on(Some(1), move |runtime| async move {
        let stream = runtime.connect("localhost", tcp.port()).await.unwrap();
        let stream = trusting(None).connect("localhost", stream).await.unwrap();
        let (mut reader, mut writer) = futures_lite::io::split(stream);
        let dripping = async {
            writer.write_all(&setup(60_000, max_lifetime_ms)).await.unwrap();
            // A record for each byte of a long frame.
            while writer.write_all(b"\x01").await.is_ok() && writer.flush().await.is_ok() {
                sleep_until(&runtime, runtime.now() + pause).await;
            }
            pending().await
        };
        let reading = async {
            let mut bytes = Vec::new();
            let _ = reader.read_to_end(&mut bytes).await;
            frames(&bytes)
        };
        or(reading, dripping).await
    })
    .unwrap()
}

#[test]
fn over_tls_too_only_whole_frames_are_signs_of_life() {
    let [cert, key] = tls_on("tcp");
    let world = World::start(&[&cert, &key, "--max-connections=1"]);
    // One that does not even begin its handshake makes room. It was there first, for what is accepted comes in order.
    let silent = connect(world.tcp);
    let tcp = world.tcp;
    let first = thread::spawn(move || drip_over_tls(tcp, 1_000, Duration::from_millis(100)));
    assert!(rest_or_nothing(&silent).is_empty());
    wait_errors(&world, "evicted", 1.0);
    let (code, text) = last_word(&first.join().unwrap());
    assert_eq!((code, &*text), (ErrorCode::CONNECTION_ERROR, "no keep-alive acks for 1s"));
}

#[test]
fn over_tls_whoever_has_no_place_is_told_after_the_handshake() {
    let [cert, key] = tls_on("tcp");
    let world = World::start(&[&cert, &key, "--max-connections=1"]);
    let tcp = world.tcp;
    let first = thread::spawn(move || drip_over_tls(tcp, 90_000, Duration::from_millis(100)));
    world.wait_own("prometheus_proxy_scrape_active_connections", 1.0);
    assert_turned_away(&drip_over_tls(tcp, 90_000, Duration::from_secs(60)));
    wait_errors(&world, "too_many_connections", 1.0);
    world.stopped();
    let (_, text) = last_word(&first.join().unwrap());
    assert_eq!(text, "the proxy is shutting down");
}
