use super::clients::{Clients, Source};
use super::join::{AT_ONCE, Joined, gather, labelled};
use super::{Loaded, Plan, Relayed, Target, TargetsError, TargetsFile};
use crate::fetch::{FetchError, Fetcher};
use crate::relay::Relay;
use async_channel::{Receiver, Sender};
use prometheus_rsocket_client::{Config, Labels};
use prometheus_rsocket_runtime::{Runtime, watch};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// The applications that are relayed.
pub(crate) struct Fleet<R> {
    runtime: R,
    configs: Arc<[Config]>,
    last_timeout: Duration,
    joined: Option<(Arc<Joined<R>>, Labels)>,
    /// Whether there may be several, so that log lines have to name each.
    are_named: bool,
    state: Mutex<State<R>>,
}

struct State<R> {
    apps: BTreeMap<String, App<R>>,
    /// Applications that were removed and are pushing their last metrics.
    leaving: BTreeMap<String, Receiver<bool>>,
    /// No more applications are added.
    is_closed: bool,
}

/// An application. When it is dropped, it pushes its last metrics and closes.
struct App<R> {
    /// The target that it relays; `None` if there are several.
    target: Option<Target>,
    source: Arc<Source<R>>,
    /// Set once they are started.
    clients: Arc<OnceLock<Clients>>,
    /// Dropping this makes it end.
    _stop: Sender<()>,
    /// Receives whether its last metrics were pushed.
    done: Receiver<bool>,
}

impl<R: Runtime> Fleet<R> {
    /// Begins to relay, and watches the file of targets if there is one.
    pub(crate) fn start(runtime: &R, configs: Vec<Config>, relayed: Relayed) -> Arc<Self> {
        let Relayed { plan, loaded } = relayed;
        let push_timeout = configs.iter().map(|config| config.agent.push_timeout).min();
        let fleet = Arc::new(Self::new(runtime, configs, &plan, push_timeout));
        if plan.file.is_some() || plan.targets.len() > 1 {
            // Each target takes two descriptors, and the usual limit of 1,024 is low. If this fails, connections may fail, which is reported then.
            let _ = rlimit::increase_nofile_limit(u64::MAX);
        }
        fleet.apply(loaded);
        if let Some(file) = plan.file.clone() {
            runtime.spawn(follow(runtime.clone(), Arc::downgrade(&fleet), plan, file));
        }
        fleet
    }

    /// Pushes the metrics of all targets once. Returns whether all proxies have them.
    pub(crate) async fn push_once(runtime: &R, configs: Vec<Config>, relayed: Relayed) -> bool {
        if relayed.loaded.is_empty() {
            tracing::error!("there are no targets whose metrics could be pushed");
            return false;
        }
        // There are no earlier metrics to use instead.
        let fleet = Self::new(runtime, configs, &relayed.plan, None);
        fleet.apply(relayed.loaded);
        fleet.push_and_close().await
    }

    fn new(runtime: &R, configs: Vec<Config>, plan: &Plan, last: Option<Duration>) -> Self {
        let joined = |labels: &Labels| (Arc::new(Joined::new(runtime.clone())), labels.clone());
        let state = State { apps: BTreeMap::new(), leaving: BTreeMap::new(), is_closed: false };
        Self {
            runtime: runtime.clone(),
            configs: configs.into(),
            last_timeout: last.map_or(Duration::MAX, |push_timeout| push_timeout / 2),
            joined: plan.joined.as_ref().map(joined),
            are_named: plan.joined.is_none() && (plan.file.is_some() || plan.targets.len() > 1),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the targets. Targets that did not change continue.
    fn apply(&self, loaded: Vec<Loaded>) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        if let Some((joined, labels)) = &self.joined {
            joined.apply(loaded, |loaded| self.relay(loaded));
            if state.apps.is_empty() {
                let source = Source::Joined(Arc::clone(joined));
                self.start_app(&mut state, JOINED, labels, None, source);
            }
            return;
        }
        let State { apps, leaving, .. } = &mut *state;
        leaving.retain(|_, done| !done.is_closed());
        let wanted: BTreeMap<&str, &Target> =
            loaded.iter().map(|it| (&*it.target.name, &it.target)).collect();
        let is_over =
            |name: &String, app: &mut App<R>| wanted.get(&**name).copied() != app.target.as_ref();
        for (name, app) in apps.extract_if(.., is_over) {
            let change = if wanted.contains_key(&*name) { "changed" } else { "removed" };
            tracing::info!(target = name, "the target is {change}: pushing its last metrics");
            leaving.insert(name, app.done);
        }
        for loaded in loaded {
            if !state.apps.contains_key(&loaded.target.name) {
                let target = loaded.target.clone();
                let source = Source::One(self.relay(loaded));
                let (name, labels) = (target.name.clone(), target.labels.clone());
                self.start_app(&mut state, &name, &labels, Some(target), source);
            }
        }
    }

    fn relay(&self, loaded: Loaded) -> Arc<Relay<R>> {
        let fetcher = Fetcher::new(self.runtime.clone(), loaded.endpoint);
        Arc::new(Relay::new(loaded.target, fetcher, self.last_timeout))
    }

    fn start_app(
        &self,
        state: &mut State<R>,
        name: &str,
        labels: &Labels,
        target: Option<Target>,
        source: Source<R>,
    ) {
        let (stop, stopped) = async_channel::bounded(1);
        let (tell, done) = async_channel::bounded(1);
        let (source, clients) = (Arc::new(source), Arc::new(OnceLock::new()));
        let app = App {
            target,
            source: Arc::clone(&source),
            clients: Arc::clone(&clients),
            _stop: stop,
            done,
        };
        let (runtime, configs) = (self.runtime.clone(), Arc::clone(&self.configs));
        let (name, labels) = (name.to_owned(), labels.clone());
        let before = state.leaving.remove(&name);
        state.apps.insert(name.clone(), app);
        self.runtime.spawn(async move {
            if let Some(before) = before {
                // One application of a name at a time, since nothing would distinguish them at the proxy.
                let _ = before.recv().await;
                if stopped.is_closed() {
                    let _ = tell.send(true).await;
                    return;
                }
            }
            let started = Clients::start(&runtime, &configs, (&name, &labels), &source);
            let _ = clients.set(started.clone());
            // The channel is closed when the application is dropped.
            let _ = stopped.recv().await;
            source.stop();
            let is_pushed = started.push_and_close(&runtime, &name).await;
            let _ = tell.send(is_pushed).await;
        });
    }

    /// Fetches the metrics, and keeps them for the last push. If the end is near, the time limit is that of the last scrape. A target that fails does
    /// not keep others from being fetched.
    pub(crate) async fn refresh(&self, is_end_near: bool) -> Result<(), FetchError> {
        let sources: Vec<_> =
            self.state().apps.values().map(|app| Arc::clone(&app.source)).collect();
        let fetches = sources.iter().map(|source| source.refresh(is_end_near));
        gather(fetches, AT_ONCE).await.into_iter().collect()
    }

    /// Returns how many connections to a proxy there are, and how many there should be.
    pub(crate) fn connected(&self) -> (usize, usize) {
        let state = self.state();
        let clients = state.apps.values().filter_map(|app| app.clients.get());
        (clients.map(Clients::ready).sum(), state.apps.len() * self.configs.len())
    }

    /// Returns the relay's own metrics in the text format 0.0.4: those of each client, and what filters left out of each target.
    pub(crate) fn own_metrics(&self) -> String {
        let state = self.state();
        let are_several = self.are_named || self.joined.is_some();
        let target = |name: &str| are_several.then(|| ("target", name.to_owned()));
        let mut texts = Vec::new();
        for (name, app) in &state.apps {
            let of_app = self.are_named.then(|| ("target", name.clone()));
            for (proxy, text) in app.clients.get().into_iter().flat_map(Clients::own_metrics) {
                let labels = [("proxy", proxy.to_owned())].into_iter().chain(of_app.clone());
                texts.push((Labels::new(labels).unwrap_or_default(), text));
            }
            for relay in app.source.relays() {
                let labels = Labels::new(target(&relay.target().name)).unwrap_or_default();
                texts.push((labels, relay.left_out()));
            }
        }
        drop(state);
        labelled(&texts)
    }

    /// Makes all applications push their last metrics and close. Returns whether all proxies have them.
    pub(crate) async fn push_and_close(&self) -> bool {
        let (apps, leaving) = {
            let mut state = self.state();
            state.is_closed = true;
            (std::mem::take(&mut state.apps), std::mem::take(&mut state.leaving))
        };
        let done: Vec<_> = apps.into_values().map(|app| app.done).collect();
        let mut is_pushed = true;
        for done in done {
            is_pushed &= done.recv().await.unwrap_or(false);
        }
        for (_, done) in leaving {
            let _ = done.recv().await;
        }
        is_pushed
    }
}

/// Applies the targets each time the file has changed.
async fn follow<R: Runtime>(runtime: R, fleet: Weak<Fleet<R>>, plan: Plan, file: TargetsFile) {
    let changed = Arc::new(Mutex::new(None));
    let loaded = Arc::clone(&changed);
    let reload = move || -> Result<bool, TargetsError> {
        if !file.is_changed()? {
            return Ok(false);
        }
        *loaded.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan.load()?);
        Ok(true)
    };
    let on = move |reloaded: Result<bool, TargetsError>| match reloaded {
        Ok(true) => {
            tracing::info!("--targets has changed and is in use");
            let loaded = changed.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(fleet), Some(loaded)) = (fleet.upgrade(), loaded) {
                fleet.apply(loaded);
            }
        }
        Ok(false) => tracing::info!("--targets is valid again and unchanged"),
        Err(error) => {
            tracing::error!(%error, "a changed --targets cannot be used; the targets stay as they are");
        }
    };
    watch(runtime, reload, WATCH_EVERY, on).await;
}

/// How often the file of targets is checked.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// The name of the application that all targets are joined into.
const JOINED: &str = "joined";
