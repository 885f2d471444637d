//! The applications that there are at the moment, for whoever wants to know of them.

use super::clients::{Clients, Source};
use super::own::joined;
use prometheus_rsocket_client::{Labels, MetricsError};
use prometheus_rsocket_runtime::{Elapsed, Runtime, timeout};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Each application by its name, while it is connected or tries to be.
pub(crate) struct Apps<R>(Mutex<BTreeMap<String, Entry<R>>>);

struct Entry<R> {
    source: Arc<Source<R>>,
    clients: Clients,
}

impl<R> Default for Apps<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Runtime> Apps<R> {
    pub(super) fn enter(&self, name: &str, source: &Arc<Source<R>>, clients: &Clients) {
        let entry = Entry { source: Arc::clone(source), clients: clients.clone() };
        self.entries().insert(name.to_owned(), entry);
    }

    pub(super) fn leave(&self, name: &str) {
        self.entries().remove(name);
    }

    /// Fetches what there is, one application after the other, so that there is something to push where the programs are gone later.
    pub(crate) async fn refresh(&self, runtime: &R, within: Duration) -> Result<(), MetricsError> {
        let sources: Vec<_> =
            self.entries().values().map(|entry| Arc::clone(&entry.source)).collect();
        let fetching = async {
            let mut fetched = Ok(());
            for source in sources {
                fetched = fetched.and(source.metrics(runtime).await.map(drop));
            }
            fetched
        };
        let Some(deadline) = runtime.now().checked_add(within) else { return fetching.await };
        timeout(runtime, deadline, fetching).await.unwrap_or_else(|Elapsed| {
            Err(format!("the metrics did not come within {within:?}").into())
        })
    }

    /// How many connections to a proxy there are, and how many there should be.
    pub(crate) fn connected(&self) -> (usize, usize) {
        let entries = self.entries();
        let clients = || entries.values().flat_map(|entry| entry.clients.iter());
        (clients().filter(|(_, client)| client.is_ready()).count(), clients().count())
    }

    /// The clients' own metrics, as text of the format 0.0.4: each with its proxies, and the name of its application where there are several.
    pub(crate) fn own_metrics(&self) -> String {
        let entries = self.entries();
        let is_alone = entries.len() == 1;
        let texts = entries.iter().flat_map(|(name, entry)| {
            let target = (!is_alone).then_some(("target", &**name));
            entry.clients.iter().map(move |(proxy, client)| {
                let labels = target.into_iter().chain([("proxy", &**proxy)]);
                (Labels::new(labels).unwrap_or_default(), client.own_metrics())
            })
        });
        let texts: Vec<_> = texts.collect();
        drop(entries);
        joined(&texts)
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry<R>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
