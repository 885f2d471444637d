//! The proxy's key is replaced every ten minutes while applications are scraped.

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_client::{Client, Config as ClientConfig, Labels};
use prometheus_rsocket_proxy::config::{Config, ListenAddr, RsaBackend};
use prometheus_rsocket_proxy::{Proxy, shutdown};
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use prometheus_rsocket_sim::{Sim, SimHost};
use std::time::Duration;

const APPS: usize = 3;
const EVERY: Duration = Duration::from_secs(600);

#[test]
fn no_scrape_lacks_an_application_while_keys_are_replaced_and_old_ones_are_dropped() {
    let sim = Sim::new(1);
    let (proxy, host) = (sim.host("proxy"), sim.host("prometheus"));
    let stop = start_proxy(&proxy);
    (0..APPS).for_each(|app| start_app(&sim.host(&format!("app-{app}")), app));
    sim.run_for(Duration::from_secs(10));
    // Three rotations, and the time after which the last old key is dropped.
    let metrics = sim.block_on(async move {
        let end = host.now() + 3 * EVERY + Duration::from_secs(60);
        while host.now() < end {
            let body = get(&host, "/metrics/connected").await;
            for app in 0..APPS {
                assert!(body.contains(&text(app)), "app-{app} is not in {body}");
            }
            sleep_until(&host, host.now() + Duration::from_secs(7)).await;
        }
        get(&host, "/metrics/proxy").await
    });
    let count = |part: &str| metrics.lines().filter(|line| line.contains(part)).count();
    assert_eq!(count("prometheus_proxy_key_rotations_total 3"), 1, "{metrics}");
    assert_eq!(count("prometheus_proxy_key_info{"), 1, "the old keys are dropped: {metrics}");
    drop(stop);
}

fn text(app: usize) -> String {
    format!("rotation_text{{instance=\"{app}\"}} 1\n")
}

fn start_proxy(host: &SimHost) -> shutdown::ShutdownTrigger {
    let config = Config {
        listen_tcp: ListenAddr::any(7001),
        listen_websocket: ListenAddr::Off,
        listen_http: ListenAddr::any(8080),
        rsa_backend: RsaBackend::Rust,
        key_rotation: Some(EVERY),
        ..Config::default()
    };
    let (trigger, stop) = shutdown::channel();
    let bound = host.clone();
    host.spawn(async move {
        let proxy = Proxy::bind(bound, config).await.expect("nothing is in the proxy's way");
        proxy.run(stop).await;
    });
    trigger
}

fn start_app(host: &SimHost, app: usize) {
    let mut config = ClientConfig::new("tcp://proxy:7001".parse().expect("a URL"));
    config.labels = Labels::new([("instance", app.to_string())]).expect("a label");
    let metrics = || "rotation_text 1\n".to_owned();
    let (client, running) = Client::new(host.clone(), config, metrics);
    host.spawn(running);
    let at = host.clone();
    host.spawn(async move {
        sleep_until(&at, at.now() + 10 * EVERY).await;
        drop(client);
    });
}

async fn get(host: &SimHost, path: &str) -> String {
    let mut stream = host.connect("proxy", 8080).await.expect("the proxy listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the proxy reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the proxy answers");
    answer
}
