//! Targets for Prometheus' HTTP service discovery.

use prometheus_rsocket_protocol::Labels;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An application that is to be scraped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path after `/metrics/app/`.
    pub path: Arc<str>,
    /// Its identity.
    pub labels: Labels,
    /// Its transport: `tcp` or `websocket`.
    pub transport: &'static str,
    /// Where its identity comes from: `connection`, `credentials`, `hello` or `text`.
    pub source: &'static str,
    /// Whether it is connected; false during its grace time.
    pub is_up: bool,
}

/// The entry of one application (Prometheus, "Writing HTTP service discovery").
#[derive(Serialize)]
struct TargetGroup<'a> {
    targets: [&'a str; 1],
    labels: BTreeMap<&'a str, Cow<'a, str>>,
}

/// Writes the list as JSON: one group for each application, with its identity as labels.
///
/// `address` is the host and port at which Prometheus reaches the proxy, and `scheme` is `http` or `https`. The label `instance` is that of the
/// identity, or else the application's path, since all targets share one address.
pub(super) fn targets(listed: &[Listed], address: &str, scheme: &str) -> String {
    let groups: Vec<_> = listed.iter().map(|app| group(app, address, scheme)).collect();
    serde_json::to_string(&groups).expect("maps of texts are JSON")
}

fn group<'a>(app: &'a Listed, address: &'a str, scheme: &'a str) -> TargetGroup<'a> {
    let own = [
        ("instance", Cow::Borrowed(&*app.path)),
        ("__metrics_path__", format!("{APP_PATH}{}", app.path).into()),
        ("__scheme__", scheme.into()),
        ("__meta_prometheus_rsocket_app", Cow::Borrowed(&*app.path)),
        ("__meta_prometheus_rsocket_state", if app.is_up { "up" } else { "gone" }.into()),
        ("__meta_prometheus_rsocket_identity", app.source.into()),
        ("__meta_prometheus_rsocket_transport", app.transport.into()),
    ];
    // Later labels take precedence: `instance` is that of the identity, if it has one.
    let identity = app.labels.iter().map(|(name, value)| (name, Cow::Borrowed(value)));
    TargetGroup { targets: [address], labels: own.into_iter().chain(identity).collect() }
}

/// The path at which single applications are scraped, before their own paths.
pub(super) const APP_PATH: &str = "/metrics/app/";
