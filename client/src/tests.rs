//! Failures around a client, on each runtime. Its communication with proxies is tested from outside.

use super::Leaf;
use crate::{Client, Config, MetricsError, PushFailure, Source, Status, WaitError, from_async};
use futures_lite::Stream as _;
use futures_lite::future::poll_once;
use prometheus_rsocket_protocol::envelope::PLAINTEXT;
use prometheus_rsocket_protocol::rsocket::connection::{self, Connection, Event, StreamFailure};
use prometheus_rsocket_protocol::{Machine, Payload};
use prometheus_rsocket_runtime::{DriverConfig, JobLost, Listener, Runtime, drive};
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

type Stream = <Leaf as Runtime>::Stream;
type TcpListener = <Leaf as Runtime>::Listener;

/// Runs on the runtime, to its end.
fn on_leaf<F: Future>(main: impl FnOnce(Leaf) -> F) -> F::Output {
    Leaf::block_on(Some(1), main).unwrap()
}

fn config(address: SocketAddr) -> Config {
    Config::new(format!("tcp://{address}").parse().unwrap())
}

fn nowhere() -> Config {
    config(([127, 0, 0, 1], 1).into())
}

#[test]
fn nobody_waits_for_a_client_whose_future_was_dropped() {
    on_leaf(|runtime| async move {
        let (client, running) = Client::new(runtime, nowhere(), no_metrics);
        // Nobody takes the command, as the client does not run yet.
        let mut push = Box::pin(client.push_and_close());
        assert_eq!(poll_once(&mut push).await, None);
        drop(running);
        assert_eq!(push.await, Err(PushFailure::Closed));
        assert_eq!(client.status(), Status::Closed);
        assert_eq!(client.wait_ready(Duration::MAX).await, Err(WaitError::Closed));
        assert_eq!(client.push().await, Err(PushFailure::Closed));
        assert_eq!(client.push_and_close().await, Err(PushFailure::Closed));
        client.close().await;
    });
}

#[test]
fn a_push_does_not_wait_for_a_connection_that_does_not_come() {
    on_leaf(|runtime| async move {
        let mut config = nowhere();
        config.connect_timeout = Duration::MAX;
        config.agent.push_timeout = Duration::from_millis(20);
        let runtime = Unreachable(runtime);
        let (client, running) = Client::new(runtime.clone(), config, no_metrics);
        runtime.spawn(running);
        let reason = "tcp://127.0.0.1:1: the proxy does not answer".to_owned();
        assert_eq!(client.push_and_close().await, Err(PushFailure::NotConnected { reason }));
    });
}

#[test]
fn the_status_says_why_there_is_no_connection() {
    on_leaf(|runtime| async move {
        // A port that was free a moment ago refuses connections.
        let address = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap().local_addr().unwrap();
        let client = spawn(&runtime, config(address), no_metrics);
        let (reason, retry_at) = loop {
            match client.status() {
                Status::Waiting { reason, retry_at } => break (reason, retry_at),
                Status::Connecting => runtime.unblock(|| ()).await.unwrap(),
                other => panic!("{other:?}"),
            }
        };
        let start = format!("cannot connect: {address}: ");
        assert!(reason.starts_with(&start), "{reason}");
        assert!(retry_at > runtime.now());
        let waited = client.wait_ready(Duration::from_millis(1)).await;
        assert!(matches!(waited, Err(WaitError::TimedOut { .. })), "{waited:?}");
        client.close().await;
        assert_eq!(client.status(), Status::Closed);
    });
}

#[test]
fn no_limit_is_a_limit_too() {
    on_leaf(|runtime| async move {
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let mut config = config(listener.local_addr().unwrap());
        config.connect_timeout = Duration::MAX;
        config.metrics_timeout = Duration::MAX;
        config.agent.push_timeout = Duration::MAX;
        let client = spawn(&runtime, config, || "a 1\n".to_owned());
        let heard = proxy(runtime, listener, 1);
        client.wait_ready(Duration::MAX).await.unwrap();
        assert_eq!(heard.recv().await.unwrap(), Ok("a 1\n".to_owned()));
        client.close().await;
    });
}

#[test]
fn metrics_that_panic_fail_their_scrape_and_nothing_else() {
    on_leaf(|runtime| async move {
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let config = config(listener.local_addr().unwrap());
        let mut asked = 0;
        let metrics = from_async(move || {
            asked += 1;
            let number = asked;
            assert!(number != 1, "the first time");
            async move {
                assert!(number != 2, "the second time");
                format!("asked {number}\n")
            }
        });
        let client = spawn(&runtime, config, metrics);
        let heard = proxy(runtime, listener, 3);
        for _ in 0..2 {
            let error = heard.recv().await.unwrap().unwrap_err();
            assert!(error.contains("panicked"), "{error}");
        }
        assert_eq!(heard.recv().await.unwrap(), Ok("asked 3\n".to_owned()));
        client.close().await;
    });
}

#[test]
fn metrics_that_are_not_wanted_any_more_are_not_waited_for() {
    on_leaf(|runtime| async move {
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let mut config = config(listener.local_addr().unwrap());
        config.metrics_timeout = Duration::MAX;
        let (started, starts) = async_channel::unbounded();
        let metrics = from_async(move || {
            let started = started.clone();
            let (alive, dropped) = async_channel::bounded::<()>(1);
            async move {
                let _alive = alive;
                started.send(dropped).await?;
                pending::<Result<String, MetricsError>>().await
            }
        });
        let client = spawn(&runtime, config, metrics);
        let (cancel, cancels) = async_channel::bounded::<()>(1);
        runtime.clone().spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = Connection::server(connection::Config::default(), runtime.now());
            let mut asked = None;
            let mut cancels = Box::pin(cancels);
            let mut owner = |cx: &mut Context<'_>, _: Instant, connection: &mut Connection| {
                if let Some(Event::SetupReceived { .. }) = connection.poll_event() {
                    asked = connection.request_response(Payload::from_data(PLAINTEXT)).ok();
                }
                if let Poll::Ready(Some(())) = cancels.as_mut().poll_next(cx) {
                    connection.cancel(asked.take().unwrap()).unwrap();
                }
            };
            let config = DriverConfig::default();
            drive(&runtime, stream, &mut connection, &mut owner, &config).await.ok();
        });
        let dropped = starts.recv().await.unwrap();
        cancel.send(()).await.unwrap();
        assert!(dropped.recv().await.is_err(), "only the end of the future ends this");
        client.close().await;
    });
}

/// A running client.
fn spawn(runtime: &Leaf, config: Config, metrics: impl Source) -> Client {
    let (client, running) = Client::new(runtime.clone(), config, metrics);
    runtime.spawn(running);
    client
}

fn no_metrics() -> Result<String, MetricsError> {
    Err("there are none".into())
}

/// A proxy that accepts one client, scrapes it `scrapes` times in sequence, and sends on what it receives.
fn proxy(
    runtime: Leaf,
    listener: TcpListener,
    mut scrapes: usize,
) -> async_channel::Receiver<Result<String, String>> {
    let (tell, heard) = async_channel::unbounded();
    runtime.clone().spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = Connection::server(connection::Config::default(), runtime.now());
        let mut owner = |_: &mut Context<'_>, _: Instant, connection: &mut Connection| {
            while let Some(event) = connection.poll_event() {
                match event {
                    Event::SetupReceived { .. } => {}
                    Event::Response { payload: Some(payload), .. } => {
                        let text = String::from_utf8(payload.data.to_vec()).unwrap();
                        tell.try_send(Ok(text)).unwrap();
                    }
                    Event::RequestFailed { error: StreamFailure::Error { data, .. }, .. } => {
                        let error = String::from_utf8(data.to_vec()).unwrap();
                        tell.try_send(Err(error)).unwrap();
                    }
                    _ => return,
                }
                if scrapes > 0 && !connection.is_closed() {
                    scrapes -= 1;
                    connection.request_response(Payload::from_data(PLAINTEXT)).unwrap();
                }
            }
        };
        drive(&runtime, stream, &mut connection, &mut owner, &DriverConfig::default()).await.ok();
    });
    heard
}

/// A runtime whose network never completes a connection attempt.
#[derive(Clone)]
struct Unreachable(Leaf);

impl Runtime for Unreachable {
    type Stream = Stream;
    type Listener = TcpListener;
    type Timer = <Leaf as Runtime>::Timer;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Self::Timer {
        self.0.timer()
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(future);
    }

    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send + 'static {
        self.0.unblock(job)
    }

    async fn connect(&self, _host: &str, _port: u16) -> io::Result<Stream> {
        pending().await
    }

    async fn bind(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        self.0.bind(addr).await
    }
}
