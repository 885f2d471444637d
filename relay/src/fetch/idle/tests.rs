use crate::fetch::{Credentials, Endpoint, Fetcher, Headers, ScrapeOptions, TlsFiles};
use async_channel::Sender;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_client::ClientTlsFiles;
use prometheus_rsocket_protocol::exposition::filter::Filter;
use prometheus_rsocket_runtime::{Listener, Runtime, sleep_until};
use prometheus_rsocket_sim::{Sim, SimHost, SimStream};
use std::time::{Duration, Instant};

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Asked { connection: usize },
    Closed { connection: usize },
}

/// Answers each request on a connection until it is closed.
async fn answer(
    runtime: SimHost,
    mut stream: SimStream,
    connection: usize,
    tell: Sender<(Told, Instant)>,
) {
    let mut head = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let len = stream.read(&mut chunk).await.unwrap();
        if len == 0 {
            tell.send((Told::Closed { connection }, runtime.now())).await.unwrap();
            return;
        }
        head.extend_from_slice(&chunk[..len]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            tell.send((Told::Asked { connection }, runtime.now())).await.unwrap();
            let text =
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n";
            stream.write_all(text).await.unwrap();
        }
    }
}

fn fetcher(runtime: SimHost) -> Fetcher<SimHost> {
    let options = ScrapeOptions {
        timeout: Duration::from_secs(10),
        fallback: None,
        max_text_bytes: 1000,
        credentials: Credentials::None,
        headers: Headers::default(),
        tls: ClientTlsFiles::default(),
        filter: Filter::default(),
    };
    let url = "http://server/metrics".parse().unwrap();
    Fetcher::new(runtime, Endpoint::load(url, options, &mut TlsFiles::default()).unwrap())
}

#[test]
fn a_connection_is_kept_for_five_minutes_without_a_request_and_no_longer_than_its_endpoint() {
    let sim = Sim::new(3);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.block_on(async move {
        let listener = server.bind(([0, 0, 0, 0], 80).into()).await.unwrap();
        let (tell, told) = async_channel::unbounded();
        let accepting = server.clone();
        server.spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                accepting.spawn(answer(accepting.clone(), stream, connection, tell.clone()));
            }
        });
        let fetcher = fetcher(client.clone());
        let pause = async |seconds| {
            sleep_until(&client, client.now() + Duration::from_secs(seconds)).await;
        };
        let fetch = async || {
            assert_eq!(fetcher.fetch(Duration::from_secs(10)).await.unwrap(), "a 1\n");
        };
        fetch().await;
        assert_eq!(told.recv().await.unwrap().0, Told::Asked { connection: 0 });
        pause(299).await;
        fetch().await;
        let (asked, last) = told.recv().await.unwrap();
        assert_eq!(asked, Told::Asked { connection: 0 }, "it was kept");
        pause(400).await;
        let (closed, at) = told.recv().await.unwrap();
        assert_eq!(closed, Told::Closed { connection: 0 });
        let idle = (at - last).as_secs();
        assert!((300..310).contains(&idle), "{idle} s");
        fetch().await;
        assert_eq!(told.recv().await.unwrap().0, Told::Asked { connection: 1 });
        drop(fetcher);
        assert_eq!(told.recv().await.unwrap().0, Told::Closed { connection: 1 });
    });
    assert!(sim.elapsed() < Duration::from_secs(800), "the last one went with its endpoint");
}
