//! All that is asked of the client library: an application for each source, at each proxy.

use super::join::Joined;
use crate::relay::Relay;
use prometheus_rsocket_client::{Client, Config, Labels, MetricsError, from_async};
use prometheus_rsocket_runtime::{Line, Runtime};
use std::sync::Arc;
use std::time::Duration;

/// Where the metrics of an application come from.
pub(super) enum Source<R> {
    One(Arc<Relay<R>>),
    Joined(Arc<Joined<R>>),
    /// A text that is given, and never changes.
    Text(String),
}

impl<R: Runtime> Source<R> {
    pub(super) async fn metrics(&self, runtime: &R) -> Result<String, MetricsError> {
        match self {
            Self::One(relay) => {
                let now = runtime.now();
                relay.metrics(now, now).await.map_err(Into::into)
            }
            Self::Joined(joined) => joined.metrics().await.map_err(Into::into),
            Self::Text(text) => Ok(text.clone()),
        }
    }

    /// What is scraped, for the log.
    fn shown(&self) -> String {
        match self {
            Self::One(relay) => relay.target().url.to_string(),
            Self::Joined(joined) => format!("{} targets", joined.len()),
            Self::Text(_) => "standard input".to_owned(),
        }
    }

    /// From now on the last metrics do where a program gives none any more.
    pub(super) fn stop(&self) {
        match self {
            Self::One(relay) => relay.stop(),
            Self::Joined(joined) => joined.stop(),
            Self::Text(_) => {}
        }
    }
}

/// The clients of one application, each with its proxies.
#[derive(Clone)]
pub(super) struct Clients(Arc<[(String, Client)]>);

impl Clients {
    /// Connects. The clients have these configurations, but for the labels.
    pub(super) fn start<R: Runtime>(
        runtime: &R,
        configs: &[Config],
        (name, labels): (&str, &Labels),
        source: &Arc<Source<R>>,
    ) -> Self {
        let start = |config: &Config| {
            let mut config = config.clone();
            config.labels = labels.clone();
            // Fetching has the limit itself, and says then what took so long.
            config.metrics_timeout = NEVER;
            let proxy = config.proxies.to_string();
            tracing::info!(proxy, target = name, scrape = source.shown(), %labels, "relaying");
            let (source, on) = (Arc::clone(source), runtime.clone());
            let metrics = move || {
                let (source, on) = (Arc::clone(&source), on.clone());
                async move { source.metrics(&on).await }
            };
            let (client, running) = Client::new(runtime.clone(), config, from_async(metrics));
            runtime.spawn(running);
            (proxy, client)
        };
        Self(configs.iter().map(start).collect())
    }

    /// Each with its proxies.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, Client)> {
        self.0.iter()
    }

    /// Pushes the last metrics to all proxies at once, and says whether each has them.
    pub(super) async fn push_and_close<R: Runtime>(&self, runtime: &R, name: &str) -> bool {
        let (done, pushes) = async_channel::bounded(self.0.len().max(1));
        for (proxy, client) in self.0.iter().cloned() {
            let done = done.clone();
            runtime.spawn(async move {
                let result = client.push_and_close().await;
                // The receiver waits for all of them.
                let _ = done.send((proxy, result)).await;
            });
        }
        drop(done);
        let mut is_pushed = true;
        while let Ok((proxy, result)) = pushes.recv().await {
            match result {
                Ok(()) => tracing::info!(proxy, target = name, "pushed"),
                Err(error) => {
                    let error = Line(error);
                    tracing::error!(proxy, target = name, %error, "the last metrics are lost");
                    is_pushed = false;
                }
            }
        }
        is_pushed
    }
}

/// Longer than any scrape.
const NEVER: Duration = Duration::from_secs(24 * 3600);
