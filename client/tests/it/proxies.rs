use super::library::{LONG, client, config};
use prometheus_rsocket_client::{BackoffConfig, PushFailure, Status};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Event};
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_testkit::proxy::FakeProxy;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Proxies in the order of preference, and a client's configuration that never gets to a second round.
fn proxies() -> ([FakeProxy; 2], prometheus_rsocket_client::Config) {
    let proxies = [FakeProxy::new(), FakeProxy::new()];
    let mut config = config(&proxies[0]);
    config.proxies.push(proxies[1].url().parse().unwrap());
    config.agent.backoff = BackoffConfig::new(LONG * 100, LONG * 100);
    config.agent.return_after = Duration::from_secs(1);
    (proxies, config)
}

#[test]
fn the_next_proxy_takes_over_until_the_first_is_there_again() {
    let ([first, second], config) = proxies();
    let (go, wait) = mpsc::channel::<()>();
    let running = client(config, |client, runtime| async move {
        client.wait_ready(LONG).await.unwrap();
        runtime.unblock(move || wait.recv().unwrap()).await.unwrap();
        client.push_and_close().await
    });
    let mut draining = first.accept();
    draining.connection.close(Instant::now(), ErrorCode::REJECTED_SETUP, "draining");
    draining.flush();
    let mut peer = second.accept_with_key();
    drop(draining);
    assert_eq!(peer.scraped(), "asked_total 1\n");
    first.accept_probe();
    let reason = CloseReason::PeerError {
        code: ErrorCode::CONNECTION_ERROR,
        message: "Disposed".to_owned(),
    };
    assert_eq!(peer.next(), Event::Closed { reason });
    drop(peer);
    let mut peer = first.accept_with_key();
    assert_eq!(peer.scraped(), "asked_total 2\n");
    go.send(()).unwrap();
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "asked_total 3\n");
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    peer.next();
    drop(peer);
    assert_eq!(running.join().unwrap(), Ok(()));
}

#[test]
fn a_push_goes_to_the_proxy_that_can_be_reached() {
    let ([first, second], config) = proxies();
    drop(first);
    let running = client(config, |client, _| async move { client.push_and_close().await });
    let mut peer = second.accept_with_key();
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "asked_total 1\n");
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    peer.next();
    drop(peer);
    assert_eq!(running.join().unwrap(), Ok(()));
}

#[test]
fn when_none_can_be_reached_the_last_that_failed_is_named() {
    let (proxies, mut config) = proxies();
    let [first, second] = proxies.map(|proxy| proxy.url());
    config.agent.push_timeout = Duration::from_millis(50);
    assert_eq!(config.proxies.to_string(), format!("{first},{second}"));
    let running = client(config, |client, runtime| async move {
        while !matches!(client.status(), Status::Waiting { retry_at, .. } if retry_at > runtime.now())
        {
            runtime.unblock(|| ()).await.unwrap();
        }
        // A push makes the round begin again, and there is no third.
        client.push_and_close().await
    });
    let Err(PushFailure::NotConnected { reason }) = running.join().unwrap() else {
        panic!("nobody is there");
    };
    assert!(reason.starts_with(&format!("{second}: cannot connect: ")), "{reason}");
}
