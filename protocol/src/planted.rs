//! Faults that are planted on purpose, for the simulation to show that it finds them. Built only with the feature
//! `planted-faults`, which is for tests; and even then nothing is wrong unless [`plant`] says so.
//!
//! What is planted holds for the thread that planted it: a simulation runs on one.

use std::cell::Cell;

/// Something that is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A push is acknowledged when it comes, not when it is stored.
    EarlyAcknowledgement,
    /// An answer counts as delivered when it is sent.
    EarlyDelivery,
    /// To whom a push is delivered is not written down.
    ForgottenDelivery,
    /// A round does not end at its deadline.
    IgnoredDeadline,
    /// Now and then no worker is told of a job.
    LostWakeUp,
    /// Pushes are opened before answers, and nobody's share of them is looked at.
    PushesFirst,
    /// A push that is delivered to one scraper counts as delivered to all.
    SharedDelivery,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::EarlyAcknowledgement,
        Self::EarlyDelivery,
        Self::ForgottenDelivery,
        Self::IgnoredDeadline,
        Self::LostWakeUp,
        Self::PushesFirst,
        Self::SharedDelivery,
    ];

    /// What it is called on a command line.
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

/// Has this thread do one thing wrong from now on, or nothing.
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
    WAKE_UPS.set(0);
}

/// Whether this is to be done wrong.
pub fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Whether this wake-up is to be lost: with [`Fault::LostWakeUp`], each sixteenth.
pub fn loses_wake_up() -> bool {
    WAKE_UPS.set(WAKE_UPS.get() + 1);
    is_planted(Fault::LostWakeUp) && WAKE_UPS.get().is_multiple_of(16)
}

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    static WAKE_UPS: Cell<u64> = const { Cell::new(0) };
}
