//! The families of a text, for people.

use super::facts::family_of;
use super::reader::{Entry, Line, Name};
use super::render::kinds;
use super::{Facts, Policy};
use std::collections::BTreeMap;

/// A family of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// Its name, of at most [`MAX_NAME`] bytes.
    pub name: String,
    /// Its type as text 0.0.4 writes it; `untyped` if the text does not declare one.
    pub kind: String,
    /// Its help, of at most [`MAX_HELP`] bytes; empty if it has none.
    pub help: String,
    /// The number of its samples.
    pub samples: usize,
}

/// The families of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Families {
    /// Families with a `TYPE`, a `HELP` or samples, at most [`MAX_FAMILIES`], in the order of their names.
    pub listed: Vec<Family>,
    /// Samples of families that are not listed because there are too many.
    pub unlisted_samples: usize,
}

/// The maximum length of a listed name, in bytes; longer ones are cut.
pub const MAX_NAME: usize = 1024;
/// The maximum length of a listed help text, in bytes; longer ones are cut.
pub const MAX_HELP: usize = 1024;
/// The maximum number of listed families.
pub const MAX_FAMILIES: usize = 2_000;

/// Lists the families of a text that [`read`](super::read) has read with this policy. Families that were left out are not listed.
pub fn families(text: &[u8], facts: &Facts, policy: &Policy) -> Families {
    let kinds = kinds(text, facts, policy);
    let mut found: BTreeMap<Box<[u8]>, Family> = BTreeMap::new();
    let mut unlisted_samples = 0;
    let mut reader = facts.reader(text, policy);
    while let Some(line) = reader.next() {
        let Ok(Line { entry, .. }) = line else { continue };
        let Some(name) = entry.name().map(Name::plain) else { continue };
        let owner = match entry {
            Entry::Sample(_) => family_of(&name, facts.dialect(), |stem| kinds.get(stem).copied()),
            Entry::Comment
            | Entry::Eof
            | Entry::Help { .. }
            | Entry::Type { .. }
            | Entry::Unit { .. } => &name,
        };
        if facts.dropped.contains(owner) {
            continue;
        }
        let is_full = found.len() >= MAX_FAMILIES;
        let family = match found.get_mut(owner) {
            Some(family) => family,
            None if is_full => {
                unlisted_samples += usize::from(matches!(entry, Entry::Sample(_)));
                continue;
            }
            None => found.entry(owner.into()).or_insert_with(|| Family {
                name: cut(owner, MAX_NAME),
                kind: cut(kinds.get(owner).copied().unwrap_or_default().text_name(), MAX_NAME),
                ..Family::default()
            }),
        };
        match entry {
            Entry::Help { text, .. } if family.help.is_empty() => family.help = cut(text, MAX_HELP),
            Entry::Sample(_) => family.samples += 1,
            Entry::Comment
            | Entry::Eof
            | Entry::Help { .. }
            | Entry::Type { .. }
            | Entry::Unit { .. } => {}
        }
    }
    Families { listed: found.into_values().collect(), unlisted_samples }
}

/// Cuts text for people, and replaces what is not UTF-8.
fn cut(bytes: &[u8], max: usize) -> String {
    let mut text = String::from_utf8_lossy(bytes.get(..max).unwrap_or(bytes)).into_owned();
    text.truncate(text.floor_char_boundary(max));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Inject, Source, read};
    use crate::labels::Labels;

    fn families_of(text: &str) -> Families {
        let identity = Labels::default();
        let source =
            Source { text: text.as_bytes(), identity: &identity, inject: Inject::Never, seed: 1 };
        let policy = Policy::default();
        let facts = read(&source, &policy).unwrap();
        families(source.text, &facts, &policy)
    }

    fn rows(families: &Families) -> Vec<(&str, &str, &str, usize)> {
        let rows = families.listed.iter();
        rows.map(|it| (&*it.name, &*it.kind, &*it.help, it.samples)).collect()
    }

    #[test]
    fn samples_count_for_the_family_of_their_type() {
        let text = "# HELP b Bees.\n# TYPE b histogram\nb_bucket{le=\"+Inf\"} 1\nb_sum 2\nb_count 1\n\
                    a_count 7\n# TYPE c gauge\n# TYPE c counter\nc 1\nc{x=\"1\"} 2\n";
        assert_eq!(
            rows(&families_of(text)),
            [("a_count", "untyped", "", 1), ("b", "histogram", "Bees.", 3), ("c", "gauge", "", 2)]
        );
    }

    #[test]
    fn openmetrics_names_counters_without_their_suffix() {
        let text = "# TYPE a counter\n# HELP a As.\na_total 1\na_created 2\n# EOF\n";
        assert_eq!(rows(&families_of(text)), [("a", "counter", "As.", 2)]);
    }

    #[test]
    fn what_is_long_is_cut_and_what_is_too_much_is_counted() {
        let long = "é".repeat(MAX_HELP);
        let mut text = format!("# HELP a {long}\n{} 1\n", "n".repeat(10_000));
        for number in 0..MAX_FAMILIES + 5 {
            text.push_str(&format!("x{number} 1\nx{number}{{y=\"1\"}} 1\n"));
        }
        let families = families_of(&text);
        assert_eq!(families.listed.len(), MAX_FAMILIES);
        assert!(families.listed.iter().all(|it| it.name.len() <= MAX_NAME));
        let help = &families.listed.iter().find(|it| it.name == "a").unwrap().help;
        assert_eq!(help.len(), MAX_HELP);
        let listed: usize = families.listed.iter().map(|it| it.samples).sum();
        assert_eq!(listed + families.unlisted_samples, 1 + 2 * (MAX_FAMILIES + 5));
    }
}
