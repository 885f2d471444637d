use prometheus_rsocket_client::{Client, Config, MetricsError, from_fn};
use prometheus_rsocket_testkit::proxy::FakeProxy;
use prometheus_rsocket_tokio::Tokio;
use std::thread;

#[test]
fn a_client_runs_on_the_tokio_runtime_that_it_is_spawned_on() {
    let proxy = FakeProxy::new();
    let config = Config::new(proxy.url().parse().unwrap());
    let running = thread::spawn(move || {
        Tokio::block_on(Some(1), |_| async move {
            let client =
                Client::spawn(config, from_fn(|| Ok::<_, MetricsError>("a 1\n".to_owned())));
            client.push_and_close().await
        })
        .unwrap()
    });
    let mut peer = proxy.accept_with_key();
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "a 1\n");
    peer.connection.respond(stream_id, Default::default()).unwrap();
    peer.next();
    drop(peer);
    assert_eq!(running.join().unwrap(), Ok(()));
}
