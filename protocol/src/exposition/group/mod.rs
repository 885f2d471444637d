//! Merges the texts of several applications family by family.
//!
//! Joined texts repeat `HELP` and `TYPE` lines, which Prometheus accepts and strict parsers do not. A grouped answer has one of
//! each for every family, before its samples, and families in the order of their names. It is made in four steps. The first and
//! the third work on one application each:
//!
//! 1. [`prepare`] lists the families of a text, and renders it into families, in compressed chunks, as if it were the only one.
//!    So most of the work can be done before the other texts arrive.
//! 2. [`Plan::new`] settles the type of every family over all applications.
//! 3. [`Prepared::split`] returns the prepared chunks if the plan leaves their types alone; otherwise [`split`] renders the text again.
//! 4. [`Merge`] writes the answer from all of them.
//!
//! [`merged`] takes all four steps at once, for texts that are all available.
//!
//! # Memory
//!
//! Compressed chunks are held, and one expanded chunk for each application, of 16 KiB or a single longer line. Outlines take
//! some 40 bytes per name.
//!
//! # Types
//!
//! If two applications disagree on the type of a family, the first one's type is used if it has no structure of its own, such
//! as `gauge`; the series of the later application join it. Histograms, summaries and, in OpenMetrics, counters and info
//! metrics do have a structure: series that do not fit it would break the answer. If any application has such series, the
//! family is split into one untyped family for each name of its samples. [`Plan::conflicts`] counts families for which an
//! application's type was not used.

mod conform;
mod merge;
mod plan;
mod split;
mod table;
mod whole;

pub use self::merge::Merge;
pub use self::plan::{Outline, Plan};
pub use self::split::{Prepared, Split, prepare, split};
pub use self::whole::{Part, merged};

pub(super) use self::split::render_one;
