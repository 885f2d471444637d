use crate::exposition::reader::MetricKind;
use std::collections::{BTreeMap, BTreeSet};

/// The families that a text is rendered into, identified by hashes of their names.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    pub(super) families: Vec<Item>,
}

/// A family.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The hash of its name as written.
    pub(super) name: u64,
    pub(super) kind: MetricKind,
    /// Whether its samples must fit its type.
    pub(super) is_structured: bool,
    /// The names that its samples have.
    pub(super) names: Vec<u64>,
    /// The names that only its samples may have.
    pub(super) claims: Vec<u64>,
    /// The groups of its samples, which must stay together; empty unless it is structured.
    pub(super) groups: Vec<u64>,
}

/// The type of every family over all applications.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    kinds: BTreeMap<u64, MetricKind>,
    degraded: BTreeSet<u64>,
    conflicts: Vec<u32>,
}

impl Plan {
    /// Settles the types. The order of the applications matters: the first one's types win.
    pub fn new<'o>(outlines: impl IntoIterator<Item = &'o Outline>) -> Self {
        let outlines: Vec<_> = outlines.into_iter().collect();
        let mut plan = Self { degraded: shared_groups(&outlines), ..Self::default() };
        // Every round but the last degrades another family, and there are only so many families.
        while plan.settle(&outlines) {}
        plan.count_conflicts(&outlines);
        plan
    }

    /// Whether an application's text is written as it would be if it were the only one.
    pub(super) fn suits(&self, outline: &Outline) -> bool {
        let own = Self::new([outline]);
        let is_same = |name: &u64| self.kinds.get(name) == own.kinds.get(name);
        outline.families.iter().all(|item| {
            let kind = self.kind(item.name, item.kind, item.is_structured);
            kind == own.kind(item.name, item.kind, item.is_structured)
                && (kind.is_some() || item.names.iter().all(is_same))
        })
    }

    /// For each application, in order: the number of families for which its type was not used.
    pub fn conflicts(&self) -> &[u32] {
        &self.conflicts
    }

    /// The type that a family is written with. `None` if it becomes one family for each name of its samples.
    pub(super) fn kind(
        &self,
        name: u64,
        own: MetricKind,
        is_structured: bool,
    ) -> Option<MetricKind> {
        let kind = self.kinds.get(&name).copied().unwrap_or(own);
        let is_used = !is_structured || kind == own && !self.degraded.contains(&name);
        is_used.then_some(kind)
    }

    /// Returns whether further families must be degraded.
    fn settle(&mut self, outlines: &[&Outline]) -> bool {
        self.kinds.clear();
        let before = self.degraded.len();
        let mut structured = BTreeSet::new();
        for item in outlines.iter().flat_map(|outline| &outline.families) {
            if item.is_structured && !self.degraded.contains(&item.name) {
                match self.kinds.get(&item.name) {
                    None => {
                        self.kinds.insert(item.name, item.kind);
                        structured.insert(item.name);
                    }
                    Some(kind) if *kind == item.kind && structured.contains(&item.name) => {}
                    Some(_) => {
                        self.degraded.insert(item.name);
                    }
                }
                continue;
            }
            let kind = if item.is_structured { MetricKind::Unknown } else { item.kind };
            let names =
                if item.is_structured { &item.names } else { std::slice::from_ref(&item.name) };
            for name in names {
                self.kinds.entry(*name).or_insert(kind);
                if structured.contains(name) {
                    self.degraded.insert(*name);
                }
            }
        }
        for item in outlines.iter().flat_map(|outline| &outline.families) {
            let is_whole = item.is_structured && !self.degraded.contains(&item.name);
            if is_whole && item.claims.iter().any(|claim| self.kinds.contains_key(claim)) {
                self.degraded.insert(item.name);
            }
        }
        self.degraded.len() > before
    }

    fn count_conflicts(&mut self, outlines: &[&Outline]) {
        for outline in outlines {
            let is_lost = |item: &&Item| {
                item.kind != MetricKind::Unknown
                    && self.kind(item.name, item.kind, item.is_structured) != Some(item.kind)
            };
            let lost = outline.families.iter().filter(is_lost).count();
            self.conflicts.push(u32::try_from(lost).unwrap_or(u32::MAX));
        }
    }
}

/// Structured families of which two applications have samples in the same group.
fn shared_groups(outlines: &[&Outline]) -> BTreeSet<u64> {
    let mut seen: BTreeSet<(u64, u64)> = BTreeSet::new();
    let mut shared = BTreeSet::new();
    for item in outlines.iter().flat_map(|outline| &outline.families) {
        for group in &item.groups {
            if !seen.insert((item.name, *group)) {
                shared.insert(item.name);
            }
        }
    }
    shared
}
