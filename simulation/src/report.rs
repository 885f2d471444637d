use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How a simulation went.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was simulated.
    pub seed: u64,
    /// How many applications there were.
    pub apps: usize,
    /// The arguments that make the program simulate this again.
    pub arguments: String,
    /// Simulated time, all in all.
    pub elapsed: Duration,
    /// The same for two runs only if the same happened in both.
    pub digest: u64,
    /// How often a future was polled.
    pub polls: u64,
    /// What happened, in numbers.
    pub counts: Counts,
    /// What must not have happened, up to twenty.
    pub violations: Vec<Violation>,
}

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, since the world began.
    pub at: Duration,
    /// What kind of thing.
    pub kind: Kind,
    /// What exactly.
    pub what: String,
}

/// What is checked, by what it says when it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// An answer holds something that is no application's text, or not as it was given.
    Altered,
    /// An application's text came after a newer one of its.
    Backwards,
    /// An application was asked while it was being asked already.
    Doubled,
    /// A table held more than its bound.
    Exceeded,
    /// Something failed with nothing wrong around it.
    Failed,
    /// An application was not connected again in time, or a connection that was in order was given up.
    NotHealed,
    /// A dead connection was kept.
    KeptDead,
    /// A scrape did not end by its deadline.
    Late,
    /// Something was left over.
    Left,
    /// A scrape went on though everybody had answered.
    Lingering,
    /// An application that had answered in time is not in the answer, or was not asked.
    Missing,
    /// Something panicked, or nothing went on.
    Panic,
    /// A push that was acknowledged was not served, or one was refused for which there is room.
    PushLost,
    /// Two applications changed places, and neither had connected again.
    Reordered,
    /// Too many connected in one second.
    Stampede,
    /// A text came where it did not belong: in a scrape that it was not given for.
    Stale,
    /// A text came twice.
    Twice,
    /// A proxy has too many or too few of the applications.
    Uneven,
    /// An answer says of an application what is not so.
    Untrue,
}

/// What happened, in numbers. Each is to be above 0 over some seeds, or what it counts was not tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Adds to a number.
    pub(crate) fn add(&mut self, name: &'static str, number: u64) {
        *self.0.entry(name).or_default() += number;
    }

    /// A number; 0 where nothing was counted.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds another run's numbers.
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
    /// Whether nothing happened that must not.
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
