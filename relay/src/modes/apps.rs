//! The applications that the relay is to proxies.

use super::own::joined;
use crate::fetch::{Endpoint, FetchError, Fetcher};
use crate::relay::Relay;
use prometheus_rsocket_client::{Client, Config, Labels, from_async};
use prometheus_rsocket_runtime::{Line, Runtime};
use std::sync::Arc;
use std::time::Duration;

/// What is relayed, with its connections.
pub(crate) struct Apps<R> {
    runtime: R,
    /// `None` where the text is given.
    relay: Option<Arc<Relay<R>>>,
    /// Each with its proxies.
    clients: Vec<(String, Client)>,
}

impl<R: Runtime> Apps<R> {
    /// Begins to relay an endpoint.
    pub(crate) fn start(runtime: &R, configs: Vec<Config>, endpoint: Endpoint) -> Self {
        let push_timeout = configs.iter().map(|config| config.agent.push_timeout).min();
        let last_timeout = push_timeout.unwrap_or_default() / 2;
        let fetcher = Fetcher::new(runtime.clone(), endpoint);
        let relay = Arc::new(Relay::new(fetcher, last_timeout));
        let clients = configs.into_iter().map(|config| {
            tracing::info!(proxy = %config.proxies, scrape = %relay.url(), labels = %config.labels, "relaying");
            let fetched = Arc::clone(&relay);
            let metrics = move || {
                let relay = Arc::clone(&fetched);
                async move { relay.metrics().await }
            };
            let proxy = config.proxies.to_string();
            let (client, running) = Client::new(runtime.clone(), config, from_async(metrics));
            runtime.spawn(running);
            (proxy, client)
        });
        let clients = clients.collect();
        Self { runtime: runtime.clone(), relay: Some(relay), clients }
    }

    /// Begins to stand for a text.
    pub(crate) fn start_text(runtime: &R, configs: Vec<Config>, text: &str) -> Self {
        let clients = configs.into_iter().map(|config| {
            tracing::info!(proxy = %config.proxies, labels = %config.labels, "pushing standard input");
            let proxy = config.proxies.to_string();
            let text = text.to_owned();
            let metrics = move || text.clone();
            let (client, running) = Client::new(runtime.clone(), config, metrics);
            runtime.spawn(running);
            (proxy, client)
        });
        let clients = clients.collect();
        Self { runtime: runtime.clone(), relay: None, clients }
    }

    /// Fetches what there is, to keep it for the last push; within the time of the last scrape if the end is near.
    pub(crate) async fn refresh(&self, is_end_near: bool) -> Result<(), FetchError> {
        match &self.relay {
            Some(relay) => relay.refresh(is_end_near).await,
            None => Ok(()),
        }
    }

    /// How many connections to a proxy there are, and how many there should be.
    pub(crate) fn connected(&self) -> (usize, usize) {
        let connected = self.clients.iter().filter(|(_, client)| client.is_ready());
        (connected.count(), self.clients.len())
    }

    /// The relay's own metrics, as text.
    pub(crate) fn own_metrics(&self) -> String {
        let clients = self.clients.iter().map(|(proxy, client)| {
            let labels = Labels::new([("proxy", &**proxy)]).unwrap_or_default();
            (labels, client.own_metrics())
        });
        joined(&clients.collect::<Vec<_>>())
    }

    /// Pushes the last metrics to all proxies at once, and says whether each has them.
    pub(crate) async fn push_and_close(&self) -> bool {
        if let Some(relay) = &self.relay {
            relay.stop();
        }
        self.push_all().await
    }

    /// Pushes the metrics to all proxies at once and closes, and says whether each has them.
    pub(crate) async fn push_all(&self) -> bool {
        let (done, pushes) = async_channel::bounded(self.clients.len().max(1));
        for (proxy, client) in self.clients.clone() {
            let done = done.clone();
            self.runtime.spawn(async move {
                let result = client.push_and_close().await;
                // The receiver waits for all of them.
                let _ = done.send((proxy, result)).await;
            });
        }
        drop(done);
        let mut is_pushed = true;
        while let Ok((proxy, result)) = pushes.recv().await {
            match result {
                Ok(()) => tracing::info!(proxy, "pushed"),
                Err(error) => {
                    let error = Line(error);
                    tracing::error!(proxy, %error, "the last metrics are lost");
                    is_pushed = false;
                }
            }
        }
        is_pushed
    }
}

/// What a push that is the only one may take: fetching, connecting and pushing.
pub(super) fn allow_for_once(configs: &mut [Config], scrape_timeout: Duration) {
    for config in configs {
        let time = config.agent.push_timeout.saturating_add(config.connect_timeout);
        config.agent.push_timeout = time.saturating_add(scrape_timeout);
    }
}
