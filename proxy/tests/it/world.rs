use super::{Leaf, OPTION};
use prometheus_rsocket_proxy::config::Config;
use prometheus_rsocket_proxy::shutdown::ShutdownTrigger;
use prometheus_rsocket_proxy::{Proxy, Tables, Watch, shutdown};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A proxy that runs in threads of its own, on free ports.
pub(crate) struct World {
    pub(crate) tcp: SocketAddr,
    pub(crate) websocket: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    watch: Watch,
    trigger: ShutdownTrigger,
    thread: JoinHandle<()>,
}

impl World {
    /// Starts a proxy whose answers hold what applications sent and nothing else, unless the options say otherwise.
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut args = vec!["proxy", OPTION];
        args.extend([
            "--listen-tcp=127.0.0.1:0",
            "--listen-websocket=127.0.0.1:0",
            "--listen-http=127.0.0.1:0",
        ]);
        if !options.contains(&"--app-metrics=on") {
            args.push("--app-metrics=off");
        }
        args.extend(options);
        let config = Config::from_args(args, []).unwrap();
        let (trigger, shutdown) = shutdown::channel();
        let (started, addresses) = mpsc::channel();
        let thread = thread::spawn(move || {
            Leaf::block_on(Some(2), |runtime| async move {
                let proxy = Proxy::bind(runtime, config).await.unwrap();
                let addresses =
                    [proxy.tcp_address(), proxy.websocket_address(), proxy.http_address()];
                let addresses = (addresses.map(Option::unwrap), proxy.admin_address());
                started.send((addresses, proxy.watch())).unwrap();
                proxy.run(shutdown).await;
            })
            .unwrap();
        });
        let (([tcp, websocket, http], admin), watch) = addresses.recv().unwrap();
        Self { tcp, websocket, http, admin, watch, trigger, thread }
    }

    /// Begins a scrape; the answer comes when it is asked for.
    pub(crate) fn scrape(&self) -> Scraping {
        self.scrape_with("X-Prometheus-Scrape-Timeout-Seconds: 20\r\n")
    }

    pub(crate) fn scrape_with(&self, headers: &str) -> Scraping {
        let (http, headers) = (self.http, headers.to_owned());
        Scraping(thread::spawn(move || get(http, "/metrics/connected", &headers)))
    }

    /// The value of one of the proxy's own metrics.
    pub(crate) fn own(&self, series: &str) -> f64 {
        let text = get(self.http, "/metrics/proxy", "").text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
    }

    /// Waits until one of the proxy's own metrics has a value.
    pub(crate) fn wait_own(&self, series: &str, value: f64) {
        for _ in 0..1000 {
            if self.own(series) == value {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{series} is {}, not {value}", self.own(series));
    }

    /// Waits until the proxy's tables are as they should be.
    #[track_caller]
    pub(crate) fn wait_tables(&self, are_right: impl Fn(Tables) -> bool) {
        for _ in 0..1000 {
            if are_right(self.watch.tables()) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{:?}", self.watch.tables());
    }

    pub(crate) fn begin_stop(&self) {
        self.trigger.trigger();
    }

    /// Waits until the proxy has stopped.
    pub(crate) fn stopped(self) {
        self.trigger.trigger();
        self.thread.join().unwrap();
    }
}

pub(crate) struct Scraping(JoinHandle<Answer>);

impl Scraping {
    pub(crate) fn answer(self) -> Answer {
        self.0.join().unwrap()
    }

    pub(crate) fn text(self) -> String {
        let answer = self.answer();
        assert_eq!(answer.status(), "200 OK");
        answer.text()
    }
}

/// An HTTP answer, as it came.
pub(crate) struct Answer {
    pub(crate) head: String,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        self.head.lines().next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()
    }

    /// The body, decoded as its head says.
    pub(crate) fn text(&self) -> String {
        let head = self.head.to_ascii_lowercase();
        let mut body = self.body.clone();
        if head.contains("transfer-encoding: chunked") {
            body = unchunk(&body).expect("a body that ends");
        }
        if head.contains("content-encoding: gzip") {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            return text;
        }
        String::from_utf8(body).unwrap()
    }
}

pub(crate) fn get(http: SocketAddr, path: &str, headers: &str) -> Answer {
    let agent = if headers.contains("User-Agent:") { "" } else { "User-Agent: test\r\n" };
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{agent}{headers}\r\n");
    let answer = exchange(http, request.as_bytes());
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    Answer { head, body: answer[end..].to_vec() }
}

/// Sends bytes, and gives all that comes until the other side closes.
pub(crate) fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn unchunk(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|end| end == b"\r\n")?;
        let len = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).ok()?, 16).ok()?;
        body.extend_from_slice(chunks.get(line + 2..line + 2 + len)?);
        chunks = chunks.get(line + 4 + len..)?;
        if len == 0 {
            return Some(body);
        }
    }
}
