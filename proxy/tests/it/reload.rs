//! The configuration of a proxy that runs is read again.

use crate::app::App;
use crate::credentials::{AuthFile, ORDERS, token_of};
use crate::program::{RUNTIMES, program};
use crate::provoked::child::Proxy;
use std::fs;
use std::os::unix::fs::symlink;

/// A proxy with a file, which it looks at often.
fn watching(file: &AuthFile, more: &[&str]) -> Proxy {
    let option = file.option("config");
    Proxy::start(&[&[&*option, "--tls-reload-interval=20ms"], more].concat())
}

/// A proxy with a file, which it reads again only when it is told to.
fn waiting(file: &AuthFile, more: &[&str]) -> Proxy {
    let option = file.option("config");
    Proxy::start(&[&[&*option, "--tls-reload-interval=1h"], more].concat())
}

/// What a scrape says after the application has answered with this text.
fn scraped(proxy: &Proxy, app: &mut App, text: &str) -> String {
    let scraping = proxy.scrape(20.0);
    app.answer_text_between_reports(text);
    scraping.join().unwrap()
}

#[test]
fn a_signal_has_limits_and_labels_changed_for_applications_that_stay_connected() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        let file = AuthFile::new(&format!("reload-{runtime}"), "max-series = 1\n");
        let proxy = waiting(&file, &["--runtime", runtime]);
        let mut app = App::connect_as(proxy.tcp, &[("instance", "a")]);
        let two = "one 1\ntwo 2\n";
        assert!(!scraped(&proxy, &mut app, two).contains("two"));
        file.write("max-series = 2\ninject-identity = \"never\"\napp-metrics = false\n");
        proxy.signal("HUP");
        let line = proxy.wait_line("setting=\"max-series\"");
        assert!(line.contains(" INFO ") && line.contains("old=\"1\" new=\"2\""), "{line}");
        assert!(proxy.wait_line("read again").contains("changed=3"));
        let body = scraped(&proxy, &mut app, two);
        assert!(body.contains("\none 1\ntwo 2\n"), "{body}");
        assert!(!body.contains("prometheus_proxy_app_up"), "{body}");
        file.write("reserved-names = [\"one\"]\n");
        proxy.signal("HUP");
        proxy.wait_line("read again");
        let body = scraped(&proxy, &mut app, two);
        assert!(body.contains("two{instance=\"a\"} 2\n") && !body.contains("one{"), "{body}");
        let log = proxy.ended();
        assert!(!log.has_logged("a setting has changed and needs a restart"));
        assert_eq!(log.count("application connected"), 1, "it was connected all the time");
    }
}

#[test]
fn a_changed_file_is_found_also_behind_links_that_are_swapped() {
    let folder = std::env::temp_dir().join(format!("reload-map-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    for (name, text) in [("one", "app-grace = '1m'"), ("two", "app-grace = '2m'")] {
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("proxy.toml"), text).unwrap();
    }
    // As Kubernetes lays out a ConfigMap.
    symlink("one", folder.join("..data")).unwrap();
    symlink("..data/proxy.toml", folder.join("proxy.toml")).unwrap();
    let option = format!("--config={}", folder.join("proxy.toml").display());
    let proxy = Proxy::start(&[&option, "--tls-reload-interval=20ms"]);
    symlink("two", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    let line = proxy.wait_line("setting=\"app-grace\"");
    assert!(line.contains("old=\"1m\" new=\"2m\""), "{line}");
    drop(proxy);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_bad_file_changes_nothing_and_is_told_once_with_its_lines() {
    let file = AuthFile::new("reload-bad", "max-series = 1\n");
    let proxy = watching(&file, &[]);
    let successful = "prometheus_proxy_config_last_reload_successful";
    let own = || proxy.get("/metrics/proxy", "");
    assert!(own().contains(&format!("\n{successful} 1\n")), "{}", own());
    file.write("max-series = 2\n\nmax-serie = 3\nmax-labels = 0\n");
    for (line, what) in [(3, "max-serie"), (4, "max-labels")] {
        let told = proxy.wait_line("a changed configuration cannot be used");
        assert!(told.contains(" ERROR ") && told.contains(&format!("line {line}: ")), "{told}");
        assert!(told.contains(what), "{told}");
    }
    let mut app = App::connect(proxy.tcp);
    assert!(!scraped(&proxy, &mut app, "one 1\ntwo 2\n").contains("two"));
    assert!(own().contains(&format!("\n{successful} 0\n")), "{}", own());
    file.write("max-series = 2\n");
    proxy.wait_line("read again");
    assert!(scraped(&proxy, &mut app, "one 1\ntwo 2\n").contains("two 2\n"));
    let counts = own();
    assert!(counts.contains(&format!("\n{successful} 1\n")), "{counts}");
    let time = "prometheus_proxy_config_last_reload_success_timestamp_seconds";
    let time = counts.lines().find_map(|line| line.strip_prefix(time)).unwrap();
    let time: f64 = time.trim().parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - 120.0..=now + 1.0).contains(&time), "{time}");
    assert_eq!(proxy.ended().count("a changed configuration cannot be used"), 2);
}

#[test]
fn a_setting_that_takes_a_restart_is_named_and_left_as_it_is() {
    let file = AuthFile::new("reload-restart", "key-bits = 2048\n");
    let proxy = waiting(&file, &[]);
    for _ in 0..2 {
        file.write("key-bits = 3072\n");
        proxy.signal("HUP");
        let line = proxy.wait_line("a setting has changed and needs a restart");
        assert!(line.contains(" WARN ") && line.contains("setting=\"key-bits\""), "{line}");
        assert!(proxy.wait_line("read again").contains("changed=0"));
    }
}

#[test]
fn options_and_variables_still_come_before_a_changed_file() {
    let file = AuthFile::new("reload-order", "max-series = 1\n");
    let proxy = waiting(&file, &["--max-series=5"]);
    file.write("max-series = 3\n");
    proxy.signal("HUP");
    assert!(proxy.wait_line("read again").contains("changed=0"));
}

#[test]
fn the_filter_of_the_log_changes() {
    let file = AuthFile::new("reload-log", "");
    let proxy = waiting(&file, &[]);
    file.write("log = \"debug\"\n");
    proxy.signal("HUP");
    proxy.wait_line("setting=\"log\"");
    drop(App::connect(proxy.tcp));
    let line = proxy.wait_line("accepted");
    assert!(line.contains("DEBUG"), "{line}");
    file.write("log = \"error\"\n");
    proxy.signal("HUP");
    // Only errors are to be seen, so the next thing to be told is one.
    file.write("x = 1\n");
    let told = loop {
        proxy.signal("HUP");
        if let Some(line) = proxy.line_within("a changed configuration cannot be used", 1) {
            break line;
        }
    };
    assert!(told.contains(" ERROR "), "{told}");
    drop(App::connect(proxy.tcp));
    assert!(!proxy.get("/metrics/connected", "").is_empty());
}

#[test]
fn more_applications_are_accepted_once_there_may_be_more() {
    let file = AuthFile::new("reload-more", "max-connections = 1\n");
    let proxy = waiting(&file, &[]);
    let first = App::connect(proxy.tcp);
    file.write("max-connections = 2\n");
    proxy.signal("HUP");
    proxy.wait_line("read again");
    let second = App::connect(proxy.tcp);
    drop((first, second));
}

#[test]
fn a_signal_has_files_with_credentials_read_at_once() {
    let auth = AuthFile::new("reload-auth", &token_of("orders", ORDERS));
    let proxy = Proxy::start(&[&auth.option("auth-file"), "--tls-reload-interval=1h"]);
    auth.write("");
    proxy.signal("HUP");
    proxy.wait_line("--auth-file has changed and is in use");
}

#[test]
fn a_signal_before_the_proxy_serves_does_not_end_it() {
    let mut child = program()
        .args(["--key-bits=4096", "--listen-tcp=127.0.0.1:0"])
        .args(["--listen-websocket=off", "--listen-http=off"])
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}
