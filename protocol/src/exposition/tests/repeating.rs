//! The beginning that a sample has in common with the previous one is not read again. This must not change the result.

use super::support::*;
use super::*;
use crate::exposition::cursor::common_prefix;
use proptest::prelude::*;

/// Lines that differ little, some of them invalid.
fn similar() -> impl Strategy<Value = String> {
    let name = "(a|ab|abc|)";
    let open = "(\\{|\\{ |\\{\"a\\.b\",|\\{\"a\\.b\" ,|)";
    let label = "(x|y|xy|\"x\"|\"x\\.y\"|__name__)( =|=|= )\"(1|12|123456789012345678|\\\\\"|\\\\z|\\\\\\\\|ä|)\"";
    let labels = prop::collection::vec((label, "(,|, |  ,| |)"), 0..4);
    (name, open, labels, "(\\}|\\} |)", "( |)(1|2\\.5|3e9|x|)( 5|)").prop_map(
        |(name, open, labels, close, value)| {
            let labels: String = labels.into_iter().map(|(label, end)| label + &end).collect();
            name + &open + &labels + &close + &value
        },
    )
}

proptest! {
    #[test]
    fn a_line_means_the_same_behind_any_other(
        kinds in prop::collection::vec(similar(), 1..4),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let lines: Vec<_> = order.iter().map(|index| index.get(&kinds).clone()).collect();
        let mut fingerprints = Vec::new();
        let mut is_verbatim = true;
        let mut fault = None;
        for (number, line) in lines.iter().enumerate() {
            match facts(line) {
                Ok(facts) => {
                    fingerprints.extend(&facts.fingerprints);
                    is_verbatim &= facts.is_verbatim;
                }
                Err(error) => {
                    fault = Some((number + 1, error.column, error.kind));
                    break;
                }
            }
        }
        match facts(lines.join("\n")) {
            Ok(facts) => {
                prop_assert_eq!(fault, None);
                prop_assert_eq!(facts.fingerprints, fingerprints);
                prop_assert_eq!(facts.is_verbatim, is_verbatim);
            }
            Err(error) => prop_assert_eq!(fault, Some((error.line, error.column, error.kind))),
        }
    }

    #[test]
    fn what_two_begin_with_is_counted(one in "[ab]{0,40}", other in "[ab]{0,40}", same in "[ab]{0,40}") {
        let (one, other) = (same.clone() + &one, same + &other);
        let expected = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
        prop_assert_eq!(common_prefix(one.as_bytes(), other.as_bytes()), expected);
    }
}

#[test]
fn escapes_are_told_apart_as_they_are_read() {
    let fingerprint =
        |value: &str| facts(format!("a{{x=\"{value}\"}} 1")).expect(value).fingerprints;
    assert_eq!(fingerprint("\\z"), fingerprint("\\\\z"), "an unknown escape stands for itself");
    assert_eq!(fingerprint("\n"), fingerprint("\\n"));
    assert_ne!(fingerprint("\\\\n"), fingerprint("\\n"));
    let identity = Labels::new([("x", "\\z\n\"")]).expect("labels");
    let added = Source { identity: &identity, ..source(b"a 1") };
    let added = read(&added, &Policy::default()).expect("a sample").fingerprints;
    assert_eq!(added, fingerprint("\\z\\n\\\""));
}
