use prometheus_rsocket_simulation::{Report, Scenario, run};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn a_seed_does_the_same_again_and_another_seed_does_not() {
    for seed in [3, 15] {
        let (first, log) = logged(seed);
        let (second, again) = logged(seed);
        assert!(first.is_ok(), "{first}");
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.counts, second.counts, "seed {seed}");
        assert!(log == again, "seed {seed}: the logs differ");
        assert!(log.iter().any(|line| line.contains("scrape 0 has CRC")), "{:?}", log.first());
    }
    assert_ne!(logged(4).0.digest, logged(5).0.digest);
}

#[test]
fn two_processes_print_the_same() {
    let arguments = ["--seed", "7", "--time", "60s", "--log", "--trace", "debug"];
    let (first, second) = (program(&arguments), program(&arguments));
    assert!(first.status.success(), "{first:?}");
    let log = String::from_utf8(first.stdout).unwrap();
    assert!(log.lines().count() > 1000, "{log}");
    assert!(log.contains(" DEBUG prometheus_rsocket_proxy::"), "{log}");
    assert!(log.as_bytes() == second.stdout, "the logs differ");
}

#[test]
fn a_seed_is_replayed_by_what_stands_for_it() {
    let mut scenario = Scenario::new(6);
    scenario.apps = 4;
    scenario.time = Duration::from_millis(20_500);
    scenario.calm = true;
    let report = run(&scenario, |_world| {});
    let arguments = scenario.to_string();
    let replayed = program(&arguments.split(' ').collect::<Vec<_>>());
    let printed = String::from_utf8(replayed.stdout).unwrap();
    assert!(printed.starts_with(&report.to_string()), "{printed}{report}");
}

fn logged(seed: u64) -> (Report, Vec<String>) {
    let mut scenario = Scenario::new(seed);
    scenario.time = Duration::from_secs(60);
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let report = run(&scenario, |world| {
        world.log_to(move |at, line| sink.lock().unwrap().push(format!("{at:?} {line}")));
    });
    let log = log.lock().unwrap().clone();
    (report, log)
}

fn program(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_prometheus-rsocket-simulation");
    Command::new(program).args(arguments).output().unwrap()
}
