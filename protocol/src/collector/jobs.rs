//! The order of work on applications' metrics.

#[cfg(test)]
mod tests;

use super::AppId;
use super::job::{Job, JobDone, Purpose};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

#[cfg(planted_faults)]
use crate::planted::{Fault, is_planted};

/// Jobs that wait for a worker.
///
/// Answers to scrapes come before pushes, and answers whose scrape ends first before other answers. Answers with the same
/// deadline keep the order of arrival. Each application has its own queue of pushes, and the queues take turns, one push each.
/// So no application's pushes delay a scrape, and they delay a push of another application by at most one job.
///
/// There is at most one answer per connection. The number of pushes is limited by
/// [`Config::max_pushes`](super::Config::max_pushes) and [`Config::max_app_opening`](super::Config::max_app_opening).
#[derive(Debug, Default)]
pub(super) struct Jobs {
    answers: BTreeMap<Turn, Job>,
    pushes: BTreeMap<AppId, VecDeque<Job>>,
    /// The applications in `pushes`, each once, the next one first.
    turns: VecDeque<AppId>,
    arrivals: u64,
    /// Bytes of answers that are waiting or being opened.
    answer_bytes: usize,
    /// Bytes of pushes that are waiting or being opened.
    push_bytes: usize,
}

/// An answer's place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    deadline: Instant,
    arrival: u64,
}

impl Jobs {
    /// Adds an answer that a scrape waits for until `deadline`. Returns its place.
    pub(super) fn add_answer(&mut self, deadline: Instant, job: Job) -> Turn {
        let turn = Turn { deadline, arrival: self.arrivals };
        self.arrivals += 1;
        self.answer_bytes += job.held();
        self.answers.insert(turn, job);
        turn
    }

    /// Another scrape with this deadline waits for an answer, too. Returns the answer's place, which is never later than before.
    pub(super) fn hurry(&mut self, turn: Turn, deadline: Instant) -> Turn {
        let earlier = Turn { deadline: deadline.min(turn.deadline), ..turn };
        if let Some(job) = self.answers.remove(&turn) {
            self.answers.insert(earlier, job);
        }
        earlier
    }

    /// Drops an answer that no scrape waits for any more, unless a worker has it.
    pub(super) fn forget_answer(&mut self, turn: Turn) {
        if let Some(job) = self.answers.remove(&turn) {
            self.answer_bytes -= job.held();
        }
    }

    /// Adds a push to its application's queue.
    pub(super) fn add_push(&mut self, app: AppId, job: Job) {
        self.push_bytes += job.held();
        let queue = self.pushes.entry(app).or_default();
        if queue.is_empty() {
            self.turns.push_back(app);
        }
        queue.push_back(job);
    }

    /// Takes the next job. Its bytes count until [`on_done`](Self::on_done).
    pub(super) fn pop(&mut self) -> Option<Job> {
        #[cfg(planted_faults)]
        if is_planted(Fault::PushesFirst)
            && let Some(job) = self.pop_push()
        {
            return Some(job);
        }
        self.answers.pop_first().map(|(_, job)| job).or_else(|| self.pop_push())
    }

    /// Returns what [`pop`](Self::pop) would take.
    pub(super) fn peek(&self) -> Option<&Job> {
        let push = || self.pushes.get(self.turns.front()?)?.front();
        #[cfg(planted_faults)]
        if is_planted(Fault::PushesFirst)
            && let Some(job) = push()
        {
            return Some(job);
        }
        self.answers.first_key_value().map(|(_, job)| job).or_else(push)
    }

    fn pop_push(&mut self) -> Option<Job> {
        let app = self.turns.pop_front()?;
        let queue = self.pushes.get_mut(&app)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            self.pushes.remove(&app);
        } else {
            self.turns.push_back(app);
        }
        job
    }

    /// A job is done.
    pub(super) fn on_done(&mut self, done: &JobDone) {
        match done.purpose {
            Purpose::Answer { .. } => self.answer_bytes -= done.held,
            Purpose::Push { .. } => self.push_bytes -= done.held,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.turns.is_empty()
    }

    /// Bytes of answers that are waiting or being opened.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// Bytes of all jobs that are waiting or being run.
    pub(super) fn bytes(&self) -> usize {
        self.answer_bytes + self.push_bytes
    }
}
