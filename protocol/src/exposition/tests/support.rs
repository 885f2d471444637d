use super::*;

pub(in crate::exposition) const JOINED: Target =
    Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
pub(in crate::exposition) const LEGACY: Target =
    Target { format: Format::Text004, escaping: Escaping::Underscores };
pub(in crate::exposition) const OPEN_METRICS: Target =
    Target { format: Format::OpenMetrics1, escaping: Escaping::AllowUtf8 };

pub(super) static NOBODY: std::sync::LazyLock<Labels> = std::sync::LazyLock::new(Labels::default);

pub(in crate::exposition) fn source(text: &[u8]) -> Source<'_> {
    Source { text, identity: &NOBODY, inject: Inject::Missing, seed: 7 }
}

pub(in crate::exposition) fn facts(text: impl AsRef<[u8]>) -> Result<Facts, ExpositionError> {
    read(&source(text.as_ref()), &Policy::default())
}

/// Accepted, and served verbatim.
#[track_caller]
pub(in crate::exposition) fn accept(text: impl AsRef<[u8]>) -> Facts {
    let text = text.as_ref();
    let facts = facts(text).unwrap_or_else(|error| panic!("{:?}: {error}", text.escape_ascii()));
    assert!(facts.is_verbatim, "{}", text.escape_ascii());
    facts
}

/// Accepted, and served in this form.
#[track_caller]
pub(in crate::exposition) fn becomes(text: impl AsRef<[u8]>, target: Target, expected: &str) {
    let text = text.as_ref();
    assert_eq!(rendered(&source(text), target, &[]), expected, "{}", text.escape_ascii());
}

#[track_caller]
pub(in crate::exposition) fn rendered(source: &Source<'_>, target: Target, omit: &[u32]) -> String {
    let policy = Policy::default();
    let facts = read(source, &policy)
        .unwrap_or_else(|error| panic!("{:?}: {error}", source.text.escape_ascii()));
    let mut out = Vec::new();
    render(source, &policy, &facts, target, omit, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[track_caller]
pub(in crate::exposition) fn refuse(
    text: impl AsRef<[u8]>,
    line: usize,
    column: usize,
    kind: Kind,
) {
    let text = text.as_ref();
    let error = facts(text).expect_err("it is wrong");
    assert_eq!(
        (error.line, error.column, error.kind),
        (line, column, kind),
        "{:?}",
        text.escape_ascii()
    );
}
