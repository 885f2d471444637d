use super::JobError;
use crate::exposition::{ExpositionError, Facts};
use crate::report::{Report, ReportKind};
use std::time::Instant;

/// What the owner of one application should know, and what was last reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    /// About its text.
    text: Option<Report>,
    /// Since when the text has had a report of the same kind.
    text_since: Option<Instant>,
    /// The first line of its text that is at fault. It is for the owner of the proxy alone.
    faulty_line: Option<String>,
    /// About its series.
    collision: Option<Report>,
    collision_since: Option<Instant>,
    /// The topic of the last report; `None` if all is well.
    told: Option<Topic>,
}

/// What makes two reports the same. Numbers in their messages, such as lines, change with each scrape and are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Topic {
    kind: ReportKind,
    message: String,
}

impl Reports {
    /// A text was read or refused.
    pub(super) fn on_text(
        &mut self,
        now: Instant,
        result: Result<&Facts, &JobError>,
        faulty_line: Option<String>,
    ) {
        let report = match result {
            Ok(facts) => facts.reduced.as_ref().map(|reduced| {
                let (lines, families, first) = (reduced.lines, reduced.families, &reduced.first);
                let message =
                    format!("{lines} lines of {families} families left out: {}", place(first));
                Report::new(ReportKind::Reduced, message)
            }),
            Err(JobError::Exposition(error)) => {
                Some(Report::new(ReportKind::Refused, place(error)))
            }
            // The failed step of opening is for our log alone: a peer that learned it could probe the key with it.
            Err(JobError::Open(_)) => {
                Some(Report::new(ReportKind::Refused, "the metrics cannot be opened"))
            }
            Err(JobError::Worker) => return,
        };
        let kind = |report: &Option<Report>| report.as_ref().map(|report| report.kind);
        if kind(&report) != kind(&self.text) {
            self.text_since = report.as_ref().map(|_| now);
        }
        self.text = report;
        self.faulty_line = faulty_line;
    }

    /// `count` series were left out of an answer because another application has them, too.
    pub(super) fn on_collisions(&mut self, now: Instant, count: usize) {
        self.collision_since = (count > 0).then(|| self.collision_since.unwrap_or(now));
        self.collision = (count > 0).then(|| {
            let message =
                format!("{count} series are those of another application, and were left out");
            Report::new(ReportKind::Collided, message)
        });
    }

    /// What there is to report now, and since when.
    pub(super) fn current(&self) -> Option<(&Report, Instant)> {
        let text = self.text.as_ref().zip(self.text_since);
        text.or_else(|| self.collision.as_ref().zip(self.collision_since))
    }

    /// The first line at fault of the text that was last read.
    pub(super) fn faulty_line(&self) -> Option<&str> {
        self.faulty_line.as_deref()
    }

    /// Reports start anew on each connection.
    pub(super) fn on_gone(&mut self) {
        *self = Self::default();
    }

    /// The next report, if something has changed since the last one.
    pub(super) fn next(&mut self) -> Option<Report> {
        let report = self.text.as_ref().or(self.collision.as_ref());
        let topic = report.map(Topic::of);
        if topic == self.told {
            return None;
        }
        let well = || Report::new(ReportKind::Served, "all metrics are served");
        let report = report.cloned().unwrap_or_else(well);
        self.told = topic;
        Some(report)
    }
}

/// Where a text is wrong, without any of its characters: a sender that replays sealed metrics of another application must not
/// learn what is in them.
fn place(error: &ExpositionError) -> String {
    format!("line {}, byte {}: {}", error.line, error.column, error.kind)
}

impl Topic {
    fn of(report: &Report) -> Self {
        let message = report.message.chars().filter(|char| !char.is_ascii_digit()).collect();
        Self { kind: report.kind, message }
    }
}
