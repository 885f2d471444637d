//! The page at `/`.

use super::tables;
use super::write::{age, count, moment, text, url_query};
use crate::status::{AppStatus, Overview, ProxyInfo, Query, Sort, StateFilter};
use std::fmt::Write;

/// The whole page.
pub(crate) fn overview(overview: &Overview, query: &Query) -> String {
    let mut main = String::with_capacity(64 * 1024);
    verdict(overview, query, &mut main);
    main.push_str("<h2 id=\"applications\">Applications</h2>\n");
    states(overview, query, &mut main);
    filter(query, &mut main);
    tables::applications(overview, query, &mut main);
    pages(overview, query, &mut main);
    tables::departures(&overview.departures, &mut main);
    tables::pushes(&overview.pushes, &mut main);
    tables::rounds(&overview.rounds, &mut main);
    tables::scrapers(&overview.scrapers, &mut main);
    tables::limits(&overview.limits, &mut main);
    tables::listeners(&overview.proxy, &mut main);
    main.push_str(LINKS);
    let title = match overview.counts.troubled {
        0 => "Prometheus RSocket Proxy".to_owned(),
        troubled => format!("({troubled}) Prometheus RSocket Proxy"),
    };
    super::page(&title, "<h1>Prometheus RSocket Proxy</h1>\n", &main, true)
}

fn verdict(overview: &Overview, query: &Query, out: &mut String) {
    let ProxyInfo { verdict, version, runtime, rsa_backend, uptime_seconds, .. } = overview.proxy;
    let class = if verdict == "ready" { "s s-good" } else { "s s-warn" };
    let taken = overview.time.map(|time| format!(" As of {}.", moment(time))).unwrap_or_default();
    let rsa = match rsa_backend {
        "none" => "plaintext mode: applications encrypt nothing".to_owned(),
        rsa => format!("RSA: {rsa}"),
    };
    let url = url_query(query);
    let _ = writeln!(
        out,
        "<p><span class=\"{class}\">{verdict}</span> Version {version} on {runtime}, {rsa}, up for {}.{taken} <a href=\"/{url}\">Reload</a>, \
         <a href=\"/status.json{url}\">as JSON</a></p>",
        age(uptime_seconds)
    );
    if overview.proxy.demo_applications > 0 {
        let _ = writeln!(
            out,
            "<p class=\"note\">Demo mode: {} of the applications run inside this process and make up their metrics.</p>",
            overview.proxy.demo_applications
        );
    }
}

/// How many applications are in which state, as links.
fn states(overview: &Overview, query: &Query, out: &mut String) {
    out.push_str("<nav aria-label=\"Applications by state\"><ul>\n");
    let all = [StateFilter::All, StateFilter::Troubled];
    let each = AppStatus::ALL.map(StateFilter::Only);
    for filter in all.into_iter().chain(each) {
        let amount = overview.counts.of(filter);
        if amount == 0 && filter != query.state && !all.contains(&filter) {
            continue;
        }
        let current = if filter == query.state { " aria-current=\"true\"" } else { "" };
        let url = url_query(&Query { state: filter, page: 1, ..query.clone() });
        let name = filter.name();
        let amount = count(amount as u64);
        let _ = writeln!(out, "<li><a href=\"/{url}\"{current}>{amount} {name}</a></li>");
    }
    out.push_str("</ul></nav>\n");
}

fn filter(query: &Query, out: &mut String) {
    let hidden = |name: &str, value: &str| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", text(value))
    };
    let mut kept = String::new();
    if query.state != StateFilter::All {
        kept.push_str(&hidden("state", query.state.name()));
    }
    let Sort { key, is_reversed } = query.sort;
    if query.sort != Sort::default() {
        let sign = if is_reversed { "-" } else { "" };
        kept.push_str(&hidden("sort", &format!("{sign}{}", key.name())));
    }
    let _ = writeln!(
        out,
        "<form action=\"/\" method=\"get\">\n<div><label for=\"q\">Name, label, address, certificate, program or fault</label>\n\
         <input id=\"q\" type=\"search\" name=\"q\" maxlength=\"200\" value=\"{}\"></div>\n{kept}<button type=\"submit\">Filter</button>\n</form>",
        text(&query.text)
    );
}

fn pages(overview: &Overview, query: &Query, out: &mut String) {
    let page = &overview.page;
    if page.pages == 1 {
        return;
    }
    let to = |number: usize, name: &str, is_there: bool| match is_there {
        true => {
            let url = url_query(&Query { page: number, ..query.clone() });
            format!("<a href=\"/{url}#applications\">{name}</a>")
        }
        false => format!("<span class=\"m\">{name}</span>"),
    };
    let (first, last) = (page.page > 1, page.page < page.pages);
    let _ = writeln!(
        out,
        "<nav aria-label=\"Pages\" class=\"pages\"><p>{} {} Page {} of {} {} {}</p></nav>",
        to(1, "First", first),
        to(page.page.saturating_sub(1), "Previous", first),
        page.page,
        page.pages,
        to(page.page + 1, "Next", last),
        to(page.pages, "Last", last)
    );
}

const LINKS: &str = "<h2>What is served</h2>
<ul>
<li><a href=\"/metrics/connected\">/metrics/connected</a>: the metrics of all connected applications</li>
<li>/metrics/app/&lt;id&gt;: the metrics of one application</li>
<li><a href=\"/sd\">/sd</a>: the applications as targets, for Prometheus' HTTP service discovery</li>
<li><a href=\"/metrics/proxy\">/metrics/proxy</a>: the proxy's own metrics</li>
<li><a href=\"/status.json\">/status.json</a>: what is on this page, as JSON, with the same query</li>
<li><a href=\"/-/healthy\">/-/healthy</a>: whether the process serves</li>
<li><a href=\"/-/ready\">/-/ready</a>: whether it is ready to be scraped</li>
</ul>
";
