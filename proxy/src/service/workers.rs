use crate::service::hub::Hub;
use crate::service::memory::{TextMemory, Texts};
use prometheus_rsocket_protocol::collector::{Job, JobDone, JobTicket, Tools};
use prometheus_rsocket_protocol::envelope::{KeyUnwrap, OpenLimits, Scratch};
use prometheus_rsocket_protocol::exposition::{Inject, Policy};
use prometheus_rsocket_runtime::Runtime;
use std::mem;
use std::sync::Arc;

/// What the workers open metrics with; the same for all.
pub(crate) struct Toolbox {
    /// The proxy's key pair.
    pub(crate) keys: Box<dyn KeyUnwrap>,
    /// Limits of opening.
    pub(crate) open: OpenLimits,
    /// What is accepted of a text.
    pub(crate) policy: Policy,
    /// Whether a text gets the labels that its application said.
    pub(crate) inject: Inject,
    /// The key of the series' fingerprints, drawn at start.
    pub(crate) seed: u64,
    /// The level of gzip.
    pub(crate) gzip_level: u32,
    /// What all texts that are being opened take.
    pub(crate) texts: Arc<TextMemory>,
    /// What all large texts that are being rendered take, and what was made of them and is not sent.
    pub(crate) rendered: Arc<TextMemory>,
}

/// Does the collector's jobs, away from the event loop. As many of these run as there are cores, which bounds the work under way.
pub(crate) async fn work<R: Runtime>(runtime: R, hub: Arc<Hub>, toolbox: Arc<Toolbox>) {
    let (mut scratch, mut next) = (Scratch::default(), None);
    loop {
        let job = match next.take().map_or_else(|| hub.next_job(runtime.now()), Ok) {
            Ok(job) => job,
            Err(listener) => {
                listener.await;
                continue;
            }
        };
        let texts = toolbox.texts.take(job.text_estimate(&toolbox.open)).await;
        let worker = Worker {
            runtime: runtime.clone(),
            hub: Arc::clone(&hub),
            toolbox: Arc::clone(&toolbox),
            scratch: mem::take(&mut scratch),
        };
        let first = worker.begin(job, texts);
        match runtime.unblock(move || worker.run(first)).await {
            Ok(rest) => (scratch, next) = rest,
            Err(error) => tracing::error!(%error, "a worker was lost"),
        }
    }
}

/// What does a few jobs in a row on a thread of its own: to hand each over costs two wake-ups, as much as a short job.
struct Worker<R: Runtime> {
    runtime: R,
    hub: Arc<Hub>,
    toolbox: Arc<Toolbox>,
    scratch: Scratch,
}

impl<R: Runtime> Worker<R> {
    fn begin(&self, job: Job, texts: Texts) -> Doing<R> {
        let ticket = Ticket {
            runtime: self.runtime.clone(),
            hub: Arc::clone(&self.hub),
            ticket: Some(job.ticket()),
        };
        Doing { job, ticket, _texts: texts }
    }

    /// Does this job and those that wait then. Returns its buffers, and a job that there is no memory for at the moment.
    fn run(mut self, mut doing: Doing<R>) -> (Scratch, Option<Job>) {
        for _ in 1..MAX_IN_A_ROW {
            self.finish(doing);
            let Some(next) = self.hub.poll_job(self.runtime.now()) else {
                return (self.scratch, None);
            };
            match self.toolbox.texts.try_take(next.text_estimate(&self.toolbox.open)) {
                Some(texts) => doing = self.begin(next, texts),
                None => return (self.scratch, Some(next)),
            }
        }
        self.finish(doing);
        (self.scratch, None)
    }

    fn finish(&mut self, doing: Doing<R>) {
        let Doing { job, ticket, _texts } = doing;
        let mut blinding = [0; 32];
        match self.runtime.fill_random(&mut blinding) {
            Ok(()) => ticket.hand_in(job.run(&self.toolbox.tools(), &mut self.scratch, blinding)),
            Err(error) => tracing::error!(%error, "the system gives no randomness"),
        }
    }
}

/// A job under way.
struct Doing<R: Runtime> {
    job: Job,
    ticket: Ticket<R>,
    _texts: Texts,
}

/// Hands in a job's result, or that there will be none: it panicked, or was never run.
struct Ticket<R: Runtime> {
    runtime: R,
    hub: Arc<Hub>,
    ticket: Option<JobTicket>,
}

impl<R: Runtime> Ticket<R> {
    fn hand_in(mut self, done: JobDone) {
        self.ticket = None;
        self.hub.handle_job(self.runtime.now(), done);
    }
}

impl<R: Runtime> Drop for Ticket<R> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.hub.handle_job(self.runtime.now(), ticket.lost());
        }
    }
}

/// Then others have the thread.
const MAX_IN_A_ROW: usize = 16;

impl Toolbox {
    pub(crate) fn tools(&self) -> Tools<'_> {
        Tools {
            keys: self.keys.as_ref(),
            open: &self.open,
            policy: &self.policy,
            inject: self.inject,
            seed: self.seed,
        }
    }
}
