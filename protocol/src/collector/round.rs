use super::push::PushId;
use super::{AppId, Form, ScrapeFailure, Section};
use std::collections::BTreeMap;
use std::time::Instant;

/// One scrape: what every application that was there at its start has come to.
///
/// A slot leaves the table once its outcome has been handed out, in the order of the applications' ids, so that the
/// answer's order is the same each time and what has been sent is not held.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    pub(super) form: Form,
    pub(super) slots: BTreeMap<AppId, Slot>,
    /// Pushes that were handed out.
    pub(super) pushes: Vec<(AppId, PushId)>,
    /// Whether the deadline has passed and nothing is waited for any more.
    pub(super) is_over: bool,
    pub(super) summary: Summary,
}

/// Where an application is in a round.
#[derive(Debug)]
pub(super) enum Slot {
    /// Asked; nothing came yet.
    Asked,
    /// Gone while its push is being opened; that push will stand in for its answer.
    AwaitingPush,
    /// Its answer or its push is being opened.
    Opening,
    /// To be handed out; with the id of the push where it is one.
    Ready(Section, Option<PushId>),
    /// Failed; already reported.
    Failed,
}

/// How a round went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Applications that the round asked, and pushes that it found.
    pub apps: usize,
    /// Of these, those whose metrics were handed out.
    pub served: usize,
}

/// What a round has to hand out next.
#[derive(Debug)]
pub enum Progress {
    /// The round is over, or never was.
    Finished(Summary),
    /// Nothing yet.
    Pending,
    /// The next application's metrics.
    Section(Section),
}

impl Round {
    pub(super) fn new(started: Instant, deadline: Instant, form: Form) -> Self {
        Self {
            started,
            deadline,
            form,
            slots: BTreeMap::new(),
            pushes: Vec::new(),
            is_over: false,
            summary: Summary::default(),
        }
    }

    pub(super) fn insert(&mut self, app: AppId, slot: Slot) {
        self.slots.insert(app, slot);
        self.summary.apps += 1;
    }

    /// What comes next in the order of applications.
    pub(super) fn next(&mut self) -> Progress {
        loop {
            let Some(first) = self.slots.first_entry() else {
                return Progress::Finished(self.summary);
            };
            match first.get() {
                Slot::Asked | Slot::AwaitingPush | Slot::Opening => return Progress::Pending,
                Slot::Failed | Slot::Ready(..) => {}
            }
            let app = *first.key();
            if let Slot::Ready(section, push) = first.remove() {
                self.summary.served += 1;
                self.pushes.extend(push.map(|push| (app, push)));
                return Progress::Section(section);
            }
        }
    }

    /// Whether [`next`](Self::next) has something to say.
    pub(super) fn has_news(&self) -> bool {
        match self.slots.first_key_value() {
            None | Some((_, Slot::Failed | Slot::Ready(..))) => true,
            Some((_, Slot::Asked | Slot::AwaitingPush | Slot::Opening)) => false,
        }
    }

    /// Applications that are still being waited for, and how each is reported if the round ends now.
    pub(super) fn unfinished(&self) -> Vec<(AppId, bool, ScrapeFailure)> {
        self.slots
            .iter()
            .filter_map(|(app, slot)| match slot {
                Slot::Asked => Some((*app, true, ScrapeFailure::TimedOut)),
                Slot::AwaitingPush | Slot::Opening => {
                    Some((*app, false, ScrapeFailure::Overloaded))
                }
                Slot::Failed | Slot::Ready(..) => None,
            })
            .collect()
    }
}
