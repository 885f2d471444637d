//! Storing held pushes on disk, many at a time, and restoring them at start.

use crate::config::Config;
use crate::ingress::bind::StartError;
use crate::service::hub::Hub;
use crate::service::workers::WorkerContext;
use crate::store::disk::{Directory, SharedDisk};
use crate::store::pushes::{Left, Limits, PushName, PushStore};
use prometheus_rsocket_protocol::collector::{PushRecord, RestoredPush, StoreCommand, StoreId};
use prometheus_rsocket_runtime::Runtime;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The pushes of one proxy on its disk.
pub(crate) struct Storing<R> {
    runtime: R,
    hub: Arc<Hub>,
    store: Arc<PushStore>,
    /// Held pushes that are on disk.
    names: BTreeMap<StoreId, PushName>,
    /// Numbers the names, beginning with a random number.
    next: u64,
}

/// Opens the configured directory, if there is one.
pub(crate) async fn directory<R: Runtime>(
    runtime: &R,
    config: &Config,
) -> Result<Option<SharedDisk>, StartError> {
    let Some(path) = config.push_dir.clone() else { return Ok(None) };
    let opened = runtime.unblock(move || {
        Directory::open(&path).map_err(|error| StartError::PushDir { path, error })
    });
    Ok(Some(SharedDisk::new(opened.await??)))
}

impl<R: Runtime> Storing<R> {
    /// Reads what an earlier process has left on disk, and makes the hub serve it.
    pub(crate) async fn restore(
        runtime: &R,
        hub: &Arc<Hub>,
        context: &Arc<WorkerContext>,
        config: &Config,
        disk: SharedDisk,
    ) -> Result<Self, StartError> {
        let path = config.push_dir.clone().unwrap_or_default();
        let limits = Limits { pushes: config.max_held_pushes, bytes: config.max_held_push_bytes };
        let wall = time_of_day(runtime)?;
        let mut number = [0; 8];
        runtime.fill_random(&mut number).map_err(|error| StartError::System(error.to_string()))?;
        let tools = Arc::clone(context);
        let read = runtime.unblock(move || read(disk, wall, limits, &tools));
        let (store, left, pushes) =
            read.await?.map_err(|error| StartError::PushDir { path, error })?;
        let mut names = BTreeMap::new();
        let mut beyond = left.over_limit;
        let now = runtime.now();
        for (name, push) in pushes {
            let ttl = Duration::from_millis(name.expires_at.saturating_sub(wall));
            // Not longer than a new push, whatever the clock was.
            match hub.restore_push(now, push, now + ttl.min(config.push_ttl)) {
                Ok(id) => drop(names.insert(id, name)),
                Err(_) => beyond += 1,
            }
        }
        let (restored, expired) = (names.len(), left.expired);
        if restored + expired + beyond > 0 {
            tracing::info!(restored, expired, "pushes found in --push-dir");
        }
        if beyond > 0 {
            let pushes = beyond;
            tracing::warn!(pushes, "pushes are left in --push-dir: there is no room for them");
        }
        let (runtime, hub) = (runtime.clone(), Arc::clone(hub));
        let next = u64::from_ne_bytes(number);
        Ok(Self { runtime, hub, store: Arc::new(store), names, next })
    }

    /// Carries out the collector's commands for the disk. All that wait are done together, so that many pushes cost little more than one. Never
    /// returns.
    pub(crate) async fn run(mut self) {
        loop {
            match self.hub.next_stores(MAX_BATCH) {
                Ok(commands) => self.carry_out(commands).await,
                Err(listener) => listener.await,
            }
        }
    }

    async fn carry_out(&mut self, commands: Vec<StoreCommand>) {
        let (mut ids, mut kept, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        for command in commands {
            match command {
                StoreCommand::Keep { id, record, expires } => {
                    let name = self.name(expires);
                    ids.push((id, name));
                    kept.push((name, record));
                }
                StoreCommand::Forget { id } => forgotten.extend(self.names.remove(&id)),
            }
        }
        let store = Arc::clone(&self.store);
        let done = self.runtime.unblock(move || {
            let encode = |(name, record): (PushName, PushRecord)| {
                let bytes = record.encode(name.expires_at);
                (name, bytes)
            };
            let results = store.write(&kept.into_iter().map(encode).collect::<Vec<_>>());
            store.remove(&forgotten);
            results
        });
        let results = done.await.unwrap_or_else(|lost| {
            tracing::error!(error = %lost, "a worker was lost");
            let lost = || Err(io::Error::other("a worker was lost"));
            ids.iter().map(|_| lost()).collect()
        });
        let settled = ids.into_iter().zip(results).map(|((id, name), result)| {
            if result.is_ok() {
                self.names.insert(id, name);
            }
            (id, result.map_err(|error| error.to_string()))
        });
        self.hub.handle_stored(self.runtime.now(), settled.collect());
    }

    fn name(&mut self, expires: Instant) -> PushName {
        self.next = self.next.wrapping_add(1);
        let ttl = expires.saturating_duration_since(self.runtime.now());
        // It would not have started without a time of day.
        let wall = time_of_day(&self.runtime).unwrap_or_default();
        PushName { expires_at: wall.saturating_add(millis(ttl)), number: self.next }
    }
}

type Found = (PushStore, Left, Vec<(PushName, RestoredPush)>);

/// Reads the disk, one text after the other.
fn read(disk: SharedDisk, wall: u64, limits: Limits, context: &WorkerContext) -> io::Result<Found> {
    let (store, mut left) = PushStore::open(disk, wall, limits)?;
    let mut pushes = Vec::new();
    let rules = context.rules.get();
    for (name, record) in std::mem::take(&mut left.pushes) {
        match record.read(&context.tools(&rules)) {
            Ok(push) => pushes.push((name, push)),
            Err(error) => store.put_aside(name, &error),
        }
    }
    Ok((store, left, pushes))
}

/// Milliseconds since 1970.
fn time_of_day(runtime: &impl Runtime) -> Result<u64, StartError> {
    let since = runtime.time_of_day().map(|now| now.duration_since(SystemTime::UNIX_EPOCH));
    let missing = || StartError::System("--push-dir needs the time of day".to_owned());
    since.and_then(Result::ok).map(millis).ok_or_else(missing)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Commands that are carried out together. Each push among them costs a sync of its own file; the directory is synced once.
const MAX_BATCH: usize = 256;
