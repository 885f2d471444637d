use super::{ALL, Bad, FIRST, given, says, served};
use crate::body::BodyFormat;
use prometheus_rsocket_protocol::exposition::{
    Escaping, Format, Inject, Policy, Source, Target, read, render,
};

#[test]
fn what_is_given_is_served_as_said_or_refused() {
    let policy = Policy::default();
    for (kind, bad) in ALL.into_iter().enumerate() {
        // Neighbours without a client, and those whose texts are refused for other reasons than their contents.
        let is_raw = served(FIRST + kind, 3, body_format(false)).is_none();
        if matches!(bad, Bad::FloodBig | Bad::FloodBroken | Bad::FloodSmall)
            || matches!(bad, Bad::FloodWaiting | Bad::KeyIgnored | Bad::ResetMidFrame)
        {
            continue;
        }
        let (text, identity) = (given(bad, FIRST + kind, 3), says(bad));
        let source =
            Source { text: text.as_bytes(), identity: &identity, inject: Inject::Missing, seed: 1 };
        let facts = match read(&source, &policy) {
            Ok(facts) if !is_raw => facts,
            Ok(_) => {
                let is_elsewhere =
                    matches!(bad, Bad::NotUtf8 | Bad::Bomb | Bad::Oversize | Bad::WrongKey);
                assert!(is_elsewhere, "{bad:?}");
                continue;
            }
            Err(error) => {
                assert!(matches!(bad, Bad::Nul), "{bad:?}: {error}");
                continue;
            }
        };
        for (format, open_metrics) in [(Format::Text004, false), (Format::OpenMetrics1, true)] {
            let target = Target { format, escaping: Escaping::Underscores };
            let mut out = Vec::new();
            render(&source, &policy, &facts, target, &[], &mut out);
            let (out, expected) = (
                String::from_utf8(out).unwrap(),
                served(FIRST + kind, 3, body_format(open_metrics)).unwrap(),
            );
            if open_metrics {
                let samples = |text: &str| -> Vec<String> {
                    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
                };
                assert_eq!(samples(&out), samples(&expected), "{bad:?}");
            } else {
                assert_eq!(out, expected, "{bad:?}");
            }
        }
    }
}

fn body_format(open_metrics: bool) -> BodyFormat {
    BodyFormat { grouped: open_metrics, open_metrics, states: false, is_version_1: false }
}
