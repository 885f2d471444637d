use super::Role;
use crate::rsocket::frame::StreamId;

/// Assigns the ids of the streams that this side opens: odd for a client, even for a server, in steps of two, starting again
/// after 0x7FFFFFFF (Protocol.md, "Stream Identifiers").
#[derive(Debug)]
pub(super) struct StreamIds {
    first: u32,
    next: u32,
    wrapped: bool,
}

impl StreamIds {
    pub(super) fn new(role: Role) -> Self {
        let first = match role {
            Role::Client => 1,
            Role::Server => 2,
        };
        Self { first, next: first, wrapped: false }
    }

    /// Assigns the next id that is not in use. Fewer ids are in use than exist, since the number of streams is bounded, so the
    /// loop ends after at most that many steps.
    pub(super) fn take(&mut self, in_use: impl Fn(StreamId) -> bool) -> StreamId {
        loop {
            let id = StreamId::new(self.next);
            if self.next + 2 > StreamId::MAX.get() {
                self.next = self.first;
                self.wrapped = true;
            } else {
                self.next += 2;
            }
            if !in_use(id) {
                return id;
            }
        }
    }

    /// Whether streams with this id are opened by this side.
    pub(super) fn is_ours(&self, id: StreamId) -> bool {
        !id.is_connection() && id.get() % 2 == self.first % 2
    }

    /// Whether an id of this side was ever assigned.
    pub(super) fn was_taken(&self, id: StreamId) -> bool {
        self.wrapped || id.get() < self.next
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, next: u32) {
        self.next = next;
    }
}
