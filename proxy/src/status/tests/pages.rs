use super::*;
use crate::status::csp;
use crate::status::html::{self, SCRIPT, STYLE};

/// What hostile applications call themselves.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'&amp;</bdi></table>",
    "\u{202e}txt.exe\u{2066}",
    "a\u{0}\u{1b}[31m\r\n\u{85}\u{2028}b",
    "javascript:alert(1)//",
];

fn overview_of(name: &str) -> Overview {
    let text = || name.to_owned();
    let app = AppRow {
        id: text(),
        labels: [(text(), text())].into(),
        why: Some(text()),
        faulty_line: Some(text()),
        peer: text(),
        tls_subject: Some(text()),
        grant: Some(text()),
        program: Some(text()),
        last_scrape: Some(ScrapeRow::default()),
        last_served: Some(ScrapeRow::default()),
        last_error: Some(ErrorRow { message: text(), ..ErrorRow::default() }),
        has_push: true,
        ..AppRow::default()
    };
    let well = ErrorRow { message: text(), ended_seconds: Some(1.0), ..ErrorRow::default() };
    let recovered = AppRow { why: None, last_error: Some(well), ..app.clone() };
    let push =
        PushRow { id: text(), had: vec![text()], missing: vec![text()], ..Default::default() };
    let missing_first = vec![Missing { id: text(), reason: "timeout" }];
    Overview {
        applications: vec![app, recovered],
        page: PageInfo { page: 1, pages: 2, per_page: 1, matching: 2 },
        counts: Counts { total: 2, ..Counts::default() },
        departures: vec![Departure {
            id: text(),
            peer: text(),
            reason: text(),
            ..Default::default()
        }],
        pushes: Pushes { held: 1, missed: 1, listed: vec![push] },
        rounds: vec![RoundRow {
            scraper: text(),
            peer: text(),
            missing: 1,
            missing_first,
            ..RoundRow::default()
        }],
        scrapers: vec![ScraperRow { name: text(), age_seconds: 0.0 }],
        ..Overview::default()
    }
}

fn app_page_of(name: &str) -> AppPage {
    let text = || name.to_owned();
    let family = FamilyRow { name: text(), kind: text(), help: text(), samples: 1 };
    AppPage {
        app: overview_of(name).applications.remove(0),
        tls_names: vec![text()],
        asked: Asked::Served {
            is_push: false,
            format: "text 0.0.4",
            bytes: 1,
            families: vec![family],
            unlisted_samples: 3,
        },
        pushes: overview_of(name).pushes.listed,
        ..AppPage::default()
    }
}

/// All pages that have a text in them.
fn pages_of(name: &str) -> Vec<String> {
    let text = name.chars().take(200).collect();
    let query = Query { text, ..Query::default() };
    let failed = AppPage { asked: Asked::Failed { message: name.to_owned() }, ..app_page_of(name) };
    vec![
        html::overview(&overview_of(name), &query),
        html::app(&app_page_of(name)),
        html::app(&failed),
        html::unknown_app(name),
    ]
}

/// The names of the elements of a page, in order, and no text.
fn elements(page: &str) -> Vec<&str> {
    let tags = page.split('<').skip(1);
    tags.map(|tag| tag.split([' ', '>', '\n']).next().unwrap()).collect()
}

#[test]
fn hostile_names_change_nothing_of_a_page_but_its_text() {
    let plain: Vec<String> = pages_of("plain");
    for name in HOSTILE {
        for (page, plain) in pages_of(name).iter().zip(&plain) {
            assert_eq!(elements(page), elements(plain), "{name:?}");
            assert_eq!(page.matches('"').count(), plain.matches('"').count(), "{name:?}");
            let strange = |char: char| {
                char.is_control() && char != '\n' || ('\u{202a}'..='\u{2069}').contains(&char)
            };
            assert!(!page.contains(strange), "{name:?}");
        }
    }
}

#[test]
fn marks_of_direction_are_shown() {
    let page = html::unknown_app("a\u{202e}b");
    assert!(page.contains("<bdi>a\\u{202e}b</bdi>"), "{page}");
}

#[test]
fn long_names_are_cut() {
    let long = "<".repeat(10_000);
    for page in pages_of(&long) {
        let rest = page.len() - STYLE.len();
        assert!(rest < 60_000, "{rest}");
        assert!(page.contains('…'));
    }
}

#[test]
fn the_policy_has_the_hashes_of_what_is_sent() {
    let page = html::overview(&Overview::default(), &Query::default());
    for (start, end, text) in [("<style>", "</style>", STYLE), ("<script>", "</script>", SCRIPT)] {
        assert_eq!(page.matches(start).count(), 1);
        let sent = page.split_once(start).unwrap().1.split_once(end).unwrap().0;
        assert_eq!(sent, text);
        assert!(csp::POLICY.contains(&format!("'{}'", csp::source(sent))), "{}", *csp::POLICY);
    }
    // Computed by openssl: echo -n '' | openssl dgst -sha256 -binary | base64
    assert_eq!(csp::source(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert!(!page.contains(" style=") && !page.contains(" onclick="));
}

#[test]
fn nothing_is_fetched_from_elsewhere() {
    for page in pages_of("plain") {
        for part in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(part), "{part}");
        }
    }
}

#[test]
fn only_the_overview_has_a_script() {
    assert!(html::overview(&Overview::default(), &Query::default()).contains("<script>"));
    assert!(!html::app(&AppPage::default()).contains("<script>"));
}

#[test]
fn json_has_the_names_that_scripts_rely_on() {
    let mut world = World::new();
    let bad = world.connect("bad");
    world.scrape_answered_empty_by(bad);
    let json: serde_json::Value = serde_json::to_value(world.overview("")).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(|key| &**key).collect();
    let mut expected = [
        "time",
        "proxy",
        "counts",
        "page",
        "applications",
        "departures",
        "pushes",
        "rounds",
        "scrapers",
        "limits",
    ];
    expected.sort_unstable();
    let mut keys = keys;
    keys.sort_unstable();
    assert_eq!(keys, expected);
    let app = &json["applications"][0];
    assert_eq!(app["id"], "shop~bad");
    assert_eq!(app["status"], "failing");
    assert_eq!(app["labels"]["instance"], "bad");
    assert_eq!(app["last_error"]["reason"], "empty");
    assert_eq!(app["last_error"]["ended_seconds"], serde_json::Value::Null);
    assert_eq!(app["transport"], "tcp");
    for status in AppStatus::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        assert!(json["counts"].get(status.name()).is_some());
    }
}

#[test]
fn times_and_amounts_are_written_for_people() {
    let row = |seconds: f64| {
        let mut overview = overview_of("a");
        overview.time = Some(seconds);
        html::overview(&overview, &Query::default())
    };
    assert!(row(0.0).contains("1970-01-01 00:00:00&nbsp;UTC"));
    assert!(row(951_782_400.0).contains("datetime=\"2000-02-29T00:00:00Z\""));
    assert!(row(4_107_542_399.9).contains("2100-02-28 23:59:59&nbsp;UTC"));
    assert!(row(1_798_761_600.0).contains("2027-01-01 00:00:00&nbsp;UTC"));
}
