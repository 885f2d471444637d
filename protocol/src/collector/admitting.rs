//! Admission: which applications are served, and with which identity.

use super::app::App;
use super::{Collector, ConnectionId, Peer, SessionCommand, TurnedAway, goodbye};
use crate::Labels;
use crate::hello::{Hello, HelloError};
use crate::token::{Token, TokenError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What one credential grants to the application that presents it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Identifies the credential and all that it grants.
    pub id: GrantId,
    /// Name of the credential's entry, for people.
    pub entry: Arc<str>,
    /// The identity that it grants. No other application can have it.
    pub labels: Labels,
    /// The names of labels that the application may add in its hello. `None`: any.
    pub may_set: Option<BTreeSet<Box<str>>>,
}

/// Identifies a grant. A hash over all of it, so a grant that changes has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(pub u128);

/// An application that waits to be admitted, and its credentials.
#[derive(Debug)]
pub struct AdmissionRequest {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its token; `Ok(None)` without one, an error if the token is invalid.
    pub token: Result<Option<Token>, TokenError>,
    /// The other end of the connection, with its certificate.
    pub peer: Arc<Peer>,
}

/// Applications that wait, and what may be granted.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    waiting: BTreeMap<ConnectionId, (Hello, Option<HelloError>)>,
    requests: VecDeque<AdmissionRequest>,
    grants: BTreeMap<GrantId, Arc<Grant>>,
    /// Granted identities, by their first label.
    owned: BTreeMap<(Box<str>, Box<str>), BTreeSet<Labels>>,
}

impl Admissions {
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        if self.waiting.remove(&connection).is_some() {
            self.requests.retain(|request| request.connection != connection);
        }
    }

    /// Whether labels contain a granted identity that is not part of `own`.
    pub(super) fn grants_are_claimed_by(&self, labels: &Labels, own: Option<&Labels>) -> bool {
        let firsts = labels.iter().filter_map(|(name, value)| {
            self.owned.get(&(Box::<str>::from(name), Box::<str>::from(value)))
        });
        firsts
            .flatten()
            .any(|owned| is_within(owned, labels) && !own.is_some_and(|own| is_within(owned, own)))
    }

    fn replace(&mut self, grants: Vec<Grant>) {
        self.owned.clear();
        for grant in &grants {
            let Some((name, value)) = grant.labels.iter().next() else { continue };
            self.owned.entry((name.into(), value.into())).or_default().insert(grant.labels.clone());
        }
        let by_id = grants.into_iter().map(|grant| (grant.id, Arc::new(grant)));
        self.grants = by_id.collect();
    }

    /// The labels of an application that declares some itself.
    fn identity(&self, said: &Labels, grant: Option<&Grant>) -> Labels {
        let Some(grant) = grant else {
            let is_claim = self.grants_are_claimed_by(said, None);
            return if is_claim { Labels::default() } else { said.clone() };
        };
        let may_set = |name: &str| match &grant.may_set {
            _ if grant.labels.get(name).is_some() => false,
            Some(names) => names.contains(name),
            None => true,
        };
        let added = said.iter().filter(|(name, _)| may_set(name));
        // If there would be too many, those that it declares are ignored.
        match Labels::new(grant.labels.iter().chain(added)) {
            Ok(all) if !self.grants_are_claimed_by(&all, Some(&grant.labels)) => all,
            _ => grant.labels.clone(),
        }
    }
}

fn is_within(some: &Labels, all: &Labels) -> bool {
    some.iter().all(|(name, value)| all.get(name) == Some(value))
}

impl Collector {
    pub(super) fn ask_for_admission(
        &mut self,
        connection: ConnectionId,
        hello: Hello,
        error: Option<HelloError>,
        token: Result<Option<Token>, TokenError>,
    ) {
        let app = self.registry.app_of(connection).and_then(|app| self.registry.get(app));
        let Some(app) = app.filter(|app| !app.is_up()) else { return };
        let peer = Arc::clone(&app.peer);
        if self.admissions.waiting.len() >= self.config.max_admissions {
            return self.turn_away(connection, TurnedAway::Overloaded);
        }
        if self.admissions.waiting.insert(connection, (hello, error)).is_none() {
            self.admissions.requests.push_back(AdmissionRequest { connection, token, peer });
        }
    }

    /// Returns the next application whose credentials are to be checked. Answer with
    /// [`handle_admission`](Self::handle_admission). At most [`Config::max_admissions`](super::Config::max_admissions)
    /// applications wait at once.
    pub fn poll_admission(&mut self) -> Option<AdmissionRequest> {
        self.admissions.requests.pop_front()
    }

    /// Whether [`poll_admission`](Self::poll_admission) has a request.
    pub fn has_admissions(&self) -> bool {
        !self.admissions.requests.is_empty()
    }

    /// The number of applications that wait to be admitted.
    pub fn waiting_admissions(&self) -> usize {
        self.admissions.waiting.len()
    }

    /// Takes the result of checking an application's credentials: its grant, `Ok(None)` if it is admitted without credentials,
    /// or why it is turned away. A grant that [`set_grants`](Self::set_grants) has withdrawn meanwhile counts as wrong
    /// credentials. Ignored if the connection is gone.
    pub fn handle_admission(
        &mut self,
        connection: ConnectionId,
        admitted: Result<Option<GrantId>, TurnedAway>,
    ) {
        let Some((mut hello, error)) = self.admissions.waiting.remove(&connection) else { return };
        let grant = match admitted {
            Ok(None) => None,
            Ok(Some(id)) => match self.admissions.grants.get(&id) {
                Some(grant) => Some(Arc::clone(grant)),
                None => return self.turn_away(connection, TurnedAway::Credentials),
            },
            Err(reason) => return self.turn_away(connection, reason),
        };
        hello.labels = self.admissions.identity(&hello.labels, grant.as_deref());
        self.set_up(connection, hello, error, grant);
    }

    /// Replaces the set of grants. The connections of applications whose grant is no longer among them are closed.
    pub fn set_grants(&mut self, grants: Vec<Grant>) {
        self.admissions.replace(grants);
        let is_withdrawn = |app: &&App| {
            app.grant.as_ref().is_some_and(|grant| !self.admissions.grants.contains_key(&grant.id))
        };
        let withdrawn = self.registry.iter().filter(is_withdrawn);
        let ends =
            withdrawn.filter_map(|app| Some((app.connection?, goodbye(WITHDRAWN.to_owned()))));
        let ends: Vec<(ConnectionId, SessionCommand)> = ends.collect();
        self.commands.extend(ends);
    }
}

/// The message to an application whose credentials are no longer valid.
const WITHDRAWN: &str = "not admitted any more";
