//! What goes wrong, and when. All of it follows from the seed.

use crate::app::App;
use crate::neighbours;
use crate::scraper::{Ask, Manner, Scraper};
use crate::strangers;
use crate::world::{AFTER_PUSH, ILL_MANNERED, SCRAPER_LATENCY, World};
use fastrand::Rng;
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_sim::{SimHost, Strike};
use std::sync::Arc;
use std::time::Duration;

/// Makes things go wrong until a time, with rests in between during which everything has to recover.
pub(crate) async fn rage(world: Arc<World>, mut rng: Rng, until: Duration) {
    while world.now() < until {
        let pause = Duration::from_millis(rng.u64(100..3_000));
        world.sleep(&world.driver, pause).await;
        bring_back(&world, &mut rng);
        let is_rest = world.now().as_secs() % TURN.as_secs() >= RAGE.as_secs();
        if !is_rest {
            act(&world, &mut rng);
        }
    }
}

/// Makes one thing go wrong.
fn act(world: &Arc<World>, rng: &mut Rng) {
    match rng.u8(..100) {
        ..56 => on_app(world, rng),
        56..66 => on_scraper(world, rng),
        66..78 => ill_mannered(world, rng),
        78..86 => strangers::visit(world, rng.fork()),
        86..95 => neighbours::visit(world, rng.fork()),
        _ => on_proxy(world, rng),
    }
}

fn on_app(world: &Arc<World>, rng: &mut Rng) {
    let apps = world.apps();
    let number = rng.usize(..apps.len());
    let app = &apps[number];
    let is_down = world.ledger().apps[number].downs.is_going_on();
    if is_down || app.is_closed() {
        return;
    }
    let millis = Duration::from_millis;
    match rng.u8(..100) {
        ..12 => strike_app(world, number, app, Strike::Reset),
        12..26 => strike_app(world, number, app, Strike::Cut),
        26..34 => strike_app(world, number, app, Strike::Mute),
        34..44 => strike_app(world, number, app, Strike::Stall(millis(rng.u64(50..8_000)))),
        44..54 => {
            let time = millis(rng.u64(50..6_000));
            world.count("applications paused");
            world.on_app_fault(number, time);
            world.sim.pause(&app.host, time);
        }
        54..62 => isolate(world, number, app, rng),
        62..72 => {
            if rng.bool() {
                strike_app(world, number, app, Strike::Cut);
            }
            world.count("applications crashed");
            app.crash(world);
        }
        72..94 => push(world, number, app, rng),
        _ => {
            world.count("applications closed");
            app.close(world);
        }
    }
}

fn strike_app(world: &World, number: usize, app: &App, strike: Strike) {
    let time = if let Strike::Stall(time) = strike { time } else { Duration::ZERO };
    world.on_app_fault(number, time);
    strike_host(world, &app.host, strike);
}

fn strike_host(world: &World, host: &SimHost, strike: Strike) {
    world.count(match strike {
        Strike::Cut => "strikes by cut",
        Strike::Mute => "strikes by mute",
        Strike::Reset => "strikes by reset",
        Strike::Stall(_) => "strikes by stall",
    });
    world.sim.strike(host, strike);
}

/// Isolates an application for a time, together with its open connections.
fn isolate(world: &Arc<World>, number: usize, app: &App, rng: &mut Rng) {
    let time = Duration::from_millis(rng.u64(500..10_000));
    world.count("applications isolated");
    world.on_app_fault(number, time);
    world.sim.isolate(&app.host, true);
    strike_app(world, number, app, if rng.bool() { Strike::Reset } else { Strike::Cut });
    let (world, host) = (Arc::clone(world), app.host.clone());
    world.driver.clone().spawn(async move {
        world.sleep(&world.driver, time).await;
        world.sim.isolate(&host, false);
    });
}

/// Makes an application push and close. Right afterwards there may be a scrape that is left before its end, and one that must have the push.
fn push(world: &Arc<World>, number: usize, app: &App, rng: &mut Rng) {
    world.count("applications pushed");
    let (scrapes, ask) = (rng.u8(..3) > 0, Ask::draw(rng, false));
    let leaving = match rng.u8(..6) {
        0 => Some(Manner::LeavingAtOnce),
        3 => Some(Manner::Headers),
        4 => Some(Manner::Resetting),
        1 | 2 => Some(Manner::Leaving(Duration::from_millis(rng.u64(50..1_500)))),
        _ => None,
    };
    if matches!(leaving, Some(Manner::Leaving(_))) {
        // So that the scrape does not end before it is left, and the push is sent before that.
        strangers::mute(world);
    }
    let scraping = Arc::clone(world);
    app.push(world, move |is_stored| async move {
        if is_stored && scrapes {
            let host = scraping.scrapers[AFTER_PUSH].clone();
            host.spawn(async move {
                if let Some(manner) = leaving {
                    Scraper::new(&scraping, AFTER_PUSH).scrape(ask.clone(), manner).await;
                    // Until the proxy has noticed.
                    let heard = SCRAPER_LATENCY * 3 + scraping.terms.job_time * 3;
                    scraping.sleep(&scraping.scrapers[AFTER_PUSH], heard).await;
                }
                Scraper::new(&scraping, AFTER_PUSH).scrape(ask, Manner::Prompt).await;
            });
        }
    });
    if rng.u8(..3) == 0 {
        let after = Duration::from_millis(rng.u64(..100));
        let strike = rng.choice([Strike::Reset, Strike::Cut, Strike::Stall(after * 20)]);
        let (world, host) = (Arc::clone(world), app.host.clone());
        world.driver.clone().spawn(async move {
            world.sleep(&world.driver, after).await;
            world.on_app_fault(number, after * 20);
            strike_host(&world, &host, strike.unwrap_or(Strike::Cut));
        });
    }
}

fn on_scraper(world: &Arc<World>, rng: &mut Rng) {
    let number = rng.usize(..AFTER_PUSH);
    let host = &world.scrapers[number];
    let millis = Duration::from_millis;
    let time = millis(rng.u64(50..5_000));
    let now = world.now();
    let strike = match rng.u8(..5) {
        0 => Some(Strike::Reset),
        1 => Some(Strike::Cut),
        2 => Some(Strike::Mute),
        3 => Some(Strike::Stall(time)),
        _ => None,
    };
    world.ledger().scrapers[number].add(now, now + time);
    world.count("scrapers struck or paused");
    match strike {
        Some(strike) => strike_host(world, host, strike),
        None => world.sim.pause(host, time),
    }
}

fn ill_mannered(world: &Arc<World>, rng: &mut Rng) {
    let millis = Duration::from_millis;
    let manner = match rng.u8(..5) {
        0 => Manner::Leaving(millis(rng.u64(..4_000))),
        1 => Manner::LeavingAtOnce,
        2 => Manner::Slow(millis(rng.u64(5..150))),
        3 => Manner::Slow(millis(rng.u64(1_000..8_000))),
        // Reads nothing, and has given up by the time the first piece would be read.
        _ => Manner::Slow(Duration::from_secs(110)),
    };
    let ask = Ask::draw(rng, false);
    world.count("scrapers without manners");
    let world = Arc::clone(world);
    world.scrapers[ILL_MANNERED].clone().spawn(async move {
        Scraper::new(&world, ILL_MANNERED).scrape(ask, manner).await;
    });
}

fn on_proxy(world: &World, rng: &mut Rng) {
    let millis = Duration::from_millis;
    let long = rng.u8(..4) == 0;
    let time = millis(if long { rng.u64(4_000..8_000) } else { rng.u64(50..2_000) });
    world.count("proxy struck or paused");
    world.on_proxy_fault(time);
    match rng.u8(..4) {
        0 => strike_host(world, &world.proxy, Strike::Reset),
        1 => strike_host(world, &world.proxy, Strike::Stall(time)),
        _ => world.sim.pause(&world.proxy, time),
    }
}

/// Begins another life of applications whose last one is over.
fn bring_back(world: &Arc<World>, rng: &mut Rng) {
    let mut apps = world.apps();
    for app in apps.iter_mut().filter(|app| app.is_closed()) {
        if rng.u8(..4) == 0 {
            app.start(world);
        }
    }
}

/// How long things go wrong in each turn.
const RAGE: Duration = Duration::from_secs(40);
/// The length of a turn, including the rest at its end, which is long enough for everything to settle.
const TURN: Duration = Duration::from_secs(75);
