//! The course of a simulation: how it begins, what watches it, how it heals, and how it ends.

use crate::app::App;
use crate::chaos;
use crate::http::{Connection, Get};
use crate::report::Kind;
use crate::scenario::{PUSH_BYTES_MAX, PUSHES_MAX, Terms};
use crate::scraper::{Ask, Manner, Scraper};
use crate::targets;
use crate::world::{OF_TARGETS, SCRAPER_LATENCY, World};
use fastrand::Rng;
use prometheus_rsocket_client::Status;
use prometheus_rsocket_proxy::{Proxy, Tables, Watch, shutdown};
use prometheus_rsocket_runtime::{Runtime, timeout};
use prometheus_rsocket_sim::SimHost;
use std::sync::Arc;
use std::time::Duration;

/// Runs a world from its beginning to its end.
pub(crate) async fn live(world: Arc<World>) {
    let mut rng = Rng::with_seed(world.scenario.seed ^ 0x6c69_6665);
    world.sim.note(&format!("{:?}", world.terms));
    let (watch, stop, stopped) = start_proxy(&world).await;
    let mut rng_of_end = rng.fork();
    let started: Vec<Rng> = world.apps().iter().map(|_| rng.fork()).collect();
    for (number, mut rng) in started.into_iter().enumerate() {
        // All at once, as after a restart of a platform, or one after the other.
        let pause = if rng.bool() { rng.u64(..1_000) } else { 0 };
        world.sleep(&world.driver, Duration::from_millis(pause / 10)).await;
        world.apps()[number].start(&world);
    }
    world.sleep(&world.driver, Duration::from_secs(1)).await;
    begin_scraping(&world, &mut rng);
    let until = world.now() + world.scenario.time;
    if world.scenario.calm {
        world.sleep(&world.driver, world.scenario.time).await;
    } else {
        let watching = Arc::clone(&world);
        world.driver.spawn(async move { watch_for_the_dead(&watching).await });
        let (watching, tables) = (Arc::clone(&world), watch.clone());
        world.driver.spawn(async move { watch_bounds(&watching, &tables).await });
        chaos::rage(Arc::clone(&world), rng, until).await;
        heal(&world).await;
    }
    stop_scraping(&world).await;
    // The first scrape gets what is held; the second gets only the applications.
    for gzip in [true, false] {
        Scraper::new(&world, 0).scrape(Ask { gzip, ..Ask::default() }, Manner::Prompt).await;
    }
    close_all(&world).await;
    look_at_counters(&world, &watch).await;
    let is_busy = rng_of_end.bool() && !world.scenario.calm;
    if is_busy {
        begin_again(&world).await;
    }
    stop.trigger();
    let deadline = world.driver.now() + STOPPED_WITHIN;
    if timeout(&world.driver, deadline, stopped.wait()).await.is_err() {
        world.violation(Kind::Left, format!("the proxy runs {STOPPED_WITHIN:?} after its end"));
    }
    world.sleep(&world.driver, Duration::from_secs(5)).await;
    if is_busy {
        end_again(&world).await;
    }
    look_for_remains(&world, &watch);
}

/// The applications are there and a scrape is under way when the proxy is told to stop.
async fn begin_again(world: &Arc<World>) {
    world.count("ends with applications connected");
    world.apps().iter_mut().for_each(|app| app.start(world));
    world.sleep(&world.driver, world.terms.settled_within()).await;
    let mut scraper = Scraper::new(world, 0);
    world.scrapers[0].spawn(async move {
        scraper.scrape(Ask { gzip: true, ..Ask::default() }, Manner::Prompt).await;
    });
    // The request has arrived, and no answer is there yet.
    world.sleep(&world.driver, SCRAPER_LATENCY * 4).await;
}

/// All applications have noticed that the proxy has gone, and the scrape was finished.
async fn end_again(world: &Arc<World>) {
    if let Some(app) = world.ready().into_iter().position(|ready| ready) {
        world.violation(Kind::Left, format!("app-{app} has not heard that the proxy is gone"));
    }
    let hosts = world.scrapers.iter().collect();
    wait_for(world, hosts, "the last scrape", Duration::ZERO).await;
    close_all(world).await;
}

/// Starts the whole proxy. Returns what shows its tables, what stops it, and what reports that it has stopped.
async fn start_proxy(world: &Arc<World>) -> (Watch, shutdown::ShutdownTrigger, shutdown::Shutdown) {
    let config = world.terms.proxy(&world.scenario);
    let (bound, proxy) = (world.proxy.clone(), Arc::new(std::sync::Mutex::new(None)));
    let (trigger, stop) = shutdown::channel();
    let (is_stopped, stopped) = shutdown::channel();
    let (is_bound, binding) = shutdown::channel();
    let slot = Arc::clone(&proxy);
    world.proxy.spawn(async move {
        let proxy = Proxy::bind(bound, config).await.expect("nothing is in the proxy's way");
        *slot.lock().expect("nobody panics with this lock") = Some(proxy.watch());
        is_bound.trigger();
        proxy.run(stop).await;
        is_stopped.trigger();
    });
    binding.wait().await;
    let watch = proxy.lock().expect("nobody panics with this lock").take();
    (watch.expect("it is bound"), trigger, stopped)
}

fn begin_scraping(world: &Arc<World>, rng: &mut Rng) {
    let interval = world.scenario.interval;
    let scraper = Scraper::new(world, 0);
    world.scrapers[0].spawn(scraper.scrape_at_intervals(interval, rng.fork()));
    if !world.scenario.calm {
        // Out of step with the first one, so that they sometimes overlap.
        let scraper = Scraper::new(world, 1);
        world.scrapers[1].spawn(scraper.scrape_at_intervals(interval * 13 / 10, rng.fork()));
    }
    if !world.scenario.calm && world.scenario.seed % 5 < 2 {
        let scraping = targets::scrape_at_intervals(Arc::clone(world), interval * 2, rng.fork());
        world.scrapers[OF_TARGETS].spawn(scraping);
    }
}

/// Ends the faults: all applications come back, are connected in time, and stay connected.
async fn heal(world: &Arc<World>) {
    world.calm();
    world.neighbours.iter().for_each(|host| world.sim.crash(host));
    let deadline = world.now() + world.terms.dead_within() + PUSH_WITHIN;
    loop {
        let all_live = {
            let mut apps = world.apps();
            apps.iter_mut().filter(|app| app.is_closed()).for_each(|app| app.start(world));
            (0..apps.len()).all(|app| !world.ledger().apps[app].downs.is_going_on())
        };
        if all_live {
            break;
        }
        if world.now() > deadline {
            world.violation(Kind::Left, "an application's end takes too long");
            break;
        }
        world.sleep(&world.driver, STEP).await;
    }
    world.sleep(&world.driver, world.terms.settled_within()).await;
    let states: Vec<Option<Status>> = world.apps().iter().map(App::status).collect();
    for (app, status) in states.into_iter().enumerate() {
        if !matches!(status, Some(Status::Ready { .. })) {
            let what = format!("app-{app} is {status:?} though all is calm");
            world.violation(Kind::NotHealed, what);
        }
    }
}

async fn stop_scraping(world: &Arc<World>) {
    world.end();
    let hosts = world.scrapers.iter().chain([&world.stranger]);
    wait_for(world, hosts.collect(), "scrapers and strangers", SCRAPERS_WITHIN).await;
}

async fn close_all(world: &Arc<World>) {
    let hosts: Vec<SimHost> = {
        let apps = world.apps();
        apps.iter().for_each(|app| app.close(world));
        apps.iter().map(|app| app.host.clone()).collect()
    };
    wait_for(world, hosts.iter().collect(), "applications", world.terms.dead_within()).await;
}

/// Waits until nothing runs on these hosts.
async fn wait_for(world: &World, hosts: Vec<&SimHost>, who: &str, within: Duration) {
    let deadline = world.now() + within;
    while let Some(host) = hosts.iter().find(|host| world.sim.tasks(host) > 0) {
        if world.now() > deadline {
            let what = format!("{who} do not end, for one {}", host.name());
            world.violation(Kind::Left, what);
            return;
        }
        world.sleep(&world.driver, STEP).await;
    }
}

/// Checks what the proxy reports about itself when all applications have gone.
async fn look_at_counters(world: &World, watch: &Watch) {
    // Until the other side of closed connections has ended, and until the proxy has forgotten them.
    let Terms { push_ttl, grace, .. } = world.terms;
    world.sleep(&world.driver, push_ttl + grace + world.terms.dead_within()).await;
    let tables = watch.tables();
    if tables != Tables::default() {
        world.violation(Kind::Left, format!("when all are forgotten: {tables:?}"));
    }
    let get = Get {
        path: "/metrics/proxy".to_owned(),
        head: false,
        gzip: false,
        open_metrics: false,
        timeout: Duration::ZERO,
        pause: Duration::ZERO,
        first: false,
    };
    let host = &world.scrapers[0];
    let text = match Connection::open(host, "proxy", world.now()).await {
        Ok(mut connection) => connection.get(get).await,
        Err(error) => Err(error),
    };
    let text = match text {
        Ok(got) => String::from_utf8_lossy(&got.body).into_owned(),
        Err(error) => {
            world.violation(Kind::Failed, format!("/metrics/proxy: {error}"));
            return;
        }
    };
    let value = |series: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(u64::MAX)
    };
    for gauge in ["prometheus_proxy_scrape_active_connections", "prometheus_proxy_pushes_held"] {
        if value(gauge) != 0 {
            world.violation(Kind::Left, format!("{gauge} is {}", value(gauge)));
        }
    }
    for (name, series) in COUNTERS {
        let number = value(series);
        if number == u64::MAX {
            world.violation(Kind::Failed, format!("there is no {series}"));
        } else {
            world.ledger().counts.add(name, number);
        }
    }
}

fn look_for_remains(world: &World, watch: &Watch) {
    let mut tables = watch.tables();
    // Nobody forgets them any more if the proxy ended before.
    tables.entries = 0;
    if tables != Tables::default() {
        world.violation(Kind::Left, format!("{tables:?}"));
    }
    let apps: Vec<SimHost> = world.apps().iter().map(|app| app.host.clone()).collect();
    let hosts = world.scrapers.iter().chain(&apps).chain(&world.neighbours);
    for host in hosts.chain([&world.proxy, &world.stranger]) {
        let (tasks, connections) = (world.sim.tasks(host), world.sim.connections(host));
        if (tasks, connections) != (0, 0) {
            let what = format!("{}: {tasks} tasks, {connections} connections", host.name());
            world.violation(Kind::Left, what);
        }
    }
    if world.sim.panics() > 0 {
        world.violation(Kind::Panic, format!("{} tasks panicked", world.sim.panics()));
    }
}

/// Checks that both ends of an application's dead connection notice it in time.
async fn watch_for_the_dead(world: &World) {
    let hosts: Vec<SimHost> = world.apps().iter().map(|app| app.host.clone()).collect();
    let within = world.terms.dead_within();
    let mut known = vec![None; hosts.len()];
    while !world.is_over() {
        for (app, host) in hosts.iter().enumerate() {
            let cut = world.sim.oldest_cut(host);
            if cut == known[app] {
                let Some(since) = cut else { continue };
                let now = world.now();
                let touched = {
                    let ledger = world.ledger();
                    ledger.proxy.any(since, now) || ledger.apps[app].faults.any(since + STEP, now)
                };
                // Anything that holds up either side gives it more time. This is checked until it is noticed, or everything is calm.
                if now > since + within && !touched {
                    let what = format!("app-{app} has a connection that is dead since {since:?}");
                    world.violation(Kind::KeptDead, what);
                    known[app] = None;
                    return;
                }
            } else {
                if known[app].is_some() {
                    world.count("dead connections noticed");
                }
                known[app] = cut;
            }
        }
        world.sleep(&world.driver, STEP).await;
    }
}

/// Checks that no table grows beyond its limit.
async fn watch_bounds(world: &World, watch: &Watch) {
    while !world.is_over() {
        let tables = watch.tables();
        let pushes = tables.held_pushes + tables.opening_pushes;
        if pushes > PUSHES_MAX || tables.push_bytes > PUSH_BYTES_MAX {
            world.violation(Kind::Exceeded, format!("{tables:?}"));
            return;
        }
        if tables.opening_pushes > 0 {
            world.count("pushes seen while they are opened");
        }
        world.sleep(&world.driver, STEP).await;
    }
}

/// The interval at which conditions are checked.
const STEP: Duration = Duration::from_millis(100);
/// How long a last push may take, and closing after it.
const PUSH_WITHIN: Duration = Duration::from_secs(10);
/// How long the proxy lets scrapes go on at its end, and connections after that.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);
/// How long an ill-mannered scraper, or a stranger, goes on by itself.
const SCRAPERS_WITHIN: Duration = Duration::from_secs(120);
/// The proxy's counters, and their names here.
const COUNTERS: [(&str, &str); 7] = [
    ("rounds complete", "prometheus_proxy_scrape_rounds_seconds_count{outcome=\"complete\"}"),
    ("rounds partial", "prometheus_proxy_scrape_rounds_seconds_count{outcome=\"partial\"}"),
    ("rounds aborted", "prometheus_proxy_scrape_rounds_seconds_count{outcome=\"aborted\"}"),
    ("pushes over a share", "prometheus_proxy_application_error_total{cause=\"over_share\"}"),
    ("pushes served", "prometheus_proxy_pushes_served_total"),
    ("keepalive timeouts", "prometheus_proxy_connection_error_total{cause=\"keepalive_timeout\"}"),
    ("strangers refused", "prometheus_proxy_connection_error_total{cause=\"not_rsocket\"}"),
];
