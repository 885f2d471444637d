use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The result of a simulation.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed that was simulated.
    pub seed: u64,
    /// The number of applications.
    pub apps: usize,
    /// The arguments that make the program simulate this again.
    pub arguments: String,
    /// The simulated time in total.
    pub elapsed: Duration,
    /// Equal for two runs only if the same happened in both.
    pub digest: u64,
    /// How often a future was polled.
    pub polls: u64,
    /// Counts of what happened.
    pub counts: Counts,
    /// The violations, at most twenty.
    pub violations: Vec<Violation>,
}

/// A violation of an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The time since the world began.
    pub at: Duration,
    /// The kind of violation.
    pub kind: Kind,
    /// A description.
    pub what: String,
}

/// The kinds of violations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// An answer contains something that is not an application's text, or not as it was given.
    Altered,
    /// An application's text came after a newer one.
    Backwards,
    /// An application was asked while it was already being asked.
    Doubled,
    /// A table exceeded its limit.
    Exceeded,
    /// Something failed although nothing was wrong around it.
    Failed,
    /// An application was not connected again in time, or a healthy connection was given up.
    NotHealed,
    /// A dead connection was kept.
    KeptDead,
    /// A scrape did not end by its deadline.
    Late,
    /// Something was left over.
    Left,
    /// A scrape went on although everybody had answered.
    Lingering,
    /// An application that answered in time is not in the answer, or was not asked.
    Missing,
    /// Something panicked, or nothing made progress.
    Panic,
    /// An acknowledged push was not served, or a push was refused although there is room.
    PushLost,
    /// Two applications changed places, although neither had reconnected.
    Reordered,
    /// Too many applications connected in one second.
    Stampede,
    /// A text came in a scrape for which it was not given.
    Stale,
    /// A text came twice.
    Twice,
    /// A proxy has too many or too few of the applications.
    Uneven,
    /// An answer says something untrue about an application.
    Untrue,
}

/// Counts of what happened. Each should be above 0 over some seeds; otherwise what it counts was not tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Adds to a count.
    pub(crate) fn add(&mut self, name: &'static str, number: u64) {
        *self.0.entry(name).or_default() += number;
    }

    /// Returns a count; 0 if nothing was counted.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds another run's counts.
    pub fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, number)| self.add(name, *number));
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name} {value}", if i > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl Report {
    /// Returns whether no invariant was violated.
    pub fn is_ok(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, apps, arguments, elapsed, digest, .. } = self;
        if self.is_ok() {
            let scrapes = self.counts.of("scrapes whole");
            let due = self.counts.of("sections due");
            return write!(
                f,
                "seed {seed}: ok, {apps} applications, {:.0} s, {scrapes} scrapes, {due} texts due, digest {digest:016x}",
                elapsed.as_secs_f64()
            );
        }
        writeln!(f, "seed {seed}: VIOLATED, digest {digest:016x}")?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        let cfg = if cfg!(planted_faults) { "RUSTFLAGS='--cfg planted_faults' " } else { "" };
        write!(
            f,
            "  again: {cfg}cargo run --release -p prometheus-rsocket-simulation -- {arguments} --log"
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} {:?}: {}", self.at.as_secs_f64(), self.kind, self.what)
    }
}
