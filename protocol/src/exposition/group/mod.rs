//! Merges the texts of several applications family by family.
//!
//! Joined texts repeat `HELP` and `TYPE` lines, which Prometheus accepts and strict parsers do not. A grouped answer has one of each
//! for every family, before its samples, and families in the order of their names. It is made in four steps, of which the first and
//! the third are work for one application each:
//!
//! 1. [`prepare`] lists the families of a text, and renders it into families, in compressed chunks, as if it were the only one. So most of
//!    the work can be done before the other texts are there.
//! 2. [`Plan::new`] settles the type of every family over all applications.
//! 3. [`Prepared::split`] returns what was prepared if the plan leaves the types alone; otherwise [`split`] renders the text again.
//! 4. [`Merge`] writes the answer from all of them.
//!
//! [`merged`] takes the four steps at once, for texts that are there.
//!
//! # Memory
//!
//! Compressed chunks are held, and of each application one expanded chunk, of 16 KiB or a single line if that is longer. Outlines take
//! some 40 bytes for each name.
//!
//! # Types
//!
//! Where two applications disagree on the type of a family, the first one's type is used if it is a type without a structure of its
//! own, such as `gauge`; the series of the later one join it. Histograms, summaries, and in OpenMetrics counters and info metrics, do have
//! such a structure: series that do not fit it would break the answer. A family that has such series, in any application, becomes one untyped
//! family for each name of its samples. [`Plan::conflicts`] counts families of which an application's type was not used.

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
