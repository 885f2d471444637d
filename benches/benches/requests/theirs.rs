//! The same with `rsocket_rust`.

use super::{Failure, IN_FLIGHT, Work};
use bytes::Bytes;
use rsocket_rust::prelude::{Flux, Payload, RSocket, RSocketFactory};
use rsocket_rust::{Client, Result, async_trait};
use rsocket_rust_transport_tcp::{TcpClientTransport, TcpServerTransport};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

/// Answers each request by what it came with, as their `EchoRSocket` does, but without a log line.
struct Echo;

#[async_trait]
impl RSocket for Echo {
    async fn metadata_push(&self, _: Payload) -> Result<()> {
        Ok(())
    }

    async fn fire_and_forget(&self, _: Payload) -> Result<()> {
        Ok(())
    }

    async fn request_response(&self, request: Payload) -> Result<Option<Payload>> {
        Ok(Some(request))
    }

    fn request_stream(&self, _: Payload) -> Flux<Result<Payload>> {
        Box::pin(futures_lite::stream::empty())
    }

    fn request_channel(&self, requests: Flux<Result<Payload>>) -> Flux<Result<Payload>> {
        requests
    }
}

pub(crate) async fn run(work: Work) -> std::result::Result<Duration, Failure> {
    // Their listener does not tell its port, so a free one is found first.
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (start, started) = oneshot::channel::<()>();
    let mut start = Some(start);
    let server = RSocketFactory::receive()
        .transport(TcpServerTransport::from(address))
        .acceptor(Box::new(|_, _| Ok(Box::new(Echo))))
        .on_start(Box::new(move || drop(start.take())))
        .serve();
    tokio::spawn(server);
    let _ = started.await;

    let stream = TcpStream::connect(address).await?;
    // Theirs leaves it off. It may as well have it where a user can set it.
    stream.set_nodelay(true)?;
    let transport = TcpClientTransport::from(stream);
    let client = RSocketFactory::connect().transport(transport).start().await?;
    client.request_response(Payload::builder().set_data_utf8("warm").build()).await?;

    let data = Bytes::from(vec![7; work.payload_len]);
    let started = Instant::now();
    let (done, mut finished) = mpsc::channel(IN_FLIGHT);
    for _ in 0..IN_FLIGHT {
        let (client, data, done) = (client.clone(), data.clone(), done.clone());
        tokio::spawn(async move {
            let _ = done.send(call(&client, &data, work.each()).await).await;
        });
    }
    drop(done);
    while let Some(result) = finished.recv().await {
        result?;
    }
    Ok(started.elapsed())
}

async fn call(client: &Client, data: &Bytes, requests: usize) -> std::result::Result<(), Failure> {
    for _ in 0..requests {
        let response = client.request_response(Payload::new(Some(data.clone()), None)).await?;
        if response.as_ref().and_then(Payload::data) != Some(data) {
            return Err("the response is another".into());
        }
    }
    Ok(())
}
