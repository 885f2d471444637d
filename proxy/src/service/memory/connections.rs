use event_listener::Event;
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Bytes that the connections of all applications hold together. Frames that are not complete count with their whole length, so that a frame that has
/// begun always finds room for its rest.
///
/// * A connection that needs more than is available waits, and is not read meanwhile; the one that needs least comes first. A quarter is reserved for
///   connections that hold no more than [`SMALL`], as most do at most times.
/// * If others wait, connections that have held more than [`SLIGHT`] for [`PATIENCE`] are ended, those that hold most first. They stall in the
///   middle of a frame, or do not read. An idle connection holds nothing, and is never ended; nor is one that waits for the hub to take what it has.
#[derive(Debug)]
pub(crate) struct ConnectionMemory {
    max: usize,
    state: Mutex<State>,
    /// How many bytes are used, for reading without the lock.
    busy: AtomicUsize,
    /// Notified when a connection waits.
    contended: Event,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// Connections that hold anything, or wait.
    holdings: BTreeMap<u64, Holding>,
    /// By how much more they need.
    waiting: BTreeSet<(usize, u64)>,
    next_id: u64,
}

#[derive(Debug, Default)]
struct Holding {
    held: usize,
    /// Since when it has held more than [`SLIGHT`].
    since: Option<Instant>,
    /// Whether it holds what it has because the hub does not take it yet.
    is_held_back: bool,
    /// How much more it waits for.
    missing: Option<usize>,
    waker: Option<Waker>,
    is_evicted: bool,
}

/// What a connection may hold of the reserved quarter: any usual answer.
pub(super) const SMALL: usize = 64 * 1024;

/// The most that does not count as holding much.
const SLIGHT: usize = 4 * 1024;

/// How long a connection may hold much while others wait. The rest of a long frame arrives well within it on any usual network.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How often connections are checked while others wait.
const TICK: Duration = Duration::from_millis(250);

impl ConnectionMemory {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        let (state, busy, contended) = Default::default();
        Arc::new(Self { max, state, busy, contended })
    }

    /// Returns the share of one connection.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        drop(state);
        let memory = Arc::clone(self);
        Lease { memory, id, held: 0, is_waiting: false, is_held_back: false }
    }

    /// Returns how many bytes are held.
    pub(crate) fn used(&self) -> usize {
        self.lock().used
    }

    /// Returns how many bytes may be held.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Returns whether nobody holds anything or waits.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.holdings.is_empty() && state.waiting.is_empty()
    }

    /// Makes room for connections that wait. Never returns.
    pub(crate) async fn run<R: Runtime>(self: Arc<Self>, runtime: R) {
        loop {
            let listener = self.contended.listen();
            while !self.lock().waiting.is_empty() {
                sleep_until(&runtime, runtime.now() + TICK).await;
                self.make_room(runtime.now());
            }
            listener.await;
        }
    }

    /// Ends connections until there is room for all that wait, as long as there are any that have held much for long.
    pub(super) fn make_room(&self, now: Instant) {
        let mut state = self.lock();
        let wanted: usize = state.waiting.iter().map(|(missing, _)| *missing).sum();
        let going = state.holdings.values().filter(|holding| holding.is_evicted);
        let mut freed = going.map(|holding| holding.held).sum::<usize>();
        let mut stale: Vec<(usize, u64)> = state
            .holdings
            .iter()
            .filter(|(_, holding)| holding.is_stale(now))
            .map(|(id, holding)| (holding.held, *id))
            .collect();
        stale.sort_unstable();
        let mut wakers = Vec::new();
        while freed < wanted
            && let Some((held, id)) = stale.pop()
        {
            freed += held;
            if let Some(holding) = state.holdings.get_mut(&id) {
                holding.is_evicted = true;
                wakers.extend(holding.waker.take());
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns how much a connection that holds `held` bytes may read. Once many frames have begun, it is only a little of a frame whose length is
    /// not known yet: if a thousand long ones began at once, each would arrive with a full buffer.
    fn chunk(&self, held: usize) -> usize {
        let is_busy = self.busy.load(Ordering::Relaxed) > self.max / 4;
        if held == 0 && is_busy { SLIGHT } else { usize::MAX }
    }

    /// Returns how much may be used in all by the time that a connection holds `held` bytes.
    fn limit(&self, held: usize) -> usize {
        if held <= SMALL { self.max } else { self.max - self.max / 4 }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    fn is_stale(&self, now: Instant) -> bool {
        let is_old = |since| now.saturating_duration_since(since) >= PATIENCE;
        !self.is_evicted && !self.is_held_back && self.since.is_some_and(is_old)
    }
}

impl State {
    fn set(&mut self, id: u64, now: Instant, held: usize) {
        self.stop_waiting(id);
        let holding = self.holdings.entry(id).or_default();
        self.used = self.used - holding.held + held;
        holding.held = held;
        match (held > SLIGHT, holding.since) {
            (true, None) => holding.since = Some(now),
            (false, Some(_)) => holding.since = None,
            _ => {}
        }
    }

    fn stop_waiting(&mut self, id: u64) {
        if let Some(holding) = self.holdings.get_mut(&id)
            && let Some(missing) = holding.missing.take()
        {
            self.waiting.remove(&(missing, id));
        }
    }

    fn forget(&mut self, id: u64) {
        self.stop_waiting(id);
        if let Some(holding) = self.holdings.remove(&id) {
            self.used -= holding.held;
        }
    }
}

/// One connection's part in [`ConnectionMemory`]. Dropping it returns what the connection holds.
#[derive(Debug)]
pub(crate) struct Lease {
    memory: Arc<ConnectionMemory>,
    id: u64,
    held: usize,
    is_waiting: bool,
    is_held_back: bool,
}

impl Lease {
    /// Declares how much the connection holds from now on. If it may, returns how much to read at most. If it may not, the task is woken when it may
    /// try again.
    pub(crate) fn poll_hold(&mut self, cx: &Context<'_>, now: Instant, held: usize) -> Poll<usize> {
        if held == self.held && !self.is_waiting {
            return Poll::Ready(self.memory.chunk(held));
        }
        let memory = &self.memory;
        let mut state = memory.lock();
        let missing = held.saturating_sub(self.held);
        let others = state.used - self.held;
        // A connection that is over the limit by itself has to wait until it is alone.
        if missing > 0 && others > 0 && others + held > memory.limit(held) {
            state.stop_waiting(self.id);
            let holding = state.holdings.entry(self.id).or_default();
            holding.missing = Some(missing);
            holding.waker = Some(cx.waker().clone());
            state.waiting.insert((missing, self.id));
            self.is_waiting = true;
            drop(state);
            memory.contended.notify(usize::MAX);
            return Poll::Pending;
        }
        let is_less = held < self.held;
        memory.busy.store(others + held, Ordering::Relaxed);
        self.is_waiting = false;
        self.held = held;
        if held == 0 {
            state.forget(self.id);
        } else {
            state.set(self.id, now, held);
            if let Some(holding) = state.holdings.get_mut(&self.id) {
                holding.is_held_back = self.is_held_back;
                holding.waker = Some(cx.waker().clone());
            }
        }
        let wakers = if is_less { memory.first_in_line(&mut state) } else { Vec::new() };
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Poll::Ready(memory.chunk(held))
    }

    /// Declares whether the connection holds what it has because the hub does not take it yet. Once that changes, its time for holding much begins
    /// anew.
    pub(crate) fn set_held_back(&mut self, now: Instant, is_held_back: bool) {
        if std::mem::replace(&mut self.is_held_back, is_held_back) == is_held_back {
            return;
        }
        let mut state = self.memory.lock();
        if let Some(holding) = state.holdings.get_mut(&self.id) {
            holding.is_held_back = is_held_back;
            holding.since = holding.since.map(|_| now);
        }
    }

    /// Returns whether the connection has to end, because others need what it holds.
    pub(crate) fn is_evicted(&self) -> bool {
        let holds = self.held > 0 || self.is_waiting;
        holds && self.memory.lock().holdings.get(&self.id).is_some_and(|it| it.is_evicted)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        state.forget(self.id);
        self.memory.busy.store(state.used, Ordering::Relaxed);
        let wakers = self.memory.first_in_line(&mut state);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl ConnectionMemory {
    /// Returns the tasks of connections for which there is room now. Each takes its room itself.
    fn first_in_line(&self, state: &mut State) -> Vec<Waker> {
        let mut used = state.used;
        let mut wakers = Vec::new();
        for (missing, id) in &state.waiting {
            let Some(holding) = state.holdings.get_mut(id) else { continue };
            if used > 0 && used + missing > self.limit(holding.held + missing) {
                break;
            }
            used += missing;
            wakers.extend(holding.waker.take());
        }
        wakers
    }
}
