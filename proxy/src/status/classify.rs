//! How an application is.

use super::data::seconds;
use super::{AppRow, AppStatus, ErrorRow, ScrapeRow};
use prometheus_rsocket_protocol::collector::{App, AppState, LastScrape};
use prometheus_rsocket_protocol::report::ReportKind;
use std::time::{Duration, Instant};

/// How an application is, why, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: AppStatus,
    pub(super) why: Option<String>,
    pub(super) since: Option<Instant>,
}

/// How many times the usual duration a scrape may take before it is slow.
const SLOW_FACTOR: u32 = 3;

/// How long the answers of most applications take: the median of those that were served.
pub(super) fn usual(apps: &[App]) -> Duration {
    let last = apps.iter().filter(|app| app.is_up()).filter_map(|app| app.last_served.as_ref());
    let mut took: Vec<Duration> = last.map(|last| last.took).collect();
    let middle = took.len() / 2;
    if took.is_empty() { Duration::ZERO } else { *took.select_nth_unstable(middle).1 }
}

impl Verdict {
    /// Only the state, which costs nothing. The words are made for those applications that are shown or searched.
    pub(super) fn status(app: &App, usual: Duration) -> AppStatus {
        match &app.state {
            AppState::Gone { .. } => return AppStatus::Gone,
            AppState::Connecting => return AppStatus::Connecting,
            AppState::Up => {}
        }
        if app.failing().is_some() {
            AppStatus::Failing
        } else if is_partial(app) {
            AppStatus::Partial
        } else if app.is_duplicate {
            AppStatus::Duplicate
        } else if app.slow_since.is_some() && took(app) > usual * SLOW_FACTOR {
            AppStatus::Slow
        } else if app.last_scrape.is_none() {
            AppStatus::Waiting
        } else {
            AppStatus::Ok
        }
    }

    pub(super) fn of(app: &App, usual: Duration) -> Self {
        let status = Self::status(app, usual);
        let (why, since) = match (status, &app.state) {
            (AppStatus::Gone, AppState::Gone { reason, at }) => {
                let reason = reason.as_ref().map(ToString::to_string);
                let word = reason.unwrap_or_else(|| "its session ended without a word".to_owned());
                (Some(word), Some(*at))
            }
            (AppStatus::Failing, _) => {
                let trouble = app.failing();
                let why = trouble.map(|trouble| trouble.failure.to_string());
                (why, trouble.map(|trouble| trouble.since))
            }
            (AppStatus::Partial, _) => {
                let report = app.report();
                (report.map(|(report, _)| report.message.clone()), report.map(|(_, since)| since))
            }
            (AppStatus::Duplicate, _) => {
                let why = "another application that is connected has the same identity";
                (Some(why.to_owned()), Some(app.since))
            }
            (AppStatus::Slow, _) => {
                let why = format!(
                    "its answer took {:.1} s, where half of all take {:.2} s at most",
                    took(app).as_secs_f64(),
                    usual.as_secs_f64()
                );
                (Some(why), app.slow_since)
            }
            (AppStatus::Connecting, _) => {
                (Some("it has not sent SETUP, or is not admitted yet".to_owned()), Some(app.since))
            }
            (AppStatus::Gone | AppStatus::Waiting | AppStatus::Ok, _) => (None, None),
        };
        Self { status, why, since }
    }
}

/// Whether part of its text is not served. One that was refused as a whole may be so since somebody looked, and no scraper has met it.
fn is_partial(app: &App) -> bool {
    app.report().is_some_and(|(report, _)| report.kind != ReportKind::Refused)
}

fn took(app: &App) -> Duration {
    app.last_scrape.as_ref().map_or(Duration::ZERO, |last| last.took)
}

/// Everything that is shown of an application.
pub(super) fn row(app: &App, usual: Duration, now: Instant) -> AppRow {
    let Verdict { status, why, since } = Verdict::of(app, usual);
    let age = |at: Instant| seconds(now.saturating_duration_since(at));
    let scrape = |last: &LastScrape| ScrapeRow {
        age_seconds: age(last.at),
        took_seconds: seconds(last.took),
        bytes: last.bytes,
        series: last.samples,
    };
    let is_last_served = app.last_scrape == app.last_served;
    AppRow {
        id: app.path.to_string(),
        labels: app.labels.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        identity_source: app.source.name(),
        status,
        why,
        faulty_line: app.faulty_line().map(str::to_owned),
        for_seconds: since.map(age),
        peer: app.peer.address.clone(),
        transport: app.peer.transport.name(),
        tls: app.peer.tls.is_some(),
        tls_subject: app.peer.tls_subject().map(str::to_owned),
        grant: app.grant.as_ref().map(|grant| grant.entry.to_string()),
        program: Some(app.hello.program.clone()).filter(|program| !program.is_empty()),
        connected_seconds: age(app.since),
        last_scrape: app.last_scrape.as_ref().map(scrape),
        last_served: app.last_served.as_ref().filter(|_| !is_last_served).map(scrape),
        last_error: app.trouble.as_ref().map(|trouble| ErrorRow {
            reason: trouble.failure.reason(),
            message: trouble.failure.to_string(),
            since_seconds: age(trouble.since),
            age_seconds: age(trouble.at),
            times: trouble.times,
            ended_seconds: trouble.ended.map(age),
        }),
        pushes: app.pushes,
        has_push: app.has_push,
        collisions: app.collisions,
    }
}
