use super::*;
use futures_lite::future::zip;
use prometheus_rsocket_runtime::{JobLost, Timer};
use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

#[test]
fn a_browser_is_told_what_this_port_is_for() {
    on_port(config(), async |port| {
        for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /metrics HTTP/1.0\r\n\r\n"] {
            let (answer, error) = port.ask(request).await;
            let (head, text) = answer.split_once("\r\n\r\n").unwrap();
            let version = &request[request.find("HTTP").unwrap()..][..8];
            assert!(head.starts_with(&format!("{version} 426 Upgrade Required\r\n")), "{head}");
            for line in ["upgrade: websocket", "connection: upgrade, close"] {
                assert!(head.lines().any(|other| other == line), "{head}");
            }
            assert!(head.contains("content-type: text/plain"), "{head}");
            assert_eq!(
                text,
                "This is the port where applications connect by RSocket over WebSocket. \
                 Metrics are at http://localhost:8080/metrics/connected.\n"
            );
            assert!(matches!(error, UpgradeError::NotWebSocket));
        }
    });
    let config = UpgradeConfig { hint: String::new(), ..config() };
    on_port(config, async |port| {
        let (answer, _) = port.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.ends_with("by RSocket over WebSocket.\n"), "{answer}");
    });
}

#[test]
fn a_request_with_something_wrong_is_told_what() {
    let cases: [(&str, &str, u16, &str, &str); 6] = [
        ("version: 13", "version: 12", 426, "Sec-WebSocket-Version", "sec-websocket-version: 13"),
        ("sec-websocket-version: 13\r\n", "", 426, "Sec-WebSocket-Version", "upgrade: websocket"),
        ("sec-websocket-key", "x-key", 400, "Sec-WebSocket-Key is missing", "connection: close"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400, "Sec-WebSocket-Key is not", "connection: close"),
        ("connection: upgrade", "connection: close", 400, "Connection", "connection: close"),
        ("accept: */*", "content-length: 4", 400, "has no body", "connection: close"),
    ];
    on_port(config(), async |port| {
        for (from, to, status, text, header) in cases {
            assert!(REQUEST.contains(from));
            let (answer, error) = port.ask(REQUEST.replace(from, to)).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(body.contains(text), "{answer}");
            assert!(head.lines().any(|line| line == header), "{answer}");
            let UpgradeError::Refused(told, why) = error else { panic!("{error}") };
            assert_eq!((told.as_u16(), format!("{why}\n")), (status, body.to_owned()));
        }
    });
}

#[test]
fn a_path_that_is_none_is_told_the_right_one() {
    let config = UpgradeConfig { path: Some("/rsocket".into()), ..config() };
    on_port(config, async |port| {
        let (answer, error) = port.ask(REQUEST).await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(head.lines().any(|line| line == "connection: close"), "{head}");
        assert_eq!(text, "RSocket over WebSocket is on the path /rsocket, and nothing else\n");
        assert!(matches!(error, UpgradeError::Refused(status, _) if status == 404));
    });
}

#[test]
fn without_a_place_the_answer_is_503() {
    on_port(UpgradeConfig { is_full: true, ..config() }, |port| async move {
        let (answer, error) = port.ask(REQUEST).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.contains("\r\nretry-after: 10"), "{head}");
        assert!(body.starts_with("as many connections are open as this proxy allows"), "{body}");
        assert!(matches!(error, UpgradeError::Refused(status, _) if status == 503));
        // A client that wants no WebSocket is told what the port is for, as always.
        let (answer, _) = port.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    });
}

#[test]
fn other_methods_are_refused() {
    on_port(config(), async |port| {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let (answer, error) = port.ask(REQUEST.replace("GET", method)).await;
            assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{answer}");
            assert!(answer.contains("\r\nallow: GET\r\n"), "{answer}");
            assert!(matches!(error, UpgradeError::Refused(status, _) if status == 405));
        }
        let (answer, _) = port.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    });
}

#[test]
fn a_second_request_is_not_answered() {
    on_port(config(), async |port| {
        let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let (answer, error) = port.ask(request.repeat(3)).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert!(matches!(error, UpgradeError::NotWebSocket));
    });
}

#[test]
fn a_refusal_can_be_read_though_the_client_goes_on_sending() {
    on_port(config(), async |port| {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n";
        let (answer, _) = port.ask([head.as_bytes(), &[b'x'; 900_000]].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    });
}

#[test]
fn what_is_not_http_is_recognised() {
    let tls = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    let setup = [&[0, 0, 0x38, 0, 0, 0, 0, 0x04, 0, 0, 1, 0, 0][..], &[0; 46]].concat();
    let resume = [0, 0, 0x38, 0, 0, 0, 0, 0x34, 0, 0, 1, 0, 0];
    let cases: [(&[u8], &str); 6] = [
        (&tls, "a TLS handshake on a port without TLS"),
        (&setup, "RSocket over TCP"),
        (&resume, "RSocket over TCP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
        (b"\x01\x02\x03\x04", "invalid HTTP method"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", "invalid HTTP header"),
    ];
    on_port(config(), async |port| {
        for (bytes, text) in cases {
            let (_, error) = port.ask(bytes).await;
            let UpgradeError::NotHttp(_, what) = &error else { panic!("{error}") };
            assert!(what.contains(text), "{what}");
            assert!(error.to_string().contains(text), "{error}");
        }
    });
}

#[test]
fn a_head_may_be_so_long_and_no_longer() {
    let with_len = |len: usize| {
        let filler = len - REQUEST.len() - "x: \r\n".len();
        REQUEST.replace("\r\nhost", &format!("\r\nx: {}\r\nhost", "x".repeat(filler)))
    };
    on_port(config(), async |port| {
        let mut client = port.connect().await;
        client.write_all(with_len(HEAD_MAX - 1).as_bytes()).await.unwrap();
        assert!(port.ended.recv().await.unwrap().is_ok());
        for request in [with_len(HEAD_MAX + 1), with_len(10 * HEAD_MAX), "G".repeat(100_000)] {
            let (answer, error) = port.ask(request).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
            let UpgradeError::Refused(status, why) = error else { panic!("{error}") };
            assert!(status == 431 && why.contains("longer than 16384 bytes"), "{why}");
        }
    });
}

#[test]
fn a_probe_is_not_an_error() {
    on_port(config(), async |port| {
        drop(port.connect().await);
        assert!(matches!(port.ended.recv().await.unwrap(), Err(UpgradeError::Eof)));
    });
}

#[test]
fn an_end_within_the_request_is_one() {
    on_port(config(), async |port| {
        for len in [1, 10, REQUEST.len() - 1] {
            let mut client = port.connect().await;
            client.write_all(&REQUEST.as_bytes()[..len]).await.unwrap();
            drop(client);
            let error = port.ended.recv().await.unwrap().unwrap_err();
            let UpgradeError::Io(_, error) = error else { panic!("{error}") };
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    });
}

/// Otherwise the system resets the connection, and on some the client never sees the answer.
#[test]
fn what_a_refused_client_sends_is_read_to_its_end() {
    on_stream(async |runtime, mut client, stream| {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        client.write_all(&[b'x'; 100_000]).await.unwrap();
        client.close().await.unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let stream = Watched { stream, ended: Arc::clone(&ended) };
        let error = upgrade(&Odd { runtime, fires: false }, stream, &config()).await.unwrap_err();
        assert!(matches!(error, UpgradeError::NotWebSocket));
        assert!(ended.load(Ordering::SeqCst));
    });
}

#[test]
fn dropping_the_upgrade_closes_the_connection() {
    on_stream(async |runtime, mut client, stream| {
        client.write_all(&REQUEST.as_bytes()[..50]).await.unwrap();
        let limit = runtime.now();
        assert!(timeout(&runtime, limit, upgrade(&runtime, stream, &config())).await.is_err());
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    });
}

#[test]
fn a_refused_client_that_never_closes_is_left() {
    on_stream(async |runtime, mut client, stream| {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let error = upgrade(&Odd { runtime, fires: true }, stream, &config()).await.unwrap_err();
        assert!(matches!(error, UpgradeError::NotWebSocket));
    });
}

#[test]
fn a_refused_client_that_sends_without_end_is_left() {
    on_stream(async |runtime, mut client, stream| {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let flood = async { while client.write_all(&[0; 10_000]).await.is_ok() {} };
        let (runtime, config) = (Odd { runtime, fires: false }, config());
        let (error, ()) = zip(upgrade(&runtime, stream, &config), flood).await;
        assert!(matches!(error.unwrap_err(), UpgradeError::NotWebSocket));
    });
}

#[test]
fn the_connection_is_ended_also_where_there_is_no_answer() {
    on_stream(async |runtime, mut client, stream| {
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let end = async {
            client.read_to_end(&mut answer).await.unwrap();
            drop(client);
        };
        let (runtime, config) = (Odd { runtime, fires: false }, config());
        let (error, ()) = zip(upgrade(&runtime, stream, &config), end).await;
        assert!(matches!(error.unwrap_err(), UpgradeError::NotHttp(..)));
    });
}

/// Runs a test with both ends of a connection.
fn on_stream<F: Future<Output = ()>>(test: impl FnOnce(Tokio, TokioStream, TokioStream) -> F) {
    let run = |runtime: Tokio| async move {
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = runtime.connect("127.0.0.1", port).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let give_up = runtime.now() + Duration::from_secs(30);
        let test = test(runtime.clone(), client, stream);
        timeout(&runtime, give_up, test).await.expect("the test ends");
    };
    Tokio::block_on(Some(2), run).unwrap();
}

/// A stream that reports whether it was read to its end.
struct Watched {
    stream: TokioStream,
    ended: Arc<AtomicBool>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(0)) = poll {
            self.ended.store(true, Ordering::SeqCst);
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// A runtime whose timers fire immediately, or never.
#[derive(Clone)]
struct Odd {
    runtime: Tokio,
    fires: bool,
}

impl Runtime for Odd {
    type Stream = <Tokio as Runtime>::Stream;
    type Listener = <Tokio as Runtime>::Listener;
    type Timer = OddTimer;

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn timer(&self) -> OddTimer {
        OddTimer { fires: self.fires }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send + 'static {
        self.runtime.unblock(job)
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Self::Stream> {
        self.runtime.connect(host, port).await
    }

    async fn bind(&self, addr: SocketAddr) -> io::Result<Self::Listener> {
        self.runtime.bind(addr).await
    }
}

struct OddTimer {
    fires: bool,
}

impl Timer for OddTimer {
    fn reset(&mut self, _: Instant) {}

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.fires { Poll::Ready(()) } else { Poll::Pending }
    }
}
