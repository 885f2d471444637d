use super::*;
use crate::exposition::tests::{any_text, crowded, facts, grouped, rendered, source};
use crate::exposition::{Facts, SourceFormat};
use proptest::prelude::*;

fn filter(allow: &[&str], deny: &[&str], labels: &[&str]) -> Filter {
    let mut filter = Filter::default();
    allow.iter().for_each(|it| filter.allow(it.parse().unwrap()).unwrap());
    deny.iter().for_each(|it| filter.deny(it.parse().unwrap()).unwrap());
    labels.iter().for_each(|it| filter.drop_label(it).unwrap());
    filter
}

#[track_caller]
fn check(filter: &Filter, text: &str, left: &str, counts: (usize, usize, usize)) {
    let filtered = filter.apply(text).unwrap();
    assert_eq!(filtered.text, left);
    assert_eq!((filtered.families, filtered.series, filtered.duplicates), counts);
}

#[test]
fn patterns_mean_whole_names() {
    for (pattern, name, is_match) in [
        ("go_*", "go_threads", true),
        ("go_*", "a_go_threads", false),
        ("*_seconds", "a_seconds", true),
        ("*_seconds", "a_seconds_total", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*", "µ\n\"", true),
        ("a.c", "abc", false),
        ("/a.c/", "abc", true),
        ("/a|b/", "ab", false),
        ("/a|b/", "b", true),
        ("/.*/", "", true),
        ("a/b/", "a/b/", true),
    ] {
        assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name), is_match, "{pattern} {name}");
    }
    for (bad, reason) in [
        ("", "empty"),
        ("/a", "ends with /"),
        ("/", "ends with /"),
        ("/a)|(?:b/", ""),
        ("/(a/", ""),
        ("/a{1000}{1000}{1000}/", ""),
        (&"a".repeat(1025), "longer than 1024"),
    ] {
        let error = bad.parse::<Pattern>().unwrap_err().to_string();
        assert!(error.contains(reason) && error.len() < 400, "{error}");
    }
}

const TEXT: &str = "# HELP a A\n# TYPE a histogram\na_bucket{le=\"+Inf\",x=\"1\"} 1\na_sum{x=\"1\"} 1\na_count{x=\"1\"} 1\n# by hand\n# TYPE a_total counter\na_total 2\n";

#[test]
fn families_are_kept_or_left_out_as_a_whole() {
    let rest = "# by hand\n# TYPE a_total counter\na_total 2\n";
    check(&filter(&[], &["a"], &[]), TEXT, rest, (1, 3, 0));
    check(&filter(&["*_total"], &[], &[]), TEXT, rest, (1, 3, 0));
    check(&filter(&["*"], &["a_*"], &[]), TEXT, TEXT.split_at(TEXT.len() - 33).0, (1, 1, 0));
    // The samples of a histogram have no names of their own to match.
    check(&filter(&[], &["a_bucket", "a_sum"], &[]), TEXT, TEXT, (0, 0, 0));
    check(&filter(&["nothing"], &[], &[]), TEXT, "# by hand\n", (2, 4, 0));
    assert!(Filter::default().is_nothing());
    check(&Filter::default(), "no metrics at all\n", "no metrics at all\n", (0, 0, 0));
}

#[test]
fn help_is_left_out() {
    let mut filter = Filter::default();
    filter.without_help();
    check(&filter, TEXT, TEXT.split_at(11).1, (0, 0, 0));
}

#[test]
fn the_first_of_what_becomes_the_same_is_kept() {
    let pod = filter(&[], &[], &["pod"]);
    check(
        &pod,
        "a{pod=\"1\",x=\"\\\\\"} 1\na{pod=\"2\",x=\"\\\\\"} 2\na{x=\"\\\\\"} 3\na{pod=\"1\"} 4 5\n",
        "a{x=\"\\\\\"} 1\na 4 5\n",
        (0, 0, 2),
    );
    // The second histogram is dropped with all its buckets, also the one that the first lacks.
    let histogram = |pod: &str, bounds: &[&str]| {
        let bucket = |le: &&str| format!("h_bucket{{pod=\"{pod}\",le=\"{le}\"}} 1\n");
        let buckets: String = bounds.iter().map(bucket).collect();
        format!("{buckets}h_sum{{pod=\"{pod}\"}} 1\nh_count{{pod=\"{pod}\"}} 1\n")
    };
    for kind in ["# TYPE h histogram\n", ""] {
        let text = [kind, &histogram("a", &["+Inf"]), &histogram("b", &["1", "+Inf"])].concat();
        let left = format!("{kind}h_bucket{{le=\"+Inf\"}} 1\nh_sum 1\nh_count 1\n");
        check(&pod, &text, &left, (0, 0, 4));
    }
    // Duplicates of the original text stay.
    check(&pod, "b 1\nb 2\n", "b 1\nb 2\n", (0, 0, 0));
}

#[test]
fn open_metrics_stays_open_metrics() {
    let text = "# TYPE a counter\na_total{x=\"1\",y=\"2\"} 1 2.5 # {t=\"1\"} 1\na_created{x=\"1\",y=\"2\"} 1\n# TYPE i info\ni_info 1\n# TYPE s stateset\ns{s=\"on\",x=\"1\"} 1\ns{s=\"off\",x=\"1\"} 0\n# EOF\n";
    let left = "# TYPE a counter\na_total{y=\"2\"} 1 2.5 # {t=\"1\"} 1\na_created{y=\"2\"} 1\n# TYPE s stateset\ns{s=\"on\"} 1\ns{s=\"off\"} 0\n# EOF\n";
    check(&filter(&[], &["i_info"], &["x", "s"]), text, left, (1, 1, 0));
    let rest = text.split_at(text.find("# TYPE i").unwrap()).1;
    check(&filter(&[], &["a_total"], &[]), text, rest, (1, 2, 0));
    // A text that is not OpenMetrics must not become it, which would change its timestamps.
    let text = "b 1\nb 2 # not\na 1 1000\n# EOF\n";
    assert!(filter(&[], &["b"], &[]).apply(text).is_err());
    check(&filter(&[], &["b"], &[]), "b\t1\na 1 1000\n# EOF\n", "a 1 1000\n", (1, 1, 0));
}

#[test]
fn what_cannot_be_read_is_not_filtered() {
    let error = filter(&[], &["b"], &[]).apply("a 1\nb{ 2\n").unwrap_err();
    assert_eq!(error.line, 2);
}

#[test]
fn filters_are_bounded() {
    let mut filter = Filter::default();
    for label in ["le", "quantile", "", "__name__"] {
        assert!(filter.drop_label(label).is_err(), "{label}");
    }
    for number in 0..Filter::MAX {
        filter.allow("a".parse().unwrap()).unwrap();
        filter.deny("a".parse().unwrap()).unwrap();
        filter.drop_label(&format!("l{number}")).unwrap();
    }
    filter.drop_label("l1").unwrap();
    assert_eq!(filter.allow("a".parse().unwrap()), Err(FilterError::TooMany));
    assert_eq!(filter.deny("a".parse().unwrap()), Err(FilterError::TooMany));
    assert_eq!(filter.drop_label("x"), Err(FilterError::TooMany));
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let patterns = || prop::collection::vec("[abc]|[ab]\\*|c_\\*|/a.*|b/|\\*_total|a\\.b", 0..3);
    let patterns = move || {
        patterns()
            .prop_map(|it| it.into_iter().filter_map(|it| it.parse().ok()).collect::<Vec<_>>())
    };
    let labels = prop::collection::vec("x|y|at|a|x\\.y|z", 0..4);
    (patterns(), patterns(), labels, any::<bool>()).prop_map(|(allow, deny, labels, help)| {
        let drop_labels = labels.into_iter().map(Into::into).collect();
        Filter { allow, deny, drop_labels, is_without_help: help }
    })
}

/// The types by name in an answer.
fn types(text: &str) -> BTreeSet<&str> {
    text.lines().filter(|line| line.starts_with("# TYPE ")).collect()
}

fn distinct(facts: &Facts) -> BTreeSet<u64> {
    facts.fingerprints.iter().copied().collect()
}

proptest! {
    #[test]
    fn what_was_valid_stays_valid(text in any_text(), filter in any_filter()) {
        let Ok(before) = facts(&text) else { return Ok(()) };
        let filtered = filter.apply(&text).unwrap();
        let after = facts(&filtered.text).unwrap();
        if before.format == SourceFormat::OpenMetrics || !filter.is_nothing() {
            prop_assert_eq!(after.format, before.format, "{}", filtered.text);
        }
        let left_out = filtered.series + filtered.duplicates;
        prop_assert_eq!(after.samples + left_out, before.samples, "{}", filtered.text);
        // There are no duplicates that were not there before.
        let twice = |facts: &Facts| facts.samples - distinct(facts).len();
        prop_assert!(twice(&after) <= twice(&before), "{}", filtered.text);
        prop_assert!(!filter.is_without_help || !filtered.text.lines().any(|line| line.starts_with("# HELP ")));
        prop_assert_eq!(filter.apply(&filtered.text).unwrap().text, &*filtered.text, "once is enough");
    }

    #[test]
    fn families_are_gone_or_whole(text in any_text(), mut filter in any_filter()) {
        filter.drop_labels.clear();
        let Ok(before) = facts(&text) else { return Ok(()) };
        let filtered = filter.apply(&text).unwrap();
        let after = facts(&filtered.text).unwrap();
        prop_assert!(distinct(&after).is_subset(&distinct(&before)));
        // Grouped by family, it has no new families, and all remaining samples.
        let target = crate::exposition::tests::JOINED;
        let whole = rendered(&source(grouped(&[&text], target).0.as_bytes()), target, &[]);
        let part = grouped(&[&filtered.text], target).0;
        prop_assert!(types(&part).is_subset(&types(&whole)), "{} {}", whole, part);
    }

    #[test]
    fn a_structure_outlives_the_loss_of_labels(text in any_text(), labels in prop::collection::btree_set("x|y|at", 0..3)) {
        if facts(&text).is_err() {
            return Ok(());
        }
        let filter = Filter { drop_labels: labels.into_iter().map(Into::into).collect(), ..Filter::default() };
        let filtered = filter.apply(&text).unwrap();
        let target = crate::exposition::tests::OPEN_METRICS;
        let (before, after) = (grouped(&[&text], target).0, grouped(&[&filtered.text], target).0);
        // If samples did not fit their families before, the remaining ones may fit now.
        if !types(&before).iter().any(|line| line.ends_with(" unknown")) {
            prop_assert_eq!(types(&before), types(&after), "{} {}", before, after);
        }
    }

    #[test]
    fn anything_is_filtered_without_a_panic(text in any::<String>(), other in crowded(), filter in any_filter()) {
        let _ = filter.apply(&text);
        let _ = filter.apply(&format!("{other}{text}"));
    }
}
