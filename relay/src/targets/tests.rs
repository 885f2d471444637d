use super::file::{Fault, TargetsFile};
use super::join::{Fetched, join, labelled};
use super::*;
use crate::fetch::{Credentials, Headers, ScrapeFormat, ScrapeOptions};
use prometheus_rsocket_client::ClientTlsFiles;
use prometheus_rsocket_protocol::exposition::filter::Filter;
use std::path::Path;
use std::time::Duration;

fn defaults() -> TargetDefaults {
    let options = ScrapeOptions {
        timeout: Duration::from_secs(10),
        fallback: None,
        max_text_bytes: 1 << 20,
        credentials: Credentials::None,
        headers: Headers::default(),
        tls: ClientTlsFiles::default(),
        filter: Filter::default(),
    };
    let labels = vec![("job".to_owned(), "relay".to_owned())];
    let deny = vec!["go_*".parse().unwrap()];
    TargetDefaults { labels, options, filters: Filters { deny, ..Filters::default() } }
}

fn of_toml(text: &str) -> Result<Vec<Target>, Fault> {
    toml::parse(text, Path::new("/etc/relay"), &defaults()).map_err(Fault::from)
}

fn of_json(text: &str) -> Result<Vec<Target>, Fault> {
    file_sd::parse(text, &defaults())
}

#[test]
fn a_target_says_what_it_wants_otherwise() {
    let targets = of_toml(
        r#"
        [[target]]
        name = "orders"
        url = "https://orders.example:8443/m"
        labels = { zone = "eu" }
        timeout = "5s"
        format = "openmetrics"
        user = "u"
        password_file = "secret"
        ca = "/ca.pem"
        cert = "cert.pem"
        key = "key.pem"
        server_name = "n"
        headers = { "X-Scope" = "a" }
        header_file = "headers"
        max_text_bytes = "1KiB"
        allow = ["a*"]
        drop_labels = ["pod"]
        help = false

        [[target]]
        url = "db1"
        bearer_file = "token"
        "#,
    );
    let [orders, db1] = &targets.unwrap()[..] else { panic!("two") };
    assert_eq!(orders.name, "orders");
    assert_eq!(orders.labels.to_string(), r#"{instance="orders",job="relay",zone="eu"}"#);
    let options = &orders.options;
    assert_eq!(options.timeout, Duration::from_secs(5));
    assert_eq!(options.fallback, Some(ScrapeFormat::OpenMetrics));
    let password = Some("/etc/relay/secret".into());
    assert_eq!(options.credentials, Credentials::Basic { user: "u".to_owned(), password });
    assert_eq!(options.tls.ca, Some("/ca.pem".into()));
    let identity = ("/etc/relay/cert.pem".into(), "/etc/relay/key.pem".into());
    assert_eq!(options.tls.identity, Some(identity));
    assert_eq!(options.tls.server_name, Some("n".to_owned()));
    assert_eq!(options.headers.given.len(), 1);
    assert_eq!(options.headers.file, Some("/etc/relay/headers".into()));
    assert_eq!(options.max_text_bytes, 1024);
    // The deny list comes from the command line, as the target has none.
    let expected = Filters {
        allow: vec!["a*".parse().unwrap()],
        drop_labels: vec!["pod".to_owned()],
        is_without_help: true,
        ..defaults().filters
    };
    assert_eq!(options.filter, expected.filter().unwrap());
    assert_eq!((&*db1.name, &*db1.url.to_string()), ("db1:80", "http://db1/metrics"));
    assert_eq!(db1.options.credentials, Credentials::Bearer { token: "/etc/relay/token".into() });
    assert_eq!(db1.options.timeout, Duration::from_secs(10));
    assert_eq!(of_toml(""), Ok(Vec::new()));
}

#[test]
fn what_is_wrong_in_toml_is_told_with_its_line() {
    let target = "[[target]]\nurl = \"a\"\n";
    for (bad, line, part) in [
        ("[[target]\n", 1, ""),
        ("[[targets]]\n", 1, "[[target]]"),
        ("target = 1\n", 1, "list of tables"),
        ("[[target]]\nname = \"a\"\n", 1, "needs a url"),
        ("[[target]]\nurl = \"ftp://a\"\n", 2, "url: "),
        (&format!("{target}timeuot = \"5s\"\n"), 3, "the nearest name is \"timeout\""),
        (&format!("{target}timeout = \"5\"\n"), 3, "timeout: "),
        (&format!("{target}timeout = 5\n"), 3, "timeout: must be a string"),
        (&format!("{target}name = \"a b\"\n"), 3, "name: "),
        (&format!("{target}format = \"x\"\n"), 3, "format: "),
        (&format!("{target}labels = 1\n"), 3, "labels: must be a table"),
        (&format!("{target}labels = {{ __a = \"1\" }}\n"), 3, "labels: "),
        (&format!("{target}password_file = \"a\"\n"), 3, "needs user"),
        (&format!("{target}user = \"a\"\nbearer_file = \"a\"\n"), 4, "cannot be there with user"),
        (&format!("{target}cert = \"a\"\n"), 3, "needs key"),
        (&format!("{target}key = \"a\"\n"), 3, "needs cert"),
        (&format!("{target}headers = {{ host = \"a\" }}\n"), 3, "host cannot be set"),
        (&format!("{target}headers = {{ x = \"sec\\nret\" }}\n"), 3, "cannot be sent"),
        (&format!("{target}max_text_bytes = \"0\"\n"), 3, "max_text_bytes: "),
        (&format!("{target}allow = \"a\"\n"), 3, "list of strings"),
        (&format!("{target}allow = [\"a\",\n\"/(/\"]\n"), 4, "allow: "),
        (&format!("{target}drop_labels = [\"le\"]\n"), 3, "drop_labels: "),
        (&format!("{target}help = \"no\"\n"), 3, "true or false"),
        (&format!("{target}{target}"), 3, "appears twice"),
    ] {
        let fault = of_toml(bad).unwrap_err();
        assert!(fault.what.contains(part), "{bad}: {}", fault.what);
        assert_eq!(fault.line, Some(line), "{bad}: {}", fault.what);
        assert!(!fault.what.contains("sec\nret"));
    }
    let many = "[[target]]\nurl = \"a\"\n".repeat(MAX_TARGETS + 1);
    assert!(of_toml(&many).is_err());
}

#[test]
fn file_sd_is_read_as_prometheus_does() {
    let targets = of_json(
        r#"[
          { "targets": ["a:1", "b:2", "a:1"],
            "labels": { "zone": "eu", "empty": "", "__meta_x": "dropped", "__scheme__": "https",
                        "__metrics_path__": "/probe", "__param_target": "x y", "__param_a": "1",
                        "__scrape_timeout__": "3s" } },
          { "targets": ["a:1"], "labels": { "job": "other" } },
          { "targets": ["c"] }
        ]"#,
    );
    let targets = targets.unwrap();
    let shown: Vec<_> =
        targets.iter().map(|it| (&*it.name, it.url.to_string(), it.labels.to_string())).collect();
    let of_a = r#"{instance="a:1",job="relay",zone="eu"}"#;
    let of_other = r#"{instance="a:1",job="other"}"#;
    let expected = [
        (of_a, "https://a:1/probe?a=1&target=x%20y", of_a),
        ("b:2", "https://b:2/probe?a=1&target=x%20y", r#"{instance="b:2",job="relay",zone="eu"}"#),
        (of_other, "http://a:1/metrics", of_other),
        ("c:80", "http://c/metrics", r#"{instance="c:80",job="relay"}"#),
    ];
    let expected = expected.map(|(name, url, labels)| (name, url.to_owned(), labels.to_owned()));
    assert_eq!(shown, expected);
    assert_eq!(targets[0].options.timeout, Duration::from_secs(3));
    check(&targets).unwrap();
}

#[test]
fn names_of_targets_can_be_values_of_labels() {
    let labels =
        |long: char| format!("\"instance\": \"i\", \"x\": \"{}\"", long.to_string().repeat(256));
    let group = |long: char| format!("{{\"targets\": [\"a\"], \"labels\": {{{}}}}}", labels(long));
    let targets = of_json(&format!("[{},{}]", group('y'), group('z'))).unwrap();
    assert_ne!(targets[0].name, targets[1].name);
    assert!(targets.iter().all(|target| target.name.len() == 16));
}

#[test]
fn what_is_wrong_in_file_sd_is_told() {
    for (bad, line, part) in [
        ("{", Some(1), ""),
        ("[\n{ \"target\": [] }]", Some(2), "unknown field `target`"),
        ("[\n{ \"labels\": {} }]", Some(2), "targets"),
        ("[{ \"targets\": [\"\"] }]", None, "group 1"),
        ("[{ \"targets\": [\"a/m\"] }]", None, "__metrics_path__"),
        ("[{ \"targets\": [\"a\"], \"labels\": { \"__scheme__\": \"ftp\" } }]", None, "http"),
        ("[{ \"targets\": [\"a\"], \"labels\": { \"1\": \"b\" } }]", None, "label name"),
        (
            "[{ \"targets\": [\"a\"], \"labels\": { \"__scrape_timeout__\": \"1\" } }]",
            None,
            "__scrape_timeout__",
        ),
    ] {
        let fault = of_json(bad).unwrap_err();
        assert!(fault.what.contains(part), "{bad}: {}", fault.what);
        assert_eq!(fault.line, line, "{bad}: {}", fault.what);
    }
    let many: Vec<String> = (0..=MAX_TARGETS).map(|port| format!("\"a:{port}\"")).collect();
    let fault = of_json(&format!("[{{\"targets\": [{}]}}]", many.join(","))).unwrap_err();
    assert!(fault.what.contains("more than 4096"), "{}", fault.what);
}

#[test]
fn files_are_told_by_their_names() {
    let directory = std::env::temp_dir().join(format!("relay-targets-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let plan = |name: &str, text: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        let file = Some(TargetsFile::new(path, defaults()));
        Plan { targets: Vec::new(), file, joined: None }
    };
    let good = plan("targets.toml", b"[[target]]\nurl = \"a\"\n");
    assert!(good.file.as_ref().unwrap().is_changed().unwrap());
    assert_eq!(good.load().unwrap().len(), 1);
    assert!(!good.file.as_ref().unwrap().is_changed().unwrap());
    let shown = format!("{good:?}");
    assert!(
        shown.contains("targets.toml") && shown.len() < 500,
        "what is in it is not shown: {shown}"
    );
    assert_eq!(plan("targets.json", b"[]").load().unwrap().len(), 0);
    for (name, text, part) in [
        ("a.yml", &b""[..], "a.yml: YAML is not read"),
        ("b.toml", b"\n[[target]]\nname = 1", "b.toml, line 2: a target needs a url"),
        ("c.toml", b"\n\xff", "c.toml, line 2: it is not UTF-8"),
        ("d.json", b"[\n}", "d.json, line 2: "),
        ("e.toml", b"[[target]]\nurl = \"a\"\nca = \"none.pem\"", "none.pem"),
        (
            "f.toml",
            b"[[target]]\nname = \"b\"\nurl = \"a\"\nlabels = { instance = \"c\" }\n[[target]]\nname = \"c\"\nurl = \"a\"\n",
            "have the same labels",
        ),
    ] {
        let broken = plan(name, text);
        let error = broken.load().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert!(broken.file.unwrap().is_changed().unwrap(), "it is not in use");
    }
    std::fs::remove_dir_all(directory).unwrap();
}

fn part(name: &str, text: Result<&str, &str>) -> Fetched {
    let labels = Labels::new([("instance", name)]).unwrap();
    Fetched { name: name.to_owned(), labels, text: text.map(str::to_owned).map_err(str::to_owned) }
}

#[test]
fn joined_texts_have_each_family_once_and_say_who_is_up() {
    let own = "# TYPE prometheus_rsocket_client_target_up gauge\nprometheus_rsocket_client_target_up{target=\"x\"} 1\n";
    let (text, failed) = join(
        vec![
            part("a", Ok("# HELP n N\n# TYPE n gauge\nn 1\nn{instance=\"z\"} 1\n")),
            part("b", Err("it is gone")),
            part("c", Ok("n{ 1\n")),
            part("d", Ok(&format!("# TYPE n gauge\nn 2\nn{{instance=\"z\"}} 2\n{own}"))),
        ],
        7,
    );
    let expected = "# HELP n N
# TYPE n gauge
n{instance=\"a\"} 1
n{instance=\"z\"} 1
n{instance=\"d\"} 2
# HELP prometheus_rsocket_client_target_up Whether the target's metrics are in this answer.
# TYPE prometheus_rsocket_client_target_up gauge
prometheus_rsocket_client_target_up{target=\"a\"} 1
prometheus_rsocket_client_target_up{target=\"b\"} 0
prometheus_rsocket_client_target_up{target=\"c\"} 0
prometheus_rsocket_client_target_up{target=\"d\"} 1
";
    assert_eq!(text, expected);
    assert_eq!(failed.keys().collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(failed["b"], "it is gone");
    assert!(failed["c"].contains("line 1"), "{}", failed["c"]);
}

#[test]
fn clients_are_told_apart_by_their_labels() {
    let of = |proxy: &str, value: u8| {
        let text = format!("# HELP a A.\n# TYPE a counter\na{{b=\"c\"}} {value}\n");
        (Labels::new([("proxy", proxy)]).unwrap(), text)
    };
    let text = labelled(&[of("tcp://p:1,tcp://q:1", 1), of("wss://\"", 2)]);
    let expected = "# HELP a A.\n# TYPE a counter\na{b=\"c\",proxy=\"tcp://p:1,tcp://q:1\"} 1\n\
                    a{b=\"c\",proxy=\"wss://\\\"\"} 2\n";
    assert_eq!(text, expected);
    assert_eq!(labelled(&[]), "");
}
