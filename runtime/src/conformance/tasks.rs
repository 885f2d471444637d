use super::{
    Leaf,
    support::{pair, panic_quietly, pause},
};
use crate::Runtime;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future::yield_now};
use std::sync::{
    Arc, Condvar, Mutex,
    atomic::{AtomicBool, Ordering},
};

pub async fn what_is_spawned_is_detached<L: Leaf>(runtime: L::Runtime) {
    let (sender, receiver) = async_channel::bounded(1);
    let later = runtime.clone();
    runtime.spawn(async move {
        // By now it would have been cancelled, if dropping the handle did that.
        pause::<L>(&later, 3).await;
        sender.send(5).await.unwrap();
    });
    assert_eq!(receiver.recv().await, Ok(5));
}

pub async fn what_is_spawned_outlives_its_spawner<L: Leaf>(runtime: L::Runtime) {
    let (sender, receiver) = async_channel::bounded(1);
    let (spawner_alive, spawner_gone) = async_channel::bounded::<()>(1);
    let inner = runtime.clone();
    runtime.spawn(async move {
        let _alive = spawner_alive;
        inner.spawn(async move {
            spawner_gone.recv().await.unwrap_err();
            sender.send(5).await.unwrap();
        });
    });
    assert_eq!(receiver.recv().await, Ok(5));
}

pub async fn a_panic_ends_one_future_and_no_other<L: Leaf>(runtime: L::Runtime) {
    let (go, waiting) = async_channel::bounded::<()>(1);
    let (sender, receiver) = async_channel::unbounded();
    for number in 0..10 {
        let (waiting, sender) = (waiting.clone(), sender.clone());
        runtime.spawn(async move {
            waiting.recv().await.unwrap_err();
            sender.send(number).await.unwrap();
        });
    }
    // More than there are threads, in the first poll and in a later one.
    for number in 0..4 * L::THREADS {
        runtime.spawn(async move {
            if number % 2 == 0 {
                yield_now().await;
            }
            panic_quietly();
        });
    }
    pause::<L>(&runtime, 3).await;
    drop(go);
    runtime.spawn(async move { sender.send(10).await.unwrap() });
    let mut numbers = Vec::new();
    while let Ok(number) = receiver.recv().await {
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..=10));
}

pub async fn a_panic_drops_what_the_future_owned<L: Leaf>(runtime: L::Runtime) {
    let (alive, gone) = async_channel::bounded::<()>(1);
    runtime.spawn(async move {
        let _alive = alive;
        yield_now().await;
        panic_quietly();
    });
    gone.recv().await.unwrap_err();
}

pub async fn wake_ups_go_from_task_to_task<L: Leaf>(runtime: L::Runtime) {
    let (first, mut last) = async_channel::bounded(1);
    for _ in 0..100 {
        let (sender, receiver) = async_channel::bounded(1);
        runtime.spawn(async move {
            while let Ok(number) = last.recv().await {
                sender.send(number + 1).await.unwrap();
            }
        });
        last = receiver;
    }
    for number in 0..20 {
        first.send(number).await.unwrap();
        assert_eq!(last.recv().await, Ok(number + 100));
    }
}

pub async fn futures_that_never_wait_let_others_run<L: Leaf>(runtime: L::Runtime) {
    let _busy = keep_busy::<L>(&runtime);
    let (sender, receiver) = async_channel::bounded(1);
    runtime.spawn(async move {
        for number in 0..100 {
            yield_now().await;
            sender.send(number).await.unwrap();
        }
    });
    for number in 0..100 {
        assert_eq!(receiver.recv().await, Ok(number));
    }
}

pub async fn futures_that_never_wait_hold_up_no_timer_and_no_socket<L: Leaf>(runtime: L::Runtime) {
    if L::LATENESS.is_some() {
        // Such futures stop a clock that advances only while everything waits.
        return;
    }
    let (mut near, mut far) = pair::<L>(&runtime).await;
    let _busy = keep_busy::<L>(&runtime);
    let later = runtime.clone();
    runtime.spawn(async move {
        pause::<L>(&later, 3).await;
        near.write_all(b"x").await.unwrap();
    });
    far.read_exact(&mut [0]).await.unwrap();
}

/// Occupies all threads until the result is dropped, with futures that yield now and then.
fn keep_busy<L: Leaf>(runtime: &L::Runtime) -> impl Drop + use<L> {
    struct Stop(Arc<AtomicBool>);

    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..2 * L::THREADS {
        let stop = Arc::clone(&stop);
        runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                yield_now().await;
            }
        });
    }
    Stop(stop)
}

/// Each blocks its thread until the others have started.
pub async fn futures_run_on_all_threads_at_the_same_time<L: Leaf>(runtime: L::Runtime) {
    let gate = Arc::new((Mutex::new(0), Condvar::new()));
    let (sender, receiver) = async_channel::unbounded();
    for _ in 0..L::THREADS {
        let (gate, sender) = (Arc::clone(&gate), sender.clone());
        runtime.spawn(async move {
            let (arrived, all) = &*gate;
            let mut arrived = arrived.lock().unwrap();
            *arrived += 1;
            all.notify_all();
            let wait = all.wait_timeout_while(arrived, L::PATIENCE / 2, |n| *n < L::THREADS);
            let is_alone = wait.unwrap().1.timed_out();
            sender.try_send(is_alone).unwrap();
        });
    }
    for _ in 0..L::THREADS {
        assert_eq!(receiver.recv().await, Ok(false));
    }
}
