//! Who is turned away.

use super::child::{Proxy, Seen};
use crate::app::App;
use crate::credentials::{AuthFile, DEAR, ORDERS, entry, token_of};
use prometheus_rsocket_protocol::rsocket::frame::Setup;
use std::net::TcpStream;

pub(super) const SCENARIOS: &[fn() -> Seen] =
    &[turned_away, old_envelope, pushed_too_early, reloads, scrapers];

fn turned_away() -> Seen {
    let orders = entry("orders", &format!("token_sha256 = \"{ORDERS}\""), "transports = \"wss\"");
    let file = AuthFile::new("turned-away", &orders);
    let proxy = Proxy::start(&["--require-identity", &file.option("auth-file")]);
    let refused = |token| App::refused(proxy.tcp, App::setup(&[], token));
    refused(Some("orders-token"));
    let line = proxy.wait_line("application turned away");
    assert!(line.contains("transport") && line.contains("entry=orders"), "{line}");
    refused(None);
    for _ in 0..11 {
        refused(Some("another-token"));
    }
    // Of all these lines one is for each address and period.
    for cause in ["credentials", "credentials_transport", "identity", "throttled"] {
        let series = format!("prometheus_proxy_connection_error_total{{cause=\"{cause}\"}}");
        proxy.wait_counted(&series);
    }
    let seen = proxy.seen();
    for secret in ["orders-token", "another-token", ORDERS] {
        assert!(!seen.has_logged(secret), "{secret} is in the log");
    }
    seen
}

fn old_envelope() -> Seen {
    let proxy = Proxy::start(&["--min-envelope=2"]);
    App::refused(proxy.tcp, Setup::default());
    proxy.wait_counted("prometheus_proxy_connection_error_total{cause=\"envelope\"}");
    proxy.wait_line("application turned away");
    proxy.seen()
}

fn pushed_too_early() -> Seen {
    let slow = format!("token_argon2id = \"{DEAR}\"");
    let file = AuthFile::new("early", &entry("slow", &slow, ""));
    let proxy = Proxy::start(&[&file.option("auth-file")]);
    let stream = TcpStream::connect(proxy.tcp).unwrap();
    let mut app = App::begin(stream, App::setup(&[], Some("nobodys-token")));
    app.connection().fire_and_forget(Default::default()).unwrap();
    app.next();
    proxy.wait_counted("prometheus_proxy_application_error_total{cause=\"not_admitted\"}");
    proxy.seen()
}

fn reloads() -> Seen {
    let file = AuthFile::new("reloads", &token_of("orders", ORDERS));
    let proxy = Proxy::start(&["--tls-reload-interval=50ms", &file.option("auth-file")]);
    let _app = App::connect_with(proxy.tcp, App::setup(&[], Some("orders-token")));
    let line = proxy.wait_line("application connected");
    assert!(line.contains("entry=orders"), "{line}");
    file.write("[[application]]\nname = 3\n");
    let line = proxy.wait_line("a changed --auth-file cannot be used");
    assert!(line.contains("line 2"), "{line}");
    file.write("");
    proxy.wait_line("--auth-file has changed and is in use");
    proxy.wait_line("application gone");
    proxy.seen()
}

fn scrapers() -> Seen {
    let of = |name: &str| format!("bearer_tokens_sha256:\n  {name}: {ORDERS}\n");
    let file = AuthFile::new("scrapers-reload", &of("a"));
    let proxy = Proxy::start(&["--tls-reload-interval=50ms", &file.option("http-auth-file")]);
    for _ in 0..2 {
        proxy.get("/sd", "Authorization: Bearer a-wrong-token\r\n");
    }
    proxy.wait_line("HTTP request refused: its credentials are wrong");
    file.write("basic_auth_users: 3\n");
    proxy.wait_line("a changed --http-auth-file cannot be used");
    file.write(&of("b"));
    proxy.wait_line("--http-auth-file has changed and is in use");
    let seen = {
        let own = proxy.get("/metrics/proxy", "Authorization: Bearer orders-token\r\n");
        proxy.seen_in(&own)
    };
    assert!(!seen.has_logged("a-wrong-token") && !seen.has_logged(ORDERS));
    seen
}
