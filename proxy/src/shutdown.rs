//! A signal that is given once and reaches everybody who waits for it.

use async_channel::{Receiver, Sender};
use std::convert::Infallible;

/// Returns a signal's two ends: one that gives it, and one that waits for it.
pub fn channel() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = async_channel::bounded(1);
    (ShutdownTrigger { sender }, Shutdown { receiver })
}

/// Gives the signal, at the latest when it is dropped.
#[derive(Debug)]
pub struct ShutdownTrigger {
    sender: Sender<Infallible>,
}

impl ShutdownTrigger {
    /// Gives the signal. Further calls change nothing.
    pub fn trigger(&self) {
        self.sender.close();
    }
}

/// Waits for the signal. Clones wait for the same one.
#[derive(Clone, Debug)]
pub struct Shutdown {
    receiver: Receiver<Infallible>,
}

impl Shutdown {
    /// Resolves once the signal is given, immediately if it has been.
    pub async fn wait(&self) {
        // Nothing is ever sent, so this is the end of the channel.
        let Err(_closed) = self.receiver.recv().await;
    }

    /// Returns whether the signal has been given.
    pub fn is_triggered(&self) -> bool {
        self.receiver.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    #[test]
    fn a_signal_reaches_all_and_stays() {
        let (trigger, first) = channel();
        let second = first.clone();
        assert!(!first.is_triggered());
        assert_eq!(block_on(poll_once(first.wait())), None);
        trigger.trigger();
        trigger.trigger();
        block_on(first.wait());
        block_on(first.wait());
        block_on(second.wait());
        assert!(second.is_triggered());
    }

    #[test]
    fn dropping_the_trigger_is_the_signal() {
        let (trigger, shutdown) = channel();
        drop(trigger);
        block_on(shutdown.wait());
    }
}
