use super::support::*;
use super::*;
use crate::exposition::group::{Merge, Plan, Prepared, prepare, split};

/// The grouped answer of texts in which only the first sample of each series stays, and the conflicts.
pub(in crate::exposition) fn grouped(
    texts: &[impl AsRef<[u8]>],
    target: Target,
) -> (String, Vec<u32>) {
    let policy = Policy::default();
    let mut seen = std::collections::BTreeSet::new();
    let read: Vec<_> = texts
        .iter()
        .filter_map(|text| Some((source(text.as_ref()), facts(text).ok()?)))
        .map(|(source, facts)| {
            let own: std::collections::BTreeSet<_> = facts.fingerprints.iter().copied().collect();
            let is_taken = |(_, print): &(u32, &u64)| seen.contains(*print);
            let omit: Vec<_> =
                (0..).zip(&facts.fingerprints).filter(is_taken).map(|(at, _)| at).collect();
            seen.extend(own);
            (source, facts, omit)
        })
        .collect();
    let prepared: Vec<_> = read
        .iter()
        .map(|(source, facts, omit)| prepare(source, &policy, facts, target, omit))
        .collect();
    let plan = Plan::new(prepared.iter().map(Prepared::outline));
    let splits: Vec<_> = read
        .iter()
        .map(|(source, facts, omit)| split(source, &policy, facts, target, omit, &plan))
        .collect();
    for (prepared, split) in prepared.iter().zip(&splits) {
        // The prepared chunks are used only where they are the same.
        assert_eq!(prepared.split(&plan).as_ref().unwrap_or(split), split);
    }
    let mut merge = Merge::new(target, splits);
    let mut out = Vec::new();
    while merge.write(&mut out) {}
    (String::from_utf8(out).expect("UTF-8"), plan.conflicts().to_vec())
}

#[test]
fn a_family_is_written_once() {
    let one = "# HELP a first\n# TYPE a gauge\na{x=\"1\"} 1\n# TYPE c counter\nc 1\n";
    let two = "b 1\n# HELP a second\n# TYPE a gauge\na{x=\"2\"} 2\na{x=\"1\"} 3\n# HELP c C\n# TYPE c counter\nc{y=\"\"} 2\nc{y=\"z\"} 2\n";
    let expected = concat!(
        "# HELP a first\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n# TYPE b untyped\nb 1\n",
        "# HELP c C\n# TYPE c counter\nc 1\nc{y=\"z\"} 2\n"
    );
    assert_eq!(grouped(&[one, two], JOINED), (expected.to_owned(), vec![0, 0]));
    assert_eq!(grouped(&[] as &[&str], JOINED).0, "");
    assert_eq!(grouped(&["", "# comment\n"], JOINED).0, "");
}

#[test]
fn types_that_differ_are_counted() {
    let gauge = "# TYPE a gauge\na{x=\"1\"} 1\n";
    let counter = "# TYPE a counter\na{x=\"2\"} 1\n";
    let histogram = "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 1\n";
    let expected = "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 1\n";
    assert_eq!(grouped(&[gauge, counter], JOINED), (expected.to_owned(), vec![0, 1]));
    for texts in [[gauge, histogram], [histogram, gauge]] {
        let (out, conflicts) = grouped(&texts, JOINED);
        assert_eq!(
            out,
            concat!(
                "# TYPE a gauge\na{x=\"1\"} 1\n# TYPE a_bucket untyped\na_bucket{le=\"+Inf\"} 1\n",
                "# TYPE a_count untyped\na_count 1\n# TYPE a_sum untyped\na_sum 1\n"
            )
        );
        assert_eq!(conflicts, [u32::from(texts[0] == histogram), u32::from(texts[1] == histogram)]);
    }
    // The name belongs to a histogram.
    let (out, conflicts) = grouped(
        &[histogram, "# TYPE a_count gauge\na_count{x=\"\"} 3\na_count{x=\"1\"} 3\n"],
        JOINED,
    );
    assert!(out.contains("# TYPE a_count untyped\na_count 1\na_count{x=\"1\"} 3\n"), "{out}");
    assert_eq!(conflicts[0], 1);
    // A bucket without a number would break strict parsers.
    let (out, _) = grouped(&[histogram, "# TYPE a histogram\na_bucket{le=\"x\"} 1\n"], JOINED);
    assert!(
        out.starts_with("# TYPE a_bucket untyped\na_bucket{le=\"+Inf\"} 1\na_bucket{le=\"x\"} 1\n"),
        "{out}"
    );
}

#[test]
fn groups_of_a_histogram_stay_together() {
    let text = |x: &str, le: &str| {
        format!(
            "# TYPE h histogram\nh_bucket{{x=\"{x}\",le=\"{le}\"}} 1\nh_bucket{{x=\"{x}\",le=\"+Inf\"}} 1\n"
        )
    };
    let (out, _) = grouped(&[text("1", "1"), text("2", "1"), text("1", "1")], OPEN_METRICS);
    assert_eq!(
        out,
        concat!(
            "# TYPE h histogram\nh_bucket{x=\"1\",le=\"1.0\"} 1\nh_bucket{x=\"1\",le=\"+Inf\"} 1\n",
            "h_bucket{x=\"2\",le=\"1.0\"} 1\nh_bucket{x=\"2\",le=\"+Inf\"} 1\n",
        )
    );
    let (out, _) = grouped(&[text("1", "1"), text("1", "2")], OPEN_METRICS);
    assert!(out.starts_with("# TYPE h_bucket unknown\n"), "{out}");
}

#[test]
fn large_families_go_through_several_chunks() {
    let text = |app: usize| {
        let series = |at| format!("a{{app=\"{app}\",at=\"{at}\"}} {at}\n");
        format!(
            "# HELP a {}\n{}b {app}\n",
            "h".repeat(40_000),
            (0..5000).map(series).collect::<String>()
        )
    };
    let texts: Vec<_> = (0..3).map(text).collect();
    let (out, _) = grouped(&texts, JOINED);
    let samples: Vec<_> = out.lines().filter(|line| line.starts_with("a{")).collect();
    let expected: Vec<_> =
        texts.iter().flat_map(|text| text.lines().filter(|line| line.starts_with("a{"))).collect();
    assert_eq!(samples, expected);
    assert!(out.ends_with("# TYPE b untyped\nb 0\n"));
}
