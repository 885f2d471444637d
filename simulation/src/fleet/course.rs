//! The course of a fleet's simulation: the operations on it, and its end.

use super::ledger::Round;
use super::scraping::{self, INTERVAL};
use super::world::World;
use crate::report::Kind;
use fastrand::Rng;
use prometheus_rsocket_runtime::{Runtime, timeout};
use prometheus_rsocket_sim::{SimHost, Strike};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Runs a fleet from its beginning to its end.
pub(super) async fn live(world: Arc<World>) {
    let mut rng = Rng::with_seed(world.fleet.seed ^ 0x636f_7572);
    begin(&world).await;
    let is_done = Arc::new(AtomicBool::new(false));
    let operating = operate(Arc::clone(&world), rng.fork(), Arc::clone(&is_done));
    world.driver.spawn(operating);
    while !is_done.load(Ordering::Relaxed) {
        world.sleep(Duration::from_millis(rng.u64(300..2_500))).await;
        act(&world, &mut rng);
        world.apps().iter_mut().for_each(|app| app.come_back(&world));
    }
    settle(&world).await;
    for _ in 0..ROUNDS {
        look(&world).await;
        world.sleep(INTERVAL).await;
    }
    world.end();
    for proxy in world.live() {
        stop(&world, proxy).await;
    }
    if world.sim.panics() > 0 {
        world.violation(Kind::Panic, format!("{} tasks panicked", world.sim.panics()));
    }
}

/// Starts proxies, scrapers and applications.
pub(super) async fn begin(world: &Arc<World>) {
    for proxy in 0..world.fleet.proxies {
        add(world, proxy).await;
    }
    world.driver.spawn(scraping::probe(Arc::clone(world)));
    world.sleep(Duration::from_secs(2)).await;
    let pause = JOINING / world.fleet.apps.max(1) as u32;
    for app in 0..world.fleet.apps {
        world.apps()[app].start(world);
        world.sleep(pause).await;
    }
}

/// Adds a proxy, and its scrapers.
async fn add(world: &Arc<World>, proxy: usize) {
    world.start_proxy(proxy).await;
    for scraper in 0..world.scrapers.len() {
        let scraping = scraping::scrape_at_intervals(Arc::clone(world), scraper, proxy);
        world.scrapers[scraper].spawn(scraping);
    }
}

/// Operates on proxies, one after the other.
async fn operate(world: Arc<World>, mut rng: Rng, is_done: Arc<AtomicBool>) {
    let mut operations = [Operation::Kill, Operation::RollOut, Operation::ScaleOut];
    rng.shuffle(&mut operations);
    for operation in operations {
        world.sleep(Duration::from_millis(rng.u64(5_000..20_000))).await;
        world.sim.note(&format!("{operation:?} begins"));
        match operation {
            Operation::Kill => kill(&world, &mut rng).await,
            Operation::RollOut => {
                for proxy in world.live() {
                    stop(&world, proxy).await;
                    world.sleep(Duration::from_secs(1)).await;
                    world.start_proxy(proxy).await;
                    world.sleep(Duration::from_secs(5)).await;
                    world.count("proxies rolled out");
                }
            }
            Operation::ScaleOut => {
                world.count("proxies added");
                add(&world, world.hosts().len()).await;
            }
        }
    }
    is_done.store(true, Ordering::Relaxed);
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Kill,
    RollOut,
    ScaleOut,
}

/// Kills a proxy as `kill -9` or a loss of power does, and starts it again.
async fn kill(world: &World, rng: &mut Rng) {
    for _ in 0..2 {
        let Some(proxy) = rng.choice(world.live()) else { return };
        let Some(life) = world.life(proxy) else { return };
        let now = world.now();
        world.ledger().kills.push((now, life));
        world.count("proxies killed");
        world.sim.crash(&world.hosts()[proxy]);
        if let Some(disk) = world.disk(proxy).filter(|_| rng.bool()) {
            world.count("machines without power");
            disk.lose_power();
        }
        world.on_stopped(proxy);
        world.sleep(Duration::from_millis(rng.u64(..8_000))).await;
        world.start_proxy(proxy).await;
        world.sleep(Duration::from_millis(rng.u64(2_000..30_000))).await;
    }
}

/// Stops a proxy as SIGTERM does.
pub(super) async fn stop(world: &World, proxy: usize) {
    let Some(running) = world.running(proxy) else { return };
    running.stop.trigger();
    let deadline = world.driver.now() + STOPPED_WITHIN + world.fleet.drain_spread;
    let deadline = deadline + world.fleet.push_linger;
    if timeout(&world.driver, deadline, running.stopped.wait()).await.is_err() {
        world.violation(Kind::Left, format!("proxy {proxy} does not stop"));
        world.sim.crash(&world.hosts()[proxy]);
    }
    world.on_stopped(proxy);
}

/// Does something to an application.
fn act(world: &Arc<World>, rng: &mut Rng) {
    if rng.u8(..20) == 0 {
        fill_disk(world, rng);
    }
    let mut apps = world.apps();
    let number = rng.usize(..apps.len());
    let app = &mut apps[number];
    if !app.is_ready() {
        return;
    }
    match rng.u8(..10) {
        ..6 => app.finish(world, true),
        6 => app.finish(world, false),
        7 => app.crash(world),
        8 => strike(world, &app.host, Strike::Reset),
        _ => strike(world, &app.host, Strike::Cut),
    }
}

/// Fills a disk for a time.
fn fill_disk(world: &Arc<World>, rng: &mut Rng) {
    let proxy = rng.choice(world.live());
    let Some(disk) = proxy.and_then(|proxy| world.disk(proxy)) else { return };
    world.count("full disks");
    disk.set_full(true);
    let (world, time) = (Arc::clone(world), Duration::from_millis(rng.u64(500..8_000)));
    world.driver.clone().spawn(async move {
        world.sleep(time).await;
        disk.set_full(false);
    });
}

fn strike(world: &World, host: &SimHost, strike: Strike) {
    world.count("connections struck");
    world.sim.strike(host, strike);
}

/// Does nothing any more. All applications come back, and move until they are spread evenly.
async fn settle(world: &Arc<World>) {
    world.sim.note("it is calm from now on");
    let all = async {
        loop {
            world.apps().iter_mut().for_each(|app| app.come_back(world));
            if world.apps().iter().all(super::app::App::is_ready) {
                return;
            }
            world.sleep(Duration::from_secs(1)).await;
        }
    };
    let deadline = world.driver.now() + CONNECTED_WITHIN;
    if timeout(&world.driver, deadline, all).await.is_err() {
        world.violation(Kind::NotHealed, "an application is not connected though all is calm");
    }
    let age = world.fleet.max_connection_age.unwrap_or(Duration::from_secs(60));
    world.sleep(age * 2).await;
}

/// Scrapes all proxies, one right after the other.
async fn look(world: &Arc<World>) {
    let apps: Vec<SimHost> = world.apps().iter().map(|app| app.host.clone()).collect();
    let opened = || -> Vec<u64> { apps.iter().map(|host| world.sim.connected(host)).collect() };
    let ready = || -> Vec<bool> { world.apps().iter().map(super::app::App::is_ready).collect() };
    let (start, before, was_ready) = (world.now(), opened(), ready());
    let mut answers = Vec::new();
    for proxy in world.live() {
        answers.push(scraping::scrape(world, 0, proxy, &mut None).await);
    }
    let (end, after, is_ready) = (world.now(), opened(), ready());
    let settled =
        (0..apps.len()).map(|app| before[app] == after[app] && was_ready[app] && is_ready[app]);
    let round = Round { start, end, answers, settled: settled.collect() };
    world.ledger().rounds.push(round);
}

/// The time over which applications start at the beginning.
const JOINING: Duration = Duration::from_secs(10);
/// How long all of them may take to connect: as long as a dead connection may go unnoticed, and a long pause.
const CONNECTED_WITHIN: Duration = Duration::from_secs(240);
/// How long a proxy may take to stop, in addition to the configured times.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
/// How often all proxies are scraped at once at the end.
const ROUNDS: usize = 3;
