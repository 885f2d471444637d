//! Each counter and each log line of INFO and above is provoked once, or has a reason why a test cannot do it: what nothing provokes
//! may never have worked.

mod admission;
pub(crate) mod child;
mod excused;
mod http;
mod keys;
mod pushes;
mod reload;
mod rsocket;
mod sealed;
pub(crate) mod source;

use child::Seen;
use std::collections::BTreeSet;
use std::thread;

#[test]
fn every_counter_and_log_line_is_provoked() {
    let scenarios: Vec<fn() -> Seen> = [
        admission::SCENARIOS,
        http::SCENARIOS,
        keys::SCENARIOS,
        pushes::SCENARIOS,
        reload::SCENARIOS,
        rsocket::SCENARIOS,
        sealed::SCENARIOS,
    ]
    .concat();
    // Most of the time they wait.
    let running: Vec<_> = scenarios.into_iter().map(thread::spawn).collect();
    let mut seen = Seen::default();
    for scenario in running {
        seen.add(scenario.join().expect("the scenario runs to its end"));
    }
    let mut problems = Vec::new();
    let still: BTreeSet<&str> = seen.still().collect();
    let excused: BTreeSet<&str> = excused::SERIES.iter().map(|(series, _)| *series).collect();
    let sometimes: BTreeSet<&str> = excused::SOMETIMES.iter().map(|(what, _)| *what).collect();
    let unseen = still.difference(&excused).filter(|series| !sometimes.contains(*series));
    problems.extend(unseen.map(|series| format!("no scenario counts {series}")));
    let stale = excused.difference(&still);
    problems.extend(stale.map(|series| format!("counted, or gone, and yet excused: {series}")));
    let messages = source::messages();
    for message in messages.keys() {
        let is_excused = excused::MESSAGES.iter().any(|(excused, _)| excused == message);
        if sometimes.contains(&**message) {
            continue;
        }
        match (seen.has_logged(message), is_excused) {
            (false, false) => problems.push(format!("no scenario logs {message:?}")),
            (true, true) => problems.push(format!("logged, and yet excused: {message:?}")),
            _ => {}
        }
    }
    for (excused, _) in excused::MESSAGES {
        if !messages.contains_key(*excused) {
            problems.push(format!("excused, but in no source: {excused:?}"));
        }
    }
    let gone =
        sometimes.iter().filter(|what| !messages.contains_key(**what) && !seen.has_series(what));
    problems.extend(gone.map(|what| format!("excused, but gone: {what:?}")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
