//! Every input that a fuzzer found worth keeping, or that once found a fault, without a fuzzer.

use prometheus_rsocket_fuzz::files::{directory, entries, run};
use prometheus_rsocket_fuzz::seeds::seeds;
use prometheus_rsocket_fuzz::targets::{TARGETS, Target};
use std::path::Path;

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name in text")
}

/// Runs all inputs of a kind, and gives how many each target has.
fn replay(kind: &str) -> Vec<usize> {
    for path in entries(&directory(kind)).expect("the directories of the targets") {
        let is_known = TARGETS.iter().any(|(target, _)| *target == name(&path));
        assert!(is_known, "{} belongs to no target", path.display());
    }
    let of_target = |(name, target): &(&str, Target)| {
        let directory = directory(kind).join(name);
        let files =
            if directory.exists() { entries(&directory).expect("files") } else { Vec::new() };
        for file in &files {
            run(*target, file).expect("a file");
        }
        files.len()
    };
    TARGETS.iter().map(of_target).collect()
}

#[test]
fn the_corpus_finds_nothing_and_each_target_has_one() {
    for ((name, _), count) in TARGETS.iter().zip(replay("corpus")) {
        assert!(count > 0, "{name} has no corpus");
    }
}

#[test]
fn what_was_found_once_is_not_found_again() {
    replay("regressions");
}

#[test]
fn the_seeds_find_nothing_and_each_target_has_some() {
    for (name, target) in TARGETS {
        let seeds: Vec<_> = seeds().into_iter().filter(|seed| seed.target == name).collect();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            target(&seed.bytes);
        }
    }
    assert!(seeds().iter().all(|seed| TARGETS.iter().any(|(name, _)| *name == seed.target)));
}

/// Each target is a program of its own, which is named as it is.
#[test]
fn each_target_has_its_program() {
    let programs = entries(&directory("targets")).expect("the programs");
    let names: Vec<_> = programs.iter().map(|path| name(path).trim_end_matches(".rs")).collect();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
}
