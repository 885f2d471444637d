//! Takes answers apart: whose texts are in them, whether each is as it was given, and what the end says of each application.

mod given;
#[cfg(test)]
mod tests;

use self::given::Given;
use crate::ledger::Row;
use crate::neighbours;
use crate::report::Kind;
use crate::text::Shape;
use prometheus_rsocket_protocol::collector::ScrapeFailure;
use std::time::Duration;

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyFormat {
    /// Whether families are grouped over all applications.
    pub(crate) grouped: bool,
    pub(crate) open_metrics: bool,
    /// Whether the answer ends with the applications' states.
    pub(crate) states: bool,
    /// Whether our clients speak version 1 of the envelope, for which they convert OpenMetrics to text of 0.0.4.
    pub(crate) is_version_1: bool,
}

/// The contents of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The application and number of each text, in order, without those of bad neighbours.
    pub(crate) sections: Vec<(usize, usize)>,
    pub(crate) rows: Vec<Row>,
}

/// A fault in an answer.
pub(crate) type Fault = (Kind, String);

/// One application's text within an answer.
#[derive(Clone, Copy, Debug)]
struct Section {
    app: usize,
    serial: usize,
    samples: usize,
    instance: Option<usize>,
}

/// Takes an answer apart. `shape_of` returns the shapes of the texts that were given.
pub(crate) fn read(
    body: &[u8],
    format: BodyFormat,
    shape_of: impl Fn(usize, usize) -> Option<Shape>,
) -> Result<Contents, Fault> {
    let altered = |what: &str| (Kind::Altered, what.to_owned());
    let mut body = std::str::from_utf8(body).map_err(|_| altered("it is not UTF-8"))?;
    if format.open_metrics {
        let rest = body.strip_suffix("# EOF\n").filter(|rest| !rest.contains("# EOF"));
        body = rest.ok_or_else(|| altered("# EOF is not its one end"))?;
    }
    let mut states = "";
    if format.states {
        let at = body.find(STATES).ok_or_else(|| altered("no states are at its end"))?;
        (body, states) = body.split_at(at);
    }
    let given = Given { shape_of, format };
    let sections = if format.grouped { given.grouped(body) } else { given.joined(body) };
    let sections = sections.map_err(|what| (Kind::Altered, what))?;
    let rows = if format.states {
        let rows = rows(states).map_err(|what| (Kind::Untrue, what))?;
        attribute(rows, &sections).map_err(|what| (Kind::Untrue, what))?
    } else {
        Vec::new()
    };
    let ours = sections.iter().filter(|section| section.app < neighbours::FIRST);
    let sections = ours.map(|section| (section.app, section.serial)).collect();
    Ok(Contents { sections, rows })
}

/// Reads the states of the applications, which have to be the same ones in each family.
fn rows(states: &str) -> Result<Vec<Row>, String> {
    let mut lines = states.lines();
    let mut families = FAMILIES.map(|_| Vec::new());
    for (family, name) in families.iter_mut().zip(FAMILIES) {
        let head = [lines.next(), lines.next()];
        let is_head = head[0].is_some_and(|line| line.starts_with(&format!("# HELP {name} ")))
            && head[1] == Some(&*format!("# TYPE {name} gauge"));
        if !is_head {
            return Err(format!("{name} begins with {head:?}"));
        }
        while let Some((labels, value)) = lines.clone().next().and_then(|line| series(line, name)) {
            family.push((labels, value));
            lines.next();
        }
    }
    if let Some(line) = lines.next() {
        return Err(format!("{line:?} is among the states"));
    }
    let [ups, durations, counts, collisions] = families;
    if [&durations, &counts, &collisions].iter().any(|family| family.len() != ups.len()) {
        return Err("the families of states differ in length".to_owned());
    }
    let mut rows: Vec<Row> = Vec::with_capacity(ups.len());
    for ((up, duration), count) in ups.into_iter().zip(durations).zip(counts) {
        let row = row(up, duration, count)?;
        if rows.iter().any(|other| other.name == row.name) {
            return Err(format!("{{{}}} is there twice", row.name));
        }
        rows.push(row);
    }
    // If several rows have the same name, it is unknown whose each is.
    let others: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    for row in &mut rows {
        let shared = format!("{},app=", row.name);
        row.app = row.app.filter(|_| !others.iter().any(|other| other.starts_with(&shared)));
    }
    for ((labels, count), row) in collisions.into_iter().zip(&rows) {
        if labels != row.name || count.parse::<usize>().is_err() {
            return Err(format!("{{{}}} has the collisions {count:?} as {{{labels}}}", row.name));
        }
    }
    Ok(rows)
}

fn row(up: (&str, &str), duration: (&str, &str), count: (&str, &str)) -> Result<Row, String> {
    let reason = label(up.0, "reason");
    let name = match reason {
        Some(reason) => up.0.replace(&format!("reason=\"{reason}\""), ""),
        None => up.0.to_owned(),
    };
    let name = name.trim_end_matches(',').to_owned();
    if duration.0 != name || count.0 != name {
        return Err(format!("{{{name}}} is {{{}}} and {{{}}}", duration.0, count.0));
    }
    let is_known = reason.is_none_or(|reason| ScrapeFailure::REASONS.contains(&reason));
    if !is_known || up.1 != if reason.is_some() { "0" } else { "1" } {
        return Err(format!("{{{}}} is {}", up.0, up.1));
    }
    let number = |text: &str| format!("{{{name}}} has the number {text:?}");
    let seconds: f64 = duration.1.parse().map_err(|_| number(duration.1))?;
    let took = Duration::try_from_secs_f64(seconds).map_err(|_| number(duration.1))?;
    let samples = count.1.parse().map_err(|_| number(count.1))?;
    let app = label(&name, "instance").and_then(|instance| instance.strip_prefix("app-"));
    let app = app.filter(|app| name == format!("instance=\"app-{app}\""));
    let app = app.and_then(|app| app.parse().ok());
    let reason = reason.map(str::to_owned);
    Ok(Row { name, app, serial: None, reason, took, samples })
}

/// Attributes rows to applications: the rows with samples belong to the texts, in the same order. Several pushes of one application have one row.
fn attribute(mut rows: Vec<Row>, sections: &[Section]) -> Result<Vec<Row>, String> {
    let mut texts = sections.iter().peekable();
    for row in rows.iter_mut().filter(|row| row.samples > 0) {
        let Some(first) = texts.next() else {
            return Err(format!("{{{}}} has samples, and no text", row.name));
        };
        let (mut latest, mut samples) = (first, first.samples);
        let is_ours = first.app < neighbours::FIRST;
        // Two applications of one name have one state once they have gone.
        let is_twin = |next: &Section| next.instance.is_some() && next.instance == first.instance;
        while let Some(next) = texts.next_if(|next| {
            let is_more = next.app == first.app || is_ours && is_twin(next);
            is_more && samples + next.samples <= row.samples
        }) {
            (latest, samples) = (next, samples + next.samples);
        }
        let is_same = row.app.is_none_or(|app| first.instance == Some(app));
        // A series that a neighbour repeats counts twice, and is written once if families are grouped.
        if !is_same || is_ours && row.samples != samples {
            let Row { name, samples, .. } = row;
            return Err(format!("{{{name}}} with {samples} samples stands for {first:?}"));
        }
        (row.app, row.serial) = (Some(latest.app), Some(latest.serial));
    }
    match texts.next() {
        Some(section) => Err(format!("no state is that of {section:?}")),
        None => Ok(rows),
    }
}

fn comments(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| line.starts_with('#')).collect()
}

fn samples(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

/// Returns the labels and the value of a series of this name.
fn series<'a>(line: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
    Some((labels, value))
}

/// Returns the value of a label. No value has escapes here.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let key = format!("{name}=\"");
    let is_begin = |at: &usize| *at == 0 || labels[..*at].ends_with([',', '{']);
    let (at, _) = labels.match_indices(&key).find(|(at, _)| is_begin(at))?;
    labels[at + key.len()..].split('"').next()
}

/// Returns where two texts begin to differ.
fn apart(one: &str, other: &str) -> String {
    let mut pairs = one.lines().zip(other.lines());
    match pairs.find(|(one, other)| one != other) {
        Some((one, other)) => format!("{one:?} in place of {other:?}"),
        None => format!("{} bytes in place of {}", one.len(), other.len()),
    }
}

fn floor(text: &str, len: usize) -> usize {
    text.floor_char_boundary(len.min(text.len()))
}

const FAMILIES: [&str; 4] = [
    "prometheus_proxy_app_up",
    "prometheus_proxy_app_scrape_duration_seconds",
    "prometheus_proxy_app_scrape_samples",
    "prometheus_proxy_app_scrape_collisions",
];
const STATES: &str = "# HELP prometheus_proxy_app_up ";
