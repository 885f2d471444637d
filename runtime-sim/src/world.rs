use crate::agenda::Due;
use crate::balancer::{Balance, Balancer};
use crate::connection::{LinkConfig, Way};
use crate::executor::{Future_, Polled, Ready, Task};
use crate::host::SimHost;
use crate::state::State;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// A simulated world. Clones are handles to the same world.
///
/// # Panics
///
/// Methods that run the world panic if the tasks never come to rest: after more than 250,000 polls without time passing.
#[derive(Clone)]
pub struct Sim {
    world: Arc<World>,
    _owner: Arc<Owner>,
}

/// A fault in the connections of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// Bytes are lost from now on in both directions, and neither end is notified.
    Cut,
    /// What the host sends is lost from now on, without notice; it still receives.
    Mute,
    /// The connection is reset for both ends.
    Reset,
    /// Nothing arrives for this time; then everything does.
    Stall(Duration),
}

pub(crate) struct World {
    origin: Instant,
    ready: Arc<Ready>,
    state: Mutex<State>,
}

impl Sim {
    /// A world without hosts, in which everything follows from `seed`.
    #[expect(clippy::disallowed_methods, reason = "an origin; there is no other way to make one")]
    pub fn new(seed: u64) -> Self {
        let state = Mutex::new(State::new(seed));
        let world = Arc::new(World { origin: Instant::now(), ready: Arc::default(), state });
        let owner = Arc::new(Owner(Arc::clone(&world)));
        Self { world, _owner: owner }
    }

    /// Returns the host of this name, which is added if there is none.
    pub fn host(&self, name: &str) -> SimHost {
        let id = self.world.state().add_host(name);
        SimHost { world: Arc::clone(&self.world), id }
    }

    /// Makes a name stand for several hosts, like a TCP load balancer: each new connection goes to one of them. Open
    /// connections stay where they are. With no hosts, the name cannot be resolved.
    pub fn balance(&self, name: &str, balance: Balance, hosts: &[SimHost]) {
        let mut guard = self.world.state();
        let State { now, log, balancers, .. } = &mut *guard;
        let hosts: Vec<usize> = hosts.iter().map(|host| host.id).collect();
        log.event(*now, format_args!("{name} stands for {hosts:?}, {balance:?}"));
        let balancer = Balancer::new(balance, hosts, balancers.get(name));
        balancers.insert(name.to_owned(), balancer);
    }

    /// Returns the host that `host` last connected to; `None` if it never connected.
    pub fn reached(&self, host: &SimHost) -> Option<SimHost> {
        let id = self.world.state().hosts[host.id].reached?;
        Some(SimHost { world: Arc::clone(&self.world), id })
    }

    /// Makes the time of day available on a host. Programs may then also report facts of the real process, so that runs are no longer repeatable.
    pub fn set_calendar(&self, host: &SimHost) {
        self.world.state().hosts[host.id].has_calendar = true;
    }

    /// Returns the number of connections that `host` has opened.
    pub fn connected(&self, host: &SimHost) -> u64 {
        self.world.state().hosts[host.id].connected
    }

    /// Returns the number of connections requested to a port of `host`, successful or not.
    pub fn asked(&self, host: &SimHost, port: u16) -> u64 {
        self.world.state().hosts[host.id].asked.get(&port).copied().unwrap_or(0)
    }

    /// Sets the properties of the connections that `host` opens from now on.
    pub fn set_link(&self, host: &SimHost, link: LinkConfig) {
        self.world.state().hosts[host.id].link = link;
    }

    /// Sets the longest duration of a job of `host`; 1 ms by default.
    pub fn set_job_time(&self, host: &SimHost, max: Duration) {
        self.world.state().hosts[host.id].job_time_max = max;
    }

    /// Runs the world until `future` is done. The future runs on a host of its own.
    ///
    /// # Panics
    ///
    /// If nothing is left to happen before `future` is done, because a wake-up was lost; or if `future` panics.
    pub fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let output = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&output);
        let driver = self.host("driver");
        let mut future = Box::pin(future);
        self.world.spawn(
            driver.id,
            Box::pin(async move {
                // A panic belongs to the caller, not to a task.
                let output = poll_fn(|cx| {
                    let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
                    polled.map_or_else(|panic| Poll::Ready(Err(panic)), |polled| polled.map(Ok))
                });
                let output = output.await;
                drop(future);
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(output);
            }),
        );
        let take = || output.lock().unwrap_or_else(PoisonError::into_inner).take();
        loop {
            let goes_on = self.world.step(None);
            if let Some(output) = take() {
                return output.unwrap_or_else(|panic| resume_unwind(panic));
            }
            let now = self.elapsed();
            assert!(goes_on, "after {now:?} every task waits, and nothing is left to happen");
        }
    }

    /// Runs the world for this time, whether or not anything happens.
    pub fn run_for(&self, time: Duration) {
        let until = self.elapsed() + time;
        while self.world.step(Some(until)) {}
    }

    /// Returns the time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.world.state().now
    }

    /// Returns a hash of all steps so far. It is the same for two runs only if the same happened in both, in the same order.
    pub fn digest(&self) -> u64 {
        self.world.state().log.digest()
    }

    /// Passes every event to `sink` from now on, with the time since the world began. `sink` is called under the world's lock.
    pub fn log_to(&self, sink: impl FnMut(Duration, &str) + Send + 'static) {
        self.world.state().log.set_sink(Box::new(sink));
    }

    /// Adds a line to the log and to the digest.
    pub fn note(&self, line: &str) {
        let mut state = self.world.state();
        let now = state.now;
        state.log.event(now, format_args!("{line}"));
    }

    /// Applies a fault to all open connections of a host.
    pub fn strike(&self, host: &SimHost, strike: Strike) {
        let mut guard = self.world.state();
        let State { now, log, connections, hosts, .. } = &mut *guard;
        log.event(*now, format_args!("{}: {strike:?}", hosts[host.id].name));
        let mut wakers: Vec<Waker> = Vec::new();
        for connection in connections.values_mut().filter(|c| c.hosts.contains(&host.id)) {
            match strike {
                Strike::Cut | Strike::Mute => {
                    for end in 0..2 {
                        if strike == Strike::Cut || connection.hosts[end] == host.id {
                            connection.cut(*now, end);
                        }
                    }
                }
                Strike::Reset => {
                    connection.reset();
                    wakers.extend(connection.ways.iter_mut().flat_map(Way::take_wakers));
                }
                Strike::Stall(time) => connection.stalled_until = *now + time,
            }
        }
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Sets whether a host is cut off: no connections to or from other hosts can be opened. Open connections are not affected.
    pub fn isolate(&self, host: &SimHost, isolated: bool) {
        let mut guard = self.world.state();
        let State { now, log, hosts, .. } = &mut *guard;
        let host = &mut hosts[host.id];
        let how = if isolated { "isolated" } else { "reached again" };
        log.event(*now, format_args!("{} is {how}", host.name));
        host.isolated = isolated;
    }

    /// Suspends a host for a time, like a stopped process: it runs nothing, but its sockets stay open and fill.
    pub fn pause(&self, host: &SimHost, time: Duration) {
        let mut state = self.world.state();
        let now = state.now;
        let until = state.hosts[host.id].paused_until.max(now + time);
        let State { log, hosts, .. } = &mut *state;
        log.event(now, format_args!("{} is paused for {time:?}", hosts[host.id].name));
        state.hosts[host.id].paused_until = until;
        state.agenda.put(until, Due::Resume { host: host.id });
    }

    /// Moves a host's clock forward, as if its machine had been suspended while the other clocks stood still.
    pub fn jump(&self, host: &SimHost, time: Duration) {
        let mut guard = self.world.state();
        let State { now, log, hosts, agenda, .. } = &mut *guard;
        log.event(*now, format_args!("the clock of {} jumps by {time:?}", hosts[host.id].name));
        hosts[host.id].ahead += time;
        // Timers that are not due yet are armed again when they are polled.
        let wakers = agenda.take_timers(host.id);
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends everything that runs on a host, like a killed process. This closes its sockets.
    pub fn crash(&self, host: &SimHost) {
        let mut state = self.world.state();
        let State { now, log, hosts, .. } = &mut *state;
        log.event(*now, format_args!("{} crashes", hosts[host.id].name));
        let ids = state.tasks.values().filter(|task| task.host == host.id).map(|task| task.id);
        let ids: Vec<u64> = ids.collect();
        let tasks: Vec<Arc<Task>> = ids.iter().filter_map(|id| state.tasks.remove(id)).collect();
        drop(state);
        tasks.iter().for_each(|task| task.kill());
    }

    /// Returns the number of unfinished futures that were spawned on `host`.
    pub fn tasks(&self, host: &SimHost) -> usize {
        self.world.state().tasks.values().filter(|task| task.host == host.id).count()
    }

    /// Returns the number of connections of `host` with an open end.
    pub fn connections(&self, host: &SimHost) -> usize {
        let state = self.world.state();
        state.connections.values().filter(|connection| connection.hosts.contains(&host.id)).count()
    }

    /// Returns when the oldest [cut](Strike::Cut) or [muted](Strike::Mute) connection of `host` with an open end was hit, as
    /// time since the world began. Cutting it again changes nothing, except that cutting a muted connection counts anew.
    pub fn oldest_cut(&self, host: &SimHost) -> Option<Duration> {
        let state = self.world.state();
        let of_host = state.connections.values().filter(|c| c.hosts.contains(&host.id));
        of_host.filter_map(|connection| connection.cut_since).min()
    }

    /// Returns the number of futures that have panicked.
    pub fn panics(&self) -> usize {
        self.world.state().panics
    }

    /// Returns how often futures were polled.
    pub fn polls(&self) -> u64 {
        self.world.state().polls
    }
}

/// Ends all tasks with the last handle: tasks and world own each other.
struct Owner(Arc<World>);

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        tasks.values().for_each(|task| task.kill());
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sim({:?})", self.elapsed())
    }
}

impl World {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time on a host's clock.
    pub(crate) fn now(&self, host: usize) -> Instant {
        let state = self.state();
        self.origin + state.now + state.hosts[host].ahead
    }

    pub(crate) fn since_origin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.origin)
    }

    pub(crate) fn spawn(&self, host: usize, future: Future_) -> u64 {
        let mut state = self.state();
        if state.is_over {
            drop(state);
            drop(future);
            return 0;
        }
        state.task_ids += 1;
        let task = Task::new(state.task_ids, host, future, Arc::clone(&self.ready));
        state.tasks.insert(task.id, Arc::clone(&task));
        drop(state);
        let id = task.id;
        self.ready.push(task);
        id
    }

    pub(crate) fn job_time(&self, host: usize) -> Duration {
        let mut guard = self.state();
        let State { hosts, rng, .. } = &mut *guard;
        Duration::from_nanos(rng.u64(0..=hosts[host].job_time_max.as_nanos() as u64))
    }

    /// Polls all woken tasks, and then moves the time to the next event, but not beyond `until`. Returns whether there may be more to do.
    fn step(&self, until: Option<Duration>) -> bool {
        self.poll_ready();
        let mut guard = self.state();
        let state = &mut *guard;
        let next = state.agenda.next();
        match (next, until) {
            (None, None) => return false,
            (next, Some(until)) if next.is_none_or(|next| next > until) => {
                state.now = until;
                return false;
            }
            (Some(next), _) => state.now = state.now.max(next),
            (None, Some(_)) => return false,
        }
        let mut wakers = Vec::new();
        match state.agenda.pop() {
            Some(Due::Deliver { connection, from }) => wakers = state.deliver(connection, from),
            // A second pause may have begun during the first.
            Some(Due::Resume { host }) if state.hosts[host].paused_until <= state.now => {
                let parked = std::mem::take(&mut state.hosts[host].parked);
                parked.into_iter().for_each(|task| self.ready.push(task));
            }
            Some(Due::Wake { waker, .. }) => wakers.push(waker),
            Some(Due::Resume { .. }) | None => {}
        }
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    fn poll_ready(&self) {
        for _ in 0..POLLS_MAX {
            let mut guard = self.state();
            let state = &mut *guard;
            let Some(task) = self.ready.take(|len| state.rng.usize(..len)) else { return };
            let host = &mut state.hosts[task.host];
            if host.paused_until > state.now {
                host.parked.push_back(task);
                continue;
            }
            state.polls += 1;
            state.log.step(state.now, POLL, task.id);
            drop(guard);
            let polled = task.poll();
            if polled == Polled::Pending {
                continue;
            }
            let mut state = self.state();
            state.panics += usize::from(polled == Polled::Panicked);
            let over = state.tasks.remove(&task.id);
            drop(state);
            drop(over);
        }
        panic!("the tasks never come to rest");
    }
}

/// The number of polls without time passing that counts as an endless loop.
const POLLS_MAX: usize = 250_000;
/// The kind of step that a poll is.
const POLL: u8 = 1;
