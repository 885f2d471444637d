//! The load generator: connects many applications to a running proxy, scrapes it, and prints what that took.
//!
//! ```sh
//! cargo build --release --workspace
//! target/release/prometheus-rsocket-proxy --listen-tcp 127.0.0.1:7001 --listen-http 127.0.0.1:8080 & proxy=$!
//! target/release/load --apps 1000 --series 1000 --scrapes 5 --pid $proxy
//! kill $proxy
//! ```
//!
//! The applications share this process and cost it little: their answer is sealed once for each key that a proxy sends, which
//! is one for this proxy, and one for each connection to the original.

use bytes::Bytes;
use clap::Parser;
use prometheus_rsocket_benches::metrics;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{self, AesKeySize, PeerKey};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, Setup};
use prometheus_rsocket_runtime::{DriverConfig, Owner, Runtime, drive, sleep_until};
use prometheus_rsocket_tokio::Tokio;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::{Duration, Instant};

/// Connects many applications to a running proxy, scrapes it, and prints what that took.
#[derive(Clone, Parser)]
struct Args {
    /// The proxy's RSocket address.
    #[arg(long, default_value = "127.0.0.1:7001")]
    rsocket: SocketAddr,
    /// The proxy's HTTP address.
    #[arg(long, default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// How many applications.
    #[arg(long, default_value_t = 1000)]
    apps: usize,
    /// How many series each of them has.
    #[arg(long, default_value_t = 1000)]
    series: usize,
    /// How many scrapes, one after the other.
    #[arg(long, default_value_t = 5)]
    scrapes: usize,
    /// How many of the applications never answer.
    #[arg(long, default_value_t = 0)]
    hung: usize,
    /// The proxy's process, to read its peak memory and processor time.
    #[arg(long)]
    pid: Option<u32>,
    /// The scraper's time limit, in seconds.
    #[arg(long, default_value_t = 10.0)]
    timeout: f64,
    /// Scrape without compression.
    #[arg(long)]
    identity: bool,
}

type Failure = Box<dyn Error + Send + Sync>;

/// What all applications share.
struct Fleet {
    text: String,
    answers: Mutex<BTreeMap<Bytes, Payload>>,
    keyed: AtomicUsize,
    ended: AtomicUsize,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    Tokio::block_on(None, |runtime| run(runtime, args))?
}

async fn run(runtime: Tokio, args: Args) -> Result<(), Failure> {
    let fleet = Arc::new(Fleet {
        text: metrics("orders-1", args.series),
        answers: Mutex::default(),
        keyed: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
    });
    let started = Instant::now();
    for number in 0..args.apps {
        let (fleet, answers) = (Arc::clone(&fleet), number >= args.hung);
        let (runtime, host, port) =
            (runtime.clone(), args.rsocket.ip().to_string(), args.rsocket.port());
        runtime.clone().spawn(async move {
            if let Err(error) = application(&runtime, &host, port, &fleet, answers).await {
                eprintln!("an application's connection failed: {error}");
            }
            fleet.ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    while fleet.keyed.load(Ordering::Relaxed) < args.apps {
        if started.elapsed() > Duration::from_secs(300) {
            return Err("not all applications got their key within 5 minutes".into());
        }
        sleep_until(&runtime, Instant::now() + Duration::from_millis(1)).await;
    }
    println!(
        "connect: {} applications have their key after {:.3} s",
        args.apps,
        started.elapsed().as_secs_f64()
    );
    for number in 1..=args.scrapes {
        let args = args.clone();
        let cpu_before = args.pid.and_then(cpu_seconds);
        let scrape = runtime.unblock(move || scrape(&args)).await??;
        let cpu = args_cpu(cpu_before, &scrape);
        println!("scrape {number}: {scrape}{cpu}");
    }
    if let Some(pid) = args.pid {
        println!("peak memory of the proxy: {} MB", peak_memory_kb(pid)? / 1000);
    }
    let ended = fleet.ended.load(Ordering::Relaxed);
    if ended > 0 { Err(format!("{ended} connections ended").into()) } else { Ok(()) }
}

fn args_cpu(before: Option<f64>, scrape: &Scrape) -> String {
    match (before, scrape.pid.and_then(cpu_seconds)) {
        (Some(before), Some(after)) => format!(", {:.2} CPU-s", after - before),
        _ => String::new(),
    }
}

/// One application, until its connection ends.
async fn application(
    runtime: &Tokio,
    host: &str,
    port: u16,
    fleet: &Arc<Fleet>,
    answers: bool,
) -> Result<(), Failure> {
    let stream = runtime.connect(host, port).await?;
    let mut connection = Connection::client(Config::default(), Setup::default(), runtime.now())?;
    let mut owner = Application { fleet: Arc::clone(fleet), answer: Payload::default(), answers };
    drive(runtime, stream, &mut connection, &mut owner, &DriverConfig::default()).await?;
    Ok(())
}

struct Application {
    fleet: Arc<Fleet>,
    answer: Payload,
    answers: bool,
}

impl Owner<Connection> for Application {
    fn poll(&mut self, _cx: &mut Context<'_>, now: Instant, connection: &mut Connection) {
        while let Some(event) = connection.poll_event() {
            match event {
                Event::FireAndForget { payload, .. } => {
                    if let Err(error) = self.on_key(&payload.data) {
                        connection.close(now, ErrorCode::CONNECTION_ERROR, &error.to_string());
                    }
                }
                Event::RequestResponse { stream_id, .. } if self.answers => {
                    if let Err(error) = connection.respond(stream_id, self.answer.clone()) {
                        eprintln!("cannot answer: {error}");
                    }
                }
                _ => {}
            }
        }
    }
}

impl Application {
    fn on_key(&mut self, key: &Bytes) -> Result<(), Failure> {
        let mut answers = self.fleet.answers.lock().map_err(|_| "another application failed")?;
        self.answer = match answers.get(key) {
            Some(answer) => answer.clone(),
            None => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed)?;
                let peer = PeerKey::parse(key)?;
                let text = self.fleet.text.as_bytes();
                let answer = envelope::seal(&peer, text, AesKeySize::Aes128, seed)?;
                answers.insert(Bytes::copy_from_slice(key), answer.clone());
                answer
            }
        };
        drop(answers);
        self.fleet.keyed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

struct Scrape {
    took: Duration,
    received: usize,
    text: usize,
    series: usize,
    pid: Option<u32>,
}

impl std::fmt::Display for Scrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { took, received, text, series, .. } = self;
        write!(
            f,
            "{:.3} s, {received} bytes, {text} bytes of text, {series} series",
            took.as_secs_f64()
        )
    }
}

/// One scrape, as Prometheus does it.
fn scrape(args: &Args) -> Result<Scrape, Failure> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(args.http)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let encoding = if args.identity { "identity" } else { "gzip" };
    write!(
        stream,
        "GET /metrics/connected HTTP/1.1\r\nHost: load\r\nConnection: close\r\nAccept-Encoding: {encoding}\r\n\
         X-Prometheus-Scrape-Timeout-Seconds: {}\r\n\r\n",
        args.timeout
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let took = started.elapsed();
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").ok_or("no HTTP answer")? + 4;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(String::from_utf8_lossy(&answer[..head]).into());
    }
    let (head, body) = answer.split_at(head);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let is_chunked = head.contains("\r\ntransfer-encoding: chunked\r\n");
    let body = if is_chunked { unchunk(body)? } else { body.to_vec() };
    let is_gzip = head.contains("\r\ncontent-encoding: gzip\r\n");
    let text = if is_gzip { gunzip(&body)? } else { body };
    let is_series = |line: &&[u8]| !line.is_empty() && !line.starts_with(b"#");
    let series = text.split(|byte| *byte == b'\n').filter(is_series).count();
    Ok(Scrape { took, received: answer.len(), text: text.len(), series, pid: args.pid })
}

fn unchunk(mut chunks: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|end| end == b"\r\n").ok_or("a chunk is cut off")?;
        let len = usize::from_str_radix(std::str::from_utf8(&chunks[..line])?, 16)?;
        if len == 0 {
            return Ok(body);
        }
        let chunk = chunks.get(line + 2..line + 2 + len).ok_or("a chunk is cut off")?;
        body.extend_from_slice(chunk);
        chunks = chunks.get(line + 4 + len..).ok_or("a chunk is cut off")?;
    }
}

fn gunzip(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut text)?;
    Ok(text)
}

fn peak_memory_kb(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no VmHWM")?.parse()?)
}

/// User and system time of a process; the kernel counts it in hundredths of a second.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}
