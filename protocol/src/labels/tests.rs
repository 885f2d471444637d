use super::{Escaped, LabelError, Labels};

#[test]
fn labels_are_in_the_order_of_their_names() {
    let labels = Labels::new([("zone", "b"), ("app", "orders")]).unwrap();
    assert_eq!(labels.iter().collect::<Vec<_>>(), [("app", "orders"), ("zone", "b")]);
    assert_eq!(labels, Labels::new([("app", "orders"), ("zone", "b")]).unwrap());
    assert_eq!(labels.get("zone"), Some("b"));
    assert_eq!(labels.get("zon"), None);
    assert_eq!((labels.len(), labels.is_empty()), (2, false));
    assert!(Labels::default().is_empty());
}

#[test]
fn labels_are_shown_as_in_the_text_format() {
    let labels = Labels::new([("b", "a\\b\"c\nd"), ("a", "é")]).unwrap();
    assert_eq!(labels.to_string(), r#"{a="é",b="a\\b\"c\nd"}"#);
    assert_eq!(Labels::default().to_string(), "{}");
    assert_eq!(Escaped("\n\n").to_string(), r"\n\n");
}

#[track_caller]
fn refused(labels: &[(&str, &str)], expected: &str) {
    let error = Labels::new(labels.iter().copied()).unwrap_err();
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn bad_labels_are_refused_by_name() {
    for name in ["", "0a", "a-b", "__meta", "é"] {
        refused(&[(name, "x")], &format!("{name:?} is not a label name"));
    }
    refused(&[("a", "")], "the label a has an empty value");
    refused(&[("a", "x"), ("a", "y")], "the label a appears twice");
    refused(&[("a", &"x".repeat(257))], "the label a has a value of 257 bytes");
    refused(&[(&"a".repeat(65), "x")], "a label name of 65 bytes");
    assert!(Labels::new([("a".repeat(64), "x".repeat(256))]).is_ok());
}

#[test]
fn there_are_at_most_sixteen() {
    let labels = |count: usize| Labels::new((0..count).map(|n| (format!("l{n}"), "x")));
    assert_eq!(labels(16).unwrap().len(), 16);
    assert_eq!(labels(17), Err(LabelError::TooMany));
}
