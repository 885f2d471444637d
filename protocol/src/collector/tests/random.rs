//! Random runs of a collector: nothing is left over, nobody's data is lost, doubled, or out of order.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Op {
    Advance(u64),
    Answer(usize, Reply),
    Connect,
    Cut(usize),
    EndRound(usize, bool),
    /// Finishes a job that was begun before; its worker may be lost.
    FinishJob(usize, bool),
    Push(usize, bool),
    Start,
    Take(usize),
    /// Takes a job to be finished later.
    TakeJob,
}

#[derive(Clone, Copy, Debug)]
enum Reply {
    Empty,
    Good,
    Error,
    Rubbish,
}

fn op() -> impl Strategy<Value = Op> {
    let reply = prop_oneof![
        4 => Just(Reply::Good),
        1 => Just(Reply::Empty),
        1 => Just(Reply::Error),
        1 => Just(Reply::Rubbish),
    ];
    let index = 0_usize..8;
    prop_oneof![
        3 => Just(Op::Connect),
        1 => index.clone().prop_map(Op::Cut),
        2 => Just(Op::Start),
        8 => (index.clone(), reply).prop_map(|(app, reply)| Op::Answer(app, reply)),
        2 => (index.clone(), any::<bool>()).prop_map(|(app, waits)| Op::Push(app, waits)),
        8 => Just(Op::TakeJob),
        8 => (index.clone(), prop::bool::weighted(0.1)).prop_map(|(job, lost)| Op::FinishJob(job, lost)),
        4 => index.clone().prop_map(Op::Take),
        1 => (index, any::<bool>()).prop_map(|(round, delivered)| Op::EndRound(round, delivered)),
        1 => (0_u64..15).prop_map(Op::Advance),
    ]
}

/// A round under way, and what it has handed out.
struct Open {
    id: RoundId,
    served: Vec<AppId>,
    is_over: bool,
}

struct Run {
    world: World,
    apps: Vec<AppId>,
    rounds: Vec<Open>,
    jobs: Vec<Job>,
}

impl Run {
    fn new() -> Self {
        let config = Config { max_rounds: 3, max_pushes: 3, ..Config::default() };
        Self { world: World::new(config), apps: Vec::new(), rounds: Vec::new(), jobs: Vec::new() }
    }

    fn app(&self, index: usize) -> Option<AppId> {
        self.apps.get(index % self.apps.len().max(1)).copied()
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Connect if self.apps.len() < 6 => self.apps.push(self.world.connect()),
            Op::Connect => {}
            Op::Cut(index) => {
                if let Some(app) = self.app(index) {
                    self.apps.retain(|kept| *kept != app);
                    self.world.cut(app);
                }
            }
            Op::Start => self.start(),
            Op::Answer(index, reply) => self.answer(index, reply),
            Op::Push(index, waits) => {
                if let Some(app) = self.app(index) {
                    let connection = &mut self.world.peer(app).app;
                    let sent = if waits {
                        connection.request_response(sealed("push 1\n"))
                    } else {
                        connection.fire_and_forget(sealed("push 1\n"))
                    };
                    sent.unwrap();
                }
            }
            Op::TakeJob => self.jobs.extend(self.world.collector.poll_job()),
            Op::FinishJob(index, lost) => self.finish_job(index, lost),
            Op::Take(index) => self.take(index),
            Op::EndRound(index, delivered) => self.end_round(index, delivered),
            Op::Advance(seconds) => self.world.advance(Duration::from_secs(seconds)),
        }
        self.world.run();
    }

    fn start(&mut self) {
        let deadline = self.world.now + Duration::from_secs(10);
        let started = self.world.collector.start_round(self.world.now, deadline, Form::Snappy);
        assert_eq!(started.is_ok(), self.rounds.len() < 3);
        if let Ok(id) = started {
            self.rounds.push(Open { id, served: Vec::new(), is_over: false });
        }
    }

    fn answer(&mut self, index: usize, reply: Reply) {
        let Some(app) = self.app(index) else { return };
        let peer = self.world.peer(app);
        let Some(stream_id) = peer.asked.pop_front() else { return };
        // It may have been cancelled, which fails the answer.
        let _ = match reply {
            Reply::Empty => peer.app.complete(stream_id),
            Reply::Error => peer.app.reject(stream_id, ErrorCode::APPLICATION_ERROR, "no"),
            Reply::Good => peer.app.respond(stream_id, sealed("good 1\n")),
            Reply::Rubbish => peer.app.respond(stream_id, sealed("} rubbish\n")),
        };
    }

    fn finish_job(&mut self, index: usize, lost: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let job = self.jobs.swap_remove(index % self.jobs.len());
        let done = if lost { job.ticket().lost() } else { work_one(job) };
        self.world.collector.handle_job(self.world.now, done);
    }

    fn take(&mut self, index: usize) {
        let count = self.rounds.len().max(1);
        let Some(round) = self.rounds.get_mut(index % count) else { return };
        loop {
            match self.world.collector.poll_round(round.id) {
                Progress::Section(section) => {
                    assert!(!round.is_over, "nothing follows the end");
                    round.served.push(section.app);
                }
                Progress::Pending => return,
                Progress::Finished(summary) => {
                    assert_eq!(summary.served, round.served.len());
                    assert!(summary.served <= summary.apps);
                    round.is_over = true;
                    break;
                }
            }
        }
        assert!(round.served.is_sorted(), "in the order of ids");
        let unique: BTreeSet<AppId> = round.served.iter().copied().collect();
        assert_eq!(unique.len(), round.served.len(), "nobody twice");
    }

    fn end_round(&mut self, index: usize, delivered: bool) {
        if !self.rounds.is_empty() {
            let round = self.rounds.swap_remove(index % self.rounds.len());
            self.world.collector.end_round(round.id, delivered && round.is_over);
        }
    }

    /// Ends everything, and looks whether anything is left.
    fn finish(mut self) {
        self.world.advance(Duration::from_secs(10));
        for index in 0..self.rounds.len() {
            self.take(index);
            assert!(self.rounds[index].is_over, "a round ends by its deadline");
        }
        while !self.rounds.is_empty() {
            self.end_round(0, true);
        }
        for app in std::mem::take(&mut self.apps) {
            self.world.cut(app);
        }
        while let Some(job) = self.world.collector.poll_job() {
            self.jobs.push(job);
        }
        while !self.jobs.is_empty() {
            self.finish_job(0, false);
        }
        self.world.advance(Config::default().push_ttl);
        let collector = &self.world.collector;
        assert_eq!(collector.pending_bytes(), 0);
        assert_eq!((collector.rounds(), collector.connections()), (0, 0));
        assert_eq!((collector.connected(), collector.held_pushes()), (0, 0));
        assert_eq!(collector.poll_timeout(), None);
        assert!(!collector.has_jobs());
    }
}

proptest! {
    #[test]
    fn nothing_is_left_over_and_nobody_comes_twice(ops in prop::collection::vec(op(), 0..200)) {
        let mut run = Run::new();
        for op in ops {
            run.apply(op);
        }
        run.finish();
    }

    /// Whoever answers well before the deadline, and is opened, is in the round, whatever the others do.
    #[test]
    fn who_answers_in_time_is_in(replies in prop::collection::vec(prop::option::of(any::<bool>()), 1..8)) {
        let mut world = World::new(Config::default());
        let apps: Vec<AppId> = replies.iter().map(|_| world.connect()).collect();
        let round = world.start();
        let mut expected = Vec::new();
        for (app, reply) in apps.iter().zip(&replies).rev() {
            match reply {
                Some(true) => {
                    world.answer(*app, "good 1\n");
                    expected.push("good 1\n".to_owned());
                }
                Some(false) => world.answer(*app, "} rubbish\n"),
                None => {}
            }
        }
        world.work();
        world.advance(Duration::from_secs(10));
        let (texts, summary) = world.take(round);
        prop_assert_eq!(&texts, &expected);
        prop_assert_eq!(summary, Some(Summary { apps: apps.len(), served: expected.len() }));
    }
}
