use super::*;
use crate::shutdown::{self, ShutdownTrigger};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, future::zip, io::BufReader};
use prometheus_rsocket_runtime::{Listener, Runtime, sleep_until, timeout};
use std::{future::Future, net::SocketAddr};

/// The HTTP side on a loopback port.
pub(super) struct Site {
    runtime: Leaf,
    addr: SocketAddr,
    pub(super) setup: Setup,
    trigger: ShutdownTrigger,
    ended: Receiver<()>,
}

pub(super) fn on_site<F: Future<Output = ()>>(limits: Limits, test: impl FnOnce(Site) -> F) {
    let run = |runtime: Leaf| async move {
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let setup = setup();
        let (trigger, shutdown) = shutdown::channel();
        let (end, ended) = async_channel::bounded(1);
        let (router, serving) = (Arc::clone(&setup.router), runtime.clone());
        runtime.spawn(async move {
            let places = Places::new(limits.max_connections, limits.spare_connections);
            let listening = Listening { name: "http", listener, tls: None, gate: None, places };
            serve(serving, listening, router, limits, shutdown).await;
            let _ = end.send(()).await;
        });
        let site = Site { runtime: runtime.clone(), addr, setup, trigger, ended };
        let give_up = runtime.now() + Duration::from_secs(30);
        timeout(&runtime, give_up, test(site)).await.expect("the test ends");
    };
    Leaf::block_on(Some(2), run).unwrap();
}

impl Site {
    pub(super) async fn connect(&self) -> Peer {
        let stream = self.runtime.connect("127.0.0.1", self.addr.port()).await.unwrap();
        Peer { stream: BufReader::new(stream) }
    }

    pub(super) async fn sleep(&self, millis: u64) {
        sleep_until(&self.runtime, self.runtime.now() + Duration::from_millis(millis)).await;
    }

    pub(super) async fn wait_for_closed(&self, reason: &str, count: usize) {
        let name = "prometheus_proxy_http_connections_closed_total";
        self.wait_for_metric(&format!("{name}{{reason=\"{reason}\"}} {count}")).await;
    }

    /// The metric may be counted a moment after the client has its answer.
    async fn wait_for_metric(&self, line: &str) {
        while !self.setup.telemetry.encode(Instant::now()).lines().any(|l| l == line) {
            self.sleep(5).await;
        }
    }
}

pub(super) struct Peer {
    pub(super) stream: BufReader<Stream>,
}

impl Peer {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).await.unwrap();
    }

    pub(super) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    }

    /// Returns the status line and the headers, in lower case.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let len = self.stream.read_until(b'\n', &mut head).await.unwrap();
            assert_ne!(len, 0, "cut off: {}", head.escape_ascii());
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    }

    /// Returns the next chunk of a chunked body; the last one is empty.
    async fn chunk(&mut self) -> std::io::Result<Vec<u8>> {
        let mut size = String::new();
        self.stream.read_line(&mut size).await?;
        let size = usize::from_str_radix(size.trim(), 16)
            .map_err(|_| std::io::ErrorKind::UnexpectedEof)?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await?;
        chunk.truncate(size);
        Ok(chunk)
    }

    async fn body(&mut self, head: &str) -> Vec<u8> {
        let mut body = Vec::new();
        if head.contains("transfer-encoding: chunked") {
            loop {
                let chunk = self.chunk().await.unwrap();
                if chunk.is_empty() {
                    return body;
                }
                body.extend(chunk);
            }
        }
        body.resize(content_length(head), 0);
        self.stream.read_exact(&mut body).await.unwrap();
        body
    }

    pub(super) async fn response(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let body = self.body(&head).await;
        (head, body)
    }

    /// Returns what arrives until the connection ends, in order or not.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        rest
    }
}

fn content_length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.expect("a length").parse().unwrap()
}

fn short(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn one_connection_serves_many_requests() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        for path in ["/-/healthy", "/-/ready", "/metrics/proxy", "/", "/nowhere", "/-/healthy"] {
            client.get(path).await;
            let (head, body) = client.response().await;
            assert!(head.starts_with("http/1.1 ") && !body.is_empty(), "{head}");
        }
    });
}

#[test]
fn a_scrape_arrives_while_it_is_put_together() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        for _ in 0..2 {
            client.get("/metrics/connected").await;
            let (_, sender) = site.setup.scrapes.recv().await.unwrap();
            sender.send("a 1\n".into()).await.unwrap();
            let head = client.head().await;
            assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
            assert_eq!(client.chunk().await.unwrap(), b"a 1\n");
            sender.send("b 2\n".into()).await.unwrap();
            sender.finish(nobody()).await.unwrap();
            assert_eq!(client.body(&head).await, b"b 2\n");
        }
    });
}

#[test]
fn a_stitched_scrape_is_one_member() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        client.send("GET /metrics/connected HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n").await;
        let core = async {
            let (request, sender) = site.setup.scrapes.recv().await.unwrap();
            assert!(request.gzip);
            let mut member = crate::gzip::Member::new();
            sender.send(crate::gzip::Member::header()).await.unwrap();
            for app in 0..20 {
                let text = format!("up{{app=\"{app}\"}} 1\n");
                let part = crate::gzip::deflate_part(text.as_bytes(), crate::gzip::LEVEL);
                sender.send(member.append(&part)).await.unwrap();
            }
            sender.send(member.finish()).await.unwrap();
            sender.finish(nobody()).await.unwrap();
        };
        let ((head, body), ()) = zip(client.response(), core).await;
        assert!(head.contains("content-encoding: gzip\r\n"));
        assert_eq!(gunzip(&body).lines().count(), 20);
    });
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        client.send("HEAD / HTTP/1.1\r\n\r\n").await;
        let head = client.head().await;
        // Any other answer would have its body taken for the next head.
        client.get("/").await;
        let (get, body) = client.response().await;
        assert_eq!(content_length(&head), content_length(&get));
        assert_eq!(content_length(&get), body.len());

        client.send("HEAD /metrics/connected HTTP/1.1\r\n\r\n").await;
        let head = client.head().await;
        assert!(head.starts_with("http/1.1 200 ") && !head.contains("content-length"), "{head}");
        client.get("/-/healthy").await;
        assert_eq!(client.response().await.1, b"healthy\n");
    });
}

#[test]
fn what_is_no_request_is_refused_and_counted() {
    on_site(Limits::default(), async |site| {
        for (bytes, status) in [
            (b"nonsense\r\n\r\n".as_slice(), "HTTP/1.1 400 "),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "HTTP/1.1 400 "),
            (b"\0\0\x31\0\0\0\0\x04\0\0\x01\0\0\0", "HTTP/1.1 400 "),
            (b"GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400 "),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        ] {
            let mut client = site.connect().await;
            client.send(bytes).await;
            let answer = String::from_utf8(client.rest().await).unwrap();
            assert!(answer.starts_with(status), "{answer:?}");
        }
        let mut client = site.connect().await;
        client.send(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000))).await;
        assert!(client.head().await.starts_with("http/1.1 431 "));
        site.wait_for_metric("prometheus_proxy_http_malformed_total 6").await;

        let mut client = site.connect().await;
        client.get("/-/healthy").await;
        assert_eq!(client.response().await.1, b"healthy\n");
    });
}

#[test]
fn a_request_that_trickles_in_is_cut_off() {
    let limits = short(|limits| limits.head_timeout = Duration::from_millis(200));
    on_site(limits, async |site| {
        let mut client = site.connect().await;
        client.get("/-/healthy").await;
        assert_eq!(client.response().await.1, b"healthy\n");
        // A connection that has been answered has time until its next request begins.
        site.sleep(400).await;
        let begun = Instant::now();
        for byte in b"GET /-/healthy HTTP/1.1\r\nX-Long: ".iter().chain([b'x'; 1000].iter()) {
            if client.stream.get_mut().write_all(&[*byte]).await.is_err() {
                break;
            }
            site.sleep(20).await;
            if begun.elapsed() > Duration::from_millis(300) {
                break;
            }
        }
        assert_eq!(client.rest().await, b"");
        assert!(begun.elapsed() < Duration::from_secs(5));
        site.wait_for_closed("slow_head", 1).await;
    });
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let limits = short(|limits| limits.head_timeout = Duration::from_millis(100));
    on_site(limits, async |site| {
        assert_eq!(site.connect().await.rest().await, b"");
        site.wait_for_closed("slow_head", 1).await;
    });
}

#[test]
fn a_request_cut_in_two_is_answered() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        client.send("GET /-/hea").await;
        site.sleep(50).await;
        client.send("lthy HTTP/1.1\r\n\r\n").await;
        assert_eq!(client.response().await.1, b"healthy\n");
    });
}

#[test]
fn an_idle_connection_is_closed_in_the_end() {
    let limits = short(|limits| limits.idle_timeout = Duration::from_millis(300));
    on_site(limits, async |site| {
        let mut fresh = site.connect().await;
        let mut used = site.connect().await;
        used.get("/-/healthy").await;
        assert_eq!(used.response().await.1, b"healthy\n");
        assert_eq!(zip(fresh.rest(), used.rest()).await, (vec![], vec![]));
        // Neither was malformed.
        site.setup.assert_metric("prometheus_proxy_http_malformed_total 0");
        site.wait_for_closed("idle", 2).await;
    });
}

#[test]
fn a_broken_scrape_breaks_the_connection() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        client.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        sender.send("a 1\n".into()).await.unwrap();
        client.head().await;
        assert_eq!(client.chunk().await.unwrap(), b"a 1\n");
        drop(sender);
        assert_eq!(client.rest().await, b"", "no last chunk");
    });
}

#[test]
fn a_scraper_that_goes_away_ends_the_scrape() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        client.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        sender.send("a 1\n".into()).await.unwrap();
        client.head().await;
        drop(client);
        while sender.send("a 1\n".into()).await.is_ok() {
            site.sleep(1).await;
        }
    });
}

#[test]
fn a_scraper_that_does_not_read_is_cut_off() {
    let limits = short(|limits| limits.stall_timeout = Duration::from_millis(300));
    on_site(limits, async |site| {
        let mut client = site.connect().await;
        client.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        let chunk = bytes::Bytes::from(vec![b'#'; 1 << 20]);
        let mut sent = 0;
        while sender.send(chunk.clone()).await.is_ok() {
            sent += 1;
            assert!(sent < 1000, "the socket cannot have taken that much");
        }
        site.wait_for_closed("stalled", 1).await;
        drop(client);
    });
}

#[test]
fn a_slow_core_is_no_stall() {
    let limits = short(|limits| {
        limits.stall_timeout = Duration::from_millis(100);
        limits.head_timeout = Duration::from_millis(100);
        limits.idle_timeout = Duration::from_millis(100);
    });
    on_site(limits, async |site| {
        let mut client = site.connect().await;
        client.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        let core = async {
            for _ in 0..3 {
                site.sleep(200).await;
                sender.send("a 1\n".into()).await.unwrap();
            }
            sender.finish(nobody()).await.unwrap();
        };
        let ((_, body), ()) = zip(client.response(), core).await;
        assert_eq!(body, b"a 1\na 1\na 1\n");
    });
}

#[test]
fn shutdown_lets_an_answer_under_way_finish() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        let mut idle = site.connect().await;
        idle.get("/-/healthy").await;
        idle.response().await;
        let mut fresh = site.connect().await;
        client.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        sender.send("a 1\n".into()).await.unwrap();
        let head = client.head().await;
        assert_eq!(client.chunk().await.unwrap(), b"a 1\n");

        site.trigger.trigger();
        assert_eq!(zip(idle.rest(), fresh.rest()).await, (vec![], vec![]));
        while site.runtime.connect("127.0.0.1", site.addr.port()).await.is_ok() {
            site.sleep(5).await;
        }
        assert!(site.ended.is_empty());

        sender.send("b 2\n".into()).await.unwrap();
        sender.finish(nobody()).await.unwrap();
        assert_eq!(client.body(&head).await, b"b 2\n");
        assert_eq!(client.rest().await, b"");
        site.ended.recv().await.unwrap();
    });
}

#[test]
fn shutdown_does_not_wait_for_ever() {
    let limits = short(|limits| limits.shutdown_timeout = Duration::from_millis(200));
    on_site(limits, async |site| {
        let mut client = site.connect().await;
        client.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        site.trigger.trigger();
        site.ended.recv().await.unwrap();
        assert!(!client.rest().await.ends_with(b"0\r\n\r\n"));
        assert_eq!(sender.finish(nobody()).await, Err(ScraperGone));
    });
}

#[test]
fn idle_connections_make_room_for_newcomers() {
    let limits = short(|limits| (limits.max_connections, limits.spare_connections) = (2, 0));
    on_site(limits, async |site| {
        let mut silent = site.connect().await;
        let mut kept = site.connect().await;
        kept.get("/-/healthy").await;
        kept.response().await;
        let mut next = site.connect().await;
        next.get("/-/healthy").await;
        assert_eq!(next.response().await.1, b"healthy\n");
        assert_eq!(silent.rest().await, b"", "it was idle longest");
        site.wait_for_closed("idle_evicted", 1).await;
        kept.get("/-/healthy").await;
        assert_eq!(kept.response().await.1, b"healthy\n");
    });
}

#[test]
fn a_probe_gets_in_while_all_connections_are_busy() {
    let limits = short(|limits| (limits.max_connections, limits.spare_connections) = (1, 1));
    on_site(limits, async |site| {
        let mut busy = site.connect().await;
        busy.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        for (path, status) in [
            ("/-/healthy", "200"),
            ("/-/ready", "200"),
            ("/metrics/proxy", "200"),
            ("/", "200"),
            ("/metrics/connected", "503"),
            ("/sd", "503"),
        ] {
            let mut probe = site.connect().await;
            probe.get(path).await;
            let (head, _) = probe.response().await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{path}: {head}");
            assert!(head.contains("connection: close\r\n"));
            assert_eq!(head.contains("retry-after: 1\r\n"), status == "503");
            assert_eq!(probe.rest().await, b"");
        }
        sender.finish(nobody()).await.unwrap();
        busy.response().await;
        let mut scraper = site.connect().await;
        scraper.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        sender.finish(nobody()).await.unwrap();
        scraper.response().await;
    });
}

#[test]
fn a_scraper_that_stalls_makes_room_for_a_newcomer() {
    let limits = short(|limits| {
        (limits.max_connections, limits.spare_connections) = (1, 0);
        limits.stall_timeout = Duration::from_secs(20);
    });
    on_site(limits, async |site| {
        let mut stalled = site.connect().await;
        stalled.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        let chunk = bytes::Bytes::from(vec![b'#'; 1 << 20]);
        site.runtime.spawn(async move { while sender.send(chunk.clone()).await.is_ok() {} });
        loop {
            let mut next = site.connect().await;
            let _ = next.stream.get_mut().write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n").await;
            if next.rest().await.ends_with(b"healthy\n") {
                break;
            }
        }
        site.wait_for_closed("stalled_evicted", 1).await;
    });
}

#[test]
fn connections_beyond_the_bound_are_refused_until_there_is_room() {
    let limits = short(|limits| (limits.max_connections, limits.spare_connections) = (1, 0));
    on_site(limits, async |site| {
        let mut first = site.connect().await;
        first.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        assert_eq!(site.connect().await.rest().await, b"");
        site.wait_for_metric("prometheus_proxy_http_refused_total 1").await;
        sender.finish(nobody()).await.unwrap();
        first.response().await;
        let mut next = site.connect().await;
        next.get("/-/healthy").await;
        assert_eq!(next.response().await.1, b"healthy\n");
    });
}
