use prometheus_rsocket_simulation::{Counts, Scenario, run};
use std::time::Duration;

#[test]
fn what_must_hold_holds_and_everything_was_tried() {
    let mut counts = Counts::default();
    for seed in 0..16 {
        let report = run(&Scenario::new(seed), |_world| {});
        assert!(report.is_ok(), "{report}");
        counts.add_all(&report.counts);
    }
    for name in TRIED {
        assert!(counts.of(name) > 0, "no {name} in {counts}");
    }
    // Most of what there is has to be there.
    assert!(counts.of("sections due") * 3 > counts.of("sections"), "{counts}");
    assert!(counts.of("pushes seen") * 2 > counts.of("pushes acknowledged"), "{counts}");
}

#[test]
fn a_calm_hour_passes_quickly() {
    let mut scenario = Scenario::new(1);
    scenario.calm = true;
    scenario.apps = 10;
    scenario.time = Duration::from_secs(3600);
    scenario.interval = Duration::from_secs(60);
    let report = run(&scenario, |_world| {});
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.counts.of("scrapes whole"), 62);
    assert_eq!(report.counts.of("sections"), 620);
    assert!(report.counts.of("sections due") > 580, "{report}");
}

/// What the checks rest on: where one of these is 0, something is never looked at.
const TRIED: [&str; 74] = [
    "ages compared",
    "answers shared",
    "answers reset",
    "applications closed",
    "applications crashed",
    "applications isolated",
    "applications paused",
    "applications pushed",
    "asked again",
    "calls dropped",
    "calls in vain",
    "crowds sent away",
    "dead connections noticed",
    "deadlines reached",
    "ends with applications connected",
    "floods of keepalives",
    "hostile scrapers",
    "keepalive timeouts",
    "lists",
    "mute applications",
    "neighbours that come and go",
    "neighbours that do not answer",
    "neighbours that push without pause",
    "neighbours with bad bytes",
    "neighbours with refused texts",
    "neighbours with strange names",
    "neighbours with strange texts",
    "places compared",
    "proxy struck or paused",
    "reconnect loops",
    "pushes acknowledged",
    "pushes due",
    "pushes in peace",
    "pushes kept for the next scrape",
    "pushes left out for another scrape",
    "pushes not acknowledged",
    "pushes over a share",
    "pushes seen",
    "pushes seen while they are opened",
    "pushes served",
    "pushes superseded",
    "pushes whose time was over",
    "rounds aborted",
    "rounds complete",
    "rounds partial",
    "scrapers struck or paused",
    "scrapers without manners",
    "scrapes abandoned",
    "scrapes broken",
    "scrapes of headers",
    "scrapes whole",
    "scrapes with nobody to wait for",
    "sections due",
    "silent crowds",
    "slow frames",
    "slow scrapes whole",
    "states",
    "states compared",
    "states due",
    "states failed",
    "states gone",
    "states late",
    "states up",
    "strangers",
    "strangers refused",
    "strangers sent away",
    "strikes by cut",
    "strikes by mute",
    "strikes by reset",
    "strikes by stall",
    "targets down",
    "targets due",
    "targets gone",
    "targets scraped",
];
