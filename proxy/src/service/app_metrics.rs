//! The state of every application of a scrape, as series at the end of the answer.

use prometheus_rsocket_protocol::collector::{AppId, AppRef, Outcome};
use prometheus_rsocket_protocol::labels::Escaped;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

/// The rows of the series about applications, one for each outcome of a scrape. They take some hundred bytes for each application.
#[derive(Debug, Default)]
pub(crate) struct AppMetrics {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    app: AppRef,
    /// Why the application is down.
    reason: Option<&'static str>,
    took: Duration,
    samples: usize,
    collisions: usize,
}

impl AppMetrics {
    /// Adds the outcome of one application, `samples` of whose samples are in the answer.
    pub(crate) fn add(&mut self, outcome: &Outcome, samples: usize) {
        let answers = outcome.result.as_ref().ok().into_iter().chain(&outcome.earlier);
        let found: usize = answers.map(|answer| answer.facts.samples).sum();
        self.rows.push(Row {
            app: outcome.app.clone(),
            reason: outcome.failure().map(|failure| failure.reason()),
            took: outcome.took,
            samples,
            collisions: found.saturating_sub(samples),
        });
    }

    /// The application's answer was read, but is not in the body, so the application counts as down.
    pub(crate) fn on_left_out(&mut self, app: AppId, reason: &'static str) {
        for row in self.rows.iter_mut().filter(|row| row.app.id == app) {
            (row.reason, row.samples, row.collisions) = (Some(reason), 0, 0);
        }
    }

    /// Writes four families, which are the same in the text format 0.0.4 and in OpenMetrics.
    ///
    /// The labels are those of the application's identity. Without an identity, or if another application of the scrape had the same one first, there
    /// is a label `app` (or `app_path`, if the identity has an `app`) with its path in `/metrics/app/`. So no application changes another's series by
    /// claiming its identity.
    pub(crate) fn render(&self) -> String {
        // The application that had the identity first has the shortest path: the paths of the others end in a number.
        let mut holders: BTreeMap<_, &str> = BTreeMap::new();
        for row in &self.rows {
            let path = holders.entry(&row.app.labels).or_insert(&row.app.path);
            if row.app.path.len() < path.len() {
                *path = &row.app.path;
            }
        }
        let mut out = String::with_capacity(256 * (self.rows.len() + 1));
        for family in [&UP, &DURATION, &SAMPLES, &COLLISIONS] {
            // Writing to a String does not fail.
            let _ = write!(out, "# HELP {0} {1}\n# TYPE {0} gauge\n", family.name, family.help);
            for row in &self.rows {
                let labels = &row.app.labels;
                let is_unique = !labels.is_empty() && holders.get(labels) == Some(&&*row.app.path);
                let labels = RowLabels { row, is_unique, with_reason: family.with_reason };
                let _ = write!(out, "{}{labels} ", family.name);
                (family.value)(row, &mut out);
                out.push('\n');
            }
        }
        out
    }
}

struct Family {
    name: &'static str,
    help: &'static str,
    with_reason: bool,
    value: fn(&Row, &mut String),
}

const UP: Family = Family {
    name: "prometheus_proxy_app_up",
    help: "Whether the application answered this scrape.",
    with_reason: true,
    value: |row, out| out.push(if row.reason.is_none() { '1' } else { '0' }),
};

const DURATION: Family = Family {
    name: "prometheus_proxy_app_scrape_duration_seconds",
    help: "Time from the beginning of the scrape to the application's answer or failure.",
    with_reason: false,
    value: |row, out| {
        let _ = write!(out, "{}", row.took.as_secs_f64());
    },
};

const SAMPLES: Family = Family {
    name: "prometheus_proxy_app_scrape_samples",
    help: "Samples of the application in this answer.",
    with_reason: false,
    value: |row, out| {
        let _ = write!(out, "{}", row.samples);
    },
};

const COLLISIONS: Family = Family {
    name: "prometheus_proxy_app_scrape_collisions",
    help: "Samples of the application left out of this answer, as another application before it has the same series.",
    with_reason: false,
    value: |row, out| {
        let _ = write!(out, "{}", row.collisions);
    },
};

/// The label set of a row, in braces.
struct RowLabels<'a> {
    row: &'a Row,
    is_unique: bool,
    with_reason: bool,
}

impl fmt::Display for RowLabels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { app, reason, .. } = self.row;
        let reason = reason.filter(|_| self.with_reason);
        let free = |name, other| if app.labels.get(name).is_some() { other } else { name };
        let path_label = free("app", "app_path");
        let path = (!self.is_unique).then_some((path_label, &*app.path));
        let own = [path, reason.map(|reason| (free("reason", "down_reason"), reason))];
        let is_own = |name: &str| own.iter().flatten().any(|(other, _)| *other == name);
        let labels = app.labels.iter().filter(|(name, _)| !is_own(name));
        f.write_str("{")?;
        for (position, (name, value)) in labels.chain(own.iter().flatten().copied()).enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{name}=\"{}\"", Escaped(value))?;
        }
        f.write_str("}")
    }
}
