//! What scrapers, people and strangers do, and what becomes of the program.

use super::child::{Proxy, Seen, exchange, run};
use crate::app::App;
use crate::program::program;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_client::{ClientTls, ClientTlsFiles};
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_smol::Smol;
use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[fn() -> Seen] = &[
    pages,
    probes,
    silent_probes,
    refused_scrapes,
    full_http,
    stalled_readers,
    stalled_scrape,
    tls,
    changed_tls_files,
    no_descriptors,
    starts_that_fail,
    stopped_early,
];

pub(super) fn pem(name: &str) -> String {
    format!("{}/../runtime/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Seen {
    let proxy = Proxy::start(&["--demo=1"]);
    proxy.wait_line("application connected");
    let _app = App::connect(proxy.tcp);
    let sd = proxy.get("/sd", "");
    let app = sd.split("/metrics/app/").nth(1).and_then(|rest| rest.split('"').next());
    for path in [
        "/",
        "/metrics/connected",
        "/status.json",
        &format!("/metrics/app/{}", app.unwrap_or_default()),
        &format!("/app/{}", app.unwrap_or_default()),
        "/metrics/proxy",
        "/-/healthy",
        "/-/ready",
        "/actuator/health",
        "/actuator/health/liveness",
        "/actuator/health/readiness",
        "/actuator/prometheus",
        "/nowhere",
    ] {
        proxy.get(path, "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n");
    }
    exchange(proxy.http, b"\0\x01 this is no HTTP\r\n\r\n");
    // A scraper that goes away while an application is asked.
    let mut asked = App::connect(proxy.tcp);
    let mut scraper = TcpStream::connect(proxy.http).unwrap();
    scraper.write_all(b"GET /metrics/connected HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    asked.asked();
    drop(scraper);
    proxy.wait_counted("prometheus_proxy_scrape_rounds_seconds_count{outcome=\"aborted\"}");
    proxy.seen()
}

/// Sends bytes, and leaves.
fn probe(to: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(bytes).unwrap();
    let _ = stream.shutdown(Shutdown::Write);
    let _ = exchange_rest(stream);
}

fn exchange_rest(mut stream: TcpStream) -> std::io::Result<u64> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    std::io::copy(&mut stream, &mut std::io::sink())
}

fn probes() -> Seen {
    let proxy = Proxy::start(&[]);
    for address in [proxy.tcp, proxy.websocket, proxy.http] {
        for bytes in [
            &b""[..],
            b"\x01",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
            b"\x15\x03\x03\0\x02\x02\x28",
            b"SSH-2.0-OpenSSH_9.2p1\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"\0\0\x38\0\0\0\0\x04\0\0\x01\0\0\0\0",
        ] {
            // There, a whole request is answered, even if its sender has left.
            let is_request = address == proxy.http && bytes.starts_with(b"GET");
            probe(address, if is_request { &bytes[..bytes.len() - 2] } else { bytes });
        }
    }
    proxy.wait_line("it is not what this port serves");
    proxy.seen()
}

fn silent_probes() -> Seen {
    let proxy = Proxy::start(&["--setup-timeout=300ms", "--handshake-timeout=300ms"]);
    let (tcp, websocket, http) = (proxy.tcp, proxy.websocket, proxy.http);
    let waiting = [(tcp, &b"\0"[..]), (websocket, b"GET / HTTP/1.1\r\n"), (http, b"GET / HTTP")];
    let waiting = waiting.map(|(to, bytes)| thread::spawn(move || exchange(to, bytes)));
    for waiting in waiting {
        waiting.join().unwrap();
    }
    proxy.wait_counted("prometheus_proxy_probes_total{kind=\"silent\",listener=\"http\"}");
    proxy.seen()
}

fn refused_scrapes() -> Seen {
    let options =
        ["--max-concurrent-scrapes=1", "--max-http-connections=4", "--shutdown-timeout=1s"];
    let proxy = Proxy::start(&options);
    let mut app = App::connect(proxy.tcp);
    let first = proxy.scrape(20.0);
    app.asked();
    let second = proxy.scrape(5.0).join().unwrap();
    assert!(second.starts_with("HTTP/1.1 503"), "{second}");
    proxy.wait_line("scrape refused or given up");
    // Until it has waited for as long as Prometheus would.
    while proxy.scrape(1.0).join().unwrap().starts_with("HTTP/1.1 503") {
        thread::sleep(Duration::from_millis(500));
    }
    let seen = proxy.seen();
    let _ = first.join();
    seen
}

fn full_http() -> Seen {
    let proxy = Proxy::start(&["--max-http-connections=2"]);
    let silent = [(); 20].map(|()| TcpStream::connect(proxy.http).unwrap());
    proxy.wait_line("HTTP connection closed");
    drop(silent);
    proxy.seen()
}

/// Asks for a page again and again, and reads no answer.
fn unread(http: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let request = b"GET /metrics/proxy HTTP/1.1\r\nHost: test\r\n\r\n";
    while stream.write_all(request).is_ok() {}
    stream
}

fn stalled_readers() -> Seen {
    let proxy = Proxy::start(&["--max-http-connections=1"]);
    let first = unread(proxy.http);
    // It stalls for long enough to make room after a second.
    thread::sleep(Duration::from_millis(1_500));
    let second = unread(proxy.http);
    proxy
        .wait_counted("prometheus_proxy_http_connections_closed_total{reason=\"stalled_evicted\"}");
    drop((first, second));
    let stalled = "prometheus_proxy_http_connections_closed_total{reason=\"stalled\"}";
    proxy.repeat_until_counted(stalled, || {
        // While the proxy has not noticed that another one has gone, this one has a spare place: it gets one answer, and cannot stall.
        let _reader = unread(proxy.http);
        thread::sleep(Duration::from_millis(5_500));
    });
    proxy.seen()
}

fn stalled_scrape() -> Seen {
    let proxy = Proxy::start(&["--max-concurrent-scrapes=1", "--max-http-connections=4"]);
    let app = App::connect(proxy.tcp);
    let text = format!("# {}\n", "x".repeat(998)).repeat(20_000);
    thread::spawn(move || app.serve(&text));
    proxy.wait_line("application connected");
    let given_up = "prometheus_proxy_scrapes_given_up_total{reason=\"stalled\"}";
    proxy.repeat_until_counted(given_up, || {
        // A new reader each time: on a busy machine the application can be so slow that its text is not in the answer.
        let mut stalled = TcpStream::connect(proxy.http).unwrap();
        stalled.write_all(b"GET /metrics/connected HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let (mut some, begun) = ([0; 10_000], Instant::now());
        while stalled.peek(&mut some).is_ok_and(|length| 0 < length && length < some.len())
            && begun.elapsed() < Duration::from_secs(15)
        {
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(Duration::from_millis(1_200));
        drop(proxy.scrape(1.0).join());
    });
    proxy.seen()
}

fn tls() -> Seen {
    let (certificate, key) = (pem("server.pem"), pem("server.key"));
    let on = |listener: &str| {
        [format!("--{listener}-tls-cert={certificate}"), format!("--{listener}-tls-key={key}")]
    };
    let mut seen = Seen::default();
    for listener in ["tcp", "http"] {
        let options = on(listener);
        let proxy = Proxy::start(&options.each_ref().map(String::as_str));
        exchange(if listener == "tcp" { proxy.tcp } else { proxy.http }, b"GET / HTTP/1.1\r\n\r\n");
        proxy.wait_line("TLS handshake failed");
        seen.add(if listener == "tcp" {
            proxy.seen()
        } else {
            let own_metrics = get_secured(proxy.http, "/metrics/proxy");
            proxy.seen_in(&own_metrics)
        });
    }
    seen
}

fn get_secured(http: SocketAddr, path: &str) -> String {
    let mut files = ClientTlsFiles::default();
    files.ca = Some(pem("ca.pem").into());
    let tls = ClientTls::load(files).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    Smol::block_on(Some(1), |runtime| async move {
        let stream = runtime.connect("localhost", http.port()).await.unwrap();
        let mut stream = tls.connect("localhost", stream).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .unwrap()
}

fn changed_tls_files() -> Seen {
    let folder = std::env::temp_dir().join(format!("provoked-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("a.pem"), folder.join("a.key"));
    fs::copy(pem("server.pem"), &certificate).unwrap();
    fs::copy(pem("server.key"), &key).unwrap();
    let proxy = Proxy::start(&[
        &format!("--tcp-tls-cert={}", certificate.display()),
        &format!("--tcp-tls-key={}", key.display()),
        "--tls-reload-interval=50ms",
    ]);
    // A FIFO in its place is not waited for.
    fs::remove_file(&certificate).unwrap();
    assert!(Command::new("mkfifo").arg(&certificate).status().unwrap().success());
    proxy.wait_line("the old ones stay in use");
    fs::remove_file(&certificate).unwrap();
    fs::copy(pem("renewed.pem"), &certificate).unwrap();
    fs::copy(pem("renewed.key"), &key).unwrap();
    proxy.wait_line("TLS files have changed");
    fs::remove_dir_all(folder).unwrap();
    proxy.ended()
}

fn no_descriptors() -> Seen {
    let proxy = Proxy::start(&[]);
    // After the start: before it, the program would accept no more connections than fit.
    proxy.limit_descriptors(30);
    let held: Vec<_> = (0..60).filter_map(|_| TcpStream::connect(proxy.tcp).ok()).collect();
    proxy.wait_line("cannot accept a connection");
    drop(held);
    proxy.ended()
}

fn starts_that_fail() -> Seen {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--listen-http={}", taken.local_addr().unwrap());
    run(&[&address, "--listen-tcp=off", "--listen-websocket=off"])
}

fn stopped_early() -> Seen {
    // Too early a signal ends it without a word, and too late a one finds it ready.
    let mut logs = (0..200).map(|tenths| stopped_after(Duration::from_millis(100) * (tenths % 20)));
    Seen::of_log(logs.find(|log| log.contains("stopped before")).expect("it is stopped early"))
}

/// What the program logs if it is stopped after a time.
fn stopped_after(time: Duration) -> String {
    let listen = ["tcp", "websocket", "http"].map(|name| format!("--listen-{name}=127.0.0.1:0"));
    let mut command = program();
    command.args(["--key-bits=4096"]).args(listen).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    thread::sleep(time);
    let output = crate::signals::signalled(child, "TERM");
    String::from_utf8(output.stderr).unwrap()
}
