//! One application's text.

use crate::input::Input;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::exposition::{
    Escaping, ExpositionError, ExpositionErrorKind, Facts, Format, Inject, OnBadLine, Policy,
    Source, SourceFormat, Target, read, render,
};

/// What passes is served so that it passes again, with the same series; what does not is wrong in the line that is named.
pub fn text(data: &[u8]) {
    let mut input = Input::new(data);
    let mut policy = Policy::default();
    if input.byte() >= 192 {
        policy.limits.max_series = input.below(8);
        policy.limits.max_line_len = input.below(256);
        policy.limits.max_labels = input.below(20);
    }
    let text = input.rest();
    match facts(text, &policy) {
        Ok(facts) => passed(text, &facts, &policy),
        Err(error) => refused(text, error, &policy),
    }
    reduced(text, &policy);
}

fn facts(text: &[u8], policy: &Policy) -> Result<Facts, ExpositionError> {
    let identity = Labels::default();
    read(&Source { text, identity: &identity, inject: Inject::Missing, seed: 1 }, policy)
}

fn rendered(text: &[u8], facts: &Facts, policy: &Policy) -> Vec<u8> {
    let identity = Labels::default();
    let source = Source { text, identity: &identity, inject: Inject::Missing, seed: 1 };
    let mut out = Vec::new();
    render(&source, policy, facts, JOINED, &[], &mut out);
    out
}

const JOINED: Target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };

fn passed(original: &[u8], facts: &Facts, policy: &Policy) {
    assert_eq!(facts.fingerprints.len(), facts.samples);
    if let Some(reduced) = facts.reduced {
        assert_eq!(reduced.first.kind, ExpositionErrorKind::MetricNameReserved);
        assert!(!facts.is_verbatim);
    }
    let served = rendered(original, facts, policy);
    let text = std::str::from_utf8(&served).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "the next application's line is joined to it");
    assert!(!text.contains('\0'));
    if facts.is_verbatim_for(JOINED, &[]) {
        assert_eq!(
            served.strip_suffix(b"\n").unwrap_or(&served),
            original.strip_suffix(b"\n").unwrap_or(original)
        );
    }
    // A line that is rewritten can be longer than it was.
    let mut lenient = policy.clone();
    lenient.limits.max_line_len = usize::MAX;
    let again = self::facts(&served, &lenient).expect("what is served can be read");
    assert!(again.reduced.is_none(), "a reserved name is served");
    if facts.format == SourceFormat::Text004 {
        assert_eq!(again.fingerprints, facts.fingerprints, "not the same series");
    } else {
        assert!(again.samples <= facts.samples);
    }
    assert_eq!(rendered(&served, &again, &lenient), served, "not the same again");

    // Before and behind another's, it is what it was.
    let joined = [b"before 1\n", &served[..], b"behind{of=\"it\"} 2\n"].concat();
    lenient.limits.max_series = lenient.limits.max_series.saturating_add(2);
    lenient.limits.max_labels = lenient.limits.max_labels.max(1);
    let both = self::facts(&joined, &lenient).expect("neither breaks the other");
    assert_eq!(both.samples, again.samples + 2);
    assert_eq!(both.fingerprints[1..=again.samples], again.fingerprints);

    // No line needs another: each passes by itself, and is a sample by the simplest measure or is none.
    let mut samples = 0;
    for line in text.split_terminator('\n') {
        let alone = self::facts(line.as_bytes(), &lenient).expect("a line that passed");
        samples += alone.samples;
        let start = line.trim_start_matches([' ', '\t']);
        assert_eq!(alone.samples == 1, !start.is_empty() && !start.starts_with('#'), "{line:?}");
        if alone.samples == 1 {
            value(start);
        }
    }
    assert_eq!(samples, again.samples);
}

/// A sample ends in its value, or in its value and its time.
fn value(line: &str) {
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let tail = line.rsplit('}').next().unwrap_or_default();
    let words: Vec<_> = tail.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let words = if line.contains('}') { &words[..] } else { words.get(1..).unwrap_or_default() };
    match words {
        [value] => assert!(is_number(value), "{value:?}"),
        [value, time] => {
            assert!(is_number(value) && time.parse::<i64>().is_ok_and(|time| time >= 0));
        }
        _ => panic!("neither a value nor a value and a time"),
    }
}

fn refused(text: &[u8], error: ExpositionError, policy: &Policy) {
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    let line = lines.get(error.line - 1).expect("a line that is there");
    assert!((1..=line.len() + 1).contains(&error.column), "{error}");
    let is_of_the_line = !matches!(
        error.kind,
        ExpositionErrorKind::TooManySeries { .. }
            | ExpositionErrorKind::Exemplar
            | ExpositionErrorKind::LineTooLong { .. }
            | ExpositionErrorKind::OpenMetricsType(_)
            | ExpositionErrorKind::Trailing
            | ExpositionErrorKind::Unterminated
    );
    if is_of_the_line
        && !text.contains(&b'"')
        && !text.ends_with(b"# EOF")
        && !text.ends_with(b"# EOF\n")
    {
        // Without quotes, which can go on in the next line, it is wrong by itself, and in the same way.
        let alone = facts(line, policy).expect_err("it was wrong");
        assert_eq!((alone.line, alone.column, alone.kind), (1, error.column, error.kind));
        let before = lines[..error.line - 1].join(&b'\n');
        assert!(facts(&before, policy).is_ok());
    }
}

/// With bad lines and their families left out, the rest is served.
fn reduced(text: &[u8], policy: &Policy) {
    let reducing = Policy { on_bad_line: OnBadLine::DropFamily, ..policy.clone() };
    let whole = facts(text, policy);
    let Ok(facts) = facts(text, &reducing) else {
        whole.expect_err("what is right is not refused");
        return;
    };
    assert_eq!(facts.reduced.is_none(), whole.is_ok_and(|facts| facts.reduced.is_none()));
    assert_eq!(facts.fingerprints.len(), facts.samples);
    let served = rendered(text, &facts, &reducing);
    let mut lenient = policy.clone();
    lenient.limits.max_line_len = usize::MAX;
    let again = self::facts(&served, &lenient).expect("what is served can be read");
    if facts.format == SourceFormat::Text004 {
        assert_eq!(again.fingerprints, facts.fingerprints);
    }
}
