//! docs/relay.md, held against the program: what it names exists, and what exists is named.

use crate::log::Log;
use crate::modes::get;
use crate::program::program;
use prometheus_rsocket_testkit::documents::{
    default_in, document, families, faults_of_messages, faults_of_metrics, faults_of_options, rows,
};
use prometheus_rsocket_testkit::source;
use std::path::Path;
use std::process::Stdio;

const RELAY: &str = "docs/relay.md";

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_option_is_documented_with_its_default_and_no_other() {
    let output = program().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let mut known: Vec<(String, Option<String>)> = Vec::new();
    for line in help.lines().map(str::trim_start) {
        if line.starts_with("--") || line.starts_with("-h, ") || line.starts_with("-V, ") {
            let name = line.split([' ', '=', '[']).find(|word| word.starts_with("--")).unwrap();
            known.push((name.to_owned(), None));
        } else if let (Some(default), Some(option)) = (default_in(line), known.last_mut()) {
            option.1 = Some(default.to_owned());
        }
    }
    known.retain(|(name, _)| name != "--help" && name != "--version");
    assert!(known.len() > 40, "{known:?}");
    assert_none(&faults_of_options(&rows(&document(RELAY), "option"), &known));
}

#[test]
fn every_metric_is_documented_with_type_and_labels_and_no_other() {
    let mut command = program();
    // Nothing listens there.
    command.args([
        "--proxy=tcp://127.0.0.1:1",
        "--scrape=http://127.0.0.1:1",
        "--listen=127.0.0.1:0",
    ]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let line = Log::of(&mut child).wait_for("listening");
    let address = line.split("address=").nth(1).unwrap().trim();
    let (status, text) = get(address, "/metrics");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(status, 200);
    assert_none(&faults_of_metrics(&rows(&document(RELAY), "metric"), &families(&text)));
}

#[test]
fn every_log_line_is_documented_with_its_level_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "../client/src", "../runtime/src"].map(|folder| root.join(folder));
    let known = source::messages(&[&folders[0], &folders[1], &folders[2]]);
    assert_none(&faults_of_messages(&rows(&document(RELAY), "level"), &known));
}
