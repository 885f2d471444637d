//! All uses of the client library: an application for each source, at each proxy.

use super::join::Joined;
use crate::fetch::FetchError;
use crate::relay::Relay;
use prometheus_rsocket_client::{Client, Config, Labels, MetricsError, from_async};
use prometheus_rsocket_runtime::{Line, Runtime};
use std::sync::Arc;
use std::time::Duration;

/// The source of an application's metrics.
pub(super) enum Source<R> {
    One(Arc<Relay<R>>),
    Joined(Arc<Joined<R>>),
}

impl<R: Runtime> Source<R> {
    /// Fetches the metrics, and keeps them for the last push.
    pub(super) async fn refresh(&self, is_end_near: bool) -> Result<(), FetchError> {
        match self {
            Self::One(relay) => relay.refresh(is_end_near).await,
            Self::Joined(joined) => joined.refresh(is_end_near).await,
        }
    }

    async fn metrics(&self, runtime: &R) -> Result<String, MetricsError> {
        match self {
            Self::One(relay) => {
                let now = runtime.now();
                relay.metrics(now, now).await.map_err(Into::into)
            }
            Self::Joined(joined) => joined.metrics().await.map_err(Into::into),
        }
    }

    /// Returns the relays of all targets.
    pub(super) fn relays(&self) -> Vec<Arc<Relay<R>>> {
        match self {
            Self::One(relay) => vec![Arc::clone(relay)],
            Self::Joined(joined) => joined.relays().to_vec(),
        }
    }

    /// Returns what is scraped, for the log.
    fn shown(&self) -> String {
        match self {
            Self::One(relay) => relay.target().url.to_string(),
            Self::Joined(joined) => format!("{} targets", joined.len()),
        }
    }

    /// From now on, the previous metrics are used if a program returns none.
    pub(super) fn stop(&self) {
        match self {
            Self::One(relay) => relay.stop(),
            Self::Joined(joined) => joined.stop(),
        }
    }
}

/// The clients of one application, each with its proxies.
#[derive(Clone, Debug)]
pub(super) struct Clients(Vec<(String, Client)>);

/// Pushes a text once. Returns whether all proxies have it.
pub(crate) async fn push_text<R: Runtime>(
    runtime: &R,
    configs: &[Config],
    labels: &Labels,
    text: &str,
) -> bool {
    let start = |config: &Config| {
        let mut config = config.clone();
        config.labels = labels.clone();
        let proxy = config.proxies.to_string();
        tracing::info!(proxy, %labels, "pushing standard input");
        let text = text.to_owned();
        let (client, running) = Client::new(runtime.clone(), config, move || text.clone());
        runtime.spawn(running);
        (proxy, client)
    };
    Clients(configs.iter().map(start).collect()).push_and_close(runtime, "stdin").await
}

impl Clients {
    /// Connects to the proxies. The clients get these configurations, except for the labels.
    pub(super) fn start<R: Runtime>(
        runtime: &R,
        configs: &[Config],
        (name, labels): (&str, &Labels),
        source: &Arc<Source<R>>,
    ) -> Self {
        let start = |config: &Config| {
            let mut config = config.clone();
            config.labels = labels.clone();
            // Fetching has the limit itself, and its error says what took so long.
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

    /// Returns how many can be scraped by their proxies.
    pub(super) fn ready(&self) -> usize {
        self.0.iter().filter(|(_, client)| client.is_ready()).count()
    }

    /// Returns the own metrics of each client, with its proxies.
    pub(super) fn own_metrics(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(proxy, client)| (&**proxy, client.own_metrics()))
    }

    /// Pushes the last metrics to all proxies at once. Returns whether each has them.
    pub(super) async fn push_and_close<R: Runtime>(self, runtime: &R, name: &str) -> bool {
        let (done, pushes) = async_channel::bounded(self.0.len().max(1));
        for (proxy, client) in self.0 {
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
