//! The tables of the page at `/`.

use super::write::{
    Escaped, age, badge, bdi, bytes, count, labels, link, long_text, moment,
    scrapes as scrape_count, since, text, took, url_query,
};
use crate::status::{
    AppRow, Departure, LimitRow, ListenerRow, MAX_DEPARTURES, MAX_ROUNDS, Overview, ProxyInfo,
    PushRow, Pushes, Query, RoundRow, ScraperRow, Sort, SortKey, StateFilter,
};
use std::fmt::Write;

/// Labels of an application that a row has room for; its own page has all.
const LABELS: usize = 6;

/// Scrapers that are named in a row.
const NAMES: usize = 8;

pub(super) fn applications(overview: &Overview, query: &Query, out: &mut String) {
    let page = &overview.page;
    if overview.applications.is_empty() {
        out.push_str(match (overview.counts.total, query.text.is_empty(), query.state) {
            (0, _, _) => "<p>No application is connected.</p>\n",
            (_, true, StateFilter::Troubled) => "<p>No application is in trouble.</p>\n",
            _ => "<p>No application matches. <a href=\"/\">Show all</a></p>\n",
        });
        return;
    }
    let first = (page.page - 1) * page.per_page + 1;
    let _ = writeln!(
        out,
        "<table class=\"wide\" role=\"table\">\n<caption>Applications {} to {} of {}{}</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">",
        count(first as u64),
        count((first + overview.applications.len() - 1) as u64),
        count(page.matching as u64),
        if page.matching == overview.counts.total { "" } else { " that match" }
    );
    for (key, name) in COLUMNS {
        header(key, name, query, out);
    }
    out.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for app in &overview.applications {
        application(app, overview.time, out);
    }
    out.push_str("</tbody>\n</table>\n");
}

/// The columns of the applications, and what a click sorts by.
const COLUMNS: [(Option<SortKey>, &str); 10] = [
    (Some(SortKey::Name), "Application"),
    (Some(SortKey::State), "State"),
    (None, "Why"),
    (None, "Since"),
    (Some(SortKey::Peer), "Peer"),
    (Some(SortKey::Connected), "Connected"),
    (Some(SortKey::Scraped), "Last scrape"),
    (Some(SortKey::Took), "Took"),
    (Some(SortKey::Bytes), "Text"),
    (Some(SortKey::Series), "Series"),
];

fn header(key: Option<SortKey>, name: &str, query: &Query, out: &mut String) {
    let Some(key) = key else {
        let _ = writeln!(out, "<th scope=\"col\" role=\"columnheader\">{name}</th>");
        return;
    };
    let is_current = query.sort.key == key;
    let sort = match (is_current, query.sort.is_reversed) {
        (true, false) => " aria-sort=\"ascending\"",
        (true, true) => " aria-sort=\"descending\"",
        (false, _) => "",
    };
    // What is large comes first at the first click.
    let is_amount = matches!(key, SortKey::Took | SortKey::Bytes | SortKey::Series);
    let is_reversed = if is_current { !query.sort.is_reversed } else { is_amount };
    let url = url_query(&Query { sort: Sort { key, is_reversed }, page: 1, ..query.clone() });
    let arrow = match sort {
        "" => "",
        _ if query.sort.is_reversed => " <span aria-hidden=\"true\">▼</span>",
        _ => " <span aria-hidden=\"true\">▲</span>",
    };
    let _ = writeln!(
        out,
        "<th scope=\"col\" role=\"columnheader\"{sort}><a href=\"/{url}#applications\">{name}</a>{arrow}</th>"
    );
}

fn application(app: &AppRow, time: Option<f64>, out: &mut String) {
    let served = app.last_served.as_ref().or(app.last_scrape.as_ref()).filter(|it| it.bytes > 0);
    let name = match app.labels.is_empty() {
        true => link(&app.id),
        false => {
            format!("{}<br><span class=\"m\">{}</span>", link(&app.id), labels(&app.labels, LABELS))
        }
    };
    let _ = write!(
        out,
        "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">{name}</th><td role=\"cell\">{}</td>",
        badge(app.status)
    );
    cell("t", "", &why(app), out);
    cell("n", "Since", &app.for_seconds.map(|age| since(age, time)).unwrap_or_default(), out);
    cell("t", "Peer", &peer(app), out);
    cell("n", "Connected", &format!("{} ago", age(app.connected_seconds)), out);
    let last = app.last_scrape.as_ref();
    let scraped = last.map(|last| format!("{} ago", age(last.age_seconds)));
    cell("n", "Last scrape", &scraped.unwrap_or_default(), out);
    cell("n", "Took", &last.map(|last| took(last.took_seconds)).unwrap_or_default(), out);
    cell("n", "Text", &served.map(|it| bytes(it.bytes as u64)).unwrap_or_default(), out);
    cell("n", "Series", &served.map(|it| count(it.series as u64)).unwrap_or_default(), out);
    out.push_str("</tr>\n");
}

/// A cell; `content` is HTML. Where the table is too narrow for its head, the cell has its name.
fn cell(class: &str, head: &str, content: &str, out: &mut String) {
    let head = if head.is_empty() { String::new() } else { format!(" data-h=\"{head}\"") };
    let _ = write!(out, "<td role=\"cell\" class=\"{class}\"{head}>{content}</td>");
}

fn why(app: &AppRow) -> String {
    let mut why = app.why.as_deref().map(long_text).unwrap_or_default();
    if let Some(line) = &app.faulty_line {
        let _ = write!(why, "<br><code>{}</code>", long_text(line));
    }
    if let (None, Some(error)) = (&app.why, &app.last_error)
        && let Some(ended) = error.ended_seconds
    {
        let _ = write!(
            why,
            "<span class=\"m\">well again for {}; before: {}</span>",
            age(ended),
            bdi(&error.message)
        );
    }
    if let (Some(error), Some(served)) = (&app.last_error, &app.last_served)
        && error.ended_seconds.is_none()
    {
        let _ = write!(
            why,
            "<br><span class=\"m\">{} failed; served last {} ago</span>",
            scrape_count(error.times),
            age(served.age_seconds)
        );
    }
    if app.has_push {
        why.push_str("<br><span class=\"m\">a push is held</span>");
    }
    why
}

/// The other end of an application's connection.
fn peer(app: &AppRow) -> String {
    let tls = if app.tls { " with TLS" } else { "" };
    let mut peer = format!("{} <span class=\"m\">{}{tls}", bdi(&app.peer), app.transport);
    if let Some(subject) = &app.tls_subject {
        let _ = write!(peer, "<br>{}", bdi(subject));
    }
    if let Some(grant) = &app.grant {
        let _ = write!(peer, "<br>credentials of {}", bdi(grant));
    }
    if let Some(program) = &app.program {
        let _ = write!(peer, "<br>{}", bdi(program));
    }
    peer.push_str("</span>");
    peer
}

/// Begins a table of columns.
fn begin(caption: &str, columns: &[&str], out: &mut String) {
    let _ = write!(
        out,
        "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n<table>\n<caption>{caption}</caption>\n<thead><tr>"
    );
    for column in columns {
        let _ = write!(out, "<th scope=\"col\">{column}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
}

fn end(out: &mut String) {
    out.push_str("</tbody>\n</table>\n</div>\n");
}

pub(super) fn departures(departures: &[Departure], out: &mut String) {
    out.push_str("<h2>Connections that ended lately</h2>\n");
    if departures.is_empty() {
        out.push_str("<p>None that is remembered.</p>\n");
        return;
    }
    let caption = format!("The latest {MAX_DEPARTURES} at most, the latest first");
    begin(&caption, &["Application", "When", "Why", "Peer", "Now"], out);
    for gone in departures {
        let name = match gone.now {
            "forgotten" => bdi(&gone.id),
            _ => link(&gone.id),
        };
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{name}</th><td class=\"n\">{} ago</td><td class=\"t\">{}</td><td>{}</td><td>{}</td></tr>",
            age(gone.age_seconds),
            long_text(&gone.reason),
            bdi(&gone.peer),
            gone.now
        );
    }
    end(out);
}

pub(super) fn pushes(pushes: &Pushes, out: &mut String) {
    out.push_str("<h2>Held pushes</h2>\n");
    if pushes.held == 0 {
        out.push_str("<p>None is held.</p>\n");
        return;
    }
    let caption = format!(
        "{} held, {} of them missed by a scraper; the first {} in the order of arrival",
        count(pushes.held as u64),
        count(pushes.missed as u64),
        pushes.listed.len()
    );
    push_table(&caption, &pushes.listed, true, out);
}

/// Pushes, with their applications or without.
pub(super) fn push_table(caption: &str, pushes: &[PushRow], with_names: bool, out: &mut String) {
    let columns = [
        "Application",
        "Held for",
        "Time left",
        "Text",
        "Series",
        "On disk",
        "Had by",
        "Missed by",
    ];
    begin(caption, &columns[usize::from(!with_names)..], out);
    for push in pushes {
        let name = match with_names {
            true => format!("<th scope=\"row\">{}</th>", link(&push.id)),
            false => String::new(),
        };
        let _ = writeln!(
            out,
            "<tr>{name}<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            age(push.age_seconds),
            age(push.left_seconds),
            bytes(push.bytes as u64),
            count(push.series as u64),
            if push.stored { "yes" } else { "no" },
            names(&push.had),
            names(&push.missing)
        );
    }
    end(out);
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        return "nobody".to_owned();
    }
    let mut out: Vec<String> = names.iter().take(NAMES).map(|name| bdi(name)).collect();
    if names.len() > NAMES {
        out.push(format!("{} more", names.len() - NAMES));
    }
    out.join("<br>")
}

pub(super) fn rounds(rounds: &[RoundRow], out: &mut String) {
    out.push_str("<h2>Recent rounds</h2>\n");
    if rounds.is_empty() {
        out.push_str(
            "<p>Nobody has scraped all applications at once yet. Scrapes of single ones are told of in their rows.</p>\n",
        );
        return;
    }
    let caption = format!("Scrapes of /metrics/connected, the latest {MAX_ROUNDS} at most");
    let columns =
        ["Scraper", "When", "Took", "Outcome", "Applications", "Served", "Pushes", "Missing"];
    begin(&caption, &columns, out);
    for round in rounds {
        let class = if round.outcome == "complete" { "s s-good" } else { "s s-warn" };
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{} <span class=\"m\">{}</span></th><td class=\"n\">{} ago</td><td class=\"n\">{}</td><td><span class=\"{class}\">{}</span></td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            bdi(&round.scraper),
            text(&round.peer),
            age(round.age_seconds),
            took(round.took_seconds),
            round.outcome,
            count(round.applications as u64),
            count(round.served as u64),
            count(round.pushes as u64),
            missing(round)
        );
    }
    end(out);
}

fn missing(round: &RoundRow) -> String {
    if round.missing == 0 {
        return "none".to_owned();
    }
    let mut out = count(round.missing as u64);
    for (position, missing) in round.missing_first.iter().enumerate() {
        let comma = if position == 0 { ": " } else { ", " };
        let _ = write!(out, "{comma}{} ({})", link(&missing.id), missing.reason);
    }
    if round.missing > round.missing_first.len() {
        let _ = write!(out, " and {} more", round.missing - round.missing_first.len());
    }
    out
}

pub(super) fn scrapers(scrapers: &[ScraperRow], out: &mut String) {
    out.push_str("<h2>Scrapers</h2>\n");
    if scrapers.is_empty() {
        out.push_str("<p>Nobody has scraped yet.</p>\n");
        return;
    }
    begin("Scrapers that pushes are served to once each", &["Scraper", "Last scrape"], out);
    for scraper in scrapers {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{} ago</td></tr>",
            bdi(&scraper.name),
            age(scraper.age_seconds)
        );
    }
    end(out);
}

pub(super) fn limits(limits: &[LimitRow], out: &mut String) {
    out.push_str("<h2>Limits</h2>\n");
    begin("What is used of each limit", &["What", "Used", "Limit", "Left", "Option"], out);
    for limit in limits {
        let amount = if limit.unit == "bytes" { bytes } else { count };
        let left = limit.limit.map(|max| amount(max.saturating_sub(limit.used)));
        let is_short = limit
            .limit
            .is_some_and(|max| limit.used.saturating_mul(10) >= max.saturating_mul(9) && max > 0);
        let mark = if is_short { " <span class=\"s s-warn\">nearly used up</span>" } else { "" };
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}{mark}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            limit.name,
            amount(limit.used),
            limit.limit.map(amount).unwrap_or_default(),
            left.unwrap_or_default(),
            limit.option.map(|option| format!("<code>{option}</code>")).unwrap_or_default()
        );
    }
    end(out);
}

pub(super) fn listeners(proxy: &ProxyInfo, out: &mut String) {
    out.push_str("<h2>Listeners and key</h2>\n");
    begin("Where the proxy listens", &["Listener", "Address", "TLS", "Certificate"], out);
    for listener in &proxy.listeners {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            listener.name,
            text(&listener.address),
            if listener.tls { "yes" } else { "no" },
            certificate(listener)
        );
    }
    end(out);
    match &proxy.key {
        None => {
            out.push_str("<p>Applications encrypt nothing: the proxy is in plaintext mode.</p>\n")
        }
        Some(key) => {
            let _ = writeln!(
                out,
                "<p>Applications encrypt under the RSA key of {} bits with the SHA-256 <code>{}</code>, in use for {}.</p>",
                key.bits,
                Escaped(&key.sha256),
                age(key.in_use_seconds)
            );
            if let Some(old) = &key.old_sha256 {
                let _ = writeln!(
                    out,
                    "<p>The key before it still counts: <code>{}</code></p>",
                    Escaped(old)
                );
            }
        }
    }
}

fn certificate(listener: &ListenerRow) -> String {
    let (Some(expires), Some(left)) =
        (listener.certificate_expires, listener.certificate_left_seconds)
    else {
        return String::new();
    };
    let (class, word) = match left {
        left if left <= 0.0 => ("s s-bad", "has expired"),
        left if left < SOON => ("s s-warn", "expires soon"),
        _ => ("", "expires"),
    };
    let word = if class.is_empty() {
        word.to_owned()
    } else {
        format!("<span class=\"{class}\">{word}</span>")
    };
    format!(
        "{word} {}, {}",
        moment(expires),
        if left > 0.0 { format!("in {}", age(left)) } else { format!("{} ago", age(-left)) }
    )
}

/// A certificate with less time than this, in seconds, is shown as a warning: 14 days.
const SOON: f64 = 14.0 * 86_400.0;
