use super::super::job::Job;
use super::super::push::PushId;
use super::super::request::RequestId;
use super::*;
use crate::Payload;
use crate::collector::ConnectionId;
use crate::collector::Injected;
use proptest::prelude::*;
use std::time::Duration;

fn job(purpose: Purpose) -> Job {
    let payload = Payload::from_data("12345");
    Job { purpose, payload, expected: None, labels: Injected::default() }
}

fn answer(number: u64) -> Job {
    job(Purpose::Answer { connection: ConnectionId(number), request: RequestId(number) })
}

fn push(number: u64) -> Job {
    job(Purpose::Push { push: PushId(number) })
}

fn pop(jobs: &mut Jobs) -> Option<Purpose> {
    let peeked = jobs.peek().map(|job| job.purpose);
    let popped = jobs.pop().map(|job| job.purpose);
    assert_eq!(peeked, popped);
    popped
}

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
    Instant::now()
}

#[test]
fn answers_come_first_by_deadline_and_then_by_arrival() {
    let (mut jobs, soon) = (Jobs::default(), start());
    let late = soon + Duration::from_secs(9);
    jobs.add_push(AppId(1), push(0));
    for (number, deadline) in [(1, late), (2, soon), (3, late), (4, soon)] {
        jobs.add_answer(deadline, answer(number));
    }
    for number in [2, 4, 1, 3] {
        assert_eq!(pop(&mut jobs), Some(answer(number).purpose));
    }
    assert_eq!(pop(&mut jobs), Some(push(0).purpose));
    assert!(jobs.is_empty());
}

#[test]
fn an_answer_moves_forward_and_never_back() {
    let (mut jobs, soon) = (Jobs::default(), start());
    let late = soon + Duration::from_secs(9);
    jobs.add_answer(soon + Duration::from_secs(1), answer(1));
    let turn = jobs.add_answer(late, answer(2));
    let turn = jobs.hurry(turn, soon);
    assert_eq!(jobs.hurry(turn, late), turn);
    assert_eq!(pop(&mut jobs), Some(answer(2).purpose));
    // A worker has it, so it can neither be moved nor dropped.
    jobs.hurry(turn, soon);
    jobs.forget_answer(turn);
    assert_eq!(jobs.answer_bytes(), 2 * answer(1).held());
}

#[test]
fn a_forgotten_answer_frees_its_bytes() {
    let (mut jobs, now) = (Jobs::default(), start());
    let turn = jobs.add_answer(now, answer(1));
    jobs.forget_answer(turn);
    assert_eq!((jobs.bytes(), jobs.is_empty()), (0, true));
    assert!(jobs.pop().is_none());
}

proptest! {
    /// With k applications that have pushes waiting, each has every k-th turn, however many pushes the others have. A new push
    /// waits for one push of each other application, and for the earlier ones of its own. No answer waits behind a push.
    #[test]
    fn pushes_are_served_in_turn(counts in prop::collection::vec(1_usize..20, 1..6), answers in 0_u64..4) {
        let (mut jobs, now) = (Jobs::default(), start());
        let mut left: Vec<(AppId, usize)> = Vec::new();
        for (app, count) in counts.iter().enumerate() {
            let app = AppId(app as u64);
            left.push((app, *count));
            for nth in 0..*count {
                jobs.add_push(app, push(app.0 * 100 + nth as u64));
            }
        }
        for number in 0..answers {
            jobs.add_answer(now, answer(number));
        }
        for number in 0..answers {
            prop_assert_eq!(pop(&mut jobs), Some(answer(number).purpose));
        }
        let mut nth = 0;
        while !left.is_empty() {
            for (app, _) in &left {
                prop_assert_eq!(pop(&mut jobs), Some(push(app.0 * 100 + nth).purpose));
            }
            left.iter_mut().for_each(|(_, count)| *count -= 1);
            left.retain(|(_, count)| *count > 0);
            nth += 1;
        }
        prop_assert!(jobs.is_empty() && jobs.pop().is_none());
    }

    /// In any order of adding and taking, each application's pushes keep their order, and between two turns of an application
    /// there is at most one push of each other.
    #[test]
    fn a_flood_delays_a_push_by_one_job(ops in prop::collection::vec((0_u64..5, any::<bool>()), 0..100)) {
        let mut jobs = Jobs::default();
        let mut waiting: BTreeMap<AppId, VecDeque<u64>> = BTreeMap::new();
        let mut passed_over: BTreeMap<AppId, Vec<AppId>> = BTreeMap::new();
        for (number, (app, adds)) in ops.into_iter().enumerate() {
            let (app, number) = (AppId(app), number as u64);
            if adds {
                let queue = waiting.entry(app).or_default();
                if queue.is_empty() {
                    passed_over.insert(app, Vec::new());
                }
                queue.push_back(number);
                jobs.add_push(app, push(number));
                continue;
            }
            let Some(Purpose::Push { push }) = pop(&mut jobs) else { continue };
            let served = waiting.iter_mut().find(|(_, queue)| queue.front() == Some(&push.0));
            let (served, queue) = served.expect("the first of a queue");
            queue.pop_front();
            let served = *served;
            passed_over.insert(served, Vec::new());
            for (app, others) in &mut passed_over {
                if *app != served && waiting.get(app).is_some_and(|queue| !queue.is_empty()) {
                    prop_assert!(!others.contains(&served), "{served} twice before {app}");
                    others.push(served);
                }
            }
        }
    }
}
