use prometheus_rsocket_protocol::collector::SessionCommand;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Commands on their way to one connection's task, in order.
///
/// Putting a command in and waking the task are two steps, so that the first can be done under the hub's lock and the second
/// after it.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    commands: VecDeque<SessionCommand>,
    waker: Option<Waker>,
}

/// The inbox holds as many commands as it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Commands that may wait for one connection: two for each request, one for each push, and reports.
const MAX_COMMANDS: usize = 64;

impl Inbox {
    /// Adds a command. Returns the waker of the task, if it waits.
    pub(crate) fn put(&self, command: SessionCommand) -> Result<Option<Waker>, Full> {
        let mut state = self.lock();
        if state.commands.len() >= MAX_COMMANDS {
            return Err(Full);
        }
        state.commands.push_back(command);
        Ok(state.waker.take())
    }

    /// Takes the next command out. The task that polled last is woken by the next one.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<SessionCommand> {
        let mut state = self.lock();
        if let Some(command) = state.commands.pop_front() {
            return Poll::Ready(command);
        }
        if state.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A queue has no step that could be left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
