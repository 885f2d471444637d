//! The program as a child, and what it counted and logged in the end.

use crate::program::program;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long to wait for what has to happen: a busy machine may need most of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What programs counted and logged.
#[derive(Default)]
pub(crate) struct Seen {
    counts: BTreeMap<String, f64>,
    log: String,
}

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        for (series, count) in other.counts {
            *self.counts.entry(series).or_default() += count;
        }
        self.log += &other.log;
    }

    pub(super) fn of_log(log: String) -> Self {
        Self { counts: BTreeMap::new(), log }
    }

    /// Series that nothing has counted.
    pub(super) fn still(&self) -> impl Iterator<Item = &str> {
        self.counts.iter().filter(|(_, count)| **count == 0.0).map(|(series, _)| &**series)
    }

    pub(super) fn has_series(&self, series: &str) -> bool {
        self.counts.contains_key(series)
    }

    /// How many lines of the log contain a text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.log.lines().filter(|line| line.contains(text)).count()
    }

    pub(crate) fn has_logged(&self, message: &str) -> bool {
        self.log.contains(message)
    }
}

/// The program.
pub(crate) struct Proxy {
    child: Child,
    log: Option<JoinHandle<String>>,
    lines: Receiver<String>,
    pub(crate) tcp: SocketAddr,
    pub(crate) websocket: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Proxy {
    /// Starts it on free ports.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_as(program(), options)
    }

    pub(super) fn start_as(mut command: Command, options: &[&str]) -> Self {
        command
            .args(["tcp", "websocket", "http"].map(|name| format!("--listen-{name}=127.0.0.1:0")));
        let mut child = command.args(options).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        let log = thread::spawn(move || {
            let (mut log, mut line) = (String::new(), String::new());
            while stderr.read_line(&mut line).unwrap() > 0 {
                log += &line;
                // Nobody may wait for it any more.
                let _ = sender.send(std::mem::take(&mut line));
            }
            log
        });
        let address = || {
            let line = wait_line(&lines, "listening");
            let address = line.split("address=").nth(1).expect("the address");
            address.trim().parse().unwrap()
        };
        let (tcp, websocket, http) = (address(), address(), address());
        Self { child, log: Some(log), lines, tcp, websocket, http }
    }

    /// Lowers its limit of file descriptors.
    pub(super) fn limit_descriptors(&self, limit: u64) {
        let (pid, limit) = (format!("--pid={}", self.child.id()), format!("--nofile={limit}"));
        assert!(Command::new("prlimit").args([pid, limit]).status().unwrap().success());
    }

    /// Waits for a line that contains a text.
    pub(crate) fn wait_line(&self, text: &str) -> String {
        wait_line(&self.lines, text)
    }

    /// The next line that contains a text, if there is one within so many seconds.
    pub(crate) fn line_within(&self, text: &str, seconds: u64) -> Option<String> {
        let give_up = Instant::now() + Duration::from_secs(seconds);
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).ok()?;
            if line.contains(text) {
                return Some(line);
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let (signal, pid) = (format!("-{signal}"), self.child.id().to_string());
        assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    }

    /// Waits until a counter of the proxy's is not 0.
    #[track_caller]
    pub(crate) fn wait_counted(&self, series: &str) {
        self.repeat_until_counted(series, || {});
    }

    /// Does something again and again, until a counter of the proxy's is not 0.
    #[track_caller]
    pub(crate) fn repeat_until_counted(&self, series: &str, act: impl Fn()) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            act();
            if self.counts().get(series).is_some_and(|count| *count > 0.0) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing counts {series}");
    }

    /// The proxy's counters.
    fn counts(&self) -> BTreeMap<String, f64> {
        counts_in(&self.get("/metrics/proxy", ""))
    }

    /// The body of an answer, or all that came where there is none.
    pub(crate) fn get(&self, path: &str, headers: &str) -> String {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
        String::from_utf8_lossy(&exchange(self.http, request.as_bytes())).into_owned()
    }

    /// Begins a scrape that waits for applications as long as these say.
    pub(crate) fn scrape(&self, seconds: f64) -> JoinHandle<String> {
        let http = self.http;
        let request = format!(
            "GET /metrics/connected HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             X-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n\r\n"
        );
        thread::spawn(move || {
            String::from_utf8_lossy(&exchange(http, request.as_bytes())).into_owned()
        })
    }

    /// Ends it, and tells all that it did.
    pub(super) fn seen(self) -> Seen {
        // Where HTTP is full, a request may find no place.
        let mut tries = (0..1_000).map(|_| self.counts());
        let counts = tries.find(|counts| !counts.is_empty()).expect("the proxy's counters");
        Seen { counts, log: self.ended().log }
    }

    /// The same, given the answer to `/metrics/proxy`.
    pub(super) fn seen_in(self, own_metrics: &str) -> Seen {
        Seen { counts: counts_in(own_metrics), log: self.ended().log }
    }

    /// Ends it, and tells what it logged.
    pub(crate) fn ended(mut self) -> Seen {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        self.child.wait().unwrap();
        Seen::of_log(self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Nothing is left to end unless a scenario has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn counts_in(own_metrics: &str) -> BTreeMap<String, f64> {
    let samples = own_metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let is_counter = |series: &str| {
        let name = series.split('{').next().unwrap();
        name.ends_with("_total") || name.ends_with("_seconds_count")
    };
    let samples = samples.filter(|(series, _)| is_counter(series));
    samples.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect()
}

fn wait_line(lines: &Receiver<String>, text: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("no line {text:?}"));
        if line.contains(text) {
            return line;
        }
    }
}

/// Sends bytes, and gives what comes until the other side closes, whichever way.
pub(crate) fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = Vec::new();
    // What came before a reset counts.
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// What a program that ends by itself logs.
pub(super) fn run(options: &[&str]) -> Seen {
    let output = program().args(options).output().unwrap();
    Seen::of_log(String::from_utf8(output.stderr).unwrap())
}
