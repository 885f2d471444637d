//! Scrapers of all proxies, and the load balancer's probes.

use super::ledger::Answer;
use super::world::{NAME, World};
use crate::http::{Connection, Get};
use crate::text;
use http::StatusCode;
use prometheus_rsocket_runtime::{Runtime, sleep_until, timeout};
use prometheus_rsocket_sim::SimHost;
use std::sync::Arc;
use std::time::Duration;

/// Scrapes a proxy at intervals, in each of its lives, until the simulation is over.
pub(super) async fn scrape_at_intervals(world: Arc<World>, scraper: usize, proxy: usize) {
    let host = world.scrapers[scraper].clone();
    // Each scraper has its own offset for each target.
    let offset = INTERVAL * ((proxy * 7 + scraper * 3) % 10) as u32 / 10;
    world.sleep(offset).await;
    let mut connection = None;
    while !world.is_over() {
        let due = host.now() + INTERVAL;
        match scrape(&world, scraper, proxy, &mut connection).await {
            Some(_) => world.count("scrapes whole"),
            None => world.count("scrapes broken"),
        }
        sleep_until(&host, due).await;
    }
}

/// Scrapes a proxy once, and records the answer.
pub(super) async fn scrape(
    world: &World,
    scraper: usize,
    proxy: usize,
    connection: &mut Option<Connection>,
) -> Option<Vec<(usize, usize)>> {
    let of = world.life(proxy)?;
    let body =
        get(world, &world.scrapers[scraper], proxy, "/metrics/connected", TIMEOUT * 2, connection)
            .await?;
    let body = String::from_utf8(body).ok()?;
    let texts: Vec<(usize, usize)> = body.lines().filter_map(text::parse_head).collect();
    let end = world.now();
    world.sim.note(&format!("prometheus-{scraper} has {texts:?} of {of:?}"));
    let answer = Answer { scraper, of, end, texts: texts.clone() };
    world.ledger().answers.push(answer);
    Some(texts)
}

async fn get(
    world: &World,
    host: &SimHost,
    proxy: usize,
    path: &str,
    within: Duration,
    connection: &mut Option<Connection>,
) -> Option<Vec<u8>> {
    let get = Get {
        path: path.to_owned(),
        head: false,
        gzip: false,
        open_metrics: false,
        timeout: TIMEOUT,
        pause: Duration::ZERO,
        first: false,
    };
    let name = format!("proxy-{proxy}");
    let getting = async {
        let mut open = match connection.take().filter(Connection::is_open) {
            Some(open) => open,
            None => Connection::open(host, &name, world.now()).await.ok()?,
        };
        let got = open.get(get).await.ok()?;
        *connection = Some(open);
        (got.status == StatusCode::OK).then_some(got.body)
    };
    timeout(host, host.now() + within, getting).await.ok()?
}

/// Asks each proxy whether it is ready, and sends applications to those that are.
pub(super) async fn probe(world: Arc<World>) {
    let mut known = Vec::new();
    while !world.is_over() {
        let mut ready = Vec::new();
        for (proxy, host) in world.hosts().into_iter().enumerate() {
            if get(&world, &world.balancer, proxy, "/-/ready", PROBES, &mut None).await.is_some() {
                ready.push((proxy, host));
            }
        }
        let now: Vec<usize> = ready.iter().map(|(proxy, _)| *proxy).collect();
        if now != known {
            let hosts: Vec<SimHost> = ready.into_iter().map(|(_, host)| host).collect();
            world.sim.balance(NAME, world.fleet.balance, &hosts);
            known = now;
        }
        world.sleep(PROBES).await;
    }
}

/// How often each scraper scrapes each proxy.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often each proxy is asked whether it is ready.
const PROBES: Duration = Duration::from_secs(1);
