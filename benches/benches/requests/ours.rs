//! Request-response with `Connection` and `drive`, as a program would build it that embeds them: a handle for the requester's tasks,
//! and a responder that answers as it takes the event.

use super::{Failure, IN_FLIGHT, Work};
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, Setup, StreamId};
use prometheus_rsocket_runtime::{DriverConfig, Listener, Owner, Runtime, drive};
use std::collections::HashMap;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// A request, and where its response goes. Dropped without one if the request failed.
type Call = (Payload, oneshot::Sender<Payload>);

#[derive(Clone)]
struct Requester {
    calls: mpsc::Sender<Call>,
}

impl Requester {
    async fn request_response(&self, payload: Payload) -> Result<Payload, Failure> {
        let (reply, response) = oneshot::channel();
        self.calls.send((payload, reply)).await?;
        Ok(response.await?)
    }
}

/// The requester's connection, between its handles and the machine.
struct Caller {
    calls: mpsc::Receiver<Call>,
    waiting: HashMap<StreamId, oneshot::Sender<Payload>>,
}

impl Owner<Connection> for Caller {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, connection: &mut Connection) {
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Response { stream_id, payload: Some(payload) } => {
                    if let Some(reply) = self.waiting.remove(&stream_id) {
                        let _ = reply.send(payload);
                    }
                }
                Event::RequestFailed { stream_id, .. } => drop(self.waiting.remove(&stream_id)),
                Event::Closed { .. } => {
                    self.calls.close();
                    self.waiting.clear();
                }
                _ => {}
            }
        }
        while let Poll::Ready(call) = self.calls.poll_recv(cx) {
            let Some((payload, reply)) = call else {
                connection.close(now, ErrorCode::CONNECTION_CLOSE, "done");
                return;
            };
            if let Ok(stream_id) = connection.request_response(payload) {
                self.waiting.insert(stream_id, reply);
            }
        }
    }
}

/// Answers each request by what it came with.
fn echo(_: &mut Context<'_>, _: Instant, connection: &mut Connection) {
    while let Some(event) = connection.poll_event() {
        if let Event::RequestResponse { stream_id, payload } = event {
            let _ = connection.respond(stream_id, payload);
        }
    }
}

pub(crate) async fn run<R: Runtime>(runtime: R, work: Work) -> Result<Duration, Failure> {
    let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await?;
    let port = listener.local_addr()?.port();
    let task = runtime.clone();
    runtime.spawn(async move {
        let Ok((stream, _)) = listener.accept().await else { return };
        let mut connection = Connection::server(Config::default(), task.now());
        let config = DriverConfig::default();
        if let Err(error) = drive(&task, stream, &mut connection, &mut echo, &config).await {
            eprintln!("the responder's transport failed: {error}");
        }
    });

    let stream = runtime.connect("127.0.0.1", port).await?;
    let mut connection = Connection::client(Config::default(), Setup::default(), runtime.now())?;
    let (calls, receiver) = mpsc::channel(IN_FLIGHT);
    let task = runtime.clone();
    runtime.spawn(async move {
        let mut caller = Caller { calls: receiver, waiting: HashMap::new() };
        let config = DriverConfig::default();
        if let Err(error) = drive(&task, stream, &mut connection, &mut caller, &config).await {
            eprintln!("the requester's transport failed: {error}");
        }
    });
    let requester = Requester { calls };
    requester.request_response(Payload::from_data("warm")).await?;

    let data = Bytes::from(vec![7; work.payload_len]);
    let started = Instant::now();
    let (done, mut finished) = mpsc::channel(IN_FLIGHT);
    for _ in 0..IN_FLIGHT {
        let (requester, data, done) = (requester.clone(), data.clone(), done.clone());
        runtime.spawn(async move {
            let _ = done.send(call(&requester, &data, work.each()).await).await;
        });
    }
    drop(done);
    while let Some(result) = finished.recv().await {
        result?;
    }
    Ok(started.elapsed())
}

async fn call(requester: &Requester, data: &Bytes, requests: usize) -> Result<(), Failure> {
    for _ in 0..requests {
        let response = requester.request_response(Payload::from_data(data.clone())).await?;
        if response.data != data {
            return Err("the response is another".into());
        }
    }
    Ok(())
}
