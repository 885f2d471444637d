//! Replacing the key, and which applications have the new one.

use super::{Collector, ConnectionId, SessionCommand};
use crate::envelope::PLAINTEXT;
use bytes::Bytes;
use std::collections::BTreeSet;

/// How far the latest key has spread.
#[derive(Debug, Default)]
pub(super) struct Rekeying {
    /// The number of the latest key, counted from 0.
    latest: u64,
    /// Connections that have not been sent the latest key.
    untold: BTreeSet<ConnectionId>,
    /// Connections that have not answered a request that carried the latest key. Includes those in `untold`.
    unmoved: BTreeSet<ConnectionId>,
}

impl Rekeying {
    pub(super) fn on_gone(&mut self, connection: ConnectionId) {
        self.untold.remove(&connection);
        self.unmoved.remove(&connection);
    }

    /// A request that carried this key was answered.
    pub(super) fn on_answered(&mut self, connection: ConnectionId, key: u64) {
        if key == self.latest {
            self.unmoved.remove(&connection);
        }
    }
}

impl Collector {
    /// Replaces the public key that applications seal under. Applications that connect from now on get the new key, and
    /// connected ones when [`tell_key`](Self::tell_key) sends it to them. The previous key is needed as long as
    /// [`unmoved`](Self::unmoved) is not 0.
    pub fn rekey(&mut self, key: Bytes) {
        self.config.key = key;
        self.rekeying.latest += 1;
        let up = self.registry.iter().filter(|app| app.is_up()).filter_map(|app| app.connection);
        self.rekeying.untold = up.collect();
        self.rekeying.unmoved = self.rekeying.untold.clone();
    }

    /// Sends the latest key to up to `max` connections that do not have it. Returns whether there are more.
    pub fn tell_key(&mut self, max: usize) -> bool {
        for _ in 0..max {
            let Some(connection) = self.rekeying.untold.pop_first() else { break };
            self.send_key(connection);
        }
        !self.rekeying.untold.is_empty()
    }

    /// The number of connections that may still seal under the previous key: they have neither answered a request with the latest key nor ended.
    pub fn unmoved(&self) -> usize {
        self.rekeying.unmoved.len()
    }

    /// Ensures that the next request on a connection carries the latest key. Returns the number of that key.
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
