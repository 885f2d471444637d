//! The documents for users, held against the program: what they name exists, and what exists is named.

use crate::program::program;
use crate::provoked::child::Proxy;
use crate::provoked::source;
use prometheus_rsocket_proxy::config::Config;
use prometheus_rsocket_testkit::documents::{
    code_spans, default_in, document, families, faults_of_messages, faults_of_metrics,
    faults_of_options, options, rows, user_documents, variables,
};
use std::collections::BTreeSet;

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
        let help = argument.get_long_help().or_else(|| argument.get_help());
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
fn what_needs_a_restart_is_documented() {
    let printed = program().arg("--print-config").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let of_restart = printed.lines().filter(|line| line.ends_with("; needs a restart"));
    let of_restart = of_restart.filter_map(|line| line.split_once(" = "));
    let of_restart: BTreeSet<_> = of_restart.map(|(name, _)| format!("--{name}")).collect();
    let unset = printed.lines().filter_map(|line| line.strip_suffix(" is not set"));
    let unset: BTreeSet<_> = unset.map(|line| line.replacen("# ", "--", 1)).collect();
    assert!(of_restart.len() > 10 && unset.len() > 10, "{printed}");
    let text = document(OPERATIONS);
    let (_, text) = text.split_once("- **Restart.**").unwrap();
    let named: BTreeSet<_> = options(text.split_once("\n\n").unwrap().0).into_iter().collect();
    // Addresses of listeners, and files, are named together.
    let missing = of_restart.difference(&named).filter(|name| !name.starts_with("--listen-"));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
    let wrong = named.difference(&of_restart).filter(|name| !unset.contains(*name));
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<&String>::new());
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
            || option == "--help"
            // Those of the original.
            || option.contains('.')
            || OF_OTHERS.split(' ').any(|other| other == option)
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

/// Options of other programs: of cargo; of benches/compare and the bench `timing`; of docker, helm and systemctl; of PushProx; beginnings of the original's;
/// and one that a relayed command might have.
const OF_OTHERS: &str = "--bench --bin --example --features --no-default-features --open --release \
    --also --no-java --only --runtimes --samples \
    --build --init --namespace --now --set --target \
    --proxy-url \
    --management --server --spring \
    --its-flags";

#[test]
fn every_metric_is_documented_with_type_and_labels_and_no_other() {
    // Some metrics are those of listeners with TLS.
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/tests/pem/server");
    let tls = ["cert", "key"].map(|kind| {
        let ending = if kind == "cert" { "pem" } else { "key" };
        format!("--websocket-tls-{kind}={pem}.{ending}")
    });
    let proxy = Proxy::start(&["--demo=1", &tls[0], &tls[1]]);
    let answered = "prometheus_proxy_scrape_seconds_count{outcome=\"success\"}";
    proxy.repeat_until_counted(answered, || drop(proxy.get("/metrics/connected", "")));
    let mut exposed = families(&proxy.get("/metrics/proxy", ""));
    let text = document(OPERATIONS);
    let spans: BTreeSet<_> = code_spans(&text).into_iter().collect();
    let mut faults = Vec::new();
    for (name, family) in &exposed {
        for (label, values) in family.labels.iter().filter(|(label, _)| !FREE.contains(&&***label))
        {
            let missing = values.iter().filter(|value| !spans.contains(&***value));
            let fault = |value| format!("{name}: {label}=\"{value}\" is not documented");
            faults.extend(missing.map(fault));
        }
    }
    let of_applications = families(&proxy.get("/metrics/connected", ""));
    for (name, mut family) in of_applications {
        if name.starts_with("prometheus_proxy_app_") {
            // The others are those of the application, and this one is there only while it is down.
            family.labels.clear();
            if name == "prometheus_proxy_app_up" {
                family.labels.insert("reason".to_owned(), BTreeSet::new());
            }
            exposed.insert(name, family);
        }
    }
    faults.extend(faults_of_metrics(&rows(&text, "metric"), &exposed));
    assert_none(&faults);
}

/// Labels whose values are not a fixed set, or are known anyway.
const FREE: &[&str] =
    &["backend", "bits", "code", "path", "rsa_backend", "runtime", "sha256", "version"];

#[test]
fn every_log_line_is_documented_with_its_level_and_no_other() {
    let mut known = source::messages();
    // Sentences of the configuration.
    known.remove("{warning}").expect("the program logs warnings of its configuration");
    assert_none(&faults_of_messages(&rows(&document(OPERATIONS), "level"), &known));
}
