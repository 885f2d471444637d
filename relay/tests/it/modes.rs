//! One push, commands that are run, and how the relay is watched.

use crate::endpoint::{endpoint, heard_endpoint};
use crate::log::Log;
use crate::program::{NOBODY, built_in, command, program, terminate};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_testkit::proxy::{FakeProxy, Peer};
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n";
const GONE: &str = "HTTP/1.1 503 Gone\r\nContent-Length: 0\r\n\r\n";

/// Takes a push, and lets the client close.
fn take_push(mut peer: Peer, text: &str, is_stored: bool) {
    let (stream_id, pushed) = peer.pushed();
    assert_eq!(pushed, text);
    if is_stored {
        peer.connection.respond(stream_id, Payload::default()).unwrap();
    } else {
        peer.connection.reject(stream_id, ErrorCode::APPLICATION_ERROR, "no room").unwrap();
    }
    assert!(matches!(peer.next(), Event::Closed { .. }));
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

fn lines(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}

#[test]
fn once_pushes_what_the_endpoint_has_and_says_by_its_status_whether_it_is_stored() {
    for is_stored in [true, false] {
        let proxy = FakeProxy::new();
        let mut child = command(&proxy, &endpoint(&[ANSWER]), &["--once"]).spawn().unwrap();
        take_push(proxy.accept_with_key(), "a 1\n", is_stored);
        assert_eq!(child.wait().unwrap().code(), Some(i32::from(!is_stored)));
    }
}

#[test]
fn once_pushes_what_each_target_has() {
    let proxy = FakeProxy::new();
    let other = ANSWER.replace("a 1", "a 2").into_bytes();
    let (one, two) = (endpoint(&[ANSWER]), heard_endpoint(vec![other]).0);
    let mut command = program();
    command.args(["--proxy", &proxy.url(), "--once", "--scrape"]).arg(format!("one={one}"));
    let mut child = command.arg("--scrape").arg(format!("two={two}")).spawn().unwrap();
    let peers = [proxy.accept_with_key(), proxy.accept_with_key()];
    for peer in peers {
        let is_one = peer.hello().labels.to_string().contains("one");
        take_push(peer, if is_one { "a 1\n" } else { "a 2\n" }, true);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn once_fails_where_there_are_no_metrics_or_no_proxy() {
    let proxy = FakeProxy::new();
    let mut child =
        command(&proxy, &endpoint(&[GONE]), &["--once"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut peer = proxy.accept_with_key();
    while !matches!(peer.next(), Event::Closed { .. }) {}
    drop(peer);
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(log.contains("503"), "{log}");

    let mut command = program();
    command.args(["--proxy", NOBODY, "--scrape", &endpoint(&[ANSWER]), "--once"]);
    command.args(["--push-timeout=50ms", "--connect-timeout=50ms", "--scrape-timeout=50ms"]);
    assert_eq!(command.status().unwrap().code(), Some(1));
}

#[test]
fn a_signal_ends_a_push_that_is_the_only_one() {
    let mut command = program();
    command.args(["--proxy", NOBODY, "--scrape", &endpoint(&[ANSWER]), "--once"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = Log::of(&mut child);
    log.wait_for("not connected");
    terminate(&child);
    log.wait_for("ended by a signal");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

fn from_stdin(proxy: &str, args: &[&str]) -> Child {
    let mut command = program();
    command.args(["--proxy", proxy, "--once", "--stdin"]).args(args);
    command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn metrics_on_standard_input_are_pushed() {
    let proxy = FakeProxy::new();
    let args = ["--label=job=nightly", "--deny-metrics=go_*"];
    let mut child = from_stdin(&proxy.url(), &args);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"go_threads 1\n# TYPE rows counter\nrows_total 4").unwrap();
    stdin.write_all(b"2\n# EOF\n").unwrap();
    drop(stdin);
    let peer = proxy.accept_with_key();
    let labels = peer.hello().labels.to_string();
    assert!(labels.contains("job=\"nightly\"") && labels.contains("instance="), "{labels}");
    take_push(peer, "# TYPE rows_total counter\nrows_total 42\n", true);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn standard_input_without_metrics_ends_with_2() {
    for (input, args, reason) in [
        (&b"rows_total 42\nTraceback:\n"[..], &[][..], "not metrics: line 2, byte 1"),
        (b"", &[], "has no sample"),
        (b"a 1\nb 2\n", &["--max-text-bytes=7"], "longer than the 7 bytes of --max-text-bytes"),
    ] {
        let mut child = from_stdin("tcp://p.invalid", args);
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_signal_ends_the_wait_for_standard_input() {
    let mut child = from_stdin("tcp://p.invalid", &["--log=debug"]);
    // It takes signals from the beginning, but not before it is the program.
    let pid = child.id();
    let is_ours = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"));
        caught.is_some_and(|mask| u64::from_str_radix(mask, 16).unwrap() & (1 << 14) != 0)
    };
    while cfg!(target_os = "linux") && !is_ours() {
        std::thread::yield_now();
    }
    let stdin = child.stdin.take();
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("ended by a signal"), "{message}");
}

/// The relay with a script for a shell.
fn supervising(proxy: &str, endpoint: &str, args: &[&str], script: &str) -> Command {
    let mut command = program();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.args(["--proxy", proxy, "--scrape", endpoint]).args(args);
    command.args(["--", "sh", "-c", script]);
    command
}

#[test]
fn a_command_has_its_last_scrape_pushed_and_its_exit_code_kept() {
    let ends = [("true", 0), ("exit 3", 3), ("kill -9 $$", 137)];
    for (runtime, (end, code)) in built_in().flat_map(|runtime| ends.map(|end| (runtime, end))) {
        let proxy = FakeProxy::new();
        let script = format!("read line; {end}");
        let args = ["--last-metrics-every=1h", "--runtime", runtime];
        let endpoint = endpoint(&[ANSWER, GONE]);
        let mut command = supervising(&proxy.url(), &endpoint, &args, &script);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut peer = proxy.accept_with_key();
        assert_eq!(peer.scraped(), "a 1\n");
        drop(child.stdin.take());
        // That nothing stores it does not change the exit code.
        take_push(peer, "a 1\n", code == 0);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{end}");
    }
}

#[test]
fn what_a_command_has_is_fetched_now_and_then() {
    let proxy = FakeProxy::new();
    let answers = [ANSWER, GONE].map(|answer| answer.as_bytes().to_vec());
    let (endpoint, heard) = heard_endpoint(answers.to_vec());
    let args = ["--last-metrics-every=10ms"];
    let mut command = supervising(&proxy.url(), &endpoint, &args, "read line");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let peer = proxy.accept_with_key();
    // With the second request the answer to the first has been read.
    heard.recv().unwrap();
    heard.recv().unwrap();
    drop(child.stdin.take());
    take_push(peer, "a 1\n", true);
    // The shell has read no line.
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn commands_that_cannot_be_run_end_as_in_a_shell() {
    for (name, code) in [("/does/not/exist", 127), ("no-such-command", 127), ("/etc/passwd", 126)] {
        let mut command = program();
        command.args(["--proxy", NOBODY, "--scrape=http://127.0.0.1:1", "--", name, "secret"]);
        let output = command.output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{log}");
        assert!(log.contains(name) && !log.contains("secret"), "{log}");
    }
}

/// A shell script that ends by a signal only, and misses none: dash, of version 0.5.12, loses one that comes while it starts a process.
fn waiting(script: &str) -> String {
    format!("sleep 20 >/dev/null 2>&1 & {script}; while :; do wait; done")
}

#[test]
fn signals_are_passed_on_and_the_metrics_fetched_before() {
    let proxy = FakeProxy::new();
    let answers = [ANSWER, GONE].map(|answer| answer.as_bytes().to_vec());
    let (endpoint, heard) = heard_endpoint(answers.to_vec());
    let script = &waiting(
        "for s in HUP USR1 USR2 INT QUIT; do trap \"echo $s\" $s; done; trap 'exit 7' TERM
                  echo up",
    );
    let args = ["--last-metrics-every=1h"];
    let mut command = supervising(&proxy.url(), &endpoint, &args, script);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = lines(&mut child).map(Result::unwrap);
    let peer = proxy.accept_with_key();
    assert_eq!(lines.next().unwrap(), "up");
    for name in ["HUP", "USR1", "USR2", "HUP"] {
        signal(name, child.id());
        assert_eq!(lines.next().unwrap(), name);
    }
    assert!(heard.try_recv().is_err());
    terminate(&child);
    // The first answer was read before the command got the signal: it is gone by the next.
    take_push(peer, "a 1\n", true);
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(heard.try_iter().count(), 2);
}

#[test]
fn a_command_may_survive_a_signal_and_ends_by_the_second_with_the_relay() {
    let script = &waiting(
        "for s in INT QUIT TERM; do trap \"echo $s\" $s; done
                  echo $$",
    );
    let args = ["--push-timeout=200ms"];
    for (first, second) in [("INT", "TERM"), ("QUIT", "INT"), ("TERM", "QUIT")] {
        let mut command = supervising(NOBODY, "http://127.0.0.1:1", &args, script);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = lines(&mut child).map(Result::unwrap);
        let pid = lines.next().unwrap();
        let mut log = Log::of(&mut child);
        log.wait_for("not connected");
        signal(first, child.id());
        log.wait_for("cannot fetch the command's metrics before its end");
        log.wait_for("passing a signal on to the command");
        assert_eq!(lines.next().unwrap(), first);
        signal(second, child.id());
        assert_eq!(child.wait().unwrap().code(), Some(137));
        let is_left = Command::new("kill").args(["-0", &pid]).stderr(Stdio::null()).status();
        assert!(!is_left.unwrap().success(), "{pid} is left");
    }
}

#[test]
fn two_signals_end_the_push_after_a_command_with_its_exit_code() {
    let args = ["--push-timeout=60s"];
    let mut command = supervising(NOBODY, "http://127.0.0.1:1", &args, "exit 5");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    Log::of(&mut child).wait_for("the command has ended");
    signal("TERM", child.id());
    signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

/// The command is a relay itself: shells mix up signals that come close together.
#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_reaches_a_command_once() {
    let relay = format!(
        "{} --proxy {} --push-timeout 1s",
        env!("CARGO_BIN_EXE_prometheus-rsocket-client"),
        NOBODY
    );
    let inner = format!("{relay} --scrape inner=http://127.0.0.1:1");
    // It runs the outer one on a terminal of its own.
    let mut terminal = Command::new("script");
    let outer = format!("exec {relay} --scrape outer=http://127.0.0.1:1 --log debug -- {inner}");
    terminal.args(["-q", "-e", "-c", &outer, "/dev/null"]);
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = lines(&mut child).map(Result::unwrap);
    let is_of = |line: &str, relay: &str| line.contains(&format!("\"{relay}\""));
    lines.find(|line| line.contains("relaying") && is_of(line, "inner")).unwrap();
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"\x03").unwrap();
    let log: Vec<String> = lines.collect();
    assert!(log.iter().any(|line| line.contains("has the signal from the terminal")), "{log:#?}");
    // By a second signal it would have ended without waiting for its push.
    let is_lost = |line: &String| line.contains("metrics are lost") && is_of(line, "inner");
    assert!(log.iter().any(is_lost), "{log:#?}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_command_does_not_see_the_secrets_of_the_relay() {
    let script = "env | grep -c SECRET; test -n \"$OTHER\"";
    let args = ["--push-timeout=50ms"];
    let mut command = supervising(NOBODY, "http://127.0.0.1:1", &args, script);
    command.env("PROMETHEUS_RSOCKET_CLIENT_TOKEN", "SECRET-0123456789-0123456789-0123456789");
    command.env("PROMETHEUS_RSOCKET_CLIENT_VIA", "http://u:SECRET@127.0.0.1:1").env("OTHER", "x");
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"0\n");
    assert_eq!(output.status.code(), Some(0));
}

/// Status and body of an answer.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn the_relay_can_be_watched() {
    for runtime in built_in() {
        let proxy = FakeProxy::new();
        let args = ["--listen=127.0.0.1:0", "--runtime", runtime];
        let mut command = command(&proxy, &endpoint(&[ANSWER]), &args);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let line = Log::of(&mut child).wait_for("listening");
        assert!(line.contains("listener=\"http\""), "{line}");
        let address = line.rsplit_once("address=").unwrap().1.trim();
        assert_eq!(
            await_ready(address, " of 1 "),
            (503, "0 of 1 connections to a proxy\n".to_owned())
        );
        assert_eq!(get(address, "/-/healthy"), (200, "healthy\n".to_owned()));
        let (status, text) = get(address, "/metrics");
        let series = format!("\nprometheus_rsocket_client_connected{{proxy=\"{}\"}}", proxy.url());
        assert!(status == 200 && text.contains(&format!("{series} 0\n")), "{text}");
        let mut peer = proxy.accept_with_key();
        assert_eq!(peer.scraped(), "a 1\n");
        let text = "1 of 1 connections to a proxy\n".to_owned();
        assert_eq!(get(address, "/-/ready"), (200, text));
        let (_, text) = get(address, "/metrics");
        assert!(text.contains(&format!("{series} 1\n")), "{text}");
        assert_eq!(get(address, "/").0, 404);

        // Those that say nothing keep others out once all places are taken, and no longer than they are there.
        let idle: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut one_more = TcpStream::connect(address).unwrap();
        // It is closed, or reset.
        assert!(one_more.read(&mut [0]).map_or(true, |len| len == 0));
        drop(idle);
        while TcpStream::connect(address).map(|stream| is_closed(&stream)).unwrap() {}
        assert_eq!(get(address, "/-/healthy").0, 200);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// What `/-/ready` says, once it has this in it.
fn await_ready(address: &str, part: &str) -> (u16, String) {
    loop {
        let answer = get(address, "/-/ready");
        if answer.1.contains(part) {
            return answer;
        }
        assert_eq!(answer.0, 503);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn each_target_has_its_part_in_what_is_watched() {
    let mut command = program();
    command.args(["--proxy", NOBODY, "--scrape=one=127.0.0.1:1", "--scrape=two=127.0.0.1:1"]);
    command.args(["--listen=127.0.0.1:0", "--push-timeout=50ms"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let line = Log::of(&mut child).wait_for("listening");
    let address = line.rsplit_once("address=").unwrap().1.trim();
    assert_eq!(await_ready(address, " of 2 ").0, 503);
    let (_, text) = get(address, "/metrics");
    for target in ["one", "two"] {
        let series = "prometheus_rsocket_client_connected{";
        let label = format!("target=\"{target}\"");
        let has = |line: &str| line.starts_with(series) && line.contains(&label);
        assert!(text.lines().any(has), "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Whether the other side closes a connection before it has had a request.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").is_err()
        || !stream.read(&mut [0]).is_ok_and(|len| len > 0)
}

#[test]
fn an_address_that_is_taken_ends_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = program();
    command.args(["--proxy", NOBODY, "--scrape=http://127.0.0.1:1", "--listen", &address]);
    // Nothing is run either.
    let output = command.args(["--", "/bin/echo", "ran"]).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("cannot listen") && log.contains(&address), "{log}");
    assert_eq!(output.stdout, b"");
}
