use super::app::{App, AppState, Peer, Transport};
use super::identity::{self, IdentitySource};
use super::pace::Pace;
use super::reports::Reports;
use super::{AppId, AppRef, ConnectionId, Grant};
use crate::Labels;
use crate::hello::Hello;
use crate::rsocket::connection::CloseReason;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All applications, by id, connection, path and identity.
#[derive(Debug, Default)]
pub(super) struct Registry {
    apps: BTreeMap<AppId, App>,
    connections: BTreeMap<ConnectionId, AppId>,
    paths: BTreeMap<Arc<str>, AppId>,
    identities: BTreeMap<Labels, BTreeSet<AppId>>,
    /// Entries that may be forgotten, by the time when their applications went.
    gone: BTreeSet<(Instant, AppId)>,
    connected: usize,
    next: u64,
}

/// Which entry an application has after it was given an identity or lost its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    /// The entry that is left.
    pub(super) kept: AppId,
    /// The entry that was merged into it.
    pub(super) absorbed: Option<AppId>,
}

impl Registry {
    pub(super) fn accept(&mut self, now: Instant, peer: Peer) -> ConnectionId {
        let (connection, id) = self.add(now, peer);
        if let Some(app) = self.apps.get_mut(&id) {
            app.connection = Some(connection);
            app.state = AppState::Connecting;
        }
        self.connections.insert(connection, id);
        connection
    }

    /// Returns the entry for a restored push: the one with its identity, or a new one.
    pub(super) fn restore(
        &mut self,
        now: Instant,
        labels: Labels,
        source: IdentitySource,
    ) -> AppId {
        let same = self.identities.get(&labels).into_iter().flatten();
        let mut same = same.filter(|id| {
            self.apps.get(id).is_some_and(|app| app.source.is_proven() == source.is_proven())
        });
        if let Some(app) = same.next() {
            return *app;
        }
        let peer = Peer { address: String::new(), transport: Transport::Tcp, tls: None };
        let (_, id) = self.add(now, peer);
        self.identify(id, labels, source).kept
    }

    /// Adds an entry without a connection.
    fn add(&mut self, now: Instant, peer: Peer) -> (ConnectionId, AppId) {
        self.next += 1;
        let (connection, id) = (ConnectionId(self.next), AppId(self.next));
        let path: Arc<str> = identity::path_of_connection(connection).into();
        let app = App {
            id,
            path: Arc::clone(&path),
            labels: Labels::default(),
            source: IdentitySource::Connection,
            grant: None,
            hello: Hello::default(),
            peer: Arc::new(peer),
            connection: None,
            since: now,
            state: AppState::Gone { reason: None, at: now },
            last_scrape: None,
            last_served: None,
            trouble: None,
            slow_since: None,
            has_push: false,
            pushes: 0,
            is_duplicate: false,
            collisions: 0,
            failing: None,
            reports: Reports::default(),
            pace: Pace::default(),
            is_pinned: false,
        };
        self.apps.insert(id, app);
        self.paths.insert(path, id);
        (connection, id)
    }

    /// Sets up the application of a connection. Returns `None` if the connection is unknown or was set up before.
    pub(super) fn set_up(
        &mut self,
        connection: ConnectionId,
        hello: Hello,
        grant: Option<Arc<Grant>>,
    ) -> Option<Merged> {
        let id = self.app_of(connection)?;
        let app = self.apps.get_mut(&id).filter(|app| app.state == AppState::Connecting)?;
        app.state = AppState::Up;
        let labels = hello.labels.clone();
        app.hello = hello;
        let gives_identity = grant.as_ref().is_some_and(|grant| !grant.labels.is_empty());
        app.grant = grant;
        self.connected += 1;
        let source = match gives_identity {
            true => IdentitySource::Credentials,
            false => IdentitySource::Hello,
        };
        Some(self.identify(id, labels, source))
    }

    /// Gives an identity to a live application without one, and the entry of that identity that has gone, if there is one.
    pub(super) fn identify(&mut self, id: AppId, labels: Labels, source: IdentitySource) -> Merged {
        let unchanged = Merged { kept: id, absorbed: None };
        let Some(app) = self.apps.get(&id).filter(|app| app.labels.is_empty()) else {
            return unchanged;
        };
        if labels.is_empty() {
            return unchanged;
        }
        let mut same = self.identities.get(&labels).into_iter().flatten();
        let is_gone = |id: &&AppId| {
            let old = self.apps.get(id);
            old.is_some_and(|old| old.is_gone() && old.source.is_proven() == source.is_proven())
        };
        if let Some(old) = same.find(is_gone).copied() {
            self.absorb(id, old);
            return Merged { kept: old, absorbed: Some(id) };
        }
        let old_path = Arc::clone(&app.path);
        let path = self.free_path(&labels);
        self.paths.remove(&old_path);
        self.paths.insert(Arc::clone(&path), id);
        self.identities.entry(labels.clone()).or_default().insert(id);
        if let Some(app) = self.apps.get_mut(&id) {
            app.path = path;
            app.labels = labels.clone();
            app.source = source;
        }
        self.mark_duplicates(&labels);
        unchanged
    }

    /// A connection has ended.
    ///
    /// The entry of an application that was never set up is forgotten. If another live application has its identity, the two
    /// entries are merged, with the path and history of the one that had the identity first: the application has returned
    /// before the proxy noticed that its last connection is dead. Otherwise the entry is kept for the application to return to.
    pub(super) fn leave(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        reason: Option<CloseReason>,
    ) -> Option<Merged> {
        let id = self.connections.remove(&connection)?;
        let app = self.apps.get_mut(&id)?;
        app.connection = None;
        let was_up = app.is_up();
        app.state = AppState::Gone { reason, at: now };
        app.reports.on_gone();
        if !was_up {
            self.forget(id);
            return Some(Merged { kept: id, absorbed: None });
        }
        self.connected -= 1;
        let (labels, path_len) = (app.labels.clone(), app.path.len());
        let is_proven = app.source.is_proven();
        let same = self.identities.get(&labels).into_iter().flatten();
        let live = same.filter_map(|other| {
            let other = self.apps.get(other);
            other.filter(|other| other.is_up() && other.source.is_proven() == is_proven)
        });
        // The application that had the identity first has no number at the end of its path, which is therefore the shortest.
        let sibling = live.map(|app| (app.path.len(), app.id)).min();
        let had_it_first = sibling.is_some_and(|(other_len, _)| path_len < other_len);
        let merged = match sibling.map(|(_, sibling)| sibling) {
            Some(sibling) if had_it_first => {
                self.absorb(sibling, id);
                Merged { kept: id, absorbed: Some(sibling) }
            }
            Some(sibling) => {
                self.forget(id);
                Merged { kept: sibling, absorbed: Some(id) }
            }
            None => {
                self.note_gone(id);
                Merged { kept: id, absorbed: None }
            }
        };
        self.mark_duplicates(&labels);
        Some(merged)
    }

    /// Forgets entries whose grace time is over.
    pub(super) fn expire(&mut self, now: Instant, grace: Duration) {
        while let Some((at, id)) = self.gone.first().copied()
            && at + grace <= now
        {
            self.forget(id);
        }
    }

    /// Forgets entries over the limit, those that went first before others.
    pub(super) fn trim(&mut self, max_gone: usize) {
        while self.gone.len() > max_gone
            && let Some((_, id)) = self.gone.first().copied()
        {
            self.forget(id);
        }
    }

    pub(super) fn next_expiry(&self, grace: Duration) -> Option<Instant> {
        self.gone.first().map(|(at, _)| *at + grace)
    }

    /// Sets whether the entry has held pushes, and whether it is kept for its pushes.
    pub(super) fn set_pinned(&mut self, id: AppId, has_push: bool, is_pinned: bool) {
        let Some(app) = self.apps.get_mut(&id) else { return };
        app.has_push = has_push;
        app.is_pinned = is_pinned;
        self.note_gone(id);
    }

    /// The entries with an application's identity, its own included.
    pub(super) fn same_as(&self, id: AppId) -> Vec<AppId> {
        let same = self.apps.get(&id).and_then(|app| self.identities.get(&app.labels));
        same.map_or_else(|| vec![id], |same| same.iter().copied().collect())
    }

    pub(super) fn app_of(&self, connection: ConnectionId) -> Option<AppId> {
        self.connections.get(&connection).copied()
    }

    pub(super) fn get(&self, id: AppId) -> Option<&App> {
        self.apps.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: AppId) -> Option<&mut App> {
        self.apps.get_mut(&id)
    }

    pub(super) fn reference(&self, id: AppId) -> Option<AppRef> {
        self.apps.get(&id).map(AppRef::from)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    pub(super) fn by_path(&self, path: &str) -> Option<&App> {
        self.paths.get(path).and_then(|id| self.apps.get(id))
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn connected(&self) -> usize {
        self.connected
    }

    pub(super) fn len(&self) -> usize {
        self.apps.len()
    }

    /// Merges a live entry into one that has gone, which thereby returns.
    fn absorb(&mut self, fresh: AppId, old: AppId) {
        self.unlist_gone(old);
        let Some(app) = self.remove(fresh) else { return };
        if let Some(connection) = app.connection {
            self.connections.insert(connection, old);
        }
        let Some(kept) = self.apps.get_mut(&old) else { return };
        kept.hello = app.hello;
        kept.grant = app.grant;
        kept.peer = app.peer;
        kept.connection = app.connection;
        kept.since = app.since;
        kept.state = app.state;
        kept.reports = app.reports;
        kept.last_scrape = app.last_scrape.or_else(|| kept.last_scrape.take());
        kept.last_served = app.last_served.or_else(|| kept.last_served.take());
        kept.trouble = app.trouble.or_else(|| kept.trouble.take());
        kept.slow_since = app.slow_since;
        kept.failing = app.failing.or(kept.failing);
        kept.pushes += app.pushes;
        kept.pace.join(app.pace);
        kept.collisions = app.collisions;
        let labels = kept.labels.clone();
        self.mark_duplicates(&labels);
    }

    fn forget(&mut self, id: AppId) {
        self.unlist_gone(id);
        self.remove(id);
    }

    fn remove(&mut self, id: AppId) -> Option<App> {
        let app = self.apps.remove(&id)?;
        self.paths.remove(&app.path);
        if let Some(same) = self.identities.get_mut(&app.labels) {
            same.remove(&id);
            if same.is_empty() {
                self.identities.remove(&app.labels);
            }
        }
        Some(app)
    }

    fn unlist_gone(&mut self, id: AppId) {
        if let Some(at) = self.apps.get(&id).and_then(App::gone_at) {
            self.gone.remove(&(at, id));
        }
    }

    fn note_gone(&mut self, id: AppId) {
        let Some(app) = self.apps.get(&id) else { return };
        let Some(at) = app.gone_at() else { return };
        if app.is_pinned {
            self.gone.remove(&(at, id));
        } else {
            self.gone.insert((at, id));
        }
    }

    fn free_path(&self, labels: &Labels) -> Arc<str> {
        let path = identity::path_of(labels);
        if !self.paths.contains_key(&*path) {
            return path.into();
        }
        // There are fewer entries than numbers, so one is free.
        (2..=self.paths.len() + 2)
            .map(|nth| identity::path_of_duplicate(&path, nth))
            .find(|path| !self.paths.contains_key(&**path))
            .unwrap_or(path)
            .into()
    }

    fn mark_duplicates(&mut self, labels: &Labels) {
        let Some(same) = self.identities.get(labels) else { return };
        let live = same.iter().filter(|id| self.apps.get(id).is_some_and(App::is_up)).count();
        for id in same {
            if let Some(app) = self.apps.get_mut(id) {
                app.is_duplicate = live > 1 && app.is_up();
            }
        }
    }
}
