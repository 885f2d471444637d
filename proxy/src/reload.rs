//! A configuration that is read again while the proxy runs.

use crate::config::{Changed, Config, ConfigError, Loaded, Sources};
use crate::descriptors;
use crate::ingress::places::Places;
use crate::service::backend::Service;
use async_channel::Receiver;
use event_listener::Event;
use futures_lite::future::or;
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::fmt;
use std::sync::Arc;

/// How a proxy reads its configuration again: on request, and when the file has changed.
pub struct Reloading {
    /// Where the configuration is read from.
    pub sources: Sources,
    /// The configuration that was read from there at first.
    pub loaded: Loaded,
    /// Receives a message for each request.
    pub requests: Receiver<()>,
    /// Makes the log use another filter, which has been checked.
    pub set_log: fn(&str),
    /// Called before the configuration is read, and after it is in use or refused.
    pub tell: fn(ReloadPhase),
}

/// The progress of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadPhase {
    /// It begins.
    Begun,
    /// It is over, whether it changed anything or not.
    Done,
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// The parts of a proxy that a reload changes.
pub(crate) struct Live<R> {
    pub(crate) service: Arc<Service<R>>,
    pub(crate) places: Arc<Places>,
    /// Makes the proxy check the files that the configuration names.
    pub(crate) reread: Arc<Event>,
}

/// Reads the configuration whenever there is a reason to. Never returns.
pub(crate) async fn run<R: Runtime>(live: Live<R>, reloading: Reloading) {
    let Service { runtime, hub, .. } = &*live.service;
    let Reloading { sources, loaded, requests, set_log, tell } = reloading;
    let sources = Arc::new(sources);
    // The configuration as it was asked for: the one in use may be reduced by limits of the system.
    let (mut asked, mut seen) = (loaded.config, loaded.digest);
    loop {
        let is_asked = wait(&live, &sources, &requests).await;
        if hub.is_leaving() {
            // The proxy is about to end.
            continue;
        }
        let from = Arc::clone(&sources);
        let digest = match runtime.unblock(move || from.digest()).await {
            Ok(digest) => digest,
            Err(error) => {
                tracing::error!(%error, "files were not looked at");
                continue;
            }
        };
        if !is_asked && digest == seen {
            continue;
        }
        seen = digest;
        tell(ReloadPhase::Begun);
        let from = Arc::clone(&sources);
        let read = runtime.unblock(move || from.load()).await;
        match read {
            Ok(Ok(loaded)) => {
                seen = loaded.digest;
                reload(&live, &mut asked, &loaded.config, set_log);
            }
            Ok(Err(error)) => refuse(&live, &error),
            Err(error) => tracing::error!(%error, "files were not looked at"),
        }
        if is_asked {
            live.reread.notify(usize::MAX);
        }
        tell(ReloadPhase::Done);
    }
}

/// Waits until the file is to be checked for changes, or somebody requests a reload. Returns whether somebody does.
async fn wait<R: Runtime>(live: &Live<R>, sources: &Sources, requests: &Receiver<()>) -> bool {
    let Service { runtime, config, .. } = &*live.service;
    let asked = async {
        match requests.recv().await {
            Ok(()) => true,
            // Nobody can request a reload any more.
            Err(_) => std::future::pending().await,
        }
    };
    let due = async {
        let every = config.get().tls_reload_interval;
        match runtime.now().checked_add(every).filter(|_| sources.path().is_some()) {
            Some(next) => sleep_until(runtime, next).await,
            None => std::future::pending().await,
        }
        false
    };
    or(asked, due).await
}

fn reload<R: Runtime>(live: &Live<R>, asked: &mut Config, read: &Config, set_log: fn(&str)) {
    let Service { runtime, config, telemetry, .. } = &*live.service;
    let changes = asked.changes(read);
    let adopted = asked.adopt(read).and_then(|next| Ok((next, config.get().adopt(read)?)));
    let (next, mut effective) = match adopted {
        Ok(adopted) => adopted,
        Err(error) => return refuse(live, &error),
    };
    // The start has reported this already.
    let is_told = next.max_connections == asked.max_connections;
    match descriptors::prepare(&mut effective) {
        Ok(Some(warning)) if !is_told => tracing::warn!("{warning}"),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of file descriptors"),
    }
    if next.log != asked.log {
        set_log(&next.log);
    }
    live.apply(effective);
    let changed = changes.iter().filter(|change| change.is_live).count();
    for Changed { name: setting, old, new, is_live } in &changes {
        match is_live {
            true => tracing::info!(setting, old, new, "a setting has changed"),
            false => tracing::warn!(setting, old, new, "a setting has changed and needs a restart"),
        }
    }
    tracing::info!(changed, "the configuration was read again");
    *asked = next;
    telemetry.config_reloaded(runtime.time_of_day());
}

fn refuse<R>(live: &Live<R>, error: &ConfigError) {
    for error in error.each() {
        tracing::error!(%error, "a changed configuration cannot be used; what it said before counts");
    }
    live.service.telemetry.config_refused();
}

impl<R: Runtime> Live<R> {
    /// Makes everything use another configuration.
    fn apply(&self, config: Config) {
        let Service { runtime, hub, context, .. } = &*self.service;
        hub.reconfigure(runtime.now(), config.collector());
        context.rules.set(config.rules());
        self.places.set_max(config.max_connections);
        self.service.config.set(config);
    }
}
