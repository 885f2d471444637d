//! Faults that are planted on purpose, so that the simulation can show that it finds them. Built only with
//! `cfg(planted_faults)`, which is for tests; even then nothing is wrong until [`plant`] is called.
//!
//! A planted fault applies to the thread that planted it: a simulation runs on one thread.

use std::cell::Cell;

/// A fault that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A push is acknowledged when it arrives, not when it is stored.
    EarlyAcknowledgement,
    /// An answer counts as delivered when it is sent.
    EarlyDelivery,
    /// Which scrapers have had a push is not recorded.
    ForgottenDelivery,
    /// A scrape does not end at its deadline.
    IgnoredDeadline,
    /// Now and then a job wakes no worker.
    LostWakeUp,
    /// Pushes are opened before answers, and no application's share is checked.
    PushesFirst,
    /// A push that was delivered to one scraper counts as delivered to all.
    SharedDelivery,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 7] = [
        Self::EarlyAcknowledgement,
        Self::EarlyDelivery,
        Self::ForgottenDelivery,
        Self::IgnoredDeadline,
        Self::LostWakeUp,
        Self::PushesFirst,
        Self::SharedDelivery,
    ];

    /// Returns the fault's name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::EarlyAcknowledgement => "early-acknowledgement",
            Self::EarlyDelivery => "early-delivery",
            Self::ForgottenDelivery => "forgotten-delivery",
            Self::IgnoredDeadline => "ignored-deadline",
            Self::LostWakeUp => "lost-wake-up",
            Self::PushesFirst => "pushes-first",
            Self::SharedDelivery => "shared-delivery",
        }
    }
}

/// Plants one fault in this thread, or removes the planted one.
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
    WAKE_UPS.set(0);
}

/// Whether this fault is planted.
pub fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Whether this wake-up is to be lost: with [`Fault::LostWakeUp`], every sixteenth.
pub fn loses_wake_up() -> bool {
    WAKE_UPS.set(WAKE_UPS.get() + 1);
    is_planted(Fault::LostWakeUp) && WAKE_UPS.get().is_multiple_of(16)
}

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    static WAKE_UPS: Cell<u64> = const { Cell::new(0) };
}
