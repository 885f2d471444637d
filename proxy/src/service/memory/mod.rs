//! The proxy's memory as a whole: how much all connections, answers, pushes and bodies may take together.
//!
//! `--max-memory` is divided into fixed parts, so that none can be used up through another: a flood of pushes leaves no scrape without memory.
//!
//! | part | of 16 | contents | what yields when it is used up |
//! |---|---|---|---|
//! | connections | 3 | incomplete frames, frames that wait to be sent | connections that need more wait; then those that have held most for long are ended |
//! | answers | 3 | sealed answers that wait to be opened, opened ones that wait for a scraper | from half of it on, connections are read more slowly; then applications fail as `overloaded` |
//! | pushes | 2 | pushes being opened or held | those of applications that live on, the oldest first; then new ones are refused |
//! | texts | 4 | texts that are being read or rendered | the work waits for its turn |
//! | bodies | 4 | what grouped bodies keep, and the tables for collisions | applications are left out as `overloaded` |

mod bodies;
mod connections;
mod texts;

#[cfg(test)]
mod tests;

pub(crate) use bodies::{BodyMemory, BodyPart};
pub(crate) use connections::{ConnectionMemory, Lease};
pub(crate) use texts::{TextMemory, Texts};

/// How `--max-memory` is divided, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) connections: usize,
    pub(crate) answers: usize,
    pub(crate) pushes: usize,
    pub(crate) texts: usize,
    pub(crate) bodies: usize,
}

impl Shares {
    pub(crate) fn of(max_memory: usize) -> Self {
        let part = |parts: usize| max_memory / 16 * parts;
        Self {
            connections: part(3),
            answers: part(3),
            pushes: part(2),
            texts: part(4),
            bodies: part(4),
        }
    }
}
