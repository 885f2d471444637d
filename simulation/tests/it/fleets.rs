//! Several proxies behind a load balancer.

use prometheus_rsocket_sim::Balance;
use prometheus_rsocket_simulation::{Counts, Disks, Fleet, Gone, Kind, run_fleet, stampede};
use std::time::Duration;

#[test]
fn what_must_hold_holds_and_everything_was_tried() {
    let mut counts = Counts::default();
    for seed in 0..6 {
        let report = run_fleet(&Fleet::new(seed, 3 + seed as usize % 3), |_world| {});
        assert!(report.is_ok(), "{report}");
        counts.add_all(&report.counts);
    }
    for name in TRIED {
        assert!(counts.of(name) > 0, "no {name} in {counts}");
    }
}

#[test]
fn a_fleet_does_the_same_again() {
    let digest = |seed| run_fleet(&Fleet::new(seed, 3), |_world| {}).digest;
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

/// What is configured wrongly is found, so the checks can fail.
#[test]
fn a_fleet_that_does_not_wait_for_its_pushes_loses_some() {
    loses_pushes(|fleet| (fleet.push_linger, fleet.disks) = (Duration::ZERO, Disks::None));
}

#[test]
fn a_fleet_with_disks_that_lie_loses_pushes() {
    loses_pushes(|fleet| fleet.disks = Disks::Lying);
}

fn loses_pushes(spoil: fn(&mut Fleet)) {
    let is_found = (0..40).any(|seed| {
        let mut fleet = Fleet::new(seed, 3);
        spoil(&mut fleet);
        let report = run_fleet(&fleet, |_world| {});
        report.violations.iter().any(|found| found.kind == Kind::PushLost)
    });
    assert!(is_found);
}

#[test]
fn applications_that_never_move_are_spread_unevenly() {
    let mut fleet = Fleet::new(0, 3);
    fleet.balance = Balance::RoundRobin;
    fleet.max_connection_age = None;
    let report = run_fleet(&fleet, |_world| {});
    assert!(report.violations.iter().any(|found| found.kind == Kind::Uneven), "{report}");
}

/// However a proxy goes, of its applications no more than a third connect to the others in any second.
#[test]
fn applications_of_a_proxy_that_goes_do_not_come_all_at_once() {
    for (gone, balance) in [
        (Gone::Killed, Balance::RoundRobin),
        (Gone::Lost, Balance::LeastConnections),
        (Gone::Stopped, Balance::Random),
    ] {
        let mut fleet = Fleet::new(1, 3);
        (fleet.apps, fleet.balance, fleet.max_connection_age) = (900, balance, None);
        fleet.drain_spread = Duration::ZERO;
        let found = stampede(&fleet, gone, |_world| {});
        assert!(found.apps > 240, "{gone:?}: {found}");
        assert!(found.most_in_a_second * 3 <= found.apps as u64, "{gone:?}: {found}");
        assert!(found.connected_after.is_some(), "{gone:?}: {found}");
    }
}

/// What the checks rest on.
const TRIED: [&str; 13] = [
    "applications closed",
    "applications crashed",
    "applications found",
    "connections struck",
    "full disks",
    "loads compared",
    "machines without power",
    "proxies added",
    "proxies killed",
    "proxies rolled out",
    "pushes delivered",
    "pushes lost with a proxy that was killed",
    "pushes superseded",
];
