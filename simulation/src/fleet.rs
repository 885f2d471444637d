//! Several proxies behind a load balancer. Applications connect to one name, and scrapers scrape each proxy, as with Prometheus' discovery. Proxies
//! are rolled out anew, added, and killed.

mod app;
mod check;
mod course;
mod disk;
mod ledger;
mod scraping;
mod stampede;
mod world;

pub use disk::Disks;
pub use stampede::{Gone, Stampede, stampede};

use crate::report::{Kind, Report};
use prometheus_rsocket_sim::{Balance, Sim};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use world::World;

/// A scenario with several proxies. Equal scenarios run identically.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fleet {
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The number of proxies at the beginning, at least two.
    pub proxies: usize,
    /// The number of applications.
    pub apps: usize,
    /// How the load balancer chooses.
    pub balance: Balance,
    /// The age at which connections of applications are closed; `None` for no limit.
    pub max_connection_age: Option<Duration>,
    /// The time over which a proxy closes its applications' connections before it stops.
    pub drain_spread: Duration,
    /// How long a proxy then waits for its pushes to be scraped.
    pub push_linger: Duration,
    /// Whether proxies keep pushes on disks.
    pub disks: Disks,
}

impl Fleet {
    /// Returns the scenario of a seed.
    pub fn new(seed: u64, proxies: usize) -> Self {
        Self {
            seed,
            proxies: proxies.max(2),
            apps: 40 + 10 * (seed % 3) as usize,
            balance: match seed % 3 {
                0 => Balance::LeastConnections,
                1 => Balance::RoundRobin,
                _ => Balance::Random,
            },
            max_connection_age: Some(Duration::from_secs(60)),
            drain_spread: Duration::from_secs(5),
            push_linger: scraping::INTERVAL * 5 / 2,
            disks: if seed % 2 == 1 { Disks::Safe } else { Disks::None },
        }
    }
}

/// The arguments that make the program simulate this again.
impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, proxies, apps, balance, .. } = self;
        let balance = match balance {
            Balance::LeastConnections => "least-connections",
            Balance::Random => "random",
            Balance::RoundRobin => "round-robin",
        };
        write!(f, "--proxies {proxies} --seed {seed} --apps {apps} --balance {balance}")?;
        let age = self.max_connection_age.map_or(0, |age| age.as_millis());
        let (spread, linger) = (self.drain_spread.as_millis(), self.push_linger.as_millis());
        write!(
            f,
            " --max-connection-age {age}ms --drain-spread {spread}ms --push-linger {linger}ms"
        )?;
        let disks = match self.disks {
            Disks::None => "none",
            Disks::Safe => "safe",
            Disks::Lying => "lying",
        };
        write!(f, " --disks {disks}")
    }
}

/// Simulates several proxies to the end. `prepare` receives the world before anything happens in it.
pub fn run_fleet(fleet: &Fleet, prepare: impl FnOnce(&Sim)) -> Report {
    let world = World::new(fleet.clone());
    prepare(&world.sim);
    let living = course::live(Arc::clone(&world));
    let lived = catch_unwind(AssertUnwindSafe(|| world.sim.block_on(living)));
    if let Err(panic) = lived {
        let what = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
        world.violation(Kind::Panic, what);
    }
    let (counts, violations) = {
        let mut ledger = world.ledger();
        check::check(&mut ledger, fleet);
        (ledger.counts.clone(), ledger.violations.clone())
    };
    let report = Report {
        seed: fleet.seed,
        apps: fleet.apps,
        arguments: fleet.to_string(),
        elapsed: world.sim.elapsed(),
        digest: world.sim.digest(),
        polls: world.sim.polls(),
        counts,
        violations,
    };
    world.dissolve();
    report
}
