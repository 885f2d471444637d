//! Which applications are shown, and in which order.

use super::classify::{self, Verdict};
use super::{AppRow, AppStatus, Counts, PER_PAGE, PageInfo, Query, SortKey, StateFilter};
use prometheus_rsocket_protocol::collector::{App, AppState, LastScrape};
use std::cmp::{Ordering, Reverse};
use std::time::{Duration, Instant};

/// The applications of one page, and what is counted over all.
pub(super) struct Selected {
    pub(super) counts: Counts,
    pub(super) page: PageInfo,
    pub(super) rows: Vec<AppRow>,
}

/// An application that the filter lets through.
struct Candidate<'a> {
    app: &'a App,
    status: AppStatus,
}

/// Filters, sorts and pages. Takes time and memory for all applications, but makes rows for those of the page alone.
pub(super) fn select(apps: &[App], query: &Query, now: Instant) -> Selected {
    let usual = classify::usual(apps);
    let mut counts = Counts { total: apps.len(), ..Counts::default() };
    let needle = query.text.to_lowercase();
    let mut candidates = Vec::with_capacity(apps.len());
    for app in apps {
        let status = Verdict::status(app, usual);
        counts.add(status);
        if query.state.lets_through(status) && matches(app, &needle, usual) {
            candidates.push(Candidate { app, status });
        }
    }
    let order = |a: &Candidate<'_>, b: &Candidate<'_>| {
        compare(a, b, query.sort.key, query.sort.is_reversed)
    };
    let matching = candidates.len();
    let pages = matching.div_ceil(PER_PAGE).max(1);
    let page = query.page.clamp(1, pages);
    // Only what comes up to the end of the page has to be in order.
    let end = (page * PER_PAGE).min(matching);
    if end < matching {
        candidates.select_nth_unstable_by(end, order);
        candidates.truncate(end);
    }
    candidates.sort_unstable_by(order);
    let shown = candidates.iter().skip((page - 1) * PER_PAGE);
    let rows = shown.map(|candidate| classify::row(candidate.app, usual, now)).collect();
    Selected { counts, page: PageInfo { page, pages, per_page: PER_PAGE, matching }, rows }
}

impl Counts {
    fn add(&mut self, status: AppStatus) {
        self.troubled += usize::from(status.is_trouble());
        *self.of_mut(status) += 1;
    }

    fn of_mut(&mut self, status: AppStatus) -> &mut usize {
        match status {
            AppStatus::Failing => &mut self.failing,
            AppStatus::Gone => &mut self.gone,
            AppStatus::Partial => &mut self.partial,
            AppStatus::Duplicate => &mut self.duplicate,
            AppStatus::Slow => &mut self.slow,
            AppStatus::Connecting => &mut self.connecting,
            AppStatus::Waiting => &mut self.waiting,
            AppStatus::Ok => &mut self.ok,
        }
    }

    /// How many a filter lets through.
    pub(super) fn of(mut self, filter: StateFilter) -> usize {
        match filter {
            StateFilter::All => self.total,
            StateFilter::Troubled => self.troubled,
            StateFilter::Only(status) => *self.of_mut(status),
        }
    }
}

/// Whether a text is in what is known of an application: path, labels as `name=value`, address, certificate, credentials, program, and what is
/// wrong.
fn matches(app: &App, needle: &str, usual: Duration) -> bool {
    if needle.is_empty() {
        return true;
    }
    let has = |text: &str| contains(text, needle);
    has(&app.path)
        || app.labels.iter().any(|(name, value)| has(&format!("{name}={value}")))
        || has(&app.peer.address)
        || app.peer.tls_subject().is_some_and(has)
        || app.grant.as_ref().is_some_and(|grant| has(&grant.entry))
        || has(&app.hello.program)
        || Verdict::of(app, usual).why.is_some_and(|why| has(&why))
}

/// Whether a text has another, in small letters already, in it.
pub(super) fn contains(text: &str, needle: &str) -> bool {
    text.to_lowercase().contains(needle)
}

fn compare(a: &Candidate<'_>, b: &Candidate<'_>, key: SortKey, is_reversed: bool) -> Ordering {
    let by = |served: fn(&LastScrape) -> usize| {
        let of = |app: &App| app.last_served.as_ref().map(served);
        last_if_none(of(a.app), of(b.app), is_reversed)
    };
    let turned = |order: Ordering| if is_reversed { order.reverse() } else { order };
    let order = match key {
        SortKey::State => turned((a.status.cmp(&b.status)).then_with(|| since(b).cmp(&since(a)))),
        SortKey::Name => turned(a.app.path.cmp(&b.app.path)),
        SortKey::Peer => turned(a.app.peer.address.cmp(&b.app.peer.address)),
        SortKey::Connected => turned(b.app.since.cmp(&a.app.since)),
        SortKey::Scraped => {
            let at = |app: &App| app.last_scrape.as_ref().map(|last| Reverse(last.at));
            last_if_none(at(a.app), at(b.app), is_reversed)
        }
        SortKey::Took => {
            let took = |app: &App| app.last_scrape.as_ref().map(|last| last.took);
            last_if_none(took(a.app), took(b.app), is_reversed)
        }
        SortKey::Bytes => by(|last| last.bytes),
        SortKey::Series => by(|last| last.samples),
    };
    // Ids are unique, so that no two pages have the same application.
    order.then_with(|| a.app.path.cmp(&b.app.path)).then_with(|| a.app.id.cmp(&b.app.id))
}

/// Since when an application has been in trouble, for the order; others come by their names.
fn since(Candidate { app, status }: &Candidate<'_>) -> Option<Instant> {
    if !status.is_trouble() {
        return None;
    }
    match &app.state {
        AppState::Gone { at, .. } => Some(*at),
        AppState::Connecting => Some(app.since),
        AppState::Up => match (app.failing(), app.report()) {
            (Some(trouble), _) => Some(trouble.since),
            (None, Some((_, since))) => Some(since),
            (None, None) => app.slow_since,
        },
    }
}

/// Those without a value come last, however the others are ordered.
fn last_if_none<T: Ord>(a: Option<T>, b: Option<T>, is_reversed: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if is_reversed => b.cmp(&a),
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}
