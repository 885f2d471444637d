use super::support::*;
use super::*;

/// The text in a scrape answer made by a JDK.
const SCRAPE: &str = prometheus_rsocket_testkit::vectors::SCRAPE;

#[test]
fn the_text_of_a_java_client_passes_through() {
    let hex = SCRAPE.lines().find_map(|line| line.strip_prefix("PLAIN_UTF8\t")).unwrap();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let text: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    let facts = accept(&text);
    assert_eq!((facts.samples, facts.families), (6, 1));
    assert_eq!(rendered(&source(&text), JOINED, &[]).as_bytes(), text);
}

#[test]
fn what_is_found_is_counted() {
    let text = concat!(
        "# HELP a help\n# TYPE a counter\na 1\na{b=\"c\"} 2 1700000000000\n",
        "# TYPE \"b.c\" gauge\n{\"b.c\"} 3\n{\"b.c\",\"l.m\"=\"n\"} 4 5\n# comment\n\nd{\"l.m\"=\"n\"} 1\n"
    );
    let facts = accept(text);
    assert_eq!((facts.samples, facts.families, facts.timestamped), (5, 2, 2));
    assert!(facts.has_utf8_names);
    assert!(!accept("a{b=\"c\"} 1\n").has_utf8_names);
    assert_eq!(accept("").samples, 0);
}

#[test]
fn the_same_series_has_the_same_fingerprint() {
    let same = [
        "a{b=\"1\",c=\"2\"} 1",
        "a{c=\"2\", b=\"1\",} 2 5",
        "{\"a\",\"b\"=\"1\",c=\"2\"} 3",
        "a{b=\"1\",c=\"2\",d=\"\"} 3",
    ];
    let other = [
        "a 1",
        "a{b=\"1\"} 1",
        "a{b=\"2\",c=\"1\"} 1",
        "a{b=\"1\",c=\"2\",d=\"3\"} 1",
        "b{b=\"1\",c=\"2\"} 1",
    ];
    let of = |line: &str| facts(line).unwrap().fingerprints[0];
    assert!(same.iter().all(|line| of(line) == of(same[0])));
    let mut all: Vec<_> = other.iter().map(|line| of(line)).chain([of(same[0])]).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), other.len() + 1);
    assert_eq!(of("a{b=\"\\\\x\"} 1"), of("a{b=\"\\x\"} 1"));
    assert_eq!(of("a{b=\"\\n\"} 1"), of("a{b=\"\n\"} 1"));

    // The fingerprint includes the added labels.
    let identity = Labels::new([("app", "x")]).unwrap();
    let with = |text: &str, inject| {
        let source = Source { text: text.as_bytes(), identity: &identity, inject, seed: 7 };
        read(&source, &Policy::default()).unwrap().fingerprints[0]
    };
    assert_eq!(with("a 1", Inject::Missing), of("a{app=\"x\"} 1"));
    assert_eq!(with("a{app=\"\"} 1", Inject::Missing), of("a{app=\"x\"} 1"));
    assert_eq!(with("a{app=\"y\"} 1", Inject::Missing), of("a{app=\"y\"} 1"));
    assert_eq!(with("a{app=\"y\"} 1", Inject::Always), of("a{app=\"x\"} 1"));
    assert_eq!(with("a 1", Inject::Never), of("a 1"));
}

#[test]
fn identity_is_what_every_sample_has() {
    let policy = Policy {
        identity_labels: Arc::from(["app".into(), "instance".into(), "__x".into()]),
        ..Policy::default()
    };
    let identity = |text: &str| read(&source(text.as_bytes()), &policy).unwrap().identity;
    let labels =
        |labels: &[(&'static str, &'static str)]| Labels::new(labels.iter().copied()).unwrap();
    assert_eq!(
        identity("a{app=\"x\",instance=\"1\"} 1\nb{instance=\"2\",app=\"x\"} 1\n"),
        labels(&[("app", "x")])
    );
    assert_eq!(identity("a{app=\"x\"} 1\nb 1\n"), labels(&[]));
    assert_eq!(identity("a{app=\"\",__x=\"y\"} 1\n"), labels(&[]));
    assert_eq!(identity("a{app=\"x\\n\"} 1\n"), labels(&[("app", "x\n")]));
    assert_eq!(identity(""), labels(&[]));
}

#[test]
fn limits_hold_to_the_last_one() {
    let with = |limits: Limits, text: &str| {
        read(&source(text.as_bytes()), &Policy { limits, ..Policy::default() })
            .map_err(|error| (error.line, error.column, error.kind))
    };
    let limits = Limits { max_series: 2, ..Limits::default() };
    with(limits, "a 1\nb 1\n").unwrap();
    let kind = Kind::TooManySeries { limit: 2 };
    assert_eq!(with(limits, "a 1\nb 1\n\nc 1\n-").unwrap_err(), (4, 1, kind));
    let limits = Limits { max_line_len: 9, ..Limits::default() };
    with(limits, "a{b=\"\"} 1\n").unwrap();
    let kind = Kind::LineTooLong { len: 10, limit: 9 };
    assert_eq!(with(limits, "a 1\n# comments").unwrap_err(), (2, 10, kind));
    let limits = Limits { max_labels: 2, ..Limits::default() };
    with(limits, "{\"a\",b=\"\",c=\"\"} 1").unwrap();
    let kind = Kind::TooManyLabels { limit: 2 };
    assert_eq!(with(limits, "a{b=\"\",c=\"\",d=\"\"} 1").unwrap_err(), (1, 13, kind));
    let limits = Limits { max_families: 1, ..Limits::default() };
    let kind = Kind::TooManyFamilies { limit: 1 };
    assert_eq!(with(limits, "# TYPE a gauge\n# TYPE b gauge\n").unwrap_err(), (2, 1, kind));
    let limits = Limits { max_text_len: 3, ..Limits::default() };
    with(limits, "a 1").unwrap();
    let kind = Kind::TextTooLong { len: 4, limit: 3 };
    assert_eq!(with(limits, "a 1\n").unwrap_err(), (1, 1, kind));
}

/// What is served of a text, and what was left out.
fn left_of(text: &str, policy: &Policy) -> (String, Option<Reduced>) {
    let source = source(text.as_bytes());
    let facts = read(&source, policy).unwrap();
    let mut out = Vec::new();
    render(&source, policy, &facts, JOINED, &[], &mut out);
    assert_eq!(facts.fingerprints.len(), facts.samples);
    (String::from_utf8(out).unwrap(), facts.reduced)
}

#[test]
fn families_with_reserved_names_are_left_out_and_nothing_else_is() {
    for bad in [
        "prometheus_proxy_up 1\n",
        "# TYPE prometheus_proxy_up gauge\n",
        "{\"prometheus_proxy_up\"} 1\n",
        "up 1\n",
        "up{instance=\"other\"} 0\n",
        "# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n",
        "ALERTS{alertstate=\"firing\"} 1\n",
        "ALERTS_FOR_STATE 1\n",
        "scrape_duration_seconds 1\n",
        "# TYPE scrape_h histogram\nscrape_h_bucket{le=\"+Inf\"} 1\nscrape_h_count 1\nscrape_h_sum 1\n",
        // Names that become reserved ones for a scraper of legacy names.
        "{\"scrape.duration\"} 1\n",
        "{\"prometheus-proxy_app_up\",a=\"b\"} 1\n",
    ] {
        let text = format!("a 1\n{bad}b 2\n");
        for on_bad_line in [OnBadLine::DropApplication, OnBadLine::DropFamily] {
            let policy = Policy { on_bad_line, ..Policy::default() };
            let (left, reduced) = left_of(&text, &policy);
            assert_eq!(left, "a 1\nb 2\n", "{bad}");
            let reduced = reduced.unwrap();
            assert_eq!((reduced.lines, reduced.families), (bad.lines().count(), 1), "{bad}");
            assert_eq!(reduced.first.kind, Kind::MetricNameReserved);
        }
        let policy = Policy { reserved: ReservedNames::none(), ..Policy::default() };
        assert_eq!(read(&source(text.as_bytes()), &policy).unwrap().reduced, None);
    }
    let like_them = concat!(
        "up_ 1\nuptime 1\nUP 1\nalerts 1\nALERTS_ 1\nscrape 1\nnode_scrape_collector_success 1\n",
        "prometheus_proxy 1\n{\"u.p\"} 1\n{\"ü\"} 1\na{up=\"up\"} 1\n# up\n"
    );
    assert_eq!(accept(like_them).reduced, None);
}

#[test]
fn reserved_names_do_not_hide_other_faults_nor_the_format() {
    refuse("up 1\nb x\n", 2, 3, Kind::Value);
    let text = "# TYPE up gauge\nup 1\n# TYPE c counter\nc_total 1.0 # {a=\"b\"} 1.0\n# EOF\n";
    let read = facts(text).unwrap();
    assert_eq!((read.format, read.samples), (SourceFormat::OpenMetrics, 1));
    // It ends like OpenMetrics but is not.
    let read = facts("up 1\nc 1 1700000000000 \nd{} +Inf\n# EOF\n").unwrap();
    assert_eq!((read.format, read.samples), (SourceFormat::Text004, 2));
    // What is left out does not count towards limits.
    let limits = Limits { max_series: 1, ..Limits::default() };
    let policy = Policy { limits, ..Policy::default() };
    assert_eq!(left_of("up 1\nup{a=\"b\"} 1\na 1\n", &policy).0, "a 1\n");
}

#[test]
fn what_is_reserved_are_names_and_beginnings_of_names() {
    for bad in ["", "*", "a b", "1a", "a.b*", "a**", "*a", "é"] {
        let error = ReservedNames::new(["up", bad]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{bad:?} is not a metric name")), "{error}");
    }
    let reserved = ReservedNames::new(["a:b", "job:*"]).unwrap();
    let policy = Policy { reserved, ..Policy::default() };
    let (left, _) = left_of("a:b 1\na:c 1\njob: 1\njob:x 1\nup 1\n", &policy);
    assert_eq!(left, "a:c 1\nup 1\n");
}

#[test]
fn only_the_family_of_a_bad_line_is_left_out() {
    let policy = Policy { on_bad_line: OnBadLine::DropFamily, ..Policy::default() };
    let reduced = |text: &[u8], target| {
        let facts = read(&source(text), &policy).unwrap();
        let mut out = Vec::new();
        render(&source(text), &policy, &facts, target, &[], &mut out);
        assert_eq!(facts.fingerprints.len(), facts.samples);
        (String::from_utf8(out).unwrap(), facts.reduced.unwrap())
    };
    let text = concat!(
        "# TYPE h histogram\n# HELP h H\nh_bucket{le=\"1\"} 1\ng 1\nh_count x\nh_sum 1\n",
        "prometheus_proxy_up 1\ng{a=\"\x00\"} 2\n-\n# \x00\nok{a=\"b\nc\"} 1\n"
    );
    let (out, facts) = reduced(text.as_bytes(), JOINED);
    assert_eq!(out, "ok{a=\"b\\nc\"} 1\n");
    assert_eq!((facts.lines, facts.families), (10, 3));
    assert_eq!(facts.first.to_string(), "line 5, byte 9: not a number, found 'x'");
    let (out, facts) = reduced(b"# TYPE iot gauge\r\niot 1\r\nok 1\n", JOINED);
    assert_eq!((&*out, facts.lines), ("ok 1\n", 2));
    let (out, _) = reduced(
        b"# TYPE a counter\na_total x\na_created 1\n# TYPE b info\nb_info 1\n# EOF\n",
        OPEN_METRICS,
    );
    assert_eq!(out, "# TYPE b info\nb_info 1\n");
}

#[test]
fn errors_say_where_and_what() {
    for (text, message) in [
        (&b"a 1\nb x\n"[..], "line 2, byte 3: not a number, found 'x'"),
        (
            b"# TYPE a info\n",
            "line 1, byte 10: the type info of OpenMetrics, which the text format 0.0.4 does not have",
        ),
        (b"a{b=\"\xff\"} 1\n", "line 1, byte 6: not UTF-8, found the byte 0xff"),
        (b"a\n", "line 1, byte 2: the value is missing, found the end of the line"),
        (b"a{b\t1\n", "line 1, byte 5: the = after a label name is missing, found '1'"),
        (b"\xef\xbb\xbfa 1\n", "line 1, byte 1: not a metric name, found a byte order mark"),
    ] {
        assert_eq!(facts(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn an_excerpt_is_the_faulty_line_around_the_fault() {
    let excerpt = |text: &[u8]| facts(text).unwrap_err().excerpt(text);
    assert_eq!(excerpt(b"a 1\nb x\nc 1\n").unwrap(), "b x");
    assert_eq!(excerpt(b"b x").unwrap(), "b x");
    assert_eq!(excerpt(b"a{b=\"\xff\"} 1\n").unwrap(), "a{b=\"\u{fffd}\"} 1");
    let limits = Limits { max_text_len: 3, ..Limits::default() };
    let error = read(&source(b"a 10"), &Policy { limits, ..Policy::default() }).unwrap_err();
    assert_eq!(error.excerpt(b"a 10"), None);
    // Characters of one, two, three and four bytes before and behind the fault, cut at each of their bytes.
    for char in ['x', 'ß', '€', '🦀'] {
        for shift in 0..4 {
            let value = "y".repeat(shift) + &char.to_string().repeat(300);
            let text = format!("a{{b=\"{value}\"}} ~{value}\n");
            let excerpt = excerpt(text.as_bytes()).unwrap();
            let inner = excerpt.strip_prefix('…').unwrap().strip_suffix('…').unwrap();
            assert!(inner.contains("} ~") && text.contains(inner), "{excerpt}");
            assert!((MAX_EXCERPT - 6..=MAX_EXCERPT).contains(&inner.len()), "{}", inner.len());
        }
    }
}
