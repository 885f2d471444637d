//! The proxy's machine is suspended during a scrape: its clock jumps.

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_client::{Client, Config as ClientConfig, Labels, MetricsError, from_async};
use prometheus_rsocket_proxy::config::{Config, Envelope, ListenAddr};
use prometheus_rsocket_proxy::{Proxy, shutdown};
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use prometheus_rsocket_sim::{Sim, SimHost};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// What was answered while the proxy stood still is in its sockets, and has to be in the scrape.
#[test]
fn a_jump_of_an_hour_costs_no_answer_that_has_arrived() {
    for seed in 0..16 {
        let sim = Sim::new(seed);
        let (proxy, scraper) = (sim.host("proxy"), sim.host("prometheus"));
        let stop = start_proxy(&proxy);
        for app in 0..5 {
            // The last one answers long after the proxy goes on. Its connection may end before.
            let delay = if app == 4 { 800 } else { 150 + 10 * app };
            start_app(&sim.host(&format!("app-{app}")), app, Duration::from_millis(delay));
        }
        // Who came before the proxy was there has had its first pause.
        sim.run_for(Duration::from_secs(10));
        let jumping = sim.clone();
        let (jumped, faulty) = (proxy.clone(), scraper.clone());
        scraper.spawn(async move {
            sleep(&faulty, 100).await;
            jumping.pause(&jumped, Duration::from_millis(300));
            sleep(&faulty, 200).await;
            jumping.jump(&jumped, HOUR);
        });
        let host = scraper.clone();
        let body = sim.block_on(async move { scrape(&host).await });
        for app in 0..4 {
            assert!(body.contains(&text(app)), "seed {seed}: app-{app} is not in {body}");
        }
        // All are connected again.
        sim.run_for(Duration::from_secs(30));
        let body = sim.block_on(async move { scrape(&scraper).await });
        for app in 0..5 {
            assert!(body.contains(&text(app)), "seed {seed}: app-{app} is not in {body}");
        }
        drop(stop);
    }
}

fn text(app: u64) -> String {
    format!("jump_text{{instance=\"{app}\"}} 1\n")
}

async fn sleep(host: &SimHost, millis: u64) {
    sleep_until(host, host.now() + Duration::from_millis(millis)).await;
}

fn start_proxy(host: &SimHost) -> shutdown::ShutdownTrigger {
    let config = Config {
        listen_tcp: ListenAddr::any(7001),
        listen_websocket: ListenAddr::Off,
        listen_http: ListenAddr::any(8080),
        envelope: Envelope::Plaintext,
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

fn start_app(host: &SimHost, app: u64, delay: Duration) {
    let mut config = ClientConfig::new("tcp://proxy:7001".parse().expect("a URL"));
    config.labels = Labels::new([("instance", app.to_string())]).expect("a label");
    let at = host.clone();
    let metrics = move || {
        let at = at.clone();
        async move {
            sleep_until(&at, at.now() + delay).await;
            Ok::<_, MetricsError>("jump_text 1\n".to_owned())
        }
    };
    let (client, running) = Client::new(host.clone(), config, from_async(metrics));
    host.spawn(running);
    let at = host.clone();
    host.spawn(async move {
        sleep(&at, 3_600_000).await;
        drop(client);
    });
}

/// The body of one scrape, as it came.
async fn scrape(host: &SimHost) -> String {
    let mut stream = host.connect("proxy", 8080).await.expect("the proxy is there");
    let request = "GET /metrics/connected HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\
                   X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it is taken");
    let mut body = String::new();
    stream.read_to_string(&mut body).await.expect("all of it comes");
    assert!(body.starts_with("HTTP/1.1 200"), "{body}");
    body
}
