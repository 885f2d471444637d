use super::Leaf;
use futures_lite::future::poll_once;
use prometheus_rsocket_client::{
    BackoffConfig, Client, Config, Labels, PushFailure, PushMode, Report, ReportKind, Source,
    Status, Token, WaitError, from_async, run_job,
};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Event, StreamFailure};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_testkit::proxy::{FakeProxy, opened};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(super) const LONG: Duration = Duration::from_secs(20);

/// Runs a client in threads of its own, with metrics that count how often they were asked for, and what is done with it there.
pub(super) fn client<F: Future<Output = T>, T: Send + 'static>(
    config: Config,
    act: impl FnOnce(Client, Leaf) -> F + Send + 'static,
) -> JoinHandle<T> {
    thread::spawn(move || {
        Leaf::block_on(Some(1), |runtime| async move {
            let mut asked = 0;
            let metrics = move || {
                asked += 1;
                async move { format!("asked_total {asked}\n") }
            };
            let (client, running) = Client::new(runtime.clone(), config, from_async(metrics));
            runtime.spawn(running);
            act(client, runtime).await
        })
        .unwrap()
    })
}

pub(super) fn config(proxy: &FakeProxy) -> Config {
    let mut config = Config::new(proxy.url().parse().unwrap());
    let short = Duration::from_millis(5);
    config.agent.backoff = BackoffConfig::new(short, short);
    config
}

#[test]
fn scrapes_are_answered_and_the_last_push_waits_for_its_word() {
    let proxy = FakeProxy::new();
    let (go, wait) = mpsc::channel::<()>();
    let running = client(config(&proxy), |client, runtime| async move {
        client.wait_ready(LONG).await.unwrap();
        assert!(client.is_ready());
        runtime.unblock(move || wait.recv().unwrap()).await.unwrap();
        client.push_and_close().await
    });
    let mut peer = proxy.accept_with_key();
    assert_eq!(peer.scraped(), "asked_total 1\n");
    assert_eq!(peer.scraped(), "asked_total 2\n");
    go.send(()).unwrap();
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "asked_total 3\n");
    assert_eq!(stream_id.get(), 1);
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    let reason = CloseReason::PeerError {
        code: ErrorCode::CONNECTION_ERROR,
        message: "Disposed".to_owned(),
    };
    assert_eq!(peer.next(), Event::Closed { reason });
    drop(peer);
    assert_eq!(running.join().unwrap(), Ok(()));
}

#[test]
fn a_push_told_and_forgotten_comes_before_the_end() {
    let proxy = FakeProxy::new();
    let mut config = config(&proxy);
    config.agent.push = PushMode::FireAndForget;
    let running = client(config, |client, _| async move { client.push_and_close().await });
    let mut peer = proxy.accept_with_key();
    match peer.next() {
        Event::FireAndForget { payload, .. } => assert_eq!(opened(&payload), "asked_total 1\n"),
        other => panic!("a push was expected, not {other:?}"),
    }
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    assert_eq!(running.join().unwrap(), Ok(()));
}

#[test]
fn a_refused_push_says_why() {
    let proxy = FakeProxy::new();
    let running = client(config(&proxy), |client, _| async move { client.push_and_close().await });
    let mut peer = proxy.accept_with_key();
    let (stream_id, _) = peer.pushed();
    peer.connection.reject(stream_id, ErrorCode::APPLICATION_ERROR, "no room").unwrap();
    peer.next();
    drop(peer);
    let refused = PushFailure::Refused("APPLICATION_ERROR: no room".to_owned());
    assert_eq!(running.join().unwrap(), Err(refused));
}

#[test]
fn it_connects_again_after_whatever_happens() {
    let proxy = FakeProxy::new();
    let (go, wait) = mpsc::channel::<()>();
    let running = client(config(&proxy), |client, runtime| async move {
        runtime.unblock(move || wait.recv().unwrap()).await.unwrap();
        client.close().await;
        client.push_and_close().await
    });
    drop(proxy.accept());
    let mut rejecting = proxy.accept();
    rejecting.connection.close(std::time::Instant::now(), ErrorCode::REJECTED_SETUP, "not now");
    rejecting.flush();
    drop(rejecting);
    let mut peer = proxy.accept_with_key();
    assert_eq!(peer.scraped(), "asked_total 1\n");
    go.send(()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    assert_eq!(running.join().unwrap(), Err(PushFailure::Closed), "it is closed already");
}

#[test]
fn it_says_who_it_is_and_shows_what_the_proxy_reports() {
    let proxy = FakeProxy::new();
    let mut config = config(&proxy);
    let hostname = prometheus_rsocket_client::hostname().unwrap();
    assert_eq!(config.labels.get("instance"), Some(&*hostname));
    config.labels = Labels::new([("application", "orders")]).unwrap();
    config.program = "orders/1.4.2".to_owned();
    let (reported, reports) = mpsc::channel();
    let running = client(config, move |client, runtime| async move {
        client.wait_ready(LONG).await.unwrap();
        loop {
            if let Status::Ready { report: Some(report) } = client.status() {
                reported.send(report).unwrap();
                return client.close().await;
            }
            runtime.unblock(|| thread::sleep(Duration::from_millis(1))).await.unwrap();
        }
    });
    let mut peer = proxy.accept_with_key();
    let hello = peer.hello();
    assert_eq!(hello.labels.to_string(), "{application=\"orders\"}");
    assert_eq!(hello.program, "orders/1.4.2");
    assert!(hello.reads_reports);
    let report = Report::new(ReportKind::Refused, "line 3, column 1: a tab");
    peer.connection.metadata_push(report.encode()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    assert_eq!(reports.recv().unwrap(), report);
    running.join().unwrap();
}

#[test]
fn without_a_key_it_is_not_connected() {
    let proxy = FakeProxy::new();
    let running = client(config(&proxy), |client, _| async move {
        let connected = client.wait_ready(Duration::from_millis(50)).await;
        client.close().await;
        (connected, client.wait_ready(LONG).await)
    });
    let mut peer = proxy.accept();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    let (late, closed) = running.join().unwrap();
    assert!(matches!(late, Err(WaitError::TimedOut { .. })), "{late:?}");
    assert_eq!(closed, Err(WaitError::Closed));
}

#[test]
fn when_the_last_handle_is_dropped_it_closes() {
    let proxy = FakeProxy::new();
    let (go, wait) = mpsc::channel::<()>();
    let running = client(config(&proxy), |client, runtime| async move {
        client.wait_ready(LONG).await.unwrap();
        drop(client);
        // The runtime must live until the client has said goodbye.
        runtime.unblock(move || wait.recv().unwrap()).await.unwrap();
    });
    let mut peer = proxy.accept_with_key();
    assert!(matches!(peer.next(), Event::Closed { reason: CloseReason::PeerError { .. } }));
    drop(peer);
    go.send(()).unwrap();
    running.join().unwrap();
}

#[test]
fn metrics_that_cannot_be_had_are_an_error_to_the_proxy() {
    let proxy = FakeProxy::new();
    let config = config(&proxy);
    let running = thread::spawn(move || {
        Leaf::block_on(Some(1), |runtime| async move {
            let metrics = || Err::<String, _>("the registry is on fire");
            let (client, running) = Client::new(runtime.clone(), config, metrics);
            runtime.spawn(running);
            client.wait_ready(LONG).await.unwrap();
            client.push_and_close().await
        })
        .unwrap()
    });
    let mut peer = proxy.accept_with_key();
    // Either the scrape is refused, or the client has closed before: its push fails for the same reason.
    match peer.scrape() {
        Event::RequestFailed { error: StreamFailure::Error { data, .. }, .. } => {
            assert_eq!(data, "the registry is on fire");
        }
        Event::RequestFailed { error: StreamFailure::Closed, .. } => {}
        other => panic!("a failure was expected, not {other:?}"),
    }
    while !matches!(peer.next(), Event::Closed { .. }) {}
    drop(peer);
    let failure = PushFailure::NoMetrics("the registry is on fire".to_owned());
    assert_eq!(running.join().unwrap(), Err(failure));
}

#[test]
fn a_push_leaves_the_client_connected() {
    let proxy = FakeProxy::new();
    let running = client(config(&proxy), |client, _| async move {
        let results = [client.push().await, client.push().await, client.push_and_close().await];
        (results, client.push().await)
    });
    let mut peer = proxy.accept_with_key();
    for text in ["asked_total 1\n", "asked_total 2\n"] {
        let (stream_id, pushed) = peer.pushed();
        assert_eq!(pushed, text);
        peer.connection.respond(stream_id, Payload::default()).unwrap();
    }
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "asked_total 3\n");
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    assert_eq!(running.join().unwrap(), ([Ok(()), Ok(()), Ok(())], Err(PushFailure::Closed)));
}

#[test]
fn pushes_at_once_are_all_served() {
    let proxy = FakeProxy::new();
    let (go, wait) = mpsc::channel::<()>();
    let running = client(config(&proxy), |client, runtime| async move {
        let mut first = Box::pin(client.push());
        // Polled once, it has asked.
        assert_eq!(poll_once(&mut first).await, None);
        runtime.unblock(move || wait.recv().unwrap()).await.unwrap();
        let mut others: Vec<_> = (1..10).map(|_| Box::pin(client.push())).collect();
        for push in &mut others {
            assert_eq!(poll_once(push).await, None);
        }
        let last = client.push_and_close().await;
        let mut results = vec![first.await];
        for push in others {
            results.push(push.await);
        }
        (last, results)
    });
    let mut peer = proxy.accept_with_key();
    let (first, text) = peer.pushed();
    assert_eq!(text, "asked_total 1\n");
    go.send(()).unwrap();
    // A scrape goes beside it.
    assert_eq!(peer.scraped(), "asked_total 2\n");
    peer.connection.respond(first, Payload::default()).unwrap();
    loop {
        match peer.next() {
            Event::RequestResponse { stream_id, .. } => {
                peer.connection.respond(stream_id, Payload::default()).unwrap();
            }
            Event::Closed { .. } => break,
            other => panic!("a push was expected, not {other:?}"),
        }
    }
    drop(peer);
    assert_eq!(running.join().unwrap(), (Ok(()), vec![Ok(()); 10]));
}

#[test]
fn a_push_whose_connection_ends_arrives_with_the_same_bytes() {
    let proxy = FakeProxy::new();
    let running =
        client(
            config(&proxy),
            |client, _| async move { (client.push().await, client.close().await) },
        );
    let pushed = |event| match event {
        Event::RequestResponse { payload, stream_id } => (stream_id, payload),
        other => panic!("a push was expected, not {other:?}"),
    };
    let mut peer = proxy.accept_with_key();
    let (_, first) = pushed(peer.next());
    drop(peer);
    let mut peer = proxy.accept_with_key();
    let (stream_id, second) = pushed(peer.next());
    assert_eq!(first, second);
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    assert_eq!(running.join().unwrap(), (Ok(()), ()));
}

#[test]
fn a_job_pushes_whatever_way_it_ends() {
    for panics in [false, true] {
        let proxy = FakeProxy::new();
        let running = client(config(&proxy), move |client, _| async move {
            let job = async {
                assert!(!panics, "the job fails");
                42
            };
            run_job(client, job).await
        });
        let mut peer = proxy.accept_with_key();
        let (stream_id, text) = peer.pushed();
        assert_eq!(text, "asked_total 1\n");
        peer.connection.respond(stream_id, Payload::default()).unwrap();
        assert!(matches!(peer.next(), Event::Closed { .. }));
        drop(peer);
        match running.join() {
            Ok(ended) => assert_eq!((ended, panics), ((42, Ok(())), false)),
            Err(panic) => assert_eq!(panic.downcast_ref(), Some(&"the job fails")),
        }
    }
}

#[test]
fn a_token_is_not_shown_in_clear() {
    // Of documentation; nothing is sent there.
    let mut config = Config::new("tcp://192.0.2.1:1".parse().unwrap());
    config.token = Some(Token::new("t0ken").unwrap());
    let running = client(config, |client, _| async move {
        let connected = client.wait_ready(Duration::from_millis(300)).await;
        (connected, client.status())
    });
    let (connected, status) = running.join().unwrap();
    assert!(matches!(connected, Err(WaitError::TimedOut { .. })), "{connected:?}");
    let Status::Waiting { reason, .. } = status else { panic!("{status:?}") };
    assert!(reason.contains("the token is not shown"), "{reason}");
}

#[test]
fn a_source_that_blocks_holds_up_nothing_else() {
    holds_up_nothing_else(|block| block);
    // Nor does the first part of its future.
    holds_up_nothing_else(|block| {
        let block = Arc::new(Mutex::new(block));
        from_async(move || {
            let block = Arc::clone(&block);
            async move { (block.lock().unwrap())() }
        })
    });
}

/// The source is made of a function that blocks until something has run on the event loop.
fn holds_up_nothing_else<S: Source>(
    source: impl FnOnce(Box<dyn FnMut() -> Result<String, RecvTimeoutError> + Send>) -> S
    + Send
    + 'static,
) {
    let proxy = FakeProxy::new();
    let config = config(&proxy);
    let running = thread::spawn(move || {
        Leaf::block_on(Some(1), |runtime| async move {
            let (asked, is_asked) = async_channel::bounded(1);
            let (release, released) = mpsc::channel();
            let block = move || {
                asked.send_blocking(()).unwrap();
                released.recv_timeout(LONG)
            };
            let (client, running) = Client::new(runtime.clone(), config, source(Box::new(block)));
            runtime.spawn(running);
            // On the one thread of the event loop, too.
            runtime.spawn(async move {
                is_asked.recv().await.unwrap();
                release.send("released_total 1\n".to_owned()).unwrap();
            });
            client.push_and_close().await
        })
        .unwrap()
    });
    let mut peer = proxy.accept_with_key();
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "released_total 1\n");
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    peer.next();
    drop(peer);
    assert_eq!(running.join().unwrap(), Ok(()));
}
