//! What packages need of the program: a health check without a shell, and word to systemd.

use crate::program::program;
use crate::provoked::child::Proxy;
use crate::signals::signalled;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn healthcheck(options: &[&str]) -> Output {
    program().arg("healthcheck").args(options).output().unwrap()
}

/// A listener that gives one answer.
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    address
}

#[test]
fn a_health_check_of_a_proxy_that_is_ready_ends_with_0() {
    let proxy = Proxy::start(&[]);
    let output = healthcheck(&[&format!("--listen-http={}", proxy.http)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // As in a container, where options are in the environment, and the listener is on every address.
    let output = program()
        .arg("healthcheck")
        .env("PROMETHEUS_RSOCKET_PROXY_LISTEN_HTTP", format!("0.0.0.0:{}", proxy.http.port()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_health_check_says_why_the_proxy_is_not_ready() {
    // The system accepts connections, and nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, why) in [
        (silent.local_addr().unwrap().to_string(), "(--listen-http): no answer within 2 s"),
        (
            answering("HTTP/1.1 503 Service Unavailable\r\n\r\n").to_string(),
            "answers \"HTTP/1.1 503\"",
        ),
        (answering("HTTP/1.1").to_string(), "not ready"),
        ("127.0.0.1:1".to_owned(), "(--listen-http)"),
        ("off".to_owned(), "--listen-http is off"),
    ] {
        let output = healthcheck(&[&format!("--listen-http={address}")]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("not ready") && message.contains(why), "{message}");
    }
    assert_eq!(healthcheck(&["--listen-http=nowhere"]).status.code(), Some(2));
}

fn notifying(socket: &Path) -> Command {
    let mut command = program();
    command
        .args(["--listen-tcp=127.0.0.1:0", "--listen-websocket=off", "--listen-http=off"])
        .arg("--envelope=plaintext")
        .env("NOTIFY_SOCKET", socket)
        .stderr(Stdio::piped());
    command
}

#[test]
fn systemd_is_told_when_the_proxy_is_ready_and_when_it_stops() {
    let path = std::env::temp_dir().join(format!("notify-{}", std::process::id()));
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut message = [0; 64];
        let len = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..len]).trim_end().to_owned()
    };
    let child = notifying(&path).spawn().unwrap();
    assert_eq!(told(), "READY=1");
    let output = signalled(child, "TERM");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(told(), "STOPPING=1");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn systemd_is_told_of_a_reload() {
    let path = std::env::temp_dir().join(format!("notify-reload-{}", std::process::id()));
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut message = [0; 128];
        let len = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..len]).trim_end().to_owned()
    };
    let mut child = notifying(&path).spawn().unwrap();
    assert_eq!(told(), "READY=1");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let message = told();
    let (reloading, time) = message.split_once('\n').expect("two lines");
    assert_eq!(reloading, "RELOADING=1");
    let time: u64 = time.strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(time > 0);
    assert_eq!(told(), "READY=1");
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_proxy_that_cannot_tell_systemd_logs_that_and_serves() {
    let mut child = notifying(Path::new("/nonexistent/notify")).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let found = lines.into_iter().find(|line| line.contains("cannot notify systemd")).unwrap();
    assert!(found.contains("READY=1") && found.contains("No such file"), "{found}");
    assert!(child.try_wait().unwrap().is_none());
    assert_eq!(signalled(child, "KILL").status.code(), None);
}

fn printed(args: &[&str]) -> String {
    let output = program().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_manual_has_every_option() {
    let manual = printed(&["--print-man"]);
    assert!(manual.contains(".TH prometheus-rsocket-proxy 1"), "{manual}");
    let help = printed(&["--help"]);
    let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    let mut count = 0;
    for option in options.filter_map(|rest| rest.split([' ', '[']).next()) {
        count += 1;
        let name = format!("\\-\\-{}", option.replace('-', "\\-"));
        assert!(manual.contains(&name), "--{option}");
    }
    assert!(count > 50, "{count} options");
}

#[test]
fn completions_are_printed_for_shells_that_are_known() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["--print-completions", shell]);
        assert!(script.contains("listen-websocket"), "{shell}: {script}");
    }
    for args in [&["--print-completions", "csh"][..], &["--print-completions"]] {
        let output = program().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("needs a shell"), "{output:?}");
    }
}
