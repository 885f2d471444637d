use super::clients::{Clients, Source};
use super::join::Joined;
use super::{Apps, Loaded, Plan, Target, TargetsError};
use crate::fetch::Fetcher;
use crate::relay::Relay;
use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use prometheus_rsocket_client::{Config, Labels};
use prometheus_rsocket_runtime::{Runtime, watch};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How often the file of targets is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Relays targets until it is to stop, then pushes their last metrics. Says whether all proxies have those of all targets that were left.
/// Meanwhile `apps` knows of them.
pub(crate) async fn run<R: Runtime>(
    runtime: R,
    configs: Vec<Config>,
    plan: Plan,
    loaded: Vec<Loaded>,
    apps: Arc<Apps<R>>,
    stop: impl Future<Output = ()>,
) -> bool {
    let changes = watched(&runtime, &plan);
    let mut fleet = Fleet::new(runtime, configs, plan.joined, apps);
    fleet.apply(loaded);
    let mut stop = pin!(stop);
    loop {
        let stop = async {
            stop.as_mut().await;
            None
        };
        let change = async {
            match changes.recv().await {
                Ok(loaded) => Some(loaded),
                Err(_) => std::future::pending().await,
            }
        };
        let Some(loaded) = stop.or(change).await else { break };
        fleet.apply(loaded);
    }
    tracing::info!("stopping: pushing the last metrics");
    fleet.stop().await
}

/// What is pushed once.
#[derive(Debug)]
pub(crate) enum Given {
    Targets(Plan, Vec<Loaded>),
    Text(String, Labels),
}

/// Pushes what targets have now, or a text, and closes. Says whether all proxies have all of it.
pub(crate) async fn push_once<R: Runtime>(runtime: R, configs: Vec<Config>, given: Given) -> bool {
    let mut sources = Vec::new();
    let (joined, loaded) = match given {
        Given::Targets(plan, loaded) => (plan.joined, loaded),
        Given::Text(text, labels) => {
            sources.push((STDIN.to_owned(), labels, Source::Text(text)));
            (None, Vec::new())
        }
    };
    let fleet = Fleet::new(runtime, configs, joined, Arc::default());
    match fleet.joined.clone() {
        Some((joined, labels)) => {
            joined.apply(loaded, |loaded| fleet.relay(loaded));
            sources.push((JOINED.to_owned(), labels, Source::Joined(joined)));
        }
        None => sources.extend(loaded.into_iter().map(|loaded| {
            let (name, labels) = (loaded.target.name.clone(), loaded.target.labels.clone());
            (name, labels, Source::One(fleet.relay(loaded)))
        })),
    }
    if sources.is_empty() {
        tracing::error!("there is no target: nothing is pushed");
        return false;
    }
    let pushes = sources.into_iter().map(|(name, labels, source)| {
        let (tell, done) = async_channel::bounded(1);
        let (runtime, configs) = (fleet.runtime.clone(), Arc::clone(&fleet.configs));
        fleet.runtime.spawn(async move {
            let source = Arc::new(source);
            let clients = Clients::start(&runtime, &configs, (&name, &labels), &source);
            let _ = tell.send(clients.push_and_close(&runtime, &name).await).await;
        });
        done
    });
    all(pushes.collect()).await
}

/// Whether all have pushed.
async fn all(pushes: Vec<Receiver<bool>>) -> bool {
    let mut is_pushed = true;
    for push in pushes {
        is_pushed &= push.recv().await.unwrap_or(false);
    }
    is_pushed
}

/// The targets each time that the file has changed.
fn watched<R: Runtime>(runtime: &R, plan: &Plan) -> Receiver<Vec<Loaded>> {
    let (sender, changes) = async_channel::bounded(1);
    let Some(file) = plan.file.clone() else { return changes };
    let plan = plan.clone();
    let reload = move || -> Result<bool, TargetsError> {
        if !file.is_changed()? {
            return Ok(false);
        }
        let loaded = plan.load()?;
        // Taken up at once: what would wait here is older.
        let _ = sender.force_send(loaded);
        Ok(true)
    };
    let on = |reloaded: Result<bool, TargetsError>| match reloaded {
        Ok(true) => tracing::info!("--targets has changed and is in use"),
        Ok(false) => tracing::info!("--targets is again what is in use"),
        Err(error) => {
            tracing::error!(%error, "a changed --targets cannot be used; the targets stay as they are")
        }
    };
    let watching = watch(runtime.clone(), reload, WATCH_EVERY, on);
    runtime.spawn(watching);
    changes
}

/// The applications that are relayed.
struct Fleet<R> {
    runtime: R,
    configs: Arc<[Config]>,
    last_timeout: Duration,
    apps: BTreeMap<String, App>,
    /// Those that were removed and push their last metrics.
    leaving: BTreeMap<String, Receiver<bool>>,
    joined: Option<(Arc<Joined<R>>, Labels)>,
    known: Arc<Apps<R>>,
}

/// An application. When it is dropped, it pushes its last metrics and closes.
struct App {
    /// What it relays; `None` if that is several.
    target: Option<Target>,
    /// Held until it is to end.
    _stop: Sender<()>,
    /// Whether its last metrics were pushed.
    done: Receiver<bool>,
}

impl<R: Runtime> Fleet<R> {
    fn new(runtime: R, configs: Vec<Config>, joined: Option<Labels>, known: Arc<Apps<R>>) -> Self {
        let push_timeout = configs.iter().map(|config| config.agent.push_timeout).min();
        let joined = joined.map(|labels| (Arc::new(Joined::new(runtime.clone())), labels));
        Self {
            runtime,
            configs: configs.into(),
            last_timeout: push_timeout.unwrap_or_default() / 2,
            apps: BTreeMap::new(),
            leaving: BTreeMap::new(),
            joined,
            known,
        }
    }

    /// Makes these the targets. Those that are the same stay as they are.
    fn apply(&mut self, loaded: Vec<Loaded>) {
        if let Some((joined, labels)) = self.joined.clone() {
            joined.apply(loaded, |loaded| self.relay(loaded));
            if self.apps.is_empty() {
                self.start(JOINED.to_owned(), labels, None, Source::Joined(joined));
            }
            return;
        }
        self.leaving.retain(|_, done| !done.is_closed());
        let wanted: BTreeMap<&str, &Target> =
            loaded.iter().map(|it| (&*it.target.name, &it.target)).collect();
        let is_over = |name: &str, app: &App| wanted.get(name).copied() != app.target.as_ref();
        for (name, app) in self.apps.extract_if(.., |name, app| is_over(name, app)) {
            let change = if wanted.contains_key(&*name) { "changed" } else { "removed" };
            tracing::info!(target = name, "the target is {change}: pushing its last metrics");
            self.leaving.insert(name, app.done);
        }
        for loaded in loaded {
            if !self.apps.contains_key(&loaded.target.name) {
                let target = loaded.target.clone();
                let source = Source::One(self.relay(loaded));
                self.start(target.name.clone(), target.labels.clone(), Some(target), source);
            }
        }
    }

    fn relay(&self, loaded: Loaded) -> Arc<Relay<R>> {
        let fetcher = Fetcher::new(self.runtime.clone(), loaded.endpoint);
        Arc::new(Relay::new(loaded.target, fetcher, self.last_timeout))
    }

    fn start(&mut self, name: String, labels: Labels, target: Option<Target>, source: Source<R>) {
        let (stop, stopped) = async_channel::bounded(1);
        let (tell, done) = async_channel::bounded(1);
        let (runtime, configs) = (self.runtime.clone(), Arc::clone(&self.configs));
        let before = self.leaving.remove(&name);
        let (app, known) = (name.clone(), Arc::clone(&self.known));
        self.runtime.spawn(async move {
            if let Some(before) = before {
                // One of the name at a time: the proxy would tell them apart by nothing.
                let _ = before.recv().await;
            }
            if stopped.is_closed() {
                let _ = tell.send(true).await;
                return;
            }
            let source = Arc::new(source);
            let clients = Clients::start(&runtime, &configs, (&app, &labels), &source);
            known.enter(&app, &source, &clients);
            // It is closed when the application is dropped.
            let _ = stopped.recv().await;
            known.leave(&app);
            source.stop();
            let is_pushed = clients.push_and_close(&runtime, &app).await;
            let _ = tell.send(is_pushed).await;
        });
        self.apps.insert(name, App { target, _stop: stop, done });
    }

    /// Has all applications push and close, and says whether all have pushed.
    async fn stop(self) -> bool {
        let done: Vec<_> = self.apps.into_values().map(|app| app.done).collect();
        let is_pushed = all(done).await;
        for (_, done) in self.leaving {
            let _ = done.recv().await;
        }
        is_pushed
    }
}

/// The name of the application that all targets are joined into.
const JOINED: &str = "joined";

/// The name of the application that standard input is.
const STDIN: &str = "stdin";
