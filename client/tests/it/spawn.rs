use prometheus_rsocket_client::{BuildError, Client, Status};
use prometheus_rsocket_testkit::proxy::FakeProxy;
use prometheus_rsocket_tokio::Tokio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn metrics() -> String {
    "a 1\n".to_owned()
}

/// Takes the push of a client that ends with it.
fn take_push(proxy: &FakeProxy) {
    let mut peer = proxy.accept_with_key();
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "a 1\n");
    peer.connection.respond(stream_id, Default::default()).unwrap();
    peer.next();
}

#[test]
fn a_client_runs_on_the_tokio_runtime_that_it_is_spawned_on() {
    let proxy = FakeProxy::new();
    let builder = Client::builder(proxy.url()).unwrap();
    let running = thread::spawn(move || {
        Tokio::block_on(Some(1), |_| async move {
            builder.spawn(metrics).unwrap().push_and_close().await
        })
        .unwrap()
    });
    take_push(&proxy);
    assert_eq!(running.join().unwrap(), Ok(()));
}

#[cfg(feature = "smol")]
#[test]
fn without_a_tokio_runtime_it_runs_on_the_executor_of_smol() {
    let proxy = FakeProxy::new();
    let client = Client::builder(proxy.url()).unwrap().spawn(metrics).unwrap();
    let running = thread::spawn(move || futures_lite::future::block_on(client.push_and_close()));
    take_push(&proxy);
    assert_eq!(running.join().unwrap(), Ok(()));
}

#[cfg(not(feature = "smol"))]
#[test]
fn without_a_runtime_it_says_what_is_missing() {
    let spawned = Client::builder("tcp://127.0.0.1:1").unwrap().spawn(metrics);
    let error = spawned.unwrap_err();
    assert!(matches!(error, BuildError::NoRuntime));
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[test]
fn a_wrong_setting_is_told_at_the_start() {
    let start = |with: fn(prometheus_rsocket_client::ClientBuilder) -> _| {
        let builder: prometheus_rsocket_client::ClientBuilder =
            with(Client::builder("tcp://localhost:1").unwrap());
        builder.into_config().unwrap_err()
    };
    let error = start(|builder| builder.label("a-b", "c"));
    assert!(matches!(error, BuildError::Label(_)), "{error}");
    let error = start(|builder| builder.token("t0 ken"));
    assert!(matches!(error, BuildError::Token(_)), "{error}");
    let error = start(|builder| builder.token_file("/nowhere/token"));
    assert!(error.to_string().starts_with("token file /nowhere/token: "), "{error}");
    #[cfg(feature = "_tls")]
    {
        let builder = Client::builder("tls://localhost:1").unwrap().tls_ca("/nowhere/ca.pem");
        let error = builder.into_config().unwrap_err();
        assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    }
    let error = start(|builder| builder.pin_file("/proc"));
    assert!(matches!(error, BuildError::PinFile(_)), "{error}");
    let error = Client::builder("http://localhost").unwrap_err();
    assert!(error.to_string().contains("tcp://"), "{error}");
}

#[test]
fn it_is_told_of_the_key_and_of_each_status() {
    let proxy = FakeProxy::new();
    let (heard, hears) = mpsc::channel();
    let builder = Client::builder(proxy.url()).unwrap();
    let builder = builder.own_metrics().on_key(move |key| heard.send(key).unwrap());
    let running = thread::spawn(move || {
        Tokio::block_on(Some(1), |_| async move {
            let client = builder.spawn(metrics).unwrap();
            let mut changes = client.status_changes();
            let mut seen = Vec::new();
            while let Some(status) = changes.next().await {
                if status == (Status::Ready { report: None }) {
                    client.close().await;
                }
                seen.push(status);
            }
            (seen, client.own_metrics())
        })
        .unwrap()
    });
    let mut peer = proxy.accept_with_key();
    assert!(hears.recv().unwrap().is_some(), "the proxy has an RSA key");
    peer.next();
    drop(peer);
    let (seen, own) = running.join().unwrap();
    assert_eq!(seen.first(), Some(&Status::Connecting));
    assert_eq!(seen.last(), Some(&Status::Closed));
    assert!(seen.contains(&Status::Ready { report: None }), "{seen:?}");
    assert!(own.contains("\nprometheus_rsocket_client_connections_total 1\n"), "{own}");
    assert!(own.contains("\nprometheus_rsocket_client_connected 0\n"), "{own}");
}

#[test]
fn it_gives_up_after_as_many_attempts_as_it_may_make() {
    let short = Duration::from_millis(2);
    let builder = Client::builder("tcp://127.0.0.1:1").unwrap().max_retries(2);
    let builder = builder.first_backoff(short).max_backoff(short);
    Tokio::block_on(Some(1), |_| async move {
        let client = builder.spawn(metrics).unwrap();
        let waited = client.wait_ready(Duration::from_secs(20)).await.unwrap_err();
        assert!(waited.to_string().contains("given up"), "{waited}");
        assert!(matches!(client.status(), Status::GaveUp { .. }));
        let own = client.own_metrics();
        assert!(own.contains("\nprometheus_rsocket_client_retries_total 2\n"), "{own}");
        let unreachable = "connection_errors_total{reason=\"unreachable\"} 3\n";
        assert!(own.contains(unreachable), "{own}");
        client.push().await.unwrap_err();
    })
    .unwrap();
}

#[test]
fn its_own_metrics_stand_behind_those_of_the_source() {
    let proxy = FakeProxy::new();
    let builder = Client::builder(proxy.url()).unwrap().own_metrics();
    let mut texts = ["a 1", "# TYPE a counter\na_total 1\n# EOF\n"].into_iter();
    let source = move || texts.next().unwrap_or_default().to_owned();
    let running = thread::spawn(move || {
        Tokio::block_on(Some(1), |_| async move {
            let client = builder.spawn(source).unwrap();
            client.wait_ready(Duration::from_secs(20)).await.unwrap();
            client.push().await.unwrap();
            client.push_and_close().await.unwrap();
        })
        .unwrap();
    });
    let mut peer = proxy.accept_with_key();
    for first in ["a 1\n", "# TYPE a_total counter\na_total 1\n"] {
        let (stream_id, text) = peer.pushed();
        assert!(text.starts_with(&format!("{first}# HELP prometheus_rsocket_client_")), "{text}");
        // Version 1 of the envelope has the text format 0.0.4.
        assert!(text.contains("# TYPE prometheus_rsocket_client_pushes_total counter\n"), "{text}");
        assert!(!text.contains("# EOF"), "{text}");
        peer.connection.respond(stream_id, Default::default()).unwrap();
    }
    peer.next();
    drop(peer);
    running.join().unwrap();
}

#[cfg(feature = "blocking")]
#[test]
fn a_program_without_a_runtime_pushes_and_ends() {
    let proxy = FakeProxy::new();
    let builder = Client::builder(proxy.url()).unwrap();
    let running = thread::spawn(move || {
        let client = builder.connect_blocking(metrics, Duration::from_secs(20)).unwrap();
        assert!(client.is_ready());
        client.push_and_close_blocking()
    });
    take_push(&proxy);
    assert_eq!(running.join().unwrap(), Ok(()));
}

#[cfg(feature = "blocking")]
#[test]
fn a_proxy_that_is_away_holds_up_neither_start_nor_end() {
    let builder = Client::builder("tcp://127.0.0.1:1").unwrap();
    let client = builder.connect_blocking(metrics, Duration::from_millis(1)).unwrap();
    assert!(!client.is_ready());
    client.wait_ready_blocking(Duration::from_millis(1)).unwrap_err();
    client.close_blocking();
    assert_eq!(client.status(), Status::Closed);
}
