//! The applications' metrics. Each text is made from a few numbers, so that it need not be kept to be recognised. It begins with these numbers, so
//! that an answer with many texts can be taken apart.

use std::fmt::Write;

/// The shape of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Series after the first.
    pub(crate) lines: u32,
    pub(crate) ending: Ending,
    /// N of the `instance="app-N"` that the application declares in its SETUP. Its text does not have it, so the proxy adds that label.
    pub(crate) instance: Option<usize>,
}

/// How an application ends its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Break,
    /// With the end of OpenMetrics, which the text then is.
    Eof,
    /// Without the last line break, which the proxy adds.
    Open,
}

/// Returns the text of this number that an application gives.
pub(crate) fn given(app: usize, serial: usize, shape: Shape) -> String {
    let mut text = served(app, serial, Shape { instance: None, ..shape }, 0);
    match shape.ending {
        Ending::Break => {}
        Ending::Eof => text.push_str("# EOF\n"),
        Ending::Open => text.truncate(text.len() - 1),
    }
    text
}

/// Returns the same text as it should be in an answer in the text format, without the series that another text of the application before it has: the
/// first `without` lines.
pub(crate) fn served(app: usize, serial: usize, shape: Shape, without: u32) -> String {
    let mut text = String::with_capacity(80 * shape.lines as usize + 256);
    let is_open_metrics = shape.ending == Ending::Eof;
    if is_open_metrics {
        text.push_str("# TYPE sim_text gauge\n");
    }
    let mut samples = samples(app, serial, shape, without);
    text.extend(samples.next().map(|line| line + "\n"));
    // If the proxy converts text, it leaves out a family without series.
    if !is_open_metrics || without < shape.lines {
        text.push_str(COMMENTS);
    }
    samples.for_each(|line| text.extend([&line, "\n"]));
    text
}

/// What precedes all samples except the first.
pub(crate) const COMMENTS: &str =
    "# HELP sim_value Numbers, \\\\ and ünïcode.\n# TYPE sim_value gauge\n";

/// Returns its samples, each a line without its end; the first is the head.
pub(crate) fn samples(
    app: usize,
    serial: usize,
    shape: Shape,
    without: u32,
) -> impl Iterator<Item = String> {
    let instance =
        shape.instance.map_or_else(String::new, |app| format!(",instance=\"app-{app}\""));
    let head = format!("{HEAD}{app}\",serial=\"{serial}\"{instance}}} 1");
    let values = (without.min(shape.lines)..shape.lines).map(move |line| {
        let value = mix(mix(app as u64, serial as u64), u64::from(line)) >> 11;
        let mut text = String::with_capacity(64);
        write!(text, "sim_value{{app=\"{app}\",line=\"{line}\"{instance}}} {value}")
            .expect("a String takes all");
        text
    });
    std::iter::once(head).chain(values)
}

/// Returns the application and the number of the text that begins with this line.
pub(crate) fn parse_head(line: &str) -> Option<(usize, usize)> {
    let (app, rest) = line.strip_prefix(HEAD)?.split_once("\",serial=\"")?;
    let (serial, _) = rest.split_once('"')?;
    Some((app.parse().ok()?, serial.parse().ok()?))
}

/// Returns an unreadable text.
pub(crate) fn malformed(app: usize, serial: usize) -> String {
    let mut text = served(app, serial, PLAIN, 0);
    match serial % 4 {
        0 => text.push_str("sim_value{app=\"0\"} many\n"),
        1 => text.push_str("sim_value{app=\"0} 1\n"),
        2 => text.push_str("1sim_value 1\n"),
        _ => text.insert(10, '\0'),
    }
    text
}

/// Returns a text that is longer than the simulated proxy accepts.
pub(crate) fn oversized(app: usize, serial: usize) -> String {
    let mut text = served(app, serial, PLAIN, 0);
    text.extend(std::iter::repeat_n(format!("# {}\n", "long ".repeat(200)), TEXT_MAX / 1000));
    text
}

/// The longest text of one application that the simulated proxy accepts, in bytes.
pub(crate) const TEXT_MAX: usize = 256 * 1024;

const PLAIN: Shape = Shape { lines: 3, ending: Ending::Break, instance: None };

/// SplitMix64's last step: numbers that compress badly and are always the same.
fn mix(a: u64, b: u64) -> u64 {
    let mut mixed = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub(crate) const HEAD: &str = "sim_text{app=\"";

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_rsocket_protocol::Labels;
    use prometheus_rsocket_protocol::exposition::{
        Escaping, Format, Inject, Policy, Source, Target, read, render,
    };

    #[test]
    fn what_is_given_is_served_as_said() {
        let (policy, target) = (
            Policy::default(),
            Target { format: Format::Text004, escaping: Escaping::Underscores },
        );
        for ending in [Ending::Break, Ending::Eof, Ending::Open] {
            for (instance, without) in [(None, 0), (Some(30), 0), (Some(3), 2), (None, 7)] {
                let shape = Shape { lines: 7, ending, instance };
                let text = given(3, 4, shape);
                let labels = instance.map(|app| ("instance", format!("app-{app}")));
                let identity = Labels::new(labels).unwrap();
                let (text, inject) = (text.as_bytes(), Inject::Missing);
                let source = Source { text, identity: &identity, inject, seed: 1 };
                let facts = read(&source, &policy).unwrap();
                assert_eq!(facts.samples, samples(3, 4, shape, 0).count());
                let omit: Vec<u32> = (1..=without).collect();
                let mut out = Vec::new();
                render(&source, &policy, &facts, target, &omit, &mut out);
                let out = String::from_utf8(out).unwrap();
                assert_eq!(out, served(3, 4, shape, without), "{shape:?}");
            }
        }
    }

    #[test]
    fn malformed_texts_are_refused() {
        let identity = Labels::default();
        for serial in 0..4 {
            let text = malformed(1, serial);
            let (text, inject) = (text.as_bytes(), Inject::Missing);
            let source = Source { text, identity: &identity, inject, seed: 1 };
            assert!(read(&source, &Policy::default()).is_err(), "{serial}");
        }
        assert!(oversized(1, 4).len() > TEXT_MAX);
    }
}
