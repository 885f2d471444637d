//! Several applications' texts in one grouped answer.

use crate::input::Input;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::exposition::group::{Merge, Plan, Prepared, prepare, split};
use prometheus_rsocket_protocol::exposition::{
    Escaping, Facts, Format, Inject, OnBadLine, Policy, Source, SourceFormat, Target, read, render,
};
use std::collections::BTreeSet;

/// A grouped answer, and each single one, can be read again, has every family once and every sample once.
pub fn render_texts(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let target = Target {
        format: if choices & 1 == 0 { Format::Text004 } else { Format::OpenMetrics1 },
        escaping: if choices & 2 == 0 { Escaping::AllowUtf8 } else { Escaping::Underscores },
    };
    let inject = [Inject::Never, Inject::Missing, Inject::Always][usize::from(choices >> 2) % 3];
    let on_bad_line =
        if choices & 16 == 0 { OnBadLine::DropApplication } else { OnBadLine::DropFamily };
    let policy = Policy { on_bad_line, ..Policy::default() };
    let mut apps = Vec::new();
    while !input.is_empty() && apps.len() < 4 {
        let labels = [("app", apps.len().to_string()), ("a", "\"\\\n".to_owned())];
        apps.push((input.bytes(), Labels::new(labels).expect("labels")));
    }
    let texts = apps.iter().filter_map(|(text, identity)| {
        let source = Source { text, identity, inject, seed: 3 };
        Some((source, read(&source, &policy).ok()?))
    });
    grouped(&texts.collect::<Vec<_>>(), &policy, target);
}

fn grouped(texts: &[(Source<'_>, Facts)], policy: &Policy, target: Target) {
    let mut seen = BTreeSet::new();
    let mut omits = Vec::new();
    for (source, facts) in texts {
        let mut out = Vec::new();
        render(source, policy, facts, target, &[], &mut out);
        check(&out, target);
        let own: BTreeSet<_> = facts.fingerprints.iter().copied().collect();
        let taken = (0..).zip(&facts.fingerprints).filter(|(_, print)| seen.contains(*print));
        omits.push(taken.map(|(at, _)| at).collect::<Vec<u32>>());
        seen.extend(own);
    }
    let each = || texts.iter().zip(&omits);
    let prepared: Vec<_> = each()
        .map(|((source, facts), omit)| prepare(source, policy, facts, target, omit))
        .collect();
    let plan = Plan::new(prepared.iter().map(Prepared::outline));
    assert_eq!(plan.conflicts().len(), texts.len());
    let splits: Vec<_> = each()
        .map(|((source, facts), omit)| split(source, policy, facts, target, omit, &plan))
        .collect();
    for (prepared, split) in prepared.iter().zip(&splits) {
        assert_eq!(prepared.split(&plan).as_ref().unwrap_or(split), split, "prepared otherwise");
    }
    let mut merge = Merge::new(target, splits);
    let mut out = Vec::new();
    while merge.write(&mut out) {}
    let again = check(&out, target);
    families_are_there_once(&out);
    if target.escaping == Escaping::AllowUtf8 {
        // Names that become one are not known to be of one series before.
        let prints: BTreeSet<_> = again.fingerprints.iter().copied().collect();
        assert_eq!(prints.len(), again.samples, "a series twice");
        assert_eq!(again.samples, seen.len(), "a series more or less");
    }
}

/// An answer is one in the format that was asked for.
fn check(out: &[u8], target: Target) -> Facts {
    let mut text = out.to_vec();
    let format = match target.format {
        Format::OpenMetrics1 => {
            text.extend_from_slice(b"# EOF\n");
            SourceFormat::OpenMetrics
        }
        Format::Text004 => SourceFormat::Text004,
    };
    let identity = Labels::default();
    let source = Source { text: &text, identity: &identity, inject: Inject::Never, seed: 3 };
    let facts = read(&source, &Policy::default()).expect("an answer that can be read");
    if format == SourceFormat::OpenMetrics {
        assert_eq!(facts.format, format);
    }
    if target.escaping == Escaping::Underscores {
        assert!(!facts.has_utf8_names);
    }
    facts
}

fn families_are_there_once(out: &[u8]) {
    let text = std::str::from_utf8(out).expect("UTF-8");
    for word in ["# TYPE ", "# HELP "] {
        let lines = text.split('\n').filter_map(|line| line.strip_prefix(word));
        let names: Vec<_> = lines.map(name).collect();
        assert!(names.is_sorted_by(|one, other| one < other), "{word}twice or not in order");
    }
}

/// The name at the beginning, which may be in quotes.
fn name(line: &str) -> &str {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let end = line.find(|char| {
        is_quoted ^= char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        char == ' ' && !is_quoted
    });
    &line[..end.unwrap_or(line.len())]
}
