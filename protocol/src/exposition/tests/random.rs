use super::grouping::grouped;
use super::support::*;
use super::*;
use proptest::prelude::*;

/// A line in the grammar of text 0.0.4, without its line feed, and whether it is a sample.
fn line() -> impl Strategy<Value = (String, bool)> {
    let blanks = "[ \t]{0,2}";
    let label = ("l[a-z0-9_]{0,3}", blanks, r#"([^"\\\n\x00]|\\["\\n]){0,8}"#)
        .prop_map(|(name, blanks, value)| (name, format!("{blanks}={blanks}\"{value}\"")));
    let labels = prop::collection::btree_map("l[a-z0-9_]{0,3}", label, 0..5).prop_map(|labels| {
        let labels = labels.into_iter().map(|(name, (_, value))| name + &value);
        labels.collect::<Vec<_>>().join(",")
    });
    let number = prop_oneof![
        any::<f64>()
            .prop_filter("Go knows no sign of NaN", |n| !n.is_nan())
            .prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("as above", |n| !n.is_nan()).prop_map(|n| format!("{n:e}")),
        "NaN|[+-]?Inf|[0-9]{1,5}\\.[0-9]{1,5}(E[0-9])?",
    ];
    let timestamp = prop_oneof!["".boxed(), (0..i64::MAX).prop_map(|ms| format!(" {ms}")).boxed()];
    let series = ("[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", labels, "[ \t]{1,2}", number, timestamp, blanks)
        .prop_map(|(name, labels, blanks, value, timestamp, end)| {
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            (format!("{name}{labels}{blanks}{value}{timestamp}{end}"), true)
        });
    let other = "# HELP [a-z]{1,5}( ([^\\\\\n\x00]|\\\\n){0,10})?|# TYPE [a-z]{1,5} (counter|gauge|untyped)|#[^ \t\n\x00][^\n\x00]{0,9}|[ \t]{0,3}";
    let lines = prop_oneof![3 => series, 1 => other.prop_map(|line| (line, false))];
    lines.prop_filter("a reserved name", |(line, _)| {
        !line.split([' ', '\t', '{']).any(|word| word == "up")
    })
}

/// Texts with few names, so that families collide.
pub(in crate::exposition) fn crowded() -> impl Strategy<Value = String> {
    let name = "(a|b|a_total|a_created|a_bucket|a_count|a_sum|a_info|\\{\"a\\.b\",|\\{\"a\",)";
    let labels = "(\\{|)(x=\"[12]\",)?(le=\"(1|1\\.0|2|\\+Inf|x)\",)?(quantile=\"(0\\.5|1|x)\",)?(a=\"1\",)?(\"x\\.y\"=\"1\",)?(z=\"\\\\z\" )?";
    let kind = "(counter|gauge|histogram|summary|untyped)";
    let sample = (name, labels, "(1|0|-1|2|NaN|1\\.5)", "( 5| 6|)").prop_map(
        |(name, labels, value, time)| {
            let quoted = name.starts_with('{');
            let labels = labels.trim_start_matches('{');
            match (quoted, labels.is_empty()) {
                (true, _) => format!("{name}{labels}}} {value}{time}\n"),
                (false, true) => format!("{name} {value}{time}\n"),
                (false, false) => format!("{name}{{{labels}}} {value}{time}\n"),
            }
        },
    );
    let metadata = ("(a|b|a_total|a_created|a_count|\"a\\.b\")", kind, any::<bool>()).prop_map(
        |(name, kind, is_type)| {
            if is_type {
                format!("# TYPE {name} {kind}\n")
            } else {
                format!("# HELP {name} \"h\\\\\n")
            }
        },
    );
    prop::collection::vec(prop_oneof![3 => sample.boxed(), 1 => metadata.boxed()], 0..12)
        .prop_map(|lines| lines.concat())
}

/// Texts of families as client libraries write them, in either format, perhaps with a line missing.
pub(in crate::exposition) fn orderly() -> impl Strategy<Value = String> {
    let series = ("(a|b|c_seconds)", "(x=\"[12]\"|x=\"\\\\\"|y=\"1\")", 0..3_u8, 1..9_u32);
    let family =
        (series, 0..7_u8, any::<bool>(), "( 1| 2\\.5|)", "( # \\{t=\"x\"\\} 1| # \\{\\} 1 1\\.5|)");
    let text = prop::collection::vec(family, 0..4);
    (text, any::<bool>(), 0..20_usize).prop_map(|(families, is_text, missing)| {
        let mut lines = Vec::new();
        for ((name, labels, more, value), kind, _, time, exemplar) in families {
            let (time, exemplar) = if is_text { ("", "") } else { (&*time, &*exemplar) };
            let total = if is_text { "_total" } else { "" };
            let kinds =
                ["counter", "gauge", "histogram", "summary", "info", "stateset", "gaugehistogram"];
            let kind = kinds[usize::from(kind) % if is_text { 4 } else { 7 }];
            let (suffix, shown) = if kind == "counter" { (total, "_total") } else { ("", "") };
            lines.push(format!("# HELP {name}{suffix} h"));
            lines.push(format!("# TYPE {name}{suffix} {kind}"));
            if !is_text && name.ends_with("_seconds") {
                lines.push(format!("# UNIT {name} seconds"));
            }
            for at in 0..=more {
                let labels = format!("{labels},at=\"{at}\"");
                match kind {
                    "histogram" | "gaugehistogram" => {
                        let g = if kind == "histogram" { "" } else { "g" };
                        for le in ["1", "2.5", "+Inf"] {
                            lines.push(format!(
                                "{name}_bucket{{{labels},le=\"{le}\"}} {value}{time}{exemplar}"
                            ));
                        }
                        lines.push(format!("{name}_{g}count{{{labels}}} {value}{time}"));
                        lines.push(format!("{name}_{g}sum{{{labels}}} {value}{time}"));
                    }
                    "summary" => {
                        lines.push(format!("{name}{{quantile=\"1\",{labels}}} {value}{time}"));
                        lines.push(format!("{name}_count{{{labels}}} {value}{time}"));
                        lines.push(format!("{name}_sum{{{labels}}} {value}{time}"));
                    }
                    "counter" => {
                        lines.push(format!("{name}{shown}{{{labels}}} {value}{time}{exemplar}"));
                        lines.push(format!("{name}_created{{{labels}}} {value}{time}"));
                    }
                    "info" => lines.push(format!("{name}_info{{{labels}}} 1{time}")),
                    "stateset" => lines.push(format!("{name}{{{name}=\"s\",{labels}}} 1{time}")),
                    _ => lines.push(format!("{name}{{{labels}}} {value}{time}")),
                }
            }
        }
        if missing < lines.len() {
            lines.remove(missing);
        }
        if !is_text {
            lines.push("# EOF".to_owned());
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    })
}

pub(in crate::exposition) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![crowded(), orderly()]
}

fn targets() -> impl Strategy<Value = Target> {
    let escaping = prop_oneof![Just(Escaping::AllowUtf8), Just(Escaping::Underscores)];
    let format = prop_oneof![Just(Format::Text004), Just(Format::OpenMetrics1)];
    (format, escaping).prop_map(|(format, escaping)| Target { format, escaping })
}

/// The text with the end that marks its format.
fn ended(text: &str, target: Target) -> String {
    match target.format {
        Format::OpenMetrics1 => format!("{text}# EOF\n"),
        Format::Text004 => text.to_owned(),
    }
}

/// The fingerprint, value and timestamp of each sample.
fn samples(text: &str) -> Vec<(u64, String)> {
    let is_sample = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let tail = |line: &str| {
        let tail = line.rsplit_once('}').or_else(|| line.split_once(' '));
        tail.map_or("", |(_, tail)| tail).trim().to_owned()
    };
    let lines = text.lines().filter(is_sample).map(tail);
    facts(text).unwrap().fingerprints.into_iter().zip(lines).collect()
}

proptest! {
    #[test]
    fn anything_is_read_without_a_panic(text in any::<String>(), bytes: Vec<u8>) {
        let _ = facts(&text);
        let _ = facts(bytes);
    }

    #[test]
    fn near_misses_are_rendered_into_what_is_read_again(
        text in r#"([a_#:{}"=,\\ \n\t1.eE+-]|# TYPE |# HELP |# EOF|# UNIT |a=""|NaN|µ|counter\n|a 1\n|up|scrape.x){0,30}(# EOF\n)?"#,
        drop_family: bool,
        target in targets(),
    ) {
        let on_bad_line = if drop_family { OnBadLine::DropFamily } else { OnBadLine::DropApplication };
        let policy = Policy { on_bad_line, ..Policy::default() };
        if let Ok(first) = read(&source(text.as_bytes()), &policy) {
            prop_assert_eq!(first.fingerprints.len(), first.samples);
            let mut out = Vec::new();
            render(&source(text.as_bytes()), &policy, &first, target, &[], &mut out);
            let out = ended(std::str::from_utf8(&out).unwrap(), target);
            let again = facts(&out);
            prop_assert!(again.is_ok(), "{:?}: {:?}", out, again);
            let again = again.unwrap();
            prop_assert!(again.reduced.is_none(), "{:?}: {:?}", out, again.reduced);
            if target == JOINED && first.format == SourceFormat::Text004 {
                prop_assert_eq!(again.samples, first.samples);
                prop_assert_eq!(again.fingerprints, first.fingerprints);
                prop_assert!(!out.lines().any(|line| line.trim() == "# EOF"));
            }
        }
    }

    #[test]
    fn texts_by_the_grammar_pass_through(lines in prop::collection::vec(line(), 0..20)) {
        let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
        let facts = facts(&text).unwrap();
        prop_assert_eq!(facts.samples, lines.iter().filter(|line| line.1).count());
        prop_assert_eq!(rendered(&source(text.as_bytes()), JOINED, &[]), text);
    }

    #[test]
    fn a_text_is_right_exactly_if_its_lines_are(
        lines in prop::collection::vec(prop_oneof![
            4 => line().prop_map(|line| line.0),
            1 => "[a{}=, 1#]{0,6}",
        ], 0..8),
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let first_wrong = lines.iter().map(facts).position(|line| line.is_err());
        match facts(&text) {
            Ok(_) => prop_assert_eq!(first_wrong, None),
            Err(error) => prop_assert_eq!(first_wrong, Some(error.line - 1)),
        }
    }

    #[test]
    fn what_is_rendered_stays_so(text in any_text(), target in targets()) {
        if facts(&text).is_ok() {
            let once = ended(&rendered(&source(text.as_bytes()), target, &[]), target);
            let twice = ended(&rendered(&source(once.as_bytes()), target, &[]), target);
            prop_assert_eq!(twice, once);
        }
    }

    #[test]
    fn omitted_samples_are_missing_and_no_others(text in crowded(), omit: u16) {
        if let Ok(first) = facts(&text) {
            let omit: Vec<u32> = (0..16).filter(|at| omit & (1 << at) != 0 && *at < first.samples as u32).collect();
            let out = rendered(&source(text.as_bytes()), JOINED, &omit);
            let kept = (0..).zip(&first.fingerprints).filter(|(at, _)| !omit.contains(at)).map(|(_, print)| *print);
            prop_assert_eq!(facts(out).unwrap().fingerprints, kept.collect::<Vec<_>>());
        }
    }

    #[test]
    fn grouped_are_the_samples_of_all(texts in prop::collection::vec(crowded(), 0..5)) {
        let (out, _) = grouped(&texts, JOINED);
        let mut seen = std::collections::BTreeSet::new();
        let mut expected = Vec::new();
        for text in &texts {
            if facts(text).is_ok() {
                let rendered = rendered(&source(text.as_bytes()), JOINED, &[]);
                expected.extend(samples(&rendered).into_iter().filter(|(print, _)| seen.insert(*print)));
            }
        }
        let mut samples = samples(&out);
        samples.sort();
        expected.sort();
        prop_assert_eq!(samples, expected);
    }

    #[test]
    fn a_grouped_answer_has_each_name_once(texts in prop::collection::vec(any_text(), 0..5), target in targets()) {
        let (out, _) = grouped(&texts, target);
        prop_assert!(facts(ended(&out, target)).is_ok());
        for word in ["# TYPE ", "# HELP "] {
            let names: Vec<_> = out.lines().filter_map(|line| line.strip_prefix(word)?.split(' ').next()).collect();
            prop_assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", names);
        }
    }
}
