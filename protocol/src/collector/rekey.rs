//! Another key in place of the one that applications have, and who has it already.

use super::{Collector, ConnectionId, SessionCommand};
use crate::envelope::PLAINTEXT;
use bytes::Bytes;
use std::collections::BTreeSet;

/// How far the latest key has come.
#[derive(Debug, Default)]
pub(super) struct Rekeying {
    /// Which key is the latest, counted from 0.
    latest: u64,
    /// Connections that have not been sent it.
    untold: BTreeSet<ConnectionId>,
    /// Connections that have not answered a request that carried it. Those in `untold` are among them.
    unmoved: BTreeSet<ConnectionId>,
}

impl Rekeying {
    pub(super) fn on_gone(&mut self, connection: ConnectionId) {
        self.untold.remove(&connection);
        self.unmoved.remove(&connection);
    }

    /// An answer came to a request that carried this key.
    pub(super) fn on_answered(&mut self, connection: ConnectionId, key: u64) {
        if key == self.latest {
            self.unmoved.remove(&connection);
        }
    }
}

impl Collector {
    /// Has applications seal under another key: those that connect from now on, and those that are connected as [`tell_key`](Self::tell_key) sends it to
    /// them. The one before is needed as long as [`unmoved`](Self::unmoved) counts somebody.
    pub fn rekey(&mut self, key: Bytes) {
        self.config.key = key;
        self.rekeying.latest += 1;
        let up = self.registry.iter().filter(|app| app.is_up()).filter_map(|app| app.connection);
        self.rekeying.untold = up.collect();
        self.rekeying.unmoved = self.rekeying.untold.clone();
    }

    /// Sends the latest key to up to `max` connections that do not have it; says whether others are left.
    pub fn tell_key(&mut self, max: usize) -> bool {
        for _ in 0..max {
            let Some(connection) = self.rekeying.untold.pop_first() else { break };
            self.send_key(connection);
        }
        !self.rekeying.untold.is_empty()
    }

    /// Connections that may still seal under the key before the latest: they have not answered a request that carried the latest, nor ended.
    pub fn unmoved(&self) -> usize {
        self.rekeying.unmoved.len()
    }

    /// A request is about to be sent: it is to carry the latest key. Says which that is.
    pub(super) fn key_of_request(&mut self, connection: ConnectionId) -> u64 {
        if self.rekeying.untold.remove(&connection) {
            self.send_key(connection);
        }
        self.rekeying.latest
    }

    fn send_key(&mut self, connection: ConnectionId) {
        let app = self.registry.app_of(connection).and_then(|app| self.registry.get(app));
        let Some(app) = app else { return };
        let offers_v2 = app.hello.seals_v2 && self.config.key != PLAINTEXT;
        let key = self.config.key.clone();
        self.commands.push_back((connection, SessionCommand::Key { key, offers_v2 }));
    }
}
