//! The documents for users, held against the program: what they name exists, and what exists is named.

use crate::provoked::child::Proxy;
use crate::provoked::source;
use prometheus_rsocket_proxy::config::Config;
use prometheus_rsocket_testkit::documents::{
    code_spans, default_in, document, faults_of_messages, faults_of_options, options, rows,
    user_documents, variables,
};
use std::collections::{BTreeMap, BTreeSet};

const OPERATIONS: &str = "docs/operations.md";
const PREFIX: &str = "PROMETHEUS_RSOCKET_PROXY_";
const RELAY_PREFIX: &str = "PROMETHEUS_RSOCKET_CLIENT_";

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The options of the program, with their defaults as its help says them.
fn known_options() -> Vec<(String, Option<String>)> {
    let command = Config::command();
    let mut known = Vec::new();
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let Some(name) = argument.get_long().filter(|name| !matches!(*name, "help" | "version"))
        else {
            continue;
        };
        let help = argument.get_long_help().or(argument.get_help());
        let help = help.expect("each option has a help").to_string();
        known.push((format!("--{name}"), default_in(&help).map(str::to_owned)));
    }
    known
}

#[test]
fn every_option_is_documented_with_its_default_and_no_other() {
    let rows = rows(&document(OPERATIONS), "option");
    assert_none(&faults_of_options(&rows, &known_options()));
}

#[test]
fn every_option_that_a_document_names_exists() {
    // A test of the relay holds its table against the program.
    let of_relay = rows(&document("docs/relay.md"), "option");
    let of_relay: BTreeSet<_> = of_relay.iter().flat_map(|row| options(&row[0])).collect();
    let own: BTreeSet<_> = known_options().into_iter().map(|(name, _)| name).collect();
    let is_known = |option: &String| {
        own.contains(option)
            || of_relay.contains(option)
            // Those of the original.
            || option.contains('.')
            || OF_OTHERS.contains(&&**option)
    };
    let variable_of = |option: &String| option[2..].replace('-', "_").to_uppercase();
    let own_variables: BTreeSet<_> = own.iter().map(variable_of).collect();
    let mut relay_variables: BTreeSet<_> = of_relay.iter().map(variable_of).collect();
    relay_variables.insert("TOKEN".to_owned());
    let mut faults = Vec::new();
    for path in user_documents() {
        let text = document(&path);
        let unknown = options(&text).into_iter().filter(|option| !is_known(option));
        faults.extend(unknown.map(|option| format!("{path}: {option} does not exist")));
        for (prefix, known) in [(PREFIX, &own_variables), (RELAY_PREFIX, &relay_variables)] {
            let named = variables(&text, prefix);
            let unknown = named.difference(known);
            faults.extend(unknown.map(|name| format!("{path}: {prefix}{name} does not exist")));
        }
    }
    assert_none(&faults);
}

/// Options of programs that are not ours.
const OF_OTHERS: &[&str] = &[
    // cargo
    "--bench",
    "--bin",
    "--example",
    "--features",
    "--no-default-features",
    "--release",
    // benches/compare and the bench `timing`
    "--also",
    "--no-java",
    "--only",
    "--samples",
    // docker, helm, install, systemctl
    "--build",
    "--init",
    "--namespace",
    "--now",
    "--set",
    // PushProx
    "--proxy-url",
    // what a relayed command might have
    "--its-flags",
];

#[test]
fn every_metric_is_documented_with_type_and_labels_and_no_other() {
    let proxy = Proxy::start(&["--demo=1"]);
    proxy.wait_counted("prometheus_proxy_scrape_seconds_count{outcome=\"success\"}");
    let own = proxy.get("/metrics/proxy", "");
    let connected = proxy.get("/metrics/connected", "");
    let exposed = families(
        own.lines().chain(connected.lines().filter(|line| line.contains("prometheus_proxy_app_"))),
    );
    assert!(exposed.len() > 30, "{exposed:?}");
    let text = document(OPERATIONS);
    let rows = rows(&text, "metric");
    let mut faults = Vec::new();
    let mut documented = BTreeSet::new();
    for row in &rows {
        let name = code_spans(&row[0]).concat();
        let labels: BTreeSet<_> = code_spans(&row[2]).into_iter().map(str::to_owned).collect();
        match exposed.get(&name) {
            None => faults.push(format!("{name} is documented, and not exposed")),
            Some((kind, _)) if *kind != row[1] => {
                faults.push(format!("{name} is documented as {}, and is {kind}", row[1]));
            }
            // Their labels are those of applications.
            Some(_) if name.starts_with("prometheus_proxy_app_up") => {}
            Some(_) if name.starts_with("prometheus_proxy_app_scrape_") && labels.is_empty() => {}
            Some((_, exposed)) if exposed.keys().ne(&labels) => {
                faults.push(format!("{name} is documented with {labels:?}, and has {exposed:?}"));
            }
            Some(_) => {}
        }
        if !documented.insert(name.clone()) {
            faults.push(format!("{name} is documented twice"));
        }
    }
    let missing = exposed.keys().filter(|name| !documented.contains(*name));
    faults.extend(missing.map(|name| format!("{name} is exposed, and not documented")));
    let spans: BTreeSet<_> = code_spans(&text).into_iter().collect();
    for (name, (_, labels)) in exposed.iter().filter(|(name, _)| is_own(name)) {
        for (label, values) in labels.iter().filter(|(label, _)| !FREE.contains(&&***label)) {
            let missing = values.iter().filter(|value| !spans.contains(&***value));
            let fault = |value| format!("{name}: {label}=\"{value}\" is not documented");
            faults.extend(missing.map(fault));
        }
    }
    assert_none(&faults);
}

/// Labels whose values are not a fixed set, or are known anyway.
const FREE: &[&str] =
    &["backend", "bits", "code", "path", "rsa_backend", "runtime", "sha256", "version"];

fn is_own(family: &str) -> bool {
    family.starts_with("prometheus_proxy_app_scrape_failures")
        || !family.starts_with("prometheus_proxy_app_")
}

/// The type of each family, and the values of each of its labels but `le`.
type Families = BTreeMap<String, (String, BTreeMap<String, BTreeSet<String>>)>;

fn families<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Families {
    let mut families = Families::new();
    for line in lines.clone() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            families.insert(name.to_owned(), (kind.trim().to_owned(), BTreeMap::new()));
        }
    }
    for line in lines.filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let bare = bare.filter(|bare| families.contains_key(*bare)).unwrap_or(name);
        let Some((_, labels)) = families.get_mut(bare) else { continue };
        let pairs = rest.split('}').next().unwrap_or_default().split("\",");
        for (label, value) in pairs.filter_map(|pair| pair.split_once("=\"")) {
            let value = value.trim_end_matches('"').to_owned();
            if label != "le" {
                labels.entry(label.to_owned()).or_default().insert(value);
            }
        }
    }
    families
}

#[test]
fn every_log_line_is_documented_with_its_level_and_no_other() {
    let mut known = source::messages();
    // Sentences of the configuration.
    known.remove("{warning}").expect("the program logs warnings of its configuration");
    assert_none(&faults_of_messages(&rows(&document(OPERATIONS), "level"), &known));
}
