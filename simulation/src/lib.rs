//! The whole of prometheus-rsocket in one process and on one thread, over a simulated network and on a simulated clock: the proxy with its HTTP side,
//! many clients, scrapers, and peers that are neither. Everything follows from a seed, including the faults.
//!
//! ```
//! use prometheus_rsocket_simulation::{Scenario, run};
//! use std::time::Duration;
//!
//! let mut scenario = Scenario::new(1);
//! scenario.apps = 3;
//! scenario.time = Duration::from_secs(20);
//! let report = run(&scenario, |_world| {});
//! assert!(report.is_ok(), "{report}");
//! assert_eq!(run(&scenario, |_world| {}).digest, report.digest);
//! ```
//!
//! A run has three parts. First, things go wrong (`chaos`), while applications, scrapers and strangers do their work and record what they do
//! (`ledger`). Then everything is calm, heals (`life`), and is ended in order. Finally the records are judged (`check`).

mod app;
mod body;
mod chaos;
mod check;
mod crowds;
mod fleet;
mod http;
mod ledger;
mod life;
mod neighbours;
mod report;
mod scenario;
mod scraper;
mod strangers;
mod targets;
mod text;
mod world;

pub use fleet::{Disks, Fleet, Gone, Stampede, run_fleet, stampede};
pub use report::{Counts, Kind, Report, Violation};
pub use scenario::Scenario;

use prometheus_rsocket_sim::Sim;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use world::World;

/// Simulates a scenario to its end. `prepare` receives the world before anything happens in it, for example to get its log.
pub fn run(scenario: &Scenario, prepare: impl FnOnce(&Sim)) -> Report {
    #[cfg(planted_faults)]
    prometheus_rsocket_protocol::planted::plant(scenario.fault);
    let world = World::new(scenario.clone());
    prepare(&world.sim);
    let living = life::live(Arc::clone(&world));
    let lived = catch_unwind(AssertUnwindSafe(|| world.sim.block_on(living)));
    if let Err(panic) = lived {
        let what = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
        world.violation(Kind::Panic, what);
    }
    check::check(&mut world.ledger(), &world.terms);
    let (counts, violations) = {
        let ledger = world.ledger();
        (ledger.counts.clone(), ledger.violations.clone())
    };
    let report = Report {
        seed: scenario.seed,
        apps: scenario.apps,
        arguments: scenario.to_string(),
        elapsed: world.sim.elapsed(),
        digest: world.sim.digest(),
        polls: world.sim.polls(),
        counts,
        violations,
    };
    world.dissolve();
    #[cfg(planted_faults)]
    prometheus_rsocket_protocol::planted::plant(None);
    report
}
