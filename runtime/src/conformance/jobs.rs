use super::{Leaf, support::panic_quietly};
use crate::{JobLost, Runtime};
use futures_lite::future::poll_once;
use std::sync::mpsc;

pub async fn a_job_gives_its_result<L: Leaf>(runtime: L::Runtime) {
    let text = "on another thread".to_owned();
    let job = runtime.unblock(move || text.len());
    assert_eq!(job.await, Ok(17));
}

/// Enough jobs to block every thread that runs futures, if they ran there.
pub async fn jobs_do_not_hold_up_the_event_loop<L: Leaf>(runtime: L::Runtime) {
    if !L::JOBS_MAY_BLOCK {
        return;
    }
    let mut jobs = Vec::new();
    let mut senders = Vec::new();
    for _ in 0..L::THREADS + 2 {
        let (sender, receiver) = mpsc::channel();
        jobs.push(runtime.unblock(move || receiver.recv_timeout(L::PATIENCE / 2)));
        senders.push(sender);
    }
    runtime.spawn(async move {
        for sender in senders {
            sender.send(5).unwrap();
        }
    });
    for job in jobs {
        assert_eq!(job.await, Ok(Ok(5)));
    }
}

pub async fn a_job_that_panics_is_lost_and_no_other<L: Leaf>(runtime: L::Runtime) {
    for _ in 0..20 {
        let job = runtime.unblock(|| panic_quietly());
        assert_eq!(job.await, Err::<(), _>(JobLost));
    }
    assert_eq!(runtime.unblock(|| 5).await, Ok(5));
}

pub async fn a_job_that_is_not_waited_for_does_no_harm<L: Leaf>(runtime: L::Runtime) {
    for number in 0..20 {
        let job = runtime.unblock(move || {
            if number % 2 == 0 {
                panic_quietly()
            }
        });
        if number % 3 == 0 {
            let _ = poll_once(job).await;
        } else {
            drop(job);
        }
    }
    assert_eq!(runtime.unblock(|| 5).await, Ok(5));
}

pub async fn many_jobs_all_come_to_their_end<L: Leaf>(runtime: L::Runtime) {
    let jobs: Vec<_> = (0..500).map(|number| runtime.unblock(move || number)).collect();
    for (number, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.await, Ok(number));
    }
}

pub async fn a_job_wakes_a_future<L: Leaf>(runtime: L::Runtime) {
    let (sender, receiver) = async_channel::bounded(1);
    let (heard, answer) = async_channel::bounded(1);
    runtime.spawn(async move { heard.send(receiver.recv().await).await.unwrap() });
    runtime.unblock(move || sender.try_send(5).unwrap()).await.unwrap();
    assert_eq!(answer.recv().await, Ok(Ok(5)));
}

pub async fn randomness_differs_each_time<L: Leaf>(runtime: L::Runtime) {
    let mut drawn = [[0; 32]; 3];
    for bytes in &mut drawn {
        runtime.fill_random(bytes).unwrap();
    }
    assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2] && drawn[0] != drawn[2]);
    assert!(drawn.iter().all(|bytes| bytes.iter().any(|byte| *byte != bytes[0])));
}

pub async fn there_is_at_least_one_processor<L: Leaf>(runtime: L::Runtime) {
    assert!(runtime.parallelism() >= 1);
}
