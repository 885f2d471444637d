use super::answer::{Body, kind};
use super::{Credentials, FetchError, ScrapeFormat, ScrapeUrl};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::Write;

fn url(text: &str) -> ScrapeUrl {
    text.parse().unwrap()
}

#[cfg(unix)]
#[test]
fn secrets_come_from_regular_files_alone() {
    let fifo = std::env::temp_dir().join(format!("secret-{}.fifo", std::process::id()));
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (file, kind) in [(fifo.clone(), "a FIFO"), ("/dev/zero".into(), "a device")] {
        for credentials in [
            Credentials::Bearer { token: file.clone() },
            Credentials::Basic { user: "a".to_owned(), password: Some(file.clone()) },
        ] {
            let error = credentials.read().unwrap_err().to_string();
            assert!(error.contains(file.to_str().unwrap()) && error.contains(kind), "{error}");
        }
    }
    std::fs::remove_file(fifo).unwrap();
}

#[test]
fn urls_of_endpoints_are_understood() {
    for (text, host, port, path, shown) in [
        ("http://a:9100/metrics", "a", 9100, "/metrics", "http://a:9100/metrics"),
        ("http://a:9100", "a", 9100, "/metrics", "http://a:9100/metrics"),
        ("http://a:9100/", "a", 9100, "/", "http://a:9100/"),
        ("a:9100/metrics", "a", 9100, "/metrics", "http://a:9100/metrics"),
        ("a", "a", 80, "/metrics", "http://a/metrics"),
        ("https://a", "a", 443, "/metrics", "https://a/metrics"),
        ("HTTPS://[::1]/m?x=1", "::1", 443, "/m?x=1", "https://[::1]/m?x=1"),
        ("http://a?x=1", "a", 80, "/?x=1", "http://a/?x=1"),
    ] {
        let url = url(text);
        assert_eq!((url.host(), url.port(), url.path()), (host, port, path), "{text}");
        assert_eq!(url.to_string(), shown);
    }
    for text in [
        "",
        "/metrics",
        "http://",
        "http:///x",
        "ftp://a/x",
        "http://name:secret@a/metrics",
        "http://a:99999/metrics",
        "http://[::1]:/metrics",
        "http://[]/",
    ] {
        let error = text.parse::<ScrapeUrl>().unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn unix_sockets_have_a_path_behind_a_colon() {
    for (text, socket, path, shown) in [
        ("unix:///run/a.sock:/m?x=1", "/run/a.sock", "/m?x=1", "unix:///run/a.sock:/m?x=1"),
        ("unix:///run/a:b.sock", "/run/a:b.sock", "/metrics", "unix:///run/a:b.sock:/metrics"),
        ("unix:///a:/b:/c", "/a", "/b:/c", "unix:///a:/b:/c"),
    ] {
        let url = url(text);
        assert_eq!((url.socket(), url.path()), (Some(socket.as_ref()), path), "{text}");
        assert_eq!(
            (url.to_string(), url.host_header()),
            (shown.to_owned(), "localhost".to_owned())
        );
        assert!(url.instance().is_none() && !url.is_https());
        assert_eq!(url.place(), socket);
    }
    for text in ["unix://run/a.sock", "unix:///:/m", "unix://", "unix:///a:/b c"] {
        assert!(text.parse::<ScrapeUrl>().is_err(), "{text}");
    }
    assert_eq!(url("http://a").socket(), None);
}

#[test]
fn the_usual_port_is_left_out_of_requests() {
    for (text, header) in [
        ("http://a:80/", "a"),
        ("http://a:443/", "a:443"),
        ("https://a:443/", "a"),
        ("https://[::1]:80/", "[::1]:80"),
    ] {
        assert_eq!(url(text).host_header(), header);
    }
}

#[test]
fn redirects_lead_where_their_location_says() {
    for (base, location, target) in [
        ("http://a:1/x/y?q", "https://b/z", "https://b/z"),
        ("http://a:1/x/y?q", "http://b", "http://b/"),
        ("https://a:1/x/y?q", "//b:2/z", "https://b:2/z"),
        ("https://a:1/x/y?q", "/z?r#f", "https://a:1/z?r"),
        ("http://a:1/x/y?q", "z", "http://a:1/x/z"),
        ("http://a:1/x/y?q", "../z", "http://a:1/z"),
        ("http://a:1/x/y?q", "./", "http://a:1/x/"),
        ("http://a:1/x/y?q", "?r=a:b", "http://a:1/x/y?r=a:b"),
        ("http://a:1/x", "", "http://a:1/x"),
    ] {
        assert_eq!(url(base).join(location).unwrap(), url(target), "{base} {location}");
    }
    for location in ["ftp://b/", "mailto:b", "http://u:p@b/", "http:///"] {
        assert!(url("http://a/x").join(location).is_err(), "{location}");
    }
    let socket = url("unix:///run/a.sock:/x?y");
    assert_eq!(socket.join("/z").unwrap(), url("unix:///run/a.sock:/z"));
    assert_eq!(socket.join("http://b/z").unwrap(), url("http://b/z"));
    for from in ["http://a", "unix:///run/a.sock"] {
        assert!(url(from).join("unix:///run/b.sock:/x").is_err());
    }
    assert!(socket.has_origin_of(&url("unix:///run/a.sock")));
    assert!(!socket.has_origin_of(&url("unix:///run/b.sock")));
    assert!(!socket.has_origin_of(&url("http://localhost")));
    assert!(url("http://a/x").has_origin_of(&url("http://A:80/y")));
    for other in ["https://a/x", "http://a:81/x", "http://b/x"] {
        assert!(!url("http://a/x").has_origin_of(&url(other)));
    }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    pairs.iter().map(pair).collect()
}

#[test]
fn content_types_are_those_that_prometheus_takes() {
    let (text, openmetrics) = (ScrapeFormat::Text, ScrapeFormat::OpenMetrics);
    for (content_type, format) in [
        ("text/plain", text),
        ("text/plain; version=0.0.4; charset=utf-8", text),
        ("Text/Plain;charset=utf-8", text),
        ("text/plain; version=1.0.0; escaping=allow-utf-8", text),
        ("application/openmetrics-text; version=1.0.0", openmetrics),
    ] {
        let headers = headers(&[("content-type", content_type)]);
        assert_eq!(kind(&url("http://a"), &headers, None).unwrap(), (format, false));
    }
    for content_type in ["", "text", "text/html", "application/vnd.google.protobuf"] {
        let headers = headers(&[("content-type", content_type)]);
        let error = kind(&url("http://a"), &headers, None).unwrap_err().to_string();
        assert!(error.contains("--scrape-format") && error.contains(content_type), "{error}");
        let chosen = kind(&url("http://a"), &headers, Some(openmetrics)).unwrap();
        assert_eq!(chosen, (openmetrics, false));
    }
    let none = HeaderMap::new();
    assert!(kind(&url("http://a"), &none, None).is_err());
    assert_eq!(kind(&url("http://a"), &none, Some(text)).unwrap(), (text, false));
}

#[test]
fn gzip_is_the_only_encoding() {
    for (encoding, is_gzip) in [("gzip", true), ("X-GZIP", true), ("identity", false)] {
        let headers = headers(&[("content-type", "text/plain"), ("content-encoding", encoding)]);
        assert_eq!(kind(&url("http://a"), &headers, None).unwrap().1, is_gzip);
    }
    let headers = headers(&[("content-type", "text/plain"), ("content-encoding", "br")]);
    let error = kind(&url("http://a"), &headers, None).unwrap_err();
    assert!(matches!(error, FetchError::Encoding { .. }), "{error}");
}

fn body(bytes: Vec<u8>, format: ScrapeFormat, is_gzip: bool) -> Body {
    Body { url: url("http://a"), bytes: bytes.into(), format, is_gzip, limit: 1000 }
}

#[test]
fn gzip_is_expanded_to_the_limit_and_no_further() {
    let packed = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let text = |bytes| body(bytes, ScrapeFormat::Text, true).text();
    assert_eq!(text(packed(b"a 1\n")).unwrap(), "a 1\n");
    // Two members, one after the other.
    assert_eq!(text([packed(b"a 1\n"), packed(b"b 2\n")].concat()).unwrap(), "a 1\nb 2\n");
    assert_eq!(text(packed(&[b'a'; 1000])).unwrap().len(), 1000);
    let error = text(packed(&[0; 10_000_000])).unwrap_err();
    assert!(matches!(error, FetchError::TooLong { limit: 1000, .. }), "{error}");
    for broken in [b"a 1\n".to_vec(), packed(b"a 1\n")[..12].to_vec()] {
        assert!(matches!(text(broken).unwrap_err(), FetchError::Gzip { .. }));
    }
}

#[test]
fn openmetrics_stays_what_it_is() {
    let text = |text: &str| body(text.into(), ScrapeFormat::OpenMetrics, false).text();
    let openmetrics = "# TYPE a counter\na_total 1 # {trace=\"x\"} 0.5\n# EOF\n";
    assert_eq!(text(openmetrics).unwrap(), openmetrics);
    for broken in ["a 1\n", "a\n# EOF\n"] {
        let error = text(broken).unwrap_err();
        assert!(matches!(error, FetchError::NotOpenMetrics { .. }), "{error}");
    }
}

#[test]
fn comments_that_are_not_utf_8_cost_nothing_else() {
    let text = |bytes: &[u8]| body(bytes.to_vec(), ScrapeFormat::Text, false).text();
    assert_eq!(text(b"# caf\xe9\nother 1\n").unwrap(), "other 1\n");
    let error = text(b"other{x=\"caf\xe9\"} 1\n").unwrap_err();
    assert!(matches!(error, FetchError::NotUtf8 { .. }), "{error}");
}

#[test]
fn credentials_come_from_files_and_are_not_shown() {
    let file = std::env::temp_dir().join(format!("relay-secret-{}", std::process::id()));
    std::fs::write(&file, "open sesame\n").unwrap();
    let basic = Credentials::Basic { user: "Aladdin".to_owned(), password: Some(file.clone()) };
    let value = basic.read().unwrap().unwrap();
    // RFC 7617, section 2.
    assert_eq!(value.as_bytes(), b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(format!("{value:?}"), "Sensitive");
    let bearer = Credentials::Bearer { token: file.clone() };
    assert_eq!(bearer.read().unwrap().unwrap().as_bytes(), b"Bearer open sesame");
    std::fs::write(&file, "a\nb").unwrap();
    let error = bearer.read().unwrap_err().to_string();
    assert!(error.contains("relay-secret") && !error.contains("a\nb"), "{error}");
    std::fs::remove_file(&file).unwrap();
    assert!(bearer.read().unwrap_err().to_string().contains("cannot read"));
    assert_eq!(Credentials::None.read().unwrap(), None);
}
