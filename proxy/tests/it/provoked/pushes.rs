//! What becomes of pushes.

use super::child::{Proxy, Seen};
use crate::app::App;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use std::fs;

pub(super) const SCENARIOS: &[fn() -> Seen] = &[
    pushes,
    more_pushes_than_allowed,
    pushes_that_give_way,
    pushes_of_one_that_lives_on,
    pushes_that_expire_after_a_scrape,
    pushes_on_disk,
];

/// Pushes, and waits for the proxy's word.
pub(super) fn push(app: &mut App, payload: Payload) {
    app.connection().request_response(payload).unwrap();
    while !matches!(app.next(), Event::Response { .. } | Event::RequestFailed { .. }) {}
}

/// An application that pushes its last metrics, and goes.
fn push_and_go(proxy: &Proxy, text: &[u8]) {
    let mut app = App::connect(proxy.tcp);
    let last = app.sealed(text);
    push(&mut app, last);
}

fn pushes() -> Seen {
    let proxy = Proxy::start(&[]);
    let mut app = App::connect(proxy.tcp);
    push(&mut app, Payload::new(vec![1; 256], vec![2; 32]));
    app.connection().fire_and_forget(Payload::new(vec![1; 256], vec![2; 32])).unwrap();
    let last = app.sealed(b"last 1\n");
    // Each after the one before is dealt with: together they may be over the connection's share.
    for outcome in ["held", "repeated"] {
        app.connection().fire_and_forget(last.clone()).unwrap();
        app.flush();
        let counter = "prometheus_proxy_pushes_total";
        proxy.wait_counted(&format!("{counter}{{kind=\"fire_and_forget\",outcome=\"{outcome}\"}}"));
    }
    // The same again, and the same series anew.
    let other = app.sealed(b"last 2\n");
    for payload in [last, other] {
        push(&mut app, payload);
    }
    drop(app);
    proxy.repeat_until_counted("prometheus_proxy_pushes_served_total", || {
        proxy.scrape(20.0).join().unwrap();
    });
    proxy.seen()
}

fn more_pushes_than_allowed() -> Seen {
    let proxy = Proxy::start(&["--max-held-pushes=1"]);
    for _ in 0..2 {
        push_and_go(&proxy, b"last 1\n");
    }
    proxy.wait_line("push not stored");
    proxy.seen()
}

fn pushes_that_give_way() -> Seen {
    let proxy = Proxy::start(&["--max-held-pushes=2"]);
    let scrape = |name: &str| proxy.get(&format!("/metrics/connected?scraper={name}"), "");
    let dropped =
        |cause: &str| format!("prometheus_proxy_pushes_dropped_total{{cause=\"{cause}\"}}");
    // Until an answer is known to have been read, what it had gives way to nobody.
    proxy.repeat_until_counted(&dropped("delivered"), || {
        scrape("one");
        push_and_go(&proxy, b"last 1\n");
    });
    scrape("another");
    proxy.repeat_until_counted(&dropped("partly_delivered"), || {
        scrape("one");
        push_and_go(&proxy, b"last 1\n");
    });
    proxy.seen()
}

fn pushes_of_one_that_lives_on() -> Seen {
    let proxy = Proxy::start(&["--max-held-pushes=2"]);
    proxy.get("/metrics/connected?scraper=another", "");
    let mut app = App::connect(proxy.tcp);
    let last = app.sealed(b"last 1\n");
    push(&mut app, last);
    let scraping = proxy.scrape(20.0);
    app.answer_text("now 1\n");
    scraping.join().unwrap();
    let series = "prometheus_proxy_pushes_dropped_total{cause=\"lives_on\"}";
    proxy.repeat_until_counted(series, || push_and_go(&proxy, b"last 1\n"));
    proxy.seen()
}

fn pushes_on_disk() -> Seen {
    let path = std::env::temp_dir().join(format!("prometheus-rsocket-it-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    let option = format!("--push-dir={}", path.display());
    let first = Proxy::start(&[&option]);
    for text in [b"last 1\n", b"last 2\n", b"last 3\n"] {
        push_and_go(&first, text);
    }
    let mut seen = first.seen();
    let pushes = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let pushes: Vec<_> = pushes.filter(|file| file.to_string_lossy().ends_with(".push")).collect();
    assert_eq!(pushes.len(), 3);
    fs::write(&pushes[0], b"PRSPUSH").unwrap();
    fs::write(path.join("notes.txt"), b"not a push").unwrap();
    let second = Proxy::start(&[&option, "--max-held-pushes=1"]);
    assert!(second.scrape(20.0).join().unwrap().contains("last "));
    seen.add(second.seen());
    let third = Proxy::start(&[&option]);
    // What is not there cannot be written to.
    fs::remove_dir_all(&path).unwrap();
    push_and_go(&third, b"last 4\n");
    third.wait_line("push not stored");
    seen.add(third.seen());
    seen
}

fn pushes_that_expire_after_a_scrape() -> Seen {
    let proxy = Proxy::start(&["--push-ttl=300ms"]);
    let series = "prometheus_proxy_pushes_dropped_total{cause=\"expired_served\"}";
    proxy.repeat_until_counted(series, || {
        push_and_go(&proxy, b"last 1\n");
        proxy.scrape(20.0).join().unwrap();
    });
    proxy.seen()
}
