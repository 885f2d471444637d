use super::*;

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
            let UpgradeError::NotHttp(what) = &error else { panic!("{error}") };
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
            let UpgradeError::Io(error) = error else { panic!("{error}") };
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    });
}

#[test]
fn dropping_the_upgrade_closes_the_connection() {
    let run = |runtime: Tokio| async move {
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = runtime.connect("127.0.0.1", port).await.unwrap();
        client.write_all(&REQUEST.as_bytes()[..50]).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let limit = runtime.now() + Duration::from_millis(20);
        assert!(timeout(&runtime, limit, upgrade(&runtime, stream, &config())).await.is_err());
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    };
    Tokio::block_on(Some(2), run).unwrap();
}

#[test]
fn a_refused_client_that_never_closes_is_left() {
    let run = |runtime: Tokio| async move {
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for endless in [false, true] {
            let mut client = runtime.connect("127.0.0.1", port).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let error = if endless {
                let (config, flood) =
                    (config(), async { while client.write_all(&[0; 10_000]).await.is_ok() {} });
                let upgrade = upgrade(&runtime, stream, &config);
                futures_lite::future::zip(upgrade, flood).await.0
            } else {
                upgrade(&Hasty(runtime.clone()), stream, &config()).await
            };
            assert!(matches!(error.unwrap_err(), UpgradeError::NotWebSocket));
        }
    };
    Tokio::block_on(Some(2), run).unwrap();
}

/// A runtime on which every moment has passed.
#[derive(Clone)]
struct Hasty(Tokio);

impl Runtime for Hasty {
    type Stream = <Tokio as Runtime>::Stream;
    type Listener = <Tokio as Runtime>::Listener;
    type Timer = Fired;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Fired {
        Fired
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(future);
    }

    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, prometheus_rsocket_runtime::JobLost>> + Send + 'static {
        self.0.unblock(job)
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Self::Stream> {
        self.0.connect(host, port).await
    }

    async fn bind(&self, addr: std::net::SocketAddr) -> io::Result<Self::Listener> {
        self.0.bind(addr).await
    }
}

struct Fired;

impl Timer for Fired {
    fn reset(&mut self, _: Instant) {}

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
