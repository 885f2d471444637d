//! The page of one application.

use super::tables;
use super::write::{age, badge, bdi, bytes, count, labels, long_text, moment, scrapes, text, took};
use crate::status::{AppPage, AppRow, Asked, FamilyRow, ScrapeRow};
use std::fmt::Write;

/// The whole page.
pub(crate) fn app(page: &AppPage) -> String {
    let app = &page.app;
    let mut main = String::with_capacity(32 * 1024);
    let _ = write!(main, "<p>{}", badge(app.status));
    if let Some(why) = &app.why {
        let _ = write!(main, " {}", long_text(why));
    }
    if let Some(seconds) = app.for_seconds {
        let _ = write!(main, " (for {})", age(seconds));
    }
    main.push_str("</p>\n");
    facts(page, &mut main);
    asked(page, &mut main);
    if !page.pushes.is_empty() {
        main.push_str("<h2>Held pushes</h2>\n");
        tables::push_table("Its pushes, in the order of arrival", &page.pushes, false, &mut main);
    }
    let head = format!("<h1>{}</h1>\n<p><a href=\"/\">All applications</a></p>\n", bdi(&app.id));
    super::page(&format!("{} - Prometheus RSocket Proxy", text(&app.id)), &head, &main, false)
}

/// The page in place of that of an application that is not known.
pub(crate) fn unknown_app(id: &str) -> String {
    let main = format!(
        "<p>No application with the id {} is known, or no longer. One that has gone is forgotten after its grace time.</p>\n\
         <p><a href=\"/\">All applications</a></p>\n",
        bdi(id)
    );
    super::page("Unknown application", "<h1>Unknown application</h1>\n", &main, false)
}

fn facts(page: &AppPage, out: &mut String) {
    let app = &page.app;
    out.push_str("<dl>\n");
    let mut list = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "<dt>{name}</dt><dd>{value}</dd>");
        }
    };
    list(
        "Identity",
        format!("{} (source: {})", labels(&app.labels, usize::MAX), app.identity_source),
    );
    list("Program", app.program.as_deref().map(bdi).unwrap_or_default());
    let tls = if app.tls { " with TLS" } else { "" };
    list("Peer", format!("{} by {}{tls}", bdi(&app.peer), app.transport));
    list("Certificate", app.tls_subject.as_deref().map(long_text).unwrap_or_default());
    let names: Vec<String> = page.tls_names.iter().map(|name| bdi(name)).collect();
    list("Names in it", names.join(", "));
    list("Credentials", app.grant.as_deref().map(bdi).unwrap_or_default());
    list("Connected", format!("{} ago", age(app.connected_seconds)));
    let last = app.last_scrape.as_ref().map(|last| scrape(app, last)).unwrap_or_default();
    list("Last scrape", last);
    let served = app.last_served.as_ref().map(|last| {
        let (bytes, series) = (bytes(last.bytes as u64), count(last.series as u64));
        format!("{} ago: {bytes}, {series} series", age(last.age_seconds))
    });
    list("Last served", served.unwrap_or_default());
    let error = app.last_error.as_ref().map(|error| {
        let until = match error.ended_seconds {
            Some(ended) => format!("over for {}", age(ended)),
            None => "not over".to_owned(),
        };
        format!(
            "{}<br>reason {}, began {} ago, {} failed, the latest {} ago, {until}",
            long_text(&error.message),
            error.reason,
            age(error.since_seconds),
            scrapes(error.times),
            age(error.age_seconds)
        )
    });
    list("Last error", error.unwrap_or_default());
    let line = app.faulty_line.as_deref();
    list(
        "Faulty line",
        line.map(|line| format!("<code>{}</code>", long_text(line))).unwrap_or_default(),
    );
    if app.collisions > 0 {
        list(
            "Collisions",
            format!("{} series left out, as others have them", count(app.collisions as u64)),
        );
    }
    list("Pushes ever held", count(app.pushes));
    let id = text(&app.id);
    list("Metrics", format!("<a href=\"/metrics/app/{id}\">/metrics/app/{id}</a>"));
    list("As of", page.time.map(moment).unwrap_or_default());
    out.push_str("</dl>\n");
}

fn scrape(app: &AppRow, last: &ScrapeRow) -> String {
    let what = match app.last_error.as_ref().filter(|error| error.ended_seconds.is_none()) {
        Some(_) => "failed".to_owned(),
        None => {
            format!("{}, {} series", bytes(last.bytes as u64), count(last.series as u64))
        }
    };
    format!("{} ago, took {}: {what}", age(last.age_seconds), took(last.took_seconds))
}

fn asked(page: &AppPage, out: &mut String) {
    out.push_str("<h2>Metrics now</h2>\n");
    match &page.asked {
        Asked::Failed { message } => {
            let _ = writeln!(
                out,
                "<p>The application was asked when this page was opened, and has no metrics: {}</p>",
                long_text(message)
            );
        }
        Asked::Served { is_push, format, bytes: len, families, unlisted_samples } => {
            let whose = match is_push {
                true => "This is what it pushed, since it does not answer",
                false => "The application was asked when this page was opened",
            };
            let _ = writeln!(out, "<p>{whose}: {} of {format}.</p>", bytes(*len as u64));
            family_table(families, *unlisted_samples, out);
        }
    }
}

fn family_table(families: &[FamilyRow], unlisted: usize, out: &mut String) {
    let caption = format!("{} families", count(families.len() as u64));
    let _ = writeln!(
        out,
        "<div class=\"scroll\" role=\"region\" aria-label=\"Families\" tabindex=\"0\">\n<table>\n<caption>{caption}</caption>\n<thead><tr><th scope=\"col\">Family</th>\
         <th scope=\"col\">Type</th><th scope=\"col\">Series</th><th scope=\"col\">Help</th></tr></thead>\n<tbody>"
    );
    for family in families {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td class=\"n\">{}</td><td class=\"t\">{}</td></tr>",
            bdi(&family.name),
            text(&family.kind),
            count(family.samples as u64),
            bdi(&family.help)
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    if unlisted > 0 {
        let _ = writeln!(
            out,
            "<p>{} series of more families are not listed.</p>",
            count(unlisted as u64)
        );
    }
}
