use crate::endpoint::endpoint;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Event, StreamFailure};
use prometheus_rsocket_testkit::proxy::FakeProxy;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A URL that nobody answers at. A port that was free a moment ago might be another test's by now.
pub(crate) const NOBODY: &str = "tcp://127.0.0.1:1";

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prometheus-rsocket-client"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// The program, with further arguments.
pub(crate) fn command(proxy: &FakeProxy, endpoint: &str, args: &[&str]) -> Command {
    let mut command = program();
    command.args(args).args(["--proxy", &proxy.url(), "--scrape", endpoint]);
    command
}

/// Starts the program, with further arguments.
pub(crate) fn start(proxy: &FakeProxy, endpoint: &str, args: &[&str]) -> Child {
    command(proxy, endpoint, args).spawn().unwrap()
}

pub(crate) fn terminate(child: &Child) {
    let status = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

#[test]
fn metrics_are_relayed_and_pushed_on_sigterm() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        relays_and_pushes(&["--runtime", runtime]);
    }
    // The default is one that is built in.
    relays_and_pushes(&[]);
}

fn relays_and_pushes(args: &[&str]) {
    let proxy = FakeProxy::new();
    let endpoint = endpoint(&[
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: 4\r\n\r\na 1\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=1.0.0\r\nConnection: close\r\n\r\na 2\n",
    ]);
    let mut child = start(&proxy, &endpoint, args);
    let mut peer = proxy.accept_with_key();
    assert_eq!(peer.scraped(), "a 1\n");
    terminate(&child);
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "a 2\n");
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_endpoint_that_is_of_no_use_is_named_to_the_proxy() {
    let proxy = FakeProxy::new();
    let endpoint = endpoint(&[
        "HTTP/1.1 500 Oh No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "not HTTP at all\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\na",
    ]);
    let mut child = start(&proxy, &endpoint, &[]);
    let mut peer = proxy.accept_with_key();
    for part in ["500", "text/html", "--scrape-format", "does not speak HTTP", "breaks off"] {
        let Event::RequestFailed { error: StreamFailure::Error { data, .. }, .. } = peer.scrape()
        else {
            panic!("the scrape fails");
        };
        let message = String::from_utf8(data.to_vec()).unwrap();
        assert!(message.contains(part) && message.contains(&endpoint), "{message}");
    }
    terminate(&child);
    while !matches!(peer.next(), Event::Closed { .. }) {}
    drop(peer);
    assert_eq!(child.wait().unwrap().code(), Some(1), "the last metrics are lost");
}

#[test]
fn a_runtime_that_is_not_built_in_ends_with_2() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| !is_built_in) {
        let good = ["--proxy=tcp://localhost", "--scrape=http://localhost/metrics"];
        let output = program().args(good).args(["--runtime", runtime]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(&format!("--runtime {runtime}")), "{message}");
    }
}

#[test]
fn a_bad_option_ends_with_2_and_names_it() {
    let good = ["--proxy=tcp://localhost", "--scrape=http://localhost/metrics"];
    for bad in [
        "--proxy=http://x",
        "--proxy=wss://name@x",
        "--scrape=ftp://nowhere",
        "--log=verbose",
        "--label=nothing",
        "--scrape-format=protobuf",
        "--scrape-ca=/does/not/exist",
        "--scrape=http://name:secret@localhost/metrics",
        "--backoff-min=5",
        "--log=no=such=level",
        "--max-text-bytes=0",
        "--push=maybe",
        "--tls-ca=ca.pem",
        "--x",
    ] {
        let kept = good.iter().filter(|option| option.split('=').next() != bad.split('=').next());
        let output = program().args(kept).arg(bad).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{bad}");
        let message = String::from_utf8(output.stderr).unwrap();
        let expected = if bad.starts_with("--scrape-ca") { "/does/not/exist" } else { bad };
        assert!(message.contains(expected.split('=').next().unwrap()), "{message}");
    }
}

#[test]
fn what_the_endpoint_last_had_is_pushed_when_it_is_gone() {
    let proxy = FakeProxy::new();
    let endpoint = endpoint(&[
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n",
        "HTTP/1.1 503 Gone\r\nContent-Length: 0\r\n\r\n",
    ]);
    let mut command = command(&proxy, &endpoint, &[]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut peer = proxy.accept_with_key();
    assert_eq!(peer.scraped(), "a 1\n");
    // A scrape that fails in between does not get old metrics.
    assert!(matches!(peer.scrape(), Event::RequestFailed { .. }));
    terminate(&child);
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "a 1\n");
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("pushing those of the previous scrape"), "{log}");
}

#[test]
fn the_way_out_is_bounded_whoever_hangs() {
    let proxy = FakeProxy::new();
    // It accepts, and never answers.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/metrics", hung.local_addr().unwrap());
    let mut command = command(&proxy, &endpoint, &[]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let peer = proxy.accept_with_key();
    let begin = Instant::now();
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    drop(peer);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_push_without_a_proxy_names_address_and_reason() {
    let endpoint = endpoint(&[
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n",
    ]);
    let mut command = program();
    command.args(["--proxy", NOBODY, "--scrape", &endpoint, "--push-timeout=500ms"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut lines = String::new();
    while !lines.contains("not connected") {
        assert_ne!(log.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    terminate(&child);
    lines.clear();
    log.read_to_string(&mut lines).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let lost = lines.lines().find(|line| line.contains("the last metrics are lost")).unwrap();
    assert!(lost.contains(NOBODY) && lost.contains("refused"), "{lost}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let proxy = FakeProxy::new();
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/metrics", hung.local_addr().unwrap());
    let mut command = command(&proxy, &endpoint, &["--push-timeout=1h"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let _peer = proxy.accept_with_key();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    terminate(&child);
    let mut lines = String::new();
    while !lines.contains("stopping") {
        assert_ne!(log.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn variables_that_are_empty_or_misspelt_are_not_silently_wrong() {
    let proxy = FakeProxy::new();
    let mut command = command(&proxy, "http://127.0.0.1:1/metrics", &[]);
    command.env("PROMETHEUS_RSOCKET_CLIENT_LOG", "").env("PROMETHEUS_RSOCKET_CLIENT_TLS_CA", "");
    command.env("PROMETHEUS_RSOCKET_CLIENT_SCRAP_TIMEOUT", "1s");
    command.env("PROMETHEUS_RSOCKET_CLIENT_SERVICE_HOST", "10.0.0.1");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let nearest = "did you mean PROMETHEUS_RSOCKET_CLIENT_SCRAPE_TIMEOUT?";
    assert!(line.contains("WARN") && line.contains(nearest), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn help_shows_every_scheme() {
    let output = program().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for scheme in ["tcp://HOST", "tls://HOST", "ws://HOST", "wss://HOST"] {
        assert!(help.contains(scheme), "{help}");
    }
}

/// The runtimes that are built in.
pub(crate) fn built_in() -> impl Iterator<Item = &'static str> {
    RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in).map(|(runtime, _)| *runtime)
}

pub(crate) const RUNTIMES: [(&str, bool); 2] =
    [("smol", cfg!(feature = "smol")), ("tokio", cfg!(feature = "tokio"))];
