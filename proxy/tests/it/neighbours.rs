//! Good applications beside one of each kind of bad ones.

use super::world::{World, get};
use crate::app::App;
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{
    AesKeySize, KeyUnwrap, PeerKey, RsaKeyPair, SecretKey, encrypt, seal,
};
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, Setup};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const GOOD: usize = 50;
const DEADLINE: Duration = Duration::from_secs(8);

/// What a good application sends, as it must arrive.
fn good_text(number: usize) -> String {
    format!(
        "# HELP jobs{number}_total Jobs done, by kind.\n# TYPE jobs{number}_total counter\n\
         jobs{number}_total{{instance=\"good{number}\",kind=\"a \\\"b\\\" \\\\ c\"}} {number}\n\
         jobs{number}_total{{instance=\"good{number}\",kind=\"é\"}} 1.5e+09\n"
    )
}

/// A payload whose Snappy block is given, sealed by hand.
fn block(key: &[u8], block: &[u8]) -> Payload {
    let secret = SecretKey::new(vec![5; 16]).unwrap();
    let wrapped = PeerKey::parse(key).unwrap().wrap(&secret, [6; 32]).unwrap();
    Payload::new(wrapped, encrypt(&secret, block))
}

fn with_another_key() -> Payload {
    let other = RsaKeyPair::generate(2048, [8; 32]).unwrap();
    seal(&PeerKey::parse(&other.public_key()).unwrap(), b"a 1\n", AesKeySize::Aes128, [7; 32])
        .unwrap()
}

/// A bad application's answer, given the key.
type Answer = fn(&App) -> Payload;

/// Answers that are of no use, or of use only in part.
const ANSWERS: &[(&str, Answer)] = &[
    ("bad UTF-8", |app| app.sealed(b"x 1\n\xff\n")),
    ("duplicate series", |app| app.sealed(b"dup{a=\"1\"} 1\ndup{a=\"1\"} 2\n")),
    ("empty", |_| Payload::default()),
    ("endless labels", |app| app.sealed(endless_labels().as_bytes())),
    ("key ignored", |_| Payload::from_data("x 1\n")),
    ("many series", |app| app.sealed(many_series().as_bytes())),
    ("NUL", |app| app.sealed(b"x 1\n# a \0 comment\ny 2\n")),
    ("OpenMetrics", |app| app.sealed(b"# TYPE om counter\nom_total 1\n# EOF\n")),
    ("oversize", |app| app.sealed(&vec![b'#'; 400_000])),
    ("quoted names", |app| app.sealed(b"{\"quoted.name\",\"a.b\"=\"c\"} 1\n")),
    ("reserved names", |app| app.sealed(b"prometheus_proxy_app_up{a=\"b\"} 1\n")),
    ("Snappy bomb", |app| block(&app.key, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0])),
    ("stray escapes", |app| app.sealed(b"# HELP esc a \\q b\nesc{a=\"\\d\"} 1\n")),
    ("unfinished line", |app| app.sealed(b"# TYPE jobs1_total gauge\njobs1_total{a=\"")),
    ("wrong key", |_| with_another_key()),
];

fn endless_labels() -> String {
    let labels: String = (0..20_000).map(|n| format!("l{n}=\"v\",")).collect();
    format!("x{{{labels}}} 1\n")
}

fn many_series() -> String {
    let mut text = String::new();
    for number in 0..20_000 {
        let _ = writeln!(text, "m{{n=\"{number}\"}} 1");
    }
    text
}

/// Answers every request in a bad way until the connection ends.
fn serve_badly(proxy: SocketAddr, answer: Answer) {
    let mut app = App::connect(proxy);
    loop {
        match app.next() {
            Event::RequestResponse { stream_id, .. } => {
                let payload = answer(&app);
                let _ = app.connection().respond(stream_id, payload);
                app.flush();
            }
            Event::Closed { .. } => return,
            _ => {}
        }
    }
}

/// Takes requests, and never answers.
fn hang(proxy: SocketAddr) {
    let mut app = App::connect(proxy);
    while !matches!(app.next(), Event::Closed { .. }) {}
}

/// Begins an answer, and then either resets the connection, or goes on byte by byte.
fn break_off(proxy: SocketAddr, drips: bool, stop: &AtomicBool) {
    let mut app = App::connect(proxy);
    let Event::RequestResponse { stream_id, .. } = app.next() else { return };
    let payload = app.sealed(b"never 1\n");
    app.connection().respond(stream_id, payload).unwrap();
    let bytes = app.take_output();
    let mut stream = app.into_stream();
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    stream.write_all(first).unwrap();
    for byte in rest.iter().filter(|_| drips) {
        thread::sleep(Duration::from_millis(500));
        if stop.load(Ordering::Relaxed) || stream.write_all(&[*byte]).is_err() {
            return;
        }
    }
}

/// Pushes what a good application has, and vanishes.
fn push_and_vanish(proxy: SocketAddr) {
    let mut app = App::connect(proxy);
    let payload = app.sealed(good_text(1).as_bytes());
    app.connection().fire_and_forget(payload).unwrap();
    app.flush();
}

/// Connects, introduces itself and leaves, again and again.
fn reconnect_in_a_loop(proxy: SocketAddr, stop: &AtomicBool) {
    let mut setup = bytes::BytesMut::new();
    encode_prefixed(&Frame::on_connection(Body::Setup(Box::<Setup>::default())), &mut setup)
        .unwrap();
    let setup: Bytes = setup.freeze();
    while !stop.load(Ordering::Relaxed) {
        if let Ok(mut stream) = TcpStream::connect(proxy) {
            let _ = stream.write_all(&setup);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn good_applications_are_served_whatever_their_neighbours_do() {
    let world = World::start(&[
        "--app-metrics=on",
        "--max-series=10000",
        "--max-text-bytes=300000",
        "--max-labels=1000",
    ]);
    let stop = Arc::new(AtomicBool::new(false));
    let proxy = world.tcp;
    for number in 0..GOOD {
        let app = App::connect_as(proxy, &[("instance", &format!("good{number}"))]);
        thread::spawn(move || app.serve(&good_text(number)));
    }
    for (_, answer) in ANSWERS {
        thread::spawn(move || serve_badly(proxy, *answer));
    }
    for _ in 0..2 {
        let app = App::connect_as(proxy, &[("instance", "twin")]);
        thread::spawn(move || app.serve("twins 1\n"));
    }
    thread::spawn(move || hang(proxy));
    for drips in [true, false] {
        let stop = Arc::clone(&stop);
        thread::spawn(move || break_off(proxy, drips, &stop));
    }
    push_and_vanish(proxy);
    let looping = Arc::clone(&stop);
    thread::spawn(move || reconnect_in_a_loop(proxy, &looping));
    // All that stay: the good, those with bad answers, the twins, the hung one and the two that break off.
    world.wait_tables(|tables| tables.connections >= GOOD + ANSWERS.len() + 5);

    let headers = format!("X-Prometheus-Scrape-Timeout-Seconds: {}\r\n", DEADLINE.as_secs());
    for round in 0..2 {
        let began = Instant::now();
        let joined = world.scrape_with(&headers).text();
        assert!(began.elapsed() < DEADLINE + Duration::from_secs(2), "{:?}", began.elapsed());
        assert_good(&joined, round);
        assert_eq!(joined.matches("\njobs1_total{instance=\"good1\"").count(), 2);
    }
    let open_metrics = format!("{headers}Accept: application/openmetrics-text\r\n");
    let grouped = world.scrape_with(&open_metrics).text();
    assert!(grouped.ends_with("# EOF\n"));
    for number in 0..GOOD {
        assert_eq!(grouped.matches(&format!("# TYPE jobs{number} counter\n")).count(), 1);
        for sample in good_text(number).lines().filter(|line| !line.starts_with('#')) {
            assert!(grouped.lines().any(|line| line == sample), "{sample} is grouped");
        }
        let single = get(world.http, &format!("/metrics/app/good{number}"), &headers);
        assert_eq!(single.status(), "200 OK");
        assert_eq!(single.text(), good_text(number));
    }
    stop.store(true, Ordering::Relaxed);
    world.stopped();
}

/// Every good application's text is there byte for byte, and it is up.
#[track_caller]
fn assert_good(joined: &str, round: usize) {
    for number in 0..GOOD {
        assert!(joined.contains(&good_text(number)), "good{number} in round {round}");
        let up = format!("prometheus_proxy_app_up{{instance=\"good{number}\"}} 1\n");
        assert!(joined.contains(&up), "{up}");
    }
    for reason in ["exposition", "timeout", "decrypt", "too_large"] {
        assert!(joined.contains(&format!("reason=\"{reason}\"}} 0\n")), "{reason} in\n{joined}");
    }
}
