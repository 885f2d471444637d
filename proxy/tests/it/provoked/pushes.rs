//! What becomes of pushes.

use super::child::{Proxy, Seen};
use crate::app::App;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::Event;

pub(super) const SCENARIOS: &[fn() -> Seen] =
    &[pushes, more_pushes_than_allowed, pushes_that_give_way, pushes_that_expire_after_a_scrape];

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
    for _ in 0..2 {
        app.connection().fire_and_forget(last.clone()).unwrap();
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

fn pushes_that_expire_after_a_scrape() -> Seen {
    let proxy = Proxy::start(&["--push-ttl=300ms"]);
    let series = "prometheus_proxy_pushes_dropped_total{cause=\"expired_served\"}";
    proxy.repeat_until_counted(series, || {
        push_and_go(&proxy, b"last 1\n");
        proxy.scrape(20.0).join().unwrap();
    });
    proxy.seen()
}
