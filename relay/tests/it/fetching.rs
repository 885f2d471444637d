use crate::endpoint::heard_endpoint;
use crate::program::{RUNTIMES, program, start};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_protocol::rsocket::connection::{Event, StreamFailure};
use prometheus_rsocket_runtime::tls::{ClientAuth, ServerTls, ServerTlsFiles};
use prometheus_rsocket_runtime::{Listener, Runtime};
use prometheus_rsocket_testkit::proxy::FakeProxy;
use prometheus_rsocket_tokio::Tokio;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What the proxy gets: the text or the error, of one scrape each.
fn relayed(endpoint: &str, args: &[&str], scrapes: usize) -> Vec<Result<String, String>> {
    let proxy = FakeProxy::new();
    let mut child = start(&proxy, endpoint, args);
    let mut peer = proxy.accept_with_key();
    let results = (0..scrapes).map(|_| match peer.scrape() {
        Event::Response { payload: Some(payload), .. } => {
            Ok(prometheus_rsocket_testkit::proxy::opened(&payload))
        }
        Event::RequestFailed { error: StreamFailure::Error { data, .. }, .. } => {
            Err(String::from_utf8(data.to_vec()).unwrap())
        }
        other => panic!("{other:?}"),
    });
    let results = results.collect();
    child.kill().unwrap();
    child.wait().unwrap();
    results
}

#[test]
fn whatever_prometheus_fetches_is_relayed() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"a_total 3\n").unwrap();
    let gzip = gzip.finish().unwrap();
    let openmetrics = b"# TYPE a counter\na_total 2\n# EOF\n";
    let (endpoint, heard) = heard_endpoint(vec![
        answer("200 OK\r\nContent-Type: text/plain; version=1.0.0; charset=utf-8", b"a_total 1\n"),
        answer(
            "200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8",
            openmetrics,
        ),
        answer("200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip", &gzip),
    ]);
    let texts = ["a_total 1\n", "# TYPE a_total counter\na_total 2\n", "a_total 3\n"];
    let expected: Vec<_> = texts.iter().map(|text| Ok((*text).to_owned())).collect();
    assert_eq!(relayed(&endpoint, &[], 3), expected);
    let head = heard.recv().unwrap();
    for header in ["accept: text/plain;version=0.0.4;q=0.6,", "accept-encoding: gzip", "host: 127"]
    {
        let has_it = head.iter().any(|line| line.to_lowercase().starts_with(header));
        assert!(has_it, "{header} is not in {head:?}");
    }
}

#[test]
fn odd_content_types_are_relayed_if_the_user_says_so() {
    let answers =
        vec![answer("200 OK\r\nContent-Type: text/html", b"a 1\n"), answer("200 OK", b"a 2\n")];
    let (endpoint, _heard) = heard_endpoint(answers);
    let expected = [Ok("a 1\n".to_owned()), Ok("a 2\n".to_owned())];
    assert_eq!(relayed(&endpoint, &["--scrape-format=text"], 2), expected);
}

#[test]
fn redirects_are_followed_and_credentials_stay_where_they_belong() {
    let secret = std::env::temp_dir().join(format!("relay-it-token-{}", std::process::id()));
    std::fs::write(&secret, "t0ken\n").unwrap();
    let text = answer("200 OK\r\nContent-Type: text/plain", b"a 1\n");
    let (other, others_heard) = heard_endpoint(vec![text]);
    let (endpoint, heard) = heard_endpoint(vec![
        answer("302 Found\r\nLocation: /elsewhere", b""),
        answer(&format!("307 Temporary Redirect\r\nLocation: {other}"), b""),
    ]);
    let bearer = format!("--scrape-bearer-file={}", secret.display());
    assert_eq!(relayed(&endpoint, &[&bearer], 1), [Ok("a 1\n".to_owned())]);
    let shown = |head: &[String]| head.iter().any(|line| line == "authorization: Bearer t0ken");
    let (first, second) = (heard.recv().unwrap(), heard.recv().unwrap());
    assert_eq!(first[0], "GET /metrics HTTP/1.1");
    assert_eq!(second[0], "GET /elsewhere HTTP/1.1");
    assert!(shown(&first) && shown(&second));
    assert!(!shown(&others_heard.recv().unwrap()), "another server sees the token");
    std::fs::remove_file(secret).unwrap();
}

#[test]
fn redirects_in_a_circle_end() {
    let (endpoint, heard) =
        heard_endpoint(vec![answer("301 Moved Permanently\r\nLocation: /metrics", b"")]);
    let results = relayed(&endpoint, &[], 1);
    let error = results[0].as_ref().unwrap_err();
    assert!(error.contains("redirects more than 5 times"), "{error}");
    assert_eq!(heard.try_iter().count(), 6);
}

#[test]
fn an_answer_longer_than_the_limit_is_refused() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&[b'\n'; 100_000]).unwrap();
    let (endpoint, _heard) = heard_endpoint(vec![
        answer("200 OK\r\nContent-Type: text/plain", &[b'\n'; 1001]),
        answer(
            "200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip",
            &gzip.finish().unwrap(),
        ),
    ]);
    for result in relayed(&endpoint, &["--max-text-bytes=1000"], 2) {
        let error = result.unwrap_err();
        assert!(error.contains("longer than 1000 bytes"), "{error}");
    }
}

fn pem(name: &str) -> String {
    format!("{}/../runtime/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// An https endpoint on `localhost` that gives each request the same answer; its port.
fn secure_endpoint(answer: Vec<u8>) -> u16 {
    secure_endpoint_with(ServerTlsFiles::new(pem("server.pem"), pem("server.key")), answer)
}

fn secure_endpoint_with(files: ServerTlsFiles, answer: Vec<u8>) -> u16 {
    let (tell, port) = mpsc::channel();
    thread::spawn(move || {
        Tokio::block_on(Some(1), |runtime| async move {
            let tls = ServerTls::load(files).unwrap();
            let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Who does not trust us is not answered.
                let Ok(mut stream) = tls.accept(stream).await else { continue };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                        break;
                    }
                    head.extend(byte);
                }
                let _ = stream.write_all(&answer).await;
                let _ = stream.close().await;
            }
        })
        .unwrap();
    });
    port.recv().unwrap()
}

#[test]
fn https_endpoints_are_relayed_if_their_ca_is_trusted() {
    let port = secure_endpoint(answer("200 OK\r\nContent-Type: text/plain", b"a 1\n"));
    let endpoint = format!("https://localhost:{port}");
    let ca = format!("--scrape-ca={}", pem("ca.pem"));
    assert_eq!(relayed(&endpoint, &[&ca], 1), [Ok("a 1\n".to_owned())]);
    let other = format!("--scrape-ca={}", pem("other-ca.pem"));
    let results = relayed(&endpoint, &[&other], 1);
    let error = results[0].as_ref().unwrap_err();
    assert!(error.contains(&endpoint) && error.contains("certificate"), "{error}");
}

#[test]
fn credentials_are_not_carried_from_https_to_http() {
    let (plain, heard) =
        heard_endpoint(vec![answer("200 OK\r\nContent-Type: text/plain", b"a 1\n")]);
    let redirect = answer(&format!("302 Found\r\nLocation: {plain}"), b"");
    let endpoint = format!("https://localhost:{}", secure_endpoint(redirect));
    let ca = format!("--scrape-ca={}", pem("ca.pem"));
    assert_eq!(relayed(&endpoint, &[&ca], 1), [Ok("a 1\n".to_owned())]);
    let results = relayed(&endpoint, &[&ca, "--scrape-user=u"], 1);
    let error = results[0].as_ref().unwrap_err();
    assert!(error.contains("would give up TLS"), "{error}");
    assert_eq!(heard.try_iter().count(), 1);
}

#[test]
fn a_relay_says_whom_it_stands_for() {
    let proxy = FakeProxy::new();
    let mut command = program();
    command.args(["--proxy", &proxy.url(), "--scrape=db1.invalid:9100", "--label=zone=b"]);
    let mut child = command.spawn().unwrap();
    let hello = proxy.accept().hello();
    assert_eq!(hello.labels.to_string(), "{instance=\"db1.invalid:9100\",zone=\"b\"}");
    assert!(hello.program.starts_with("prometheus-rsocket-client/"), "{}", hello.program);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A server whose connections last: what it does with each request is told by the numbers of the connection and of the request, from 0.
fn lasting_endpoint(
    listener: impl Accept,
    answer: fn(usize, usize) -> Option<&'static str>,
) -> mpsc::Receiver<Told> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for connection in 0.. {
            let (read, mut write) = listener.accept_one();
            let tell = tell.clone();
            thread::spawn(move || {
                let mut lines = BufReader::new(read).lines();
                for request in 0.. {
                    let head: Vec<String> = lines
                        .by_ref()
                        .map_while(Result::ok)
                        .take_while(|line| !line.is_empty())
                        .collect();
                    if head.is_empty() {
                        let _ = tell.send(Told::Closed { connection });
                        return;
                    }
                    let _ = tell.send(Told::Asked { connection, head });
                    match answer(connection, request) {
                        Some("") => {}
                        Some(text) => write.write_all(text.as_bytes()).unwrap(),
                        None => return,
                    }
                }
            });
        }
    });
    told
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Asked {
        connection: usize,
        head: Vec<String>,
    },
    /// The client has closed it.
    Closed {
        connection: usize,
    },
}

/// The connection that the next request came on.
fn asked(told: &mpsc::Receiver<Told>) -> usize {
    match told.recv_timeout(Duration::from_secs(20)).unwrap() {
        Told::Asked { connection, .. } => connection,
        closed => panic!("{closed:?}"),
    }
}

trait Accept: Send + 'static {
    fn accept_one(&self) -> (Box<dyn Read + Send>, Box<dyn Write + Send>);
}

impl Accept for TcpListener {
    fn accept_one(&self) -> (Box<dyn Read + Send>, Box<dyn Write + Send>) {
        let (stream, _) = self.accept().unwrap();
        (Box::new(stream.try_clone().unwrap()), Box::new(stream))
    }
}

#[cfg(unix)]
impl Accept for std::os::unix::net::UnixListener {
    fn accept_one(&self) -> (Box<dyn Read + Send>, Box<dyn Write + Send>) {
        let (stream, _) = self.accept().unwrap();
        (Box::new(stream.try_clone().unwrap()), Box::new(stream))
    }
}

const TEXT: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n";

/// What the two runtimes have to do alike, with a listener and its URL.
fn on_both(scene: fn(&str, TcpListener, &str)) {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        scene(&format!("--runtime={runtime}"), listener, &url);
    }
}

#[test]
fn one_connection_is_kept_and_a_lost_one_costs_nothing() {
    on_both(|runtime, listener, url| {
        // The first connection ends with its third request, as if it had been closed in between.
        let told = lasting_endpoint(listener, |connection, request| {
            ((connection, request) != (0, 2)).then_some(TEXT)
        });
        assert_eq!(relayed(url, &[runtime], 4), vec![Ok("a 1\n".to_owned()); 4]);
        let connections: Vec<_> = (0..5).map(|_| asked(&told)).collect();
        assert_eq!(connections, [0, 0, 0, 1, 1]);
    });
}

#[test]
fn a_request_is_repeated_once() {
    on_both(|runtime, listener, url| {
        let told = lasting_endpoint(listener, |connection, request| {
            ((connection, request) == (0, 0)).then_some(TEXT)
        });
        let results = relayed(url, &[runtime], 2);
        assert!(results[0].is_ok() && results[1].is_err(), "{results:?}");
        assert_eq!((asked(&told), asked(&told), asked(&told)), (0, 0, 1));
    });
}

#[test]
fn a_scrape_that_is_called_off_ends_its_connection() {
    on_both(|runtime, listener, url| {
        let told = lasting_endpoint(listener, |connection, request| {
            Some(if (connection, request) == (0, 1) { "" } else { TEXT })
        });
        let proxy = FakeProxy::new();
        let mut child = start(&proxy, url, &[runtime]);
        let mut peer = proxy.accept_with_key();
        assert_eq!(peer.scraped(), "a 1\n");
        let stream_id = peer.ask();
        assert_eq!((asked(&told), asked(&told)), (0, 0));
        peer.connection.cancel(stream_id).unwrap();
        peer.flush();
        let closed = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(closed, Told::Closed { connection: 0 });
        assert_eq!(peer.scraped(), "a 1\n");
        assert_eq!(asked(&told), 1);
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[cfg(unix)]
#[test]
fn unix_sockets_are_scraped() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        let path = std::env::temp_dir().join(format!("relay-{}-{runtime}", std::process::id()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let told = lasting_endpoint(listener, |_, _| Some(TEXT));
        let args = [&*format!("--runtime={runtime}")];
        let url = format!("unix://{}:/m?x=1", path.display());
        assert_eq!(relayed(&url, &args, 2), vec![Ok("a 1\n".to_owned()); 2]);
        let Told::Asked { connection: 0, head } = told.recv().unwrap() else { panic!("asked") };
        assert_eq!(head[0], "GET /m?x=1 HTTP/1.1");
        assert!(head.contains(&"host: localhost".to_owned()), "{head:?}");
        assert_eq!(asked(&told), 0);
        std::fs::remove_file(&path).unwrap();
        let results = relayed(&url, &args, 1);
        let error = results[0].as_ref().unwrap_err();
        assert!(error.contains(&url) && error.contains("cannot be reached"), "{error}");
    }
}

#[test]
fn headers_are_added_and_stay_where_they_belong() {
    let file = std::env::temp_dir().join(format!("relay-it-headers-{}", std::process::id()));
    std::fs::write(&file, "# for the gateway\nX-Secret: s3cret\n\nUser-Agent: mine\n").unwrap();
    let text = answer("200 OK\r\nContent-Type: text/plain", b"a 1\n");
    let (other, others_heard) = heard_endpoint(vec![text]);
    let (endpoint, heard) =
        heard_endpoint(vec![answer(&format!("307 Temporary Redirect\r\nLocation: {other}"), b"")]);
    let option = format!("--scrape-header-file={}", file.display());
    let args = ["--scrape-header=X-Tenant: one", &option, "--scrape-timeout=3s"];
    assert_eq!(relayed(&endpoint, &args, 1), [Ok("a 1\n".to_owned())]);
    let (first, second) = (heard.recv().unwrap(), others_heard.recv().unwrap());
    for header in ["x-tenant: one", "x-secret: s3cret", "user-agent: mine"] {
        assert!(first.iter().any(|line| line == header), "{header} is not in {first:?}");
        assert!(!second.iter().any(|line| line == header), "another server sees {header}");
    }
    assert!(first.contains(&"x-prometheus-scrape-timeout-seconds: 3".to_owned()), "{first:?}");
    std::fs::write(&file, "X-Secret: s3cret\nHost: s3cret\n").unwrap();
    let results = relayed(&endpoint, &args, 1);
    let error = results[0].as_ref().unwrap_err();
    assert!(error.contains("line 2: the header host") && !error.contains("s3cret"), "{error}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_certificate_is_shown_and_another_name_expected_if_the_user_says_so() {
    let mut files = ServerTlsFiles::new(pem("server.pem"), pem("server.key"));
    files.client_auth = ClientAuth::Required { ca: pem("ca.pem").into() };
    let text = answer("200 OK\r\nContent-Type: text/plain", b"a 1\n");
    let endpoint = format!("https://127.0.0.1:{}", secure_endpoint_with(files, text));
    let ca = format!("--scrape-ca={}", pem("ca.pem"));
    let cert = format!("--scrape-cert={}", pem("client.pem"));
    let key = format!("--scrape-key={}", pem("client.key"));
    let all = [&*ca, &cert, &key, "--scrape-server-name=localhost"];
    assert_eq!(relayed(&endpoint, &all, 1), [Ok("a 1\n".to_owned())]);
    assert!(relayed(&endpoint, &[&ca, "--scrape-server-name=localhost"], 1)[0].is_err());
    let other = [&*ca, &cert, &key, "--scrape-server-name=other.example"];
    let results = relayed(&endpoint, &other, 1);
    let error = results[0].as_ref().unwrap_err();
    assert!(error.contains("certificate"), "{error}");
}
