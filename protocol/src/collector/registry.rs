use super::identity::{self, IdentitySource};
use super::pace::Pace;
use super::reports::Reports;
use super::{AppId, AppRef, ConnectionId, Grant, Injected, ScrapeFailure};
use crate::Labels;
use crate::hello::Hello;
use crate::rsocket::connection::CloseReason;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The other end of a connection, as whoever accepted it knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, for people.
    pub address: String,
    /// How RSocket's frames travel.
    pub transport: Transport,
    /// What is known from TLS, where it is used.
    pub tls: Option<PeerTls>,
}

/// Who the other end of a connection is by TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerTls {
    /// The subject of the certificate that it showed, as text (RFC 4514).
    pub subject: Option<String>,
    /// The subject alternative names of that certificate: `dns:`, `uri:` or `email:`, and the name.
    pub names: Vec<String>,
}

impl Peer {
    /// The subject of the certificate that it showed.
    pub fn tls_subject(&self) -> Option<&str> {
        self.tls.as_ref()?.subject.as_deref()
    }
}

/// What carries an application's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, or TLS over it.
    Tcp,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// Returns the name that logs and the status page show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::WebSocket => "websocket",
        }
    }
}

/// What is known about one application: an entry of the registry, from the moment that its connection is accepted to the end
/// of the grace time after it has gone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Its id. An application that comes back keeps it.
    pub id: AppId,
    /// Its path: a segment of a URL, unique in the registry, and the same after a restart and on another proxy if the
    /// application has an identity.
    pub path: Arc<str>,
    /// Its identity; empty if nothing but its connection is known.
    pub labels: Labels,
    /// Where the identity comes from.
    pub source: IdentitySource,
    /// What its credentials give it, if it was admitted by some.
    pub grant: Option<Arc<Grant>>,
    /// What it said of itself in SETUP.
    pub hello: Hello,
    /// The other end of its connection, or of its last one.
    pub peer: Arc<Peer>,
    /// Its connection; `None` once it has gone.
    pub connection: Option<ConnectionId>,
    /// When that connection, or its last one, was accepted.
    pub since: Instant,
    /// Whether it is there.
    pub state: AppState,
    /// How its last scrape went; `None` if it was never scraped.
    pub last_scrape: Option<LastScrape>,
    /// Whether a push of its is held.
    pub has_push: bool,
    /// Pushes that were held, ever.
    pub pushes: u64,
    /// Whether another live application has its identity.
    pub is_duplicate: bool,
    /// Series that the last scrape left out because another application has them too.
    pub collisions: usize,
    /// The reason that [`Notice::ScrapeFailing`](super::Notice::ScrapeFailing) gave last, unless it has recovered.
    pub(super) failing: Option<&'static str>,
    pub(super) reports: Reports,
    /// How often it pushes.
    pub(super) pace: Pace,
    /// Pushes are held or being opened: the entry is kept for them.
    pub(super) is_pinned: bool,
}

/// Whether an application is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppState {
    /// Its connection is accepted, and SETUP has not come yet.
    Connecting,
    /// It is connected.
    Up,
    /// Its connection has ended.
    Gone {
        /// Why; `None` if its session was dropped without a word.
        reason: Option<CloseReason>,
        /// When.
        at: Instant,
    },
}

/// How an application's last scrape went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastScrape {
    /// When it was settled.
    pub at: Instant,
    /// Time since the scrape began.
    pub took: Duration,
    /// Bytes of the text; 0 after a failure.
    pub bytes: usize,
    /// Samples of the text; 0 after a failure.
    pub samples: usize,
    /// Why it failed.
    pub error: Option<ScrapeFailure>,
}

impl App {
    /// Whether the application has gone.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, AppState::Gone { .. })
    }

    /// Whether the application is connected and set up.
    pub fn is_up(&self) -> bool {
        self.state == AppState::Up
    }

    /// Whether the application is connected and answered its last scrape, so that what it pushed is not its last word.
    pub(super) fn lives_on(&self) -> bool {
        self.is_up() && self.last_scrape.as_ref().is_some_and(|last| last.error.is_none())
    }

    /// What its texts are read with.
    pub(super) fn injected(&self) -> Injected {
        Injected { labels: self.hello.labels.clone(), is_proven: self.source.is_proven() }
    }

    fn gone_at(&self) -> Option<Instant> {
        match self.state {
            AppState::Gone { at, .. } => Some(at),
            AppState::Connecting | AppState::Up => None,
        }
    }
}

/// All applications, by id, connection, path and identity.
#[derive(Debug, Default)]
pub(super) struct Registry {
    apps: BTreeMap<AppId, App>,
    connections: BTreeMap<ConnectionId, AppId>,
    paths: BTreeMap<Arc<str>, AppId>,
    identities: BTreeMap<Labels, BTreeSet<AppId>>,
    /// Entries that may be forgotten, by when their applications went.
    gone: BTreeSet<(Instant, AppId)>,
    connected: usize,
    next: u64,
}

/// What became of an application that was given an identity, or lost its connection.
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

    /// An entry of an application that pushed before this process began: the one that has its identity, or else a new one.
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

    /// A new entry, without a connection.
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

    /// SETUP has come. Returns `None` if the connection is unknown or was set up before.
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

    /// Gives a live application that has no identity one, and a gone entry of that identity if there is one.
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

    /// A connection is over.
    ///
    /// An application that was never set up is forgotten. If another live one has its identity, the two entries become one,
    /// with the path and history of the one that had the identity first: so it is when an application comes back before the proxy has
    /// found out that its last connection is dead. Otherwise the entry waits for its application to come back.
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
        // The path of whoever had the identity first has no number at its end, and so is the shortest.
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

    /// Forgets entries that are too many, those first whose applications went first.
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

    /// Says whether pushes are there, for which the entry is to be kept.
    pub(super) fn set_pinned(&mut self, id: AppId, has_push: bool, is_pinned: bool) {
        let Some(app) = self.apps.get_mut(&id) else { return };
        app.has_push = has_push;
        app.is_pinned = is_pinned;
        self.note_gone(id);
    }

    /// The entries of an application's identity, its own included.
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

    /// Merges a live entry into one that has gone, which thereby comes back.
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
        // One of so many numbers is free, as there are fewer entries.
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
