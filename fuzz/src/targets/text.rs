//! One application's text.

use crate::input::Input;
use bytes::Bytes;
use prometheus_rsocket_protocol::exposition::{
    Checked, ExpositionError, ExpositionErrorKind, Limits, check,
};

/// What passes can be joined with others' texts, and passes again; what does not is wrong in the line that is named.
pub fn text(data: &[u8]) {
    let mut input = Input::new(data);
    let mut limits = Limits::default();
    if input.byte() >= 192 {
        limits.max_series = input.below(8);
        limits.max_line_len = input.below(256);
        limits.max_labels = input.below(20);
    }
    let text = Bytes::copy_from_slice(input.rest());
    match check(text.clone(), &limits) {
        Ok(checked) => passed(&text, &checked, &limits),
        Err(error) => refused(&text, error, &limits),
    }
}

fn passed(original: &Bytes, checked: &Checked, limits: &Limits) {
    let text = std::str::from_utf8(&checked.text).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "the next application's line is joined to it");
    assert!(!text.contains('\0'));
    assert!(text.len() <= original.len() + 1);
    let is_eof = |line: &str| {
        let blanks = [' ', '\t'];
        let rest = line.trim_start_matches(blanks).strip_prefix('#').unwrap_or_default();
        let word = rest.trim_start_matches(blanks);
        word.len() < rest.len() && word.trim_ascii_end() == "EOF"
    };
    assert!(!text.split('\n').any(is_eof), "# EOF in the middle of what is joined");
    assert_eq!(check(checked.text.clone(), limits).as_ref(), Ok(checked), "not the same again");

    // Before and behind another's, it is what it was.
    let joined = [b"before 1\n", text.as_bytes(), b"behind{of=\"it\"} 2\n"].concat();
    let mut more = limits.clone();
    (more.max_series, more.max_line_len) =
        (more.max_series.saturating_add(2), limits.max_line_len.max(20));
    more.max_labels = more.max_labels.max(1);
    let both = check(joined.clone(), &more).expect("neither breaks the other");
    assert_eq!(both.text, joined);
    assert_eq!(both.series, checked.series + 2);
    assert_eq!(
        (both.families, both.quoted_series, both.timestamped_series),
        (checked.families, checked.quoted_series, checked.timestamped_series)
    );

    // No line needs another: each passes by itself, and is a series by the simplest measure or is none.
    let mut series = 0;
    for line in text.split_terminator('\n') {
        let alone = check(line.to_owned(), limits).expect("a line that passed");
        series += alone.series;
        let start = line.trim_start_matches([' ', '\t']);
        assert_eq!(alone.series == 1, !start.is_empty() && !start.starts_with('#'), "{line:?}");
        if alone.series == 1 {
            value(start);
        }
    }
    assert_eq!(series, checked.series);
}

/// A series ends in its value, or in its value and its time.
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

fn refused(text: &Bytes, error: ExpositionError, limits: &Limits) {
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    let line = lines.get(error.line - 1).expect("a line that is there");
    assert!((1..=line.len() + 1).contains(&error.column), "{error}");
    if matches!(error.kind, ExpositionErrorKind::TooManySeries { .. }) {
        return;
    }
    // By itself it is wrong in the same way, and without it all up to there is right.
    let alone = check(Bytes::copy_from_slice(line), limits).expect_err("it was wrong");
    assert_eq!((alone.line, alone.column, alone.kind), (1, error.column, error.kind));
    let before = lines[..error.line - 1].join(&b'\n');
    if error.kind != ExpositionErrorKind::NotUtf8 {
        assert!(check(before, limits).is_ok());
    }
}
