//! The content keys of version 2 of the envelope, by connection.

use crate::envelope::v2::{KeyId, KnownKey, Window};
use std::collections::VecDeque;
use std::sync::Arc;

/// The content keys of one connection: the latest two, since messages under the previous one may still be on their way.
#[derive(Debug, Default)]
pub(super) struct ContentKeys(VecDeque<(Arc<KnownKey>, Window)>);

impl ContentKeys {
    pub(super) fn all(&self) -> Vec<Arc<KnownKey>> {
        self.0.iter().map(|(key, _)| Arc::clone(key)).collect()
    }

    /// The key that an offer names as known.
    pub(super) fn latest(&self) -> Option<KeyId> {
        self.0.back().map(|(key, _)| key.id())
    }

    /// Adds a key that was just used, or makes it the latest if it is known.
    pub(super) fn add(&mut self, key: Arc<KnownKey>) {
        if let Some(at) = self.0.iter().position(|(known, _)| known.id() == key.id()) {
            if let Some(known) = self.0.remove(at) {
                self.0.push_back(known);
            }
            return;
        }
        if self.0.len() == MAX_KEYS {
            self.0.pop_front();
        }
        self.0.push_back((key, Window::default()));
    }

    /// Records the counter of a push. Returns whether it is new under this key.
    pub(super) fn accept(&mut self, key: KeyId, counter: u64) -> bool {
        self.window(key).is_some_and(|window| window.accept(counter))
    }

    fn window(&mut self, id: KeyId) -> Option<&mut Window> {
        self.0.iter_mut().find(|(key, _)| key.id() == id).map(|(_, window)| window)
    }
}

const MAX_KEYS: usize = 2;
