//! Targets for Prometheus' HTTP service discovery.

use prometheus_rsocket_protocol::Labels;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An application that is to be scraped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path behind `/metrics/app/`.
    pub path: Arc<str>,
    /// Its identity.
    pub labels: Labels,
    /// How its frames travel: `tcp` or `websocket`.
    pub transport: &'static str,
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
/// `address` is the host and port under which Prometheus reaches the proxy, and `scheme` is `http` or `https`. `instance` is that
/// of the identity, else the application's path, since all targets share one address.
pub(super) fn targets(listed: &[Listed], address: &str, scheme: &str) -> String {
    let group = |app: &Listed| {
        let state = if app.is_up { "up" } else { "gone" };
        // Later ones win: the identity gives `instance` where it has one.
        let own = [
            ("instance", app.path.to_string()),
            ("__metrics_path__", format!("{APP_PATH}{}", app.path)),
            ("__scheme__", scheme.to_owned()),
            ("__meta_prometheus_rsocket_app", app.path.to_string()),
            ("__meta_prometheus_rsocket_state", state.to_owned()),
            ("__meta_prometheus_rsocket_transport", app.transport.to_owned()),
        ];
        let own = own.into_iter().map(|(name, value)| (name, Cow::Owned(value)));
        let identity = app.labels.iter().map(|(name, value)| (name, Cow::Borrowed(value)));
        TargetGroup { targets: [address], labels: own.chain(identity).collect() }
    };
    let groups: Vec<_> = listed.iter().map(group).collect();
    serde_json::to_string(&groups).expect("maps of texts are JSON")
}

/// Where single applications are scraped, before their paths.
pub(super) const APP_PATH: &str = "/metrics/app/";
