use super::proxies::MAX_PINS;
use super::values::{bytes, duration};
use super::*;
use crate::fetch::Credentials;
use prometheus_rsocket_client::{Pins, Route};
use std::time::Duration;

#[test]
fn every_option_has_an_environment_variable_of_its_name() {
    let command = Args::command();
    command.clone().debug_assert();
    for option in command.get_arguments().filter(|option| option.get_long() != Some("help")) {
        let Some(long) = option.get_long().filter(|long| *long != "version") else { continue };
        let name = long.replace('-', "_").to_uppercase();
        let expected = format!("PROMETHEUS_RSOCKET_CLIENT_{name}");
        assert_eq!(option.get_env().unwrap().to_str(), Some(&expected[..]));
    }
}

#[test]
fn times_and_sizes_are_understood() {
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
    for text in ["", "5", "0s", "s", "1.5s", "-1s", "5 s", "1d", "99999999999s"] {
        assert!(duration(text).is_err(), "{text:?}");
    }
    assert_eq!(bytes("1000"), Ok(1000));
    assert_eq!(bytes("8MiB"), Ok(8 << 20));
    for text in ["", "0", "8MB", "MiB", "-1", "1.5MiB", "99999999999999999999", "99999999999GiB"] {
        assert!(bytes(text).is_err(), "{text:?}");
    }
}

const NEEDED: [&str; 3] = ["client", "--proxy=tcp://p", "--scrape=http://l/metrics"];

fn parsed(args: &[&str]) -> Args {
    Args::try_parse_from(NEEDED.iter().chain(args)).unwrap()
}

#[test]
fn options_of_tls_reach_the_library() {
    let args = ["--tls-ca=ca", "--tls-cert=c", "--tls-key=k", "--tls-server-name=n"];
    let tls = parsed(&args).proxies.tls_files();
    assert_eq!(tls.ca, Some("ca".into()));
    assert_eq!(tls.identity, Some(("c".into(), "k".into())));
    assert_eq!(tls.server_name, Some("n".to_owned()));
}

#[test]
fn a_certificate_and_its_key_need_each_other() {
    for (given, missing) in [("--tls-cert=c", "--tls-key"), ("--tls-key=k", "--tls-cert")] {
        let error = Args::try_parse_from(NEEDED.iter().chain([&given])).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[test]
fn options_of_tls_are_refused_where_there_is_none() {
    assert!(parsed(&[]).check().is_ok());
    for given in [&["--tls-ca=ca"][..], &["--tls-cert=c", "--tls-key=k"], &["--tls-server-name=n"]]
    {
        let args = parsed(given);
        let option = given[0].split('=').next().unwrap();
        let error = args.check().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let message = error.to_string();
        assert!(message.contains(option) && message.contains("--proxy tcp://p:7001"), "{message}");
        for (proxy, found) in [
            ("tcp://tls:1", Some(option)),
            ("ws://p/", Some(option)),
            ("tls://p:7001", None),
            ("wss://p/", None),
        ] {
            let args = ProxyArgs { proxy: vec![proxy.parse().unwrap()], ..args.proxies.clone() };
            assert_eq!(args.tls_without_use(), found, "{proxy}");
        }
    }
}

#[test]
fn labels_tell_relays_of_different_hosts_apart() {
    let labels = |args: &[&str]| {
        let needed = ["client", "--proxy=tcp://p"];
        let args = Args::try_parse_from(needed.iter().chain(args)).unwrap();
        args.targets.plan().unwrap().targets[0].labels.to_string()
    };
    assert_eq!(labels(&["--scrape=http://db1:9100"]), "{instance=\"db1:9100\"}");
    assert_eq!(labels(&["--scrape=https://db1"]), "{instance=\"db1:443\"}");
    let hostname = prometheus_rsocket_client::hostname().unwrap();
    for here in ["http://localhost:9100", "http://127.0.0.1:9100", "http://[::1]/metrics"] {
        let expected = format!("{{instance=\"{hostname}\"}}");
        assert_eq!(labels(&[&format!("--scrape={here}")]), expected);
    }
    let given = ["--scrape=db1:9100", "--label=instance=a", "--label=zone=b,job=c"];
    assert_eq!(labels(&given), "{instance=\"a\",job=\"c\",zone=\"b\"}");
    for bad in ["--label=a", "--label=1a=b", "--label=a=", "--label=__a=b"] {
        assert!(Args::try_parse_from(NEEDED.iter().chain([&bad])).is_err(), "{bad}");
    }
    let error = parsed(&["--label=a=b", "--label=a=c"]).check().unwrap_err();
    assert!(error.to_string().contains("--label"), "{error}");
}

#[test]
fn levels_of_logging_have_to_be_known() {
    for good in ["info", "off", "WARN", "info,prometheus_rsocket_client=debug", "a=trace"] {
        assert!(log_filter(good).is_ok(), "{good}");
    }
    for bad in ["verbose", "info,verbose", "a=verbose"] {
        assert!(log_filter(bad).is_err(), "{bad}");
    }
}

#[test]
fn credentials_are_one_or_the_other() {
    let endpoint =
        |args: &[&str]| parsed(args).targets.plan().unwrap().targets[0].options.credentials.clone();
    assert_eq!(endpoint(&[]), Credentials::None);
    let password = Some("p".into());
    let basic = Credentials::Basic { user: "u".to_owned(), password };
    assert_eq!(endpoint(&["--scrape-user=u", "--scrape-password-file=p"]), basic);
    let bearer = Credentials::Bearer { token: "t".into() };
    assert_eq!(endpoint(&["--scrape-bearer-file=t"]), bearer);
    for bad in [&["--scrape-password-file=p"][..], &["--scrape-user=u", "--scrape-bearer-file=t"]] {
        assert!(Args::try_parse_from(NEEDED.iter().chain(bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn the_way_out_stays_below_what_containers_get() {
    let config = parsed(&[]).configs().remove(0);
    // The driver waits 2 s for a peer that does not close.
    let linger = Duration::from_secs(2);
    let whole = config.agent.push_timeout + config.agent.connection.close_timeout + linger;
    assert!(whole < Duration::from_secs(8), "{whole:?}");
}

#[test]
fn several_proxies_stand_in_for_each_other_or_are_all_connected_to() {
    let proxies = |args: &[&str]| {
        let configs = parsed(args).configs();
        configs.iter().map(|config| config.proxies.to_string()).collect::<Vec<_>>()
    };
    let [p, q, r] = ["tcp://p:7001", "ws://q:80/", "tls://r:7001"];
    assert_eq!(proxies(&[]), [p]);
    assert_eq!(proxies(&["--proxy=ws://q/,tls://r"]), [[p, q, r].join(",")]);
    let all = ["--proxy=ws://q/", "--proxy=tls://r", "--proxy-mode=all"];
    assert_eq!(proxies(&all), [p, q, r]);
    let mixed = parsed(&["--proxy=tls://r", "--tls-ca=ca", "--proxy-return-after=1m"]);
    assert!(mixed.check().is_ok() && mixed.proxies.uses_tls(), "one of them uses TLS");
    let [config] = &mixed.configs()[..] else { panic!("one client") };
    assert_eq!(config.agent.return_after, Duration::from_secs(60));
    let error = parsed(&["--proxy=ws://q,tcp://p:7001"]).check().unwrap_err();
    assert!(error.to_string().contains("--proxy tcp://p:7001 is given twice"), "{error}");
    for bad in [&["client", "--scrape=http://l"][..], &["client", "--scrape=l", "--proxy=tcp://p,"]]
    {
        assert!(Args::try_parse_from(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_and_goes_over_tls_alone() {
    let dir = std::env::temp_dir().join(format!("relay-token-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("token");
    std::fs::write(&file, "of-file\n").unwrap();
    let option = format!("--token-file={}", file.display());
    let load = |args: &[&str], variable: Option<&str>| {
        let args = Args::try_parse_from([&["client", "--scrape=http://l/metrics"], args].concat());
        let loaded = args.unwrap().proxies.load_token(variable.map(Into::into), &Route::Direct);
        loaded
            .map(|token| token.map(|token| token.expose().to_owned()))
            .map_err(|it| it.to_string())
    };
    let (tls, local, clear) = ("--proxy=tls://p", "--proxy=tcp://127.0.0.1", "--proxy=ws://p/");
    assert_eq!(load(&[clear], None), Ok(None));
    assert_eq!(load(&[clear], Some("")), Ok(None));
    for proxy in [tls, local, "--proxy=ws://localhost/", "--proxy=tcp://[::1]:1"] {
        assert_eq!(load(&[proxy], Some("of-env")), Ok(Some("of-env".to_owned())));
        assert_eq!(load(&[proxy, &option], Some("of-env")), Ok(Some("of-file".to_owned())));
    }
    assert!(load(&[tls, clear, &option], None).unwrap_err().contains("ws://p:80/, which"));
    assert!(load(&[clear, "--token-in-clear"], Some("t")).is_ok());
    let error = load(&[tls], Some("se cret")).unwrap_err();
    assert!(error.starts_with(TOKEN_VARIABLE) && !error.contains("se cret"), "{error}");
    std::fs::remove_dir_all(dir).unwrap();
    let error = load(&[tls, &option], None).unwrap_err();
    assert!(error.starts_with("--token-file "), "{error}");
}

#[test]
fn pins_reach_the_library() {
    let pins = ["1a".repeat(32), "2B".repeat(32)];
    let given = parsed(&[&format!("--proxy-key-sha256={},{}", pins[0], pins[1])]);
    assert!(given.check().is_ok());
    let expected = pins.map(|pin| pin.parse().unwrap()).to_vec();
    assert_eq!(given.configs()[0].agent.pins, Pins::These(expected));
    assert_eq!(parsed(&[]).configs()[0].agent.pins, Pins::Any);
    let many = vec!["1a".repeat(32); MAX_PINS + 1].join(",");
    assert!(parsed(&[&format!("--proxy-key-sha256={many}")]).check().is_err());
    for bad in [&["--proxy-key-sha256=1a"][..], &["--proxy-key-file=f", "--proxy-key-sha256=1a"]] {
        let error = Args::try_parse_from(NEEDED.iter().chain(bad)).unwrap_err();
        assert!(error.to_string().contains("--proxy-key-sha256"), "{error}");
    }
}

fn names_and_labels(args: &[&str]) -> Vec<(String, String)> {
    let args = Args::try_parse_from(["client", "--proxy=tcp://p"].iter().chain(args)).unwrap();
    let plan = args.targets.plan().unwrap();
    plan.targets.into_iter().map(|it| (it.name, it.labels.to_string())).collect()
}

#[test]
fn several_targets_have_names_and_labels() {
    let hostname = prometheus_rsocket_client::hostname().unwrap();
    let pair = |name: &str, labels: &str| (name.to_owned(), labels.to_owned());
    let here = format!("{hostname}:9100");
    let args = [
        "--scrape=orders=http://a/m?x=1,2 db1:9100/m?y=z",
        "--scrape=localhost:9100",
        "--target-label=orders:zone=eu,orders:tier=1",
        "--target-label=db1:9100:zone=us",
        "--label=job=x,zone=none",
    ];
    let expected = [
        pair("orders", "{instance=\"orders\",job=\"x\",tier=\"1\",zone=\"eu\"}"),
        pair("db1:9100", "{instance=\"db1:9100\",job=\"x\",zone=\"us\"}"),
        pair(&here, &format!("{{instance=\"{here}\",job=\"x\",zone=\"none\"}}")),
    ];
    assert_eq!(names_and_labels(&args), expected);
    let args = Args::try_parse_from(["client", "--proxy=tcp://p"].iter().chain(&args)).unwrap();
    let urls: Vec<_> =
        args.targets.plan().unwrap().targets.iter().map(|it| it.url.to_string()).collect();
    assert_eq!(
        urls,
        ["http://a/m?x=1,2", "http://db1:9100/m?y=z", "http://localhost:9100/metrics"]
    );
    // A target that has a name is called by it.
    assert_eq!(names_and_labels(&["--scrape=a=localhost"]), [pair("a", "{instance=\"a\"}")]);
}

#[test]
fn targets_that_cannot_be_told_apart_are_refused() {
    for (bad, part) in [
        (&["--scrape=a=http://l b=http://l", "--label=instance=x"][..], "the same labels"),
        (&["--scrape=a=http://l a=http://m"], "\"a\" appears twice"),
        (&["--scrape=http://l", "--target-label=b:x=y"], "--target-label: no --scrape is called"),
        (&["--scrape=http://l", "--drop-label=le"], "--drop-label"),
        (&["--scrape=http://l", "--scrape-header=host: s3cret"], "the header host cannot be set"),
        (&["--scrape=http://l", "--scrape-header=no s3cret"], "--scrape-header: it should be"),
    ] {
        let args = Args::try_parse_from(["client", "--proxy=tcp://p"].iter().chain(bad)).unwrap();
        let message = args.check().unwrap_err().to_string();
        assert!(message.contains(part) && !message.contains("s3cret"), "{message}");
    }
    for bad in [
        &[][..],
        &["--scrape=a!b=http://l"],
        &["--scrape==http://l"],
        &["--scrape=http://l", "--target-label=x=y"],
        &["--scrape=http://l", "--deny-metrics=/("],
        &["--scrape=http://l", "--scrape-cert=c"],
    ] {
        let parsed = Args::try_parse_from(["client", "--proxy=tcp://p"].iter().chain(bad));
        assert_eq!(parsed.unwrap_err().exit_code(), 2, "{bad:?}");
    }
}

#[test]
fn joined_targets_keep_their_instances() {
    let args = ["--scrape=a=http://l b=http://l", "--label=instance=x,job=j", "--join"];
    let args = Args::try_parse_from(["client", "--proxy=tcp://p"].iter().chain(&args)).unwrap();
    let plan = args.targets.plan().unwrap();
    assert_eq!(plan.joined.unwrap().to_string(), "{instance=\"x\",job=\"j\"}");
    assert_eq!(plan.targets[1].labels.to_string(), "{instance=\"b\",job=\"j\"}");
}

#[test]
fn options_of_scraping_reach_the_targets() {
    let args = parsed(&[
        "--scrape-ca=ca",
        "--scrape-cert=c",
        "--scrape-key=k",
        "--scrape-server-name=n",
        "--scrape-header=X-Tenant: s3cret\nX-Zone: eu",
        "--scrape-header-file=h",
        "--allow-metrics=go_* /a|b/",
        "--deny-metrics=go_gc",
        "--drop-label=pod,node",
        "--no-help",
    ]);
    let options = args.targets.plan().unwrap().targets.remove(0).options;
    let mut tls = prometheus_rsocket_client::ClientTlsFiles::default();
    (tls.ca, tls.server_name) = (Some("ca".into()), Some("n".to_owned()));
    tls.identity = Some(("c".into(), "k".into()));
    assert_eq!(options.tls, tls);
    assert_eq!(options.headers.file, Some("h".into()));
    let shown = format!("{options:?}");
    assert!(shown.contains("x-tenant") && shown.contains("x-zone"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    let filtered = options.filter.apply("# HELP a A\na{pod=\"1\",x=\"2\"} 1\nc 1\ngo_gc 1\n");
    assert_eq!(filtered.unwrap().text, "a{x=\"2\"} 1\n");
}
