//! The relay's own metrics.

use prometheus_rsocket_client::Labels;
use prometheus_rsocket_protocol::exposition::group::{Merge, Plan, prepare, split};
use prometheus_rsocket_protocol::exposition::{
    Escaping, Format, Inject, Policy, Source, Target, read,
};

/// The metrics of several clients as one text of the format 0.0.4, each with its labels.
pub(super) fn joined(clients: &[(Labels, String)]) -> String {
    let policy = Policy::default();
    let target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
    let read: Vec<_> = clients
        .iter()
        .filter_map(|(identity, text)| {
            let source =
                Source { text: text.as_bytes(), identity, inject: Inject::Always, seed: 0 };
            // They are our own, and so they can be read.
            Some((source, read(&source, &policy).ok()?))
        })
        .collect();
    let prepared: Vec<_> =
        read.iter().map(|(source, facts)| prepare(source, &policy, facts, target, &[])).collect();
    let plan = Plan::new(prepared.iter().map(|prepared| prepared.outline()));
    let splits =
        read.iter().map(|(source, facts)| split(source, &policy, facts, target, &[], &plan));
    let mut merge = Merge::new(target, splits);
    let mut out = Vec::new();
    while merge.write(&mut out) {}
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_apart_by_their_labels() {
        let of = |proxy: &str, value: u8| {
            let text = format!("# HELP a A.\n# TYPE a counter\na{{b=\"c\"}} {value}\n");
            (Labels::new([("proxy", proxy)]).unwrap(), text)
        };
        let text = joined(&[of("tcp://p:1,tcp://q:1", 1), of("wss://\"", 2)]);
        let expected = "# HELP a A.\n# TYPE a counter\na{b=\"c\",proxy=\"tcp://p:1,tcp://q:1\"} 1\n\
                        a{b=\"c\",proxy=\"wss://\\\"\"} 2\n";
        assert_eq!(text, expected);
        assert_eq!(joined(&[]), "");
    }
}
