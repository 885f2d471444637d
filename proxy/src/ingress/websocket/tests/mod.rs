mod accepting;
mod refusing;

use super::*;
use async_channel::{Receiver, bounded};

use prometheus_rsocket_runtime::Listener;
use prometheus_rsocket_tokio::{Tokio, TokioStream};
use std::future::Future;

type Upgraded = Result<WebSocket<TokioStream>, UpgradeError>;

/// A port on which upgrades are served, and their outcomes.
struct Port {
    runtime: Tokio,
    port: u16,
    ended: Receiver<Upgraded>,
}

fn on_port<F: Future<Output = ()>>(config: UpgradeConfig, test: impl FnOnce(Port) -> F) {
    let run = |runtime: Tokio| async move {
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (end, ended) = bounded(10);
        let serving = runtime.clone();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (runtime, config, end) = (serving.clone(), config.clone(), end.clone());
                serving.spawn(async move {
                    let _ = end.send(upgrade(&runtime, stream, &config).await).await;
                });
            }
        });
        let give_up = runtime.now() + Duration::from_secs(30);
        let port = Port { runtime: runtime.clone(), port, ended };
        timeout(&runtime, give_up, test(port)).await.expect("the test ends");
    };
    Tokio::block_on(Some(2), run).unwrap();
}

impl Port {
    async fn connect(&self) -> TokioStream {
        self.runtime.connect("127.0.0.1", self.port).await.unwrap()
    }

    /// Returns all that is answered to these bytes, and the outcome. The client closes last.
    async fn ask(&self, request: impl AsRef<[u8]>) -> (String, UpgradeError) {
        let mut client = self.connect().await;
        client.write_all(request.as_ref()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        drop(client);
        (answer, self.ended.recv().await.unwrap().unwrap_err())
    }
}

fn config() -> UpgradeConfig {
    UpgradeConfig {
        path: None,
        hint: "Metrics are at http://localhost:8080/metrics/connected.".into(),
        is_full: false,
        websocket: WebSocketConfig::default(),
    }
}

/// As rsocket-java sends it.
const REQUEST: &str = "GET / HTTP/1.1\r\n\
    user-agent: ReactorNetty/1.0.39\r\n\
    host: localhost:8081\r\n\
    accept: */*\r\n\
    upgrade: websocket\r\n\
    connection: upgrade\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    origin: http://localhost:8081\r\n\
    sec-websocket-version: 13\r\n\
    \r\n";

/// Reads the head of an answer, and not one byte more.
async fn head(client: &mut TokioStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).await.unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// A binary message from a client, with a mask that changes nothing.
fn message(payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x82, 0x80 | 126][..], &len, &[0; 4], payload].concat()
}

fn prefixed(frame: &[u8]) -> Vec<u8> {
    [&u32::try_from(frame.len()).unwrap().to_be_bytes()[1..], frame].concat()
}
