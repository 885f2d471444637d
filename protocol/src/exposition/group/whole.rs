use super::{Merge, Plan, Prepared, prepare, split};
use crate::exposition::{Facts, Policy, Source, Target};

/// A text, and what [`read`](crate::exposition::read) found in it.
#[derive(Debug)]
pub struct Part<'a> {
    /// The text.
    pub source: Source<'a>,
    /// The policy that it was read with.
    pub policy: &'a Policy,
    /// What was found in it.
    pub facts: Facts,
    /// The samples to leave out, by their indexes in ascending order.
    pub omit: Vec<u32>,
}

/// Merges texts that are all available: the four steps in one. `# EOF` is not written.
pub fn merged(parts: &[Part<'_>], target: Target) -> Vec<u8> {
    let prepared: Vec<Prepared> = parts
        .iter()
        .map(|it| prepare(&it.source, it.policy, &it.facts, target, &it.omit))
        .collect();
    let plan = Plan::new(prepared.iter().map(Prepared::outline));
    let splits = parts.iter().zip(&prepared).map(|(it, prepared)| {
        let anew = || split(&it.source, it.policy, &it.facts, target, &it.omit, &plan);
        prepared.split(&plan).unwrap_or_else(anew)
    });
    let mut merge = Merge::new(target, splits);
    let mut out = Vec::with_capacity(parts.iter().map(|it| it.source.text.len()).sum());
    while merge.write(&mut out) {}
    out
}
