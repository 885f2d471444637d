//! From what was copied under the hub's lock, and what is known around it, to the data of a page.

use super::classify;
use super::data::seconds;
use super::select::{self, Selected};
use super::{
    AppPage, Asked, Departure, History, LimitRow, ListenerRow, Overview, ProxyInfo, PushRow,
    Pushes, Query, RoundRow, ScraperRow,
};
use prometheus_rsocket_protocol::collector::{App, HeldPush};
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A copy of what the hub has.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) apps: Vec<App>,
    /// The first pushes that are held.
    pub(crate) pushes: Vec<HeldPush>,
    pub(crate) missed_pushes: usize,
    pub(crate) scrapers: Vec<(String, Instant)>,
    pub(crate) limits: SeenLimits,
}

/// A copy of what the hub has of one application.
#[derive(Debug)]
pub(crate) struct SeenApp {
    pub(crate) app: App,
    pub(crate) pushes: Vec<HeldPush>,
}

/// What the hub has, and how much it may have: each first what is used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeenLimits {
    pub(crate) connections: usize,
    pub(crate) gone: (usize, usize),
    pub(crate) scrapes: (usize, usize),
    pub(crate) held_pushes: (usize, usize),
    pub(crate) push_bytes: (usize, usize),
    pub(crate) pending_bytes: (usize, usize),
    pub(crate) connection_bytes: (usize, usize),
}

/// What is known of the proxy beside the hub.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) proxy: ProxyInfo,
    pub(crate) time: Option<SystemTime>,
    /// Connections of each HTTP listener, and how many there may be.
    pub(crate) http: Vec<(&'static str, usize, usize)>,
    /// Connections of applications that there may be.
    pub(crate) max_connections: usize,
    /// Bytes that all may take together beside the program itself.
    pub(crate) max_memory: usize,
}

/// The certificate that a listener shows.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) listener: &'static str,
    /// When it expires.
    pub(crate) not_after: Option<SystemTime>,
}

/// Makes the data of a page. Takes milliseconds where there are many applications, and reads files in `/proc`.
pub(crate) fn overview(
    seen: Seen,
    around: Around,
    history: &History,
    query: &Query,
    now: Instant,
) -> Overview {
    let Seen { apps, pushes, missed_pushes, scrapers, limits } = seen;
    let age = |at: Instant| seconds(now.saturating_duration_since(at));
    let Selected { counts, page, rows } = select::select(&apps, query, now);
    let paths: BTreeMap<_, &App> = apps.iter().map(|app| (app.id, app)).collect();
    let by_path: BTreeMap<&str, &App> = apps.iter().map(|app| (&*app.path, app)).collect();
    let pushes = Pushes {
        held: limits.held_pushes.0,
        missed: missed_pushes,
        listed: pushes
            .into_iter()
            .map(|push| {
                let id = paths.get(&push.app).map_or("", |app| &*app.path);
                push_row(push, id)
            })
            .collect(),
    };
    Overview {
        time: around.time.and_then(unix),
        counts,
        page,
        applications: rows,
        departures: departures(history, query, &by_path, now),
        pushes,
        rounds: rounds(history, now),
        scrapers: scrapers
            .into_iter()
            .map(|(name, seen)| ScraperRow { name, age_seconds: age(seen) })
            .collect(),
        limits: limit_rows(&limits, &around),
        proxy: around.proxy,
    }
}

/// Makes the data of one application's page.
pub(crate) fn app_page(
    SeenApp { app, pushes }: SeenApp,
    asked: Asked,
    time: Option<SystemTime>,
    now: Instant,
) -> AppPage {
    // Whether it is slow compared with others is not looked at here.
    let usual = std::time::Duration::MAX / 16;
    AppPage {
        time: time.and_then(unix),
        tls_names: app.peer.tls.as_ref().map(|tls| tls.names.clone()).unwrap_or_default(),
        asked,
        pushes: pushes.into_iter().map(|push| push_row(push, &app.path)).collect(),
        app: classify::row(&app, usual, now),
    }
}

fn departures(
    history: &History,
    query: &Query,
    apps: &BTreeMap<&str, &App>,
    now: Instant,
) -> Vec<Departure> {
    let needle = query.text.to_lowercase();
    let rows = history.departures().into_iter().map(|gone| Departure {
        id: gone.app.path.to_string(),
        labels: gone.app.labels.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        peer: gone.app.peer.address.clone(),
        age_seconds: seconds(now.saturating_duration_since(gone.at)),
        reason: gone.reason,
        now: match apps.get(&*gone.app.path) {
            Some(app) if app.is_gone() => "gone",
            Some(_) => "back",
            None => "forgotten",
        },
    });
    let has = |text: &str| select::contains(text, &needle);
    let matches = |row: &Departure| {
        has(&row.id)
            || has(&row.peer)
            || has(&row.reason)
            || row.labels.iter().any(|(name, value)| has(&format!("{name}={value}")))
    };
    rows.filter(matches).collect()
}

fn rounds(history: &History, now: Instant) -> Vec<RoundRow> {
    let rows = history.rounds().into_iter().map(|record| RoundRow {
        scraper: record.scraper,
        peer: record.peer,
        age_seconds: seconds(now.saturating_duration_since(record.ended)),
        took_seconds: seconds(record.took),
        outcome: record.outcome,
        applications: record.round.apps,
        served: record.round.served,
        pushes: record.round.pushes,
        missing: record.round.missing,
        missing_first: record.round.first,
    });
    rows.collect()
}

fn push_row(push: HeldPush, id: &str) -> PushRow {
    PushRow {
        id: id.to_owned(),
        age_seconds: seconds(push.age),
        left_seconds: seconds(push.left),
        bytes: push.text_len,
        series: push.samples,
        stored: push.is_stored,
        had: push.had,
        missing: push.missing,
    }
}

fn limit_rows(limits: &SeenLimits, around: &Around) -> Vec<LimitRow> {
    let row = |name, option, (used, limit): (usize, usize), unit| LimitRow {
        name,
        option: Some(option),
        used: used as u64,
        limit: Some(limit as u64),
        unit,
    };
    // A few more may be there for a moment, to be told that there is no place for them.
    let connections = (limits.connections, around.max_connections);
    let memory = "--max-memory";
    let mut rows = vec![
        row("Connections of applications", "--max-connections", connections, "count"),
        row("Applications gone", "--max-gone-applications", limits.gone, "count"),
        row("Scrapes under way", "--max-http-connections", limits.scrapes, "count"),
        row("Held pushes", "--max-held-pushes", limits.held_pushes, "count"),
        row("Bytes of pushes", "--max-held-push-bytes", limits.push_bytes, "bytes"),
        row("Bytes of answers under way", memory, limits.pending_bytes, "bytes"),
        row("Bytes of frames of connections", memory, limits.connection_bytes, "bytes"),
    ];
    for (listener, used, limit) in &around.http {
        let (name, option) = match *listener {
            "admin" => ("HTTP connections, admin listener", None),
            _ => ("HTTP connections", Some("--max-http-connections")),
        };
        let (used, limit) = (*used as u64, Some(*limit as u64));
        rows.push(LimitRow { name, option, used, limit, unit: "count" });
    }
    if let Some((used, limit)) = process::descriptors() {
        let name = "File descriptors";
        rows.push(LimitRow { name, option: None, used, limit, unit: "count" });
    }
    if let Some(used) = process::resident_bytes() {
        let (name, limit) = ("Resident memory of the process", Some(around.max_memory as u64));
        rows.push(LimitRow { name, option: Some(memory), used, limit, unit: "bytes" });
    }
    rows
}

impl ListenerRow {
    /// Adds what is known of the listener's certificate.
    pub(crate) fn with_certificate(
        mut self,
        certificate: &Certificate,
        time: Option<SystemTime>,
    ) -> Self {
        self.tls = true;
        self.certificate_expires = certificate.not_after.and_then(unix);
        let now = time.and_then(unix);
        self.certificate_left_seconds =
            self.certificate_expires.zip(now).map(|(expires, now)| (expires - now).round());
        self
    }
}

/// Seconds since 1970.
pub(crate) fn unix(time: SystemTime) -> Option<f64> {
    time.duration_since(UNIX_EPOCH).ok().map(seconds)
}

/// What the system says of this process. `None` where it does not.
mod process {
    use crate::observe::telemetry::resident_bytes as parse_resident_bytes;

    pub(super) fn resident_bytes() -> Option<u64> {
        parse_resident_bytes(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    /// File descriptors that are open, and how many may be.
    pub(super) fn descriptors() -> Option<(u64, Option<u64>)> {
        let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
        Some((open as u64, limit()))
    }

    #[cfg(unix)]
    fn limit() -> Option<u64> {
        let (soft, _) = rlimit::Resource::NOFILE.get().ok()?;
        (soft != rlimit::INFINITY).then_some(soft)
    }

    #[cfg(not(unix))]
    fn limit() -> Option<u64> {
        None
    }
}
