use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Event, StreamFailure};
use prometheus_rsocket_testkit::proxy::FakeProxy;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prometheus-rsocket-client"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// An HTTP endpoint that answers each request with the next of these answers, and the last one ever after.
fn endpoint(answers: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    thread::spawn(move || {
        for number in 0.. {
            let (mut stream, _) = listener.accept().unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            let lines: Vec<String> =
                head.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            assert_eq!(lines[0], "GET /metrics HTTP/1.1");
            let answer = answers[answers.len().min(number + 1) - 1];
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

/// Starts the program, with further arguments.
fn start(proxy: &FakeProxy, endpoint: &str, args: &[&str]) -> Child {
    program().args(args).args(["--proxy", &proxy.url(), "--scrape", endpoint]).spawn().unwrap()
}

fn terminate(child: &Child) {
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
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na 2\n",
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
        "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0\r\nContent-Length: 0\r\n\r\n",
        "not HTTP at all\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na",
    ]);
    let mut child = start(&proxy, &endpoint, &[]);
    let mut peer = proxy.accept_with_key();
    for part in ["500", "application/openmetrics-text", "does not speak HTTP", "breaks off"] {
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
        "--scrape=nowhere",
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
        assert!(message.contains(bad.split('=').next().unwrap()), "{message}");
    }
}

const RUNTIMES: [(&str, bool); 2] =
    [("smol", cfg!(feature = "smol")), ("tokio", cfg!(feature = "tokio"))];
