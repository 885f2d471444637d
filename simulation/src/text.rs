//! The applications' metrics. Each text is made from a few numbers, so that it need not be kept to be known again; it begins
//! with these numbers, so that an answer in which many are joined can be taken apart.

use std::fmt::Write;

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Series after the first.
    pub(crate) lines: u32,
    pub(crate) ending: Ending,
}

/// How an application ends its text. The proxy makes all of them one: a line break, and no `# EOF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Break,
    Eof,
    Open,
}

/// One application's text within an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    pub(crate) app: usize,
    pub(crate) serial: usize,
    pub(crate) bytes: &'a [u8],
}

/// The text of that number that an application gives.
pub(crate) fn given(app: usize, serial: usize, shape: Shape) -> String {
    let mut text = served(app, serial, shape);
    match shape.ending {
        Ending::Break => {}
        Ending::Eof => text.push_str("# EOF\n"),
        Ending::Open => text.truncate(text.len() - 1),
    }
    text
}

/// The same as it is to be in an answer.
pub(crate) fn served(app: usize, serial: usize, shape: Shape) -> String {
    let mut rest = String::with_capacity(64 * shape.lines as usize + 64);
    rest.push_str("# HELP sim_value Numbers, \\\\ and ünïcode.\n# TYPE sim_value gauge\n");
    for line in 0..shape.lines {
        let value = mix(mix(app as u64, serial as u64), u64::from(line)) >> 11;
        writeln!(rest, "sim_value{{app=\"{app}\",line=\"{line}\"}} {value}")
            .expect("a String takes all");
    }
    let head_len = head(app, serial, 0).len();
    let mut text = head(app, serial, head_len + rest.len());
    text.push_str(&rest);
    text
}

/// A text that nobody can read.
pub(crate) fn malformed(app: usize, serial: usize) -> String {
    let mut text = served(app, serial, Shape { lines: 3, ending: Ending::Break });
    match serial % 4 {
        0 => text.push_str("sim_value{app=\"0\"} many\n"),
        1 => text.push_str("sim_value{app=\"0} 1\n"),
        2 => text.push_str("1sim_value 1\n"),
        _ => text.insert(10, '\0'),
    }
    text
}

/// A text that is longer than the simulated proxy takes.
pub(crate) fn oversized(app: usize, serial: usize) -> String {
    let mut text = served(app, serial, Shape { lines: 3, ending: Ending::Break });
    text.extend(std::iter::repeat_n(format!("# {}\n", "long ".repeat(200)), TEXT_MAX / 1000));
    text
}

/// Takes an answer apart. Says what is where no text begins.
pub(crate) fn sections(mut body: &[u8]) -> Result<Vec<Section<'_>>, String> {
    let mut sections = Vec::new();
    while !body.is_empty() {
        let Some((app, serial, len)) = parse_head(body) else {
            let begin = &body[..body.len().min(80)];
            return Err(format!("no text begins with {:?}", String::from_utf8_lossy(begin)));
        };
        let Some((bytes, rest)) = body.split_at_checked(len) else {
            return Err(format!("text {serial} of app-{app} is cut off"));
        };
        sections.push(Section { app, serial, bytes });
        body = rest;
    }
    Ok(sections)
}

/// What the simulated proxy takes of one application, in bytes.
pub(crate) const TEXT_MAX: usize = 256 * 1024;

fn head(app: usize, serial: usize, len: usize) -> String {
    format!("{HEAD}{app}\",serial=\"{serial}\",bytes=\"{len:09}\"}} 1\n")
}

fn parse_head(body: &[u8]) -> Option<(usize, usize, usize)> {
    let line = body.split(|byte| *byte == b'\n').next()?;
    let rest = std::str::from_utf8(line).ok()?.strip_prefix(HEAD)?;
    let (app, rest) = rest.split_once("\",serial=\"")?;
    let (serial, rest) = rest.split_once("\",bytes=\"")?;
    let len = rest.strip_suffix("\"} 1")?;
    let (app, serial, len) = (app.parse().ok()?, serial.parse().ok()?, len.parse().ok()?);
    (len > line.len()).then_some((app, serial, len))
}

/// SplitMix64's last step: numbers that compress badly and are always the same.
fn mix(a: u64, b: u64) -> u64 {
    let mut mixed = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const HEAD: &str = "sim_text{app=\"";

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_rsocket_protocol::Labels;
    use prometheus_rsocket_protocol::exposition::{
        Escaping, Format, Inject, Policy, Source, Target, read, render,
    };

    #[test]
    fn what_is_given_is_served_as_said() {
        for ending in [Ending::Break, Ending::Eof, Ending::Open] {
            let shape = Shape { lines: 7, ending };
            let (text, identity, policy) =
                (given(3, 4, shape), Labels::default(), Policy::default());
            let source = Source {
                text: text.as_bytes(),
                identity: &identity,
                inject: Inject::Never,
                seed: 1,
            };
            let target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
            let facts = read(&source, &policy).unwrap();
            let mut rendered = Vec::new();
            render(&source, &policy, &facts, target, &[], &mut rendered);
            assert_eq!(rendered, served(3, 4, shape).into_bytes(), "{ending:?}");
        }
    }

    #[test]
    fn joined_texts_are_told_apart() {
        let shape = Shape { lines: 2, ending: Ending::Eof };
        let (first, second) = (served(1, 20, shape), served(300, 4, shape));
        let body = [first.as_bytes(), second.as_bytes()].concat();
        let expected = [
            Section { app: 1, serial: 20, bytes: first.as_bytes() },
            Section { app: 300, serial: 4, bytes: second.as_bytes() },
        ];
        assert_eq!(sections(&body).unwrap(), expected);
        assert_eq!(sections(b"").unwrap(), []);
        assert!(sections(&body[..body.len() - 1]).unwrap_err().contains("cut off"));
        assert!(sections(&body[1..]).unwrap_err().contains("no text begins"));
        assert!(sections(b"sim_text{app=\"1\",serial=\"1\",bytes=\"000000000\"} 1\n").is_err());
    }

    #[test]
    fn malformed_texts_are_refused() {
        for serial in 0..4 {
            assert!(check(malformed(1, serial), &Limits::default()).is_err(), "{serial}");
        }
        assert!(oversized(1, 4).len() > TEXT_MAX);
    }
}
