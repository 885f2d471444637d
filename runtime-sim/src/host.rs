use crate::agenda::{Due, Key};
use crate::net::{self, SimListener, SimStream};
use crate::world::World;
use prometheus_rsocket_runtime::{JobLost, Runtime, Timer, sleep_until};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

/// A machine in a simulated world, and the runtime of the only process on it.
#[derive(Clone)]
pub struct SimHost {
    pub(crate) world: Arc<World>,
    pub(crate) id: usize,
}

impl SimHost {
    /// Returns its address.
    pub fn address(&self) -> IpAddr {
        crate::state::address_of(self.id)
    }

    /// Returns its name.
    pub fn name(&self) -> String {
        self.world.state().hosts[self.id].name.clone()
    }
}

impl std::fmt::Debug for SimHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimHost({})", self.id)
    }
}

impl Runtime for SimHost {
    type Stream = SimStream;
    type Listener = SimListener;
    type Timer = SimTimer;

    fn now(&self) -> Instant {
        self.world.now(self.id)
    }

    fn timer(&self) -> SimTimer {
        SimTimer { world: Arc::clone(&self.world), host: self.id, deadline: None, entry: None }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(self.id, Box::pin(future));
    }

    /// The job runs as its own task, in no time, at a random moment within the host's limit for jobs.
    fn unblock<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JobLost>> + Send + 'static {
        let slot = Arc::new(Slot(Mutex::new(Outcome::Waiting(None))));
        let done = Finish(Arc::clone(&slot));
        let host = self.clone();
        let took = self.world.job_time(self.id);
        self.spawn(async move {
            sleep_until(&host, host.now() + took).await;
            if let Ok(output) = catch_unwind(AssertUnwindSafe(job)) {
                done.0.finish(Ok(output));
            }
        });
        std::future::poll_fn(move |cx| slot.poll(cx))
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<SimStream> {
        net::connect(self, host, port).await
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.world.state().keys.fill(bytes);
        Ok(())
    }

    fn parallelism(&self) -> usize {
        2
    }

    /// If it is known, the world begins with the year 2026.
    fn time_of_day(&self) -> Option<SystemTime> {
        let state = self.world.state();
        let host = &state.hosts[self.id];
        let now = Duration::from_secs(1_767_225_600) + state.now + host.ahead;
        SystemTime::UNIX_EPOCH.checked_add(now).filter(|_| host.has_calendar)
    }

    async fn bind(&self, addr: SocketAddr) -> io::Result<SimListener> {
        SimListener::bind(self, addr)
    }
}

/// Where a job's result waits.
struct Slot<T>(Mutex<Outcome<T>>);

enum Outcome<T> {
    Done(Result<T, JobLost>),
    Taken,
    Waiting(Option<Waker>),
}

impl<T> Slot<T> {
    fn finish(&self, result: Result<T, JobLost>) {
        let mut outcome = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Outcome::Waiting(waker) = &mut *outcome {
            let waker = waker.take();
            *outcome = Outcome::Done(result);
            drop(outcome);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, JobLost>> {
        let mut outcome = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *outcome, Outcome::Taken) {
            Outcome::Done(result) => Poll::Ready(result),
            Outcome::Taken => Poll::Pending,
            Outcome::Waiting(_) => {
                *outcome = Outcome::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

/// Marks the job as lost if it did not finish.
struct Finish<T>(Arc<Slot<T>>);

impl<T> Drop for Finish<T> {
    fn drop(&mut self) {
        self.0.finish(Err(JobLost));
    }
}

/// A timer on a host's simulated clock, which fires exactly at its deadline, unless the clock jumps.
pub struct SimTimer {
    world: Arc<World>,
    host: usize,
    /// On the host's clock.
    deadline: Option<Duration>,
    entry: Option<Key>,
}

impl SimTimer {
    fn disarm(&mut self) {
        if let Some(entry) = self.entry.take() {
            let due = self.world.state().agenda.remove(entry);
            // Dropping the waker may run any code, so the lock is not held.
            drop(due);
        }
    }
}

impl Timer for SimTimer {
    fn reset(&mut self, deadline: Instant) {
        self.disarm();
        self.deadline = Some(self.world.since_origin(deadline));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let mut state = self.world.state();
        let ahead = state.hosts[self.host].ahead;
        if deadline <= state.now + ahead {
            drop(state);
            self.disarm();
            return Poll::Ready(());
        }
        let wake = || Due::Wake { host: self.host, waker: cx.waker().clone() };
        if !self.entry.is_some_and(|entry| state.agenda.replace(entry, wake())) {
            self.entry = Some(state.agenda.put(deadline - ahead, wake()));
        }
        Poll::Pending
    }
}

impl Drop for SimTimer {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl std::fmt::Debug for SimTimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimTimer({:?})", self.deadline)
    }
}
