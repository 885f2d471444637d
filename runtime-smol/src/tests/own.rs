//! Behaviour that only this leaf has.

use crate::Smol;
use prometheus_rsocket_runtime::{Listener, Runtime};
use smol::{Executor, channel, future};
use std::sync::Arc;

#[test]
fn an_executor_that_the_caller_runs_will_do() {
    let executor = Arc::new(Executor::new());
    let runtime = Smol::on(&executor);
    let (sender, receiver) = channel::bounded(1);
    runtime.spawn(async move { sender.send(5).await.unwrap() });
    assert_eq!(future::block_on(executor.run(receiver.recv())), Ok(5));

    let (alive, dropped) = channel::bounded::<()>(1);
    runtime.spawn(async move {
        let _alive = alive;
        future::pending().await
    });
    assert!(executor.try_tick());
    drop(executor);
    assert!(dropped.is_closed(), "its futures go with it, though there are handles");
}

#[test]
fn all_is_dropped_when_block_on_returns() {
    let (alive, dropped) = channel::bounded::<()>(1);
    let run = |runtime: Smol| async move {
        for _ in 0..100 {
            let alive = alive.clone();
            runtime.spawn(async move {
                let _alive = alive;
                loop {
                    future::yield_now().await;
                }
            });
        }
    };
    Smol::block_on(Some(2), run).unwrap();
    assert!(dropped.is_closed());
}

#[test]
fn small_writes_are_sent_at_once() {
    smol::block_on(async {
        let runtime = Smol::on(&Arc::new(Executor::new()));
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let near = runtime.connect("127.0.0.1", address.port()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        assert!(near.tcp().get_ref().nodelay().unwrap() && far.tcp().get_ref().nodelay().unwrap());
    });
}
