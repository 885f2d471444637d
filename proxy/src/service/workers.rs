use crate::current::Current;
use crate::service::hub::Hub;
use crate::service::memory::{TextMemory, Texts};
use crate::store::ring::KeyRing;
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{Job, JobDone, JobTicket, Tools};
use prometheus_rsocket_protocol::envelope::{OpenLimits, Scratch};
use prometheus_rsocket_protocol::exposition::{Inject, Policy};
use prometheus_rsocket_runtime::Runtime;
use std::mem;
use std::sync::Arc;

/// What the workers need to open metrics; shared by all.
pub(crate) struct WorkerContext {
    /// The proxy's keys.
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) rules: Current<Rules>,
    /// The key of the fingerprints of series, drawn at start.
    pub(crate) seed: u64,
    /// The memory for all texts that are being opened.
    pub(crate) texts: Arc<TextMemory>,
    /// The memory for all large texts that are being rendered, and for their results that are not sent yet.
    pub(crate) rendered: Arc<TextMemory>,
}

/// The rules by which texts are read and rendered.
pub(crate) struct Rules {
    /// Limits on opening.
    pub(crate) open: OpenLimits,
    /// What is accepted of a text.
    pub(crate) policy: Arc<Policy>,
    /// Whether a text gets the labels that its application declared.
    pub(crate) inject: Inject,
    /// The level of gzip.
    pub(crate) gzip_level: u32,
}

/// Why a worker has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoJob {
    /// There is no job.
    Empty,
    /// There is no room for the next one.
    NoRoom,
}

/// Does the collector's jobs, away from the event loop. As many of these run as there are cores, which bounds the work under way.
pub(crate) async fn work<R: Runtime>(runtime: R, hub: Arc<Hub>, context: Arc<WorkerContext>) {
    let mut scratch = Scratch::default();
    loop {
        let (job, texts) = next_job(&runtime, &hub, &context).await;
        let worker = Worker {
            runtime: runtime.clone(),
            hub: Arc::clone(&hub),
            context: Arc::clone(&context),
            scratch: mem::take(&mut scratch),
        };
        let ticket = worker.ticket(&job);
        match runtime.unblock(move || worker.run(job, ticket, texts)).await {
            Ok(kept) => scratch = kept,
            Err(error) => tracing::error!(%error, "a worker was lost"),
        }
    }
}

/// Does a few jobs in a row on a thread: handing each over costs two wake-ups, as much as a short job.
struct Worker<R: Runtime> {
    runtime: R,
    hub: Arc<Hub>,
    context: Arc<WorkerContext>,
    scratch: Scratch,
}

impl<R: Runtime> Worker<R> {
    /// Does this job and then the next ones, as far as there is memory for them. Returns its buffers.
    fn run(mut self, job: Job, ticket: Ticket<R>, texts: Texts) -> Scratch {
        self.finish(job, ticket, texts);
        for _ in 1..MAX_IN_A_ROW {
            let Ok((job, texts)) = self.hub.take_job(self.runtime.now(), self.context.room())
            else {
                break;
            };
            let ticket = self.ticket(&job);
            self.finish(job, ticket, texts);
        }
        self.scratch
    }

    fn finish(&mut self, job: Job, ticket: Ticket<R>, texts: Texts) {
        let mut blinding = [0; 32];
        match self.runtime.fill_random(&mut blinding) {
            Ok(()) => {
                let rules = self.context.rules.get();
                let done = job.run(&self.context.tools(&rules), &mut self.scratch, blinding);
                drop(texts);
                ticket.hand_in(done);
            }
            Err(error) => tracing::error!(%error, "the system gives no randomness"),
        }
    }

    fn ticket(&self, job: &Job) -> Ticket<R> {
        let (runtime, hub) = (self.runtime.clone(), Arc::clone(&self.hub));
        Ticket { runtime, hub, ticket: Some(job.ticket()) }
    }
}

/// Hands in a job's result. If it is dropped before that, reports that there is none: the job panicked, or was never run.
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

/// Jobs in a row, before others have the thread.
const MAX_IN_A_ROW: usize = 4;

/// Waits for a job, and for the memory that its text may take. A job is taken out of its queue only when there is memory: so the most urgent job is
/// always the next one, and none is done for a scrape that has ended meanwhile.
async fn next_job<R: Runtime>(runtime: &R, hub: &Hub, context: &WorkerContext) -> (Job, Texts) {
    loop {
        if let Ok(next) = hub.take_job(runtime.now(), context.room()) {
            return next;
        }
        let (jobs, freed) = (hub.listen_for_jobs(), context.texts.listen());
        match hub.take_job(runtime.now(), context.room()) {
            Ok(next) => return next,
            Err(NoJob::Empty) => jobs.await,
            Err(NoJob::NoRoom) => or(jobs, freed).await,
        }
    }
}

impl WorkerContext {
    /// Takes the memory for a job's text, if it is available.
    fn room(&self) -> impl FnOnce(&Job) -> Option<Texts> {
        |job| self.texts.try_take(job.text_estimate(&self.rules.get().open))
    }

    pub(crate) fn tools<'a>(&'a self, rules: &'a Rules) -> Tools<'a> {
        Tools {
            keys: &*self.keys,
            open: &rules.open,
            policy: &rules.policy,
            inject: rules.inject,
            seed: self.seed,
        }
    }
}

#[cfg(test)]
mod tests;
