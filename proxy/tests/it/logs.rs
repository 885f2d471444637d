//! The lines that the program logs for operators.

use crate::app::App;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

/// The program, with its log.
struct Program {
    child: Child,
    log: BufReader<ChildStderr>,
    tcp: SocketAddr,
    http: SocketAddr,
}

impl Program {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_prometheus-rsocket-proxy"))
            .args(["--listen-tcp=127.0.0.1:0", "--listen-websocket=off"])
            .arg("--listen-http=127.0.0.1:0")
            .args(options)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut address = || {
            let line = line_with(&mut log, "listening");
            let start = line.rfind("127.0.0.1:").unwrap();
            let end = line[start..].find(|c: char| c == '"' || c.is_whitespace());
            line[start..end.map_or(line.len(), |end| start + end)].parse().unwrap()
        };
        let (tcp, http) = (address(), address());
        Self { child, log, tcp, http }
    }

    /// The next line that contains a text.
    fn line(&mut self, text: &str) -> String {
        line_with(&mut self.log, text)
    }

    fn scrape(&self) -> thread::JoinHandle<String> {
        let http = self.http;
        thread::spawn(move || {
            let mut stream = TcpStream::connect(http).unwrap();
            let request =
                b"GET /metrics/connected HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(request).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    }

    /// Ends it. Returns the rest of the log.
    fn stop(mut self) -> String {
        self.child.kill().unwrap();
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap();
        rest
    }
}

fn line_with(log: &mut impl BufRead, text: &str) -> String {
    let mut line = String::new();
    while log.read_line(&mut line).unwrap() > 0 {
        if line.contains(text) {
            return line;
        }
        line.clear();
    }
    panic!("no line with {text}");
}

#[test]
fn an_application_comes_fails_recovers_and_goes_in_one_line_each() {
    let mut program = Program::start(&[]);
    let mut app = App::connect_as(program.tcp, &[("instance", "a")]);
    let connected = program.line("application connected");
    assert!(connected.contains(" INFO ") && connected.contains("peer=\"127.0.0.1:"), "{connected}");
    assert!(connected.contains("{instance=\"a\"}"), "{connected}");
    for text in ["bad{ 1\n", "bad{ 1\n", "good 1\n"] {
        let scraping = program.scrape();
        app.answer_text_between_reports(text);
        scraping.join().unwrap();
    }
    let failed = program.line("scrape failed");
    assert!(failed.contains(" WARN ") && failed.contains("reason=\"exposition\""), "{failed}");
    assert!(failed.contains("line 1") && failed.contains("peer=\"127.0.0.1:"), "{failed}");
    // The second failure was the same, so the next line is that of the recovery.
    let mut next = String::new();
    program.log.read_line(&mut next).unwrap();
    assert!(next.contains(" INFO ") && next.contains("can be scraped again"), "{next}");
    drop(app);
    let gone = program.line("application gone");
    assert!(gone.contains(" INFO ") && gone.contains("{instance=\"a\"}"), "{gone}");
    assert_eq!(program.stop(), "");
}

#[test]
fn anonymous_peers_are_logged_once_in_a_while() {
    let mut program = Program::start(&[]);
    for _ in 0..20 {
        for bytes in [&b""[..], b"\x01", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"] {
            for to in [program.tcp, program.http] {
                let mut stream = TcpStream::connect(to).unwrap();
                stream.write_all(bytes).unwrap();
            }
        }
    }
    program.line("connection refused");
    drop(App::connect(program.tcp));
    program.line("application gone");
    let rest = program.stop();
    // Two kinds on each of two ports.
    assert!(rest.matches("connection refused").count() <= 3, "{rest}");
}

#[test]
fn a_connection_that_is_reset_is_gone_for_that_reason() {
    let mut program = Program::start(&[]);
    let app = App::connect_as(program.tcp, &[("instance", "a")]);
    program.line("application connected");
    let scraping = program.scrape();
    // It leaves the request unread, and so its system resets the connection.
    let stream = app.into_stream();
    stream.peek(&mut [0]).unwrap();
    drop(stream);
    let gone = program.line("application gone");
    assert!(gone.contains("the transport failed: "), "{gone}");
    scraping.join().unwrap();
    program.stop();
}

#[test]
fn the_log_can_be_json() {
    let mut program = Program::start(&["--log-format=json"]);
    drop(App::connect_as(program.tcp, &[("instance", "a\"1")]));
    let line = program.line("application connected");
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["level"], "INFO");
    assert_eq!(event["message"], "application connected");
    assert_eq!(event["labels"], "{instance=\"a\\\"1\"}");
    program.stop();
}
