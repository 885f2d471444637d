use super::Leaf;
use crate::{Listener, Runtime, sleep_until};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Wake, Waker},
    time::Duration,
};

pub(super) type StreamOf<L> = <<L as Leaf>::Runtime as Runtime>::Stream;
pub(super) type ListenerOf<L> = <<L as Leaf>::Runtime as Runtime>::Listener;

/// Both ends of one connection.
pub(super) async fn pair<L: Leaf>(runtime: &L::Runtime) -> (StreamOf<L>, StreamOf<L>) {
    let (listener, address) = listen::<L>(runtime).await;
    let near = dial::<L>(runtime, address).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

pub(super) async fn listen<L: Leaf>(runtime: &L::Runtime) -> (ListenerOf<L>, SocketAddr) {
    let listener = runtime.bind(L::address()).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(super) async fn dial<L: Leaf>(
    runtime: &L::Runtime,
    address: SocketAddr,
) -> io::Result<StreamOf<L>> {
    runtime.connect(&address.ip().to_string(), address.port()).await
}

/// A short time on the machine's clock, a long one on a virtual clock.
pub(super) fn units<L: Leaf>(count: u32) -> Duration {
    let unit = match L::LATENESS {
        None => Duration::from_millis(1),
        Some(_) => Duration::from_secs(100),
    };
    unit * count
}

/// Waits for this many [`units`].
pub(super) async fn pause<L: Leaf>(runtime: &L::Runtime, count: u32) {
    sleep_until(runtime, runtime.now() + units::<L>(count)).await;
}

/// Bytes in which neighbours always differ, at whatever distance buffers are cut.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251 + i / 251 % 7) as u8).collect()
}

/// A waker that counts.
#[derive(Default)]
pub(super) struct Counter(AtomicUsize);

impl Counter {
    pub(super) fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), counter.into())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reports when it is dropped.
pub(super) struct Guard {
    name: &'static str,
    dropped: mpsc::Sender<&'static str>,
}

impl Guard {
    pub(super) fn new(name: &'static str, dropped: &mpsc::Sender<&'static str>) -> Self {
        Self { name, dropped: dropped.clone() }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The receiver is gone if the test has failed.
        let _ = self.dropped.send(self.name);
    }
}

/// A panic, without the message that would look like a failed test.
pub(super) fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}
