use super::{
    Leaf,
    support::{Guard, listen, pair, panic_quietly, pause, units},
};
use crate::{Listener, Runtime};
use futures_lite::{AsyncReadExt, future::yield_now};
use std::{
    future::{Future, pending},
    panic::catch_unwind,
    sync::mpsc,
};

pub fn main_gives_its_result_as_often_as_it_is_run<L: Leaf>() {
    for addend in 0..3 {
        let sum = L::run(move |runtime| async move {
            let (sender, receiver) = async_channel::bounded(1);
            runtime.spawn(async move { sender.send(2).await.unwrap() });
            runtime.unblock(move || addend).await.unwrap() + receiver.recv().await.unwrap()
        });
        assert_eq!(sum, addend + 2);
    }
}

pub fn the_end_of_main_drops_what_still_runs<L: Leaf>() {
    let (sender, dropped) = mpsc::channel();
    L::run(move |runtime| async move { start_all::<L>(&runtime, &sender).await });
    assert_all_dropped::<L>(&dropped);
}

pub fn a_panic_of_main_reaches_the_caller_and_drops_what_still_runs<L: Leaf>() {
    let (sender, dropped) = mpsc::channel();
    let result = catch_unwind(|| {
        L::run(move |runtime| async move {
            start_all::<L>(&runtime, &sender).await;
            panic_quietly();
        })
    });
    let payload = result.expect_err("the panic");
    assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
    assert_all_dropped::<L>(&dropped);
}

pub fn what_is_spawned_after_the_end_is_dropped<L: Leaf>() {
    let runtime = L::run(|runtime| async move { runtime });
    let (sender, dropped) = mpsc::channel();
    let guard = Guard::new("late", &sender);
    runtime.spawn(async move {
        let _guard = guard;
        pending().await
    });
    drop(runtime);
    assert_eq!(dropped.recv_timeout(L::PATIENCE), Ok("late"));
}

/// Like a name server that does not answer.
pub fn a_job_that_never_ends_does_not_hold_up_the_exit<L: Leaf>() {
    if !L::JOBS_MAY_BLOCK {
        return;
    }
    let (keep, kept) = mpsc::channel::<()>();
    let (end, ended) = mpsc::channel();
    L::run(move |runtime| async move {
        let (begun, begins) = async_channel::bounded(1);
        let _job = runtime.unblock(move || {
            begun.try_send(()).unwrap();
            // It does end eventually, so that a leaf that waits for it fails instead of hanging.
            let _ = kept.recv_timeout(L::PATIENCE / 2);
            let _ = end.send(());
        });
        begins.recv().await.unwrap();
    });
    assert_eq!(ended.try_recv(), Err(mpsc::TryRecvError::Empty));
    drop(keep);
}

/// Spawns futures that never end, one for each thing that a future can wait for. Returns once all have started.
async fn start_all<L: Leaf>(runtime: &L::Runtime, dropped: &mpsc::Sender<&'static str>) {
    let (listener, _) = listen::<L>(runtime).await;
    let (mut near, far) = pair::<L>(runtime).await;
    let later = runtime.clone();
    let begun = [
        start(runtime, Guard::new("accept", dropped), async move { drop(listener.accept().await) }),
        start(runtime, Guard::new("nothing", dropped), pending()),
        start(runtime, Guard::new("read", dropped), async move {
            let _far = far;
            drop(near.read(&mut [0]).await);
        }),
        start(runtime, Guard::new("timer", dropped), async move {
            pause::<L>(&later, 1_000_000).await;
        }),
        start(runtime, Guard::new("turn", dropped), async move {
            // Such a future stops a clock that advances only while everything waits.
            while L::LATENESS.is_none() {
                yield_now().await;
            }
            pending().await
        }),
    ];
    for begun in begun {
        begun.recv().await.unwrap();
    }
    // By then they have been polled at least once.
    crate::sleep_until(runtime, runtime.now() + units::<L>(1)).await;
}

fn start<R: Runtime>(
    runtime: &R,
    guard: Guard,
    future: impl Future<Output = ()> + Send + 'static,
) -> async_channel::Receiver<()> {
    let (sender, begun) = async_channel::bounded(1);
    runtime.spawn(async move {
        let _guard = guard;
        sender.send(()).await.unwrap();
        future.await;
    });
    begun
}

fn assert_all_dropped<L: Leaf>(dropped: &mpsc::Receiver<&'static str>) {
    let mut names: Vec<_> =
        (0..5).map(|_| dropped.recv_timeout(L::PATIENCE).expect("it is dropped")).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "nothing", "read", "timer", "turn"]);
}
