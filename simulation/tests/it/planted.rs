use prometheus_rsocket_protocol::planted::Fault;
use prometheus_rsocket_simulation::{Kind, Scenario, run};
use std::process::Command;

#[test]
fn each_planted_fault_is_found() {
    let kinds = |fault| match fault {
        Fault::EarlyAcknowledgement => [Kind::PushLost].as_slice(),
        Fault::EarlyDelivery => &[Kind::PushLost],
        Fault::ForgottenDelivery => &[Kind::Twice],
        Fault::IgnoredDeadline => &[Kind::Late],
        // An answer that nobody opens in time may be joined by the next scrape, and be stale in it.
        Fault::LostWakeUp => &[Kind::Lingering, Kind::Missing, Kind::Stale, Kind::Untrue],
        Fault::PushesFirst => {
            &[Kind::Lingering, Kind::Missing, Kind::PushLost, Kind::Stale, Kind::Untrue]
        }
        Fault::SharedDelivery => &[Kind::PushLost],
    };
    for fault in Fault::ALL {
        let seeds = match fault {
            // It takes a scraper that goes between an answer's being sent and being read, which few seeds have.
            Fault::EarlyDelivery => 290..354,
            _ => 0..64,
        };
        let violated = seeds.into_iter().find_map(|seed| {
            let report = run(&Scenario { fault: Some(fault), ..Scenario::new(seed) }, |_world| {});
            let first = report.violations.first()?;
            assert!(kinds(fault).contains(&first.kind), "{fault:?}: {report}");
            assert!(report.to_string().contains(fault.name()), "{report}");
            Some(seed)
        });
        let seed = violated.unwrap_or_else(|| panic!("{fault:?} is not found"));
        // It was planted, and not there before.
        let report = run(&Scenario::new(seed), |_world| {});
        assert!(report.is_ok(), "{report}");
    }
}

#[test]
fn the_program_says_what_went_wrong_and_ends_with_status_1() {
    let program = env!("CARGO_BIN_EXE_prometheus-rsocket-simulation");
    let arguments = ["--seeds", "1..3", "--fault", "ignored-deadline"];
    let output = Command::new(program).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("seed 1: VIOLATED"), "{printed}");
    assert!(printed.contains("Late: scrape"), "{printed}");
    let again = "RUSTFLAGS='--cfg planted_faults' cargo run";
    assert!(printed.contains(again) && printed.contains("-- --seed 1 --apps"), "{printed}");
    assert!(printed.contains("--fault ignored-deadline"), "{printed}");
    assert!(printed.contains("2 of 2 seeds violated"), "{printed}");
}
