//! Applications with credentials, and without.

use super::Leaf;
use super::transports::{pem, tls_on, trusting};
use super::world::{World, get};
use crate::app::App;
use crate::credentials::{AuthFile, BILLING, DEAR, ORDERS, SLOW, entry, token_of};
use prometheus_rsocket_client::{Client, Config, Token};
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_runtime::Runtime;
use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const NOT_ADMITTED: (ErrorCode, &str) = (ErrorCode::REJECTED_SETUP, "not admitted");

fn turned_away(world: &World, labels: &[(&str, &str)], token: Option<&str>) {
    let (code, text) = App::refused(world.tcp, App::setup(labels, token));
    assert_eq!((code, &*text), NOT_ADMITTED);
}

fn turned_away_total(world: &World, cause: &str) -> f64 {
    world.own(&format!("prometheus_proxy_connection_error_total{{cause=\"{cause}\"}}"))
}

#[test]
fn a_token_gives_an_identity_for_which_alone_an_application_speaks() {
    let file = AuthFile::new("identity", &token_of("orders", ORDERS));
    let world = World::start(&[&file.option("auth-file"), "--require-identity"]);
    turned_away(&world, &[("application", "orders")], None);
    turned_away(&world, &[("application", "orders")], Some("orders-tokem"));
    let said = [("application", "billing"), ("instance", "a")];
    let mut app = App::connect_with(world.tcp, App::setup(&said, Some("orders-token")));
    let scraping = world.scrape();
    app.answer_text_between_reports("up_to{application=\"billing\"} 1\nplain 2\n");
    let text = scraping.text();
    assert!(text.contains("up_to{application=\"orders\",instance=\"a\"} 1\n"), "{text}");
    assert!(text.contains("plain{application=\"orders\",instance=\"a\"} 2\n"), "{text}");
    let listed = get(world.http, "/sd", "").text();
    assert!(listed.contains("\"__meta_prometheus_rsocket_identity\":\"credentials\""), "{listed}");
    assert!(listed.contains("\"application\":\"orders\""), "{listed}");
    assert_eq!(turned_away_total(&world, "identity"), 1.0);
    assert_eq!(turned_away_total(&world, "credentials"), 1.0);
    world.stopped();
}

#[test]
fn without_a_requirement_strangers_are_served_and_wrong_tokens_are_not() {
    let file = AuthFile::new("strangers", &token_of("orders", ORDERS));
    let world = World::start(&[&file.option("auth-file")]);
    let _stranger = App::connect_as(world.tcp, &[("application", "web")]);
    let _liar = App::connect_as(world.tcp, &[("application", "orders")]);
    turned_away(&world, &[], Some("wrong"));
    let listed = get(world.http, "/sd", "").text();
    assert!(listed.contains("\"application\":\"web\""), "{listed}");
    assert!(!listed.contains("\"application\":\"orders\""), "{listed}");
    world.stopped();
}

#[test]
fn a_slow_hash_holds_nobody_up() {
    // 64 MiB, for a token that nobody has, and one for `slow-token`.
    let slow = entry("slow", &format!("token_argon2id = [\"{DEAR}\", \"{SLOW}\"]"), "");
    let file = AuthFile::new("slow", &(slow + &token_of("orders", ORDERS)));
    let world = World::start(&[&file.option("auth-file")]);
    let waiting =
        App::begin(TcpStream::connect(world.tcp).unwrap(), App::setup(&[], Some("slow-token")));
    let _app = App::connect_with(world.tcp, App::setup(&[], Some("orders-token")));
    let mut waiting = waiting;
    assert!(matches!(waiting.next(), Event::FireAndForget { .. }));
    world.stopped();
}

#[test]
fn whoever_fails_too_often_is_not_looked_at() {
    let file = AuthFile::new("throttled", &token_of("orders", ORDERS));
    let world = World::start(&[&file.option("auth-file")]);
    for _ in 0..10 {
        turned_away(&world, &[], Some("wrong"));
    }
    turned_away(&world, &[], Some("orders-token"));
    assert_eq!(turned_away_total(&world, "throttled"), 1.0);
    assert_eq!(turned_away_total(&world, "credentials"), 10.0);
    world.stopped();
}

#[test]
fn applications_of_an_entry_that_is_gone_are_ended() {
    let billing = token_of("billing", BILLING);
    let file = AuthFile::new("gone", &(token_of("orders", ORDERS) + &billing));
    let options = ["--require-identity", "--tls-reload-interval=50ms", &file.option("auth-file")];
    let world = World::start(&options);
    let connect = |token| App::connect_with(world.tcp, App::setup(&[], Some(token)));
    let (mut orders, mut stays) = (connect("orders-token"), connect("billing-token"));
    // What cannot be read changes nothing.
    file.write("[[application]]\nname = 3\n");
    file.write(&billing);
    match orders.next() {
        Event::Closed { reason } => {
            assert!(reason.to_string().contains("not admitted any more"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    turned_away(&world, &[], Some("orders-token"));
    let scraping = world.scrape();
    stays.answer_text_between_reports("a 1\n");
    assert_eq!(scraping.text(), "a{application=\"billing\"} 1\n");
    world.stopped();
}

#[test]
fn a_certificate_gives_an_identity() {
    let orders = entry("orders", "certificate = \"CN=test client\"", "transports = [\"tls\"]");
    let token = token_of("billing", BILLING).replace("}", "}\ntransports = \"tcp\"");
    let file = AuthFile::new("certificate", &(orders + &token));
    let mut options = tls_on("tcp").to_vec();
    options.push(format!("--tcp-tls-client-ca={}", pem("ca.pem")));
    options.extend(["--tcp-tls-client-auth=optional".to_owned(), "--require-identity".to_owned()]);
    options.push(file.option("auth-file"));
    let world = World::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let connect = |identity: Option<&str>| {
        let url = format!("tls://localhost:{}", world.tcp.port());
        let mut config = Config::new(url.parse().unwrap());
        config.tls = Some(trusting(identity));
        config
    };
    let (known, stranger) = (connect(Some("client")), connect(None));
    let world = Leaf::block_on(Some(1), |runtime| async move {
        let metrics = || "a 1\n".to_owned();
        let (client, running) = Client::new(runtime.clone(), known, metrics);
        runtime.spawn(running);
        client.wait_ready(Duration::from_secs(20)).await.unwrap();
        let (text, world) = runtime.unblock(|| (world.scrape().text(), world)).await.unwrap();
        assert!(text.starts_with("a{application=\"orders\","), "{text}");
        let (other, running) = Client::new(runtime.clone(), stranger, metrics);
        runtime.spawn(running);
        other.wait_ready(Duration::from_secs(1)).await.unwrap_err();
        world
    })
    .unwrap();
    assert!(turned_away_total(&world, "identity") >= 1.0);
    world.stopped();
}

#[test]
fn our_client_shows_its_token_and_tells_why_it_is_turned_away() {
    let file = AuthFile::new("client", &token_of("orders", ORDERS));
    let world = World::start(&[&file.option("auth-file"), "--require-identity"]);
    let config = |token: &str| {
        let mut config = Config::new(format!("tcp://{}", world.tcp).parse().unwrap());
        config.token = Some(Token::new(token).unwrap());
        assert!(!format!("{config:?} {:?}", config.agent).contains(token));
        config
    };
    let (right, wrong) = (config("orders-token"), config("wrong-token"));
    let world = Leaf::block_on(Some(1), |runtime| async move {
        let metrics = || "a 1\n".to_owned();
        let (client, running) = Client::new(runtime.clone(), right, metrics);
        runtime.spawn(running);
        client.wait_ready(Duration::from_secs(20)).await.unwrap();
        let (text, world) = runtime.unblock(|| (world.scrape().text(), world)).await.unwrap();
        assert!(text.starts_with("a{application=\"orders\","), "{text}");
        let (other, running) = Client::new(runtime.clone(), wrong, metrics);
        runtime.spawn(running);
        other.wait_ready(Duration::from_secs(1)).await.unwrap_err();
        let status = format!("{:?}", other.status());
        assert!(status.contains("not admitted"), "{status}");
        world
    })
    .unwrap();
    world.stopped();
}

#[test]
fn a_file_that_others_may_read_is_no_beginning() {
    let file = AuthFile::new("public", &token_of("orders", ORDERS));
    fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
    let config = prometheus_rsocket_proxy::config::Config::from_args(
        [
            "proxy".to_owned(),
            super::OPTION.to_owned(),
            "--listen-tcp=127.0.0.1:0".to_owned(),
            "--listen-http=off".to_owned(),
            "--listen-websocket=off".to_owned(),
            file.option("auth-file"),
        ],
        [],
    )
    .unwrap();
    let error = Leaf::block_on(Some(1), |runtime| async move {
        let error = prometheus_rsocket_proxy::Proxy::bind(runtime, config).await.err().unwrap();
        (error.is_configuration(), error.to_string())
    })
    .unwrap();
    assert!(
        error.0 && error.1.contains("--auth-file: ") && error.1.contains("others may read"),
        "{error:?}"
    );
}

/// Of the password `secret`.
const BCRYPT: &str = "$2b$04$/uaF/uaF/uaF/uaF/uaF/uyUa5B4sNev9rTvA6TvEBWYO4koffwMy";

fn scrapers() -> AuthFile {
    let hash = ORDERS;
    let text = format!("basic_auth_users:\n  prom: {BCRYPT}\nbearer_tokens_sha256:\n  x: {hash}\n");
    AuthFile::new("scrapers", &text)
}

/// `Authorization` of the user `prom`.
const RIGHT: &str = "Authorization: Basic cHJvbTpzZWNyZXQ=\r\n";
const WRONG: &str = "Authorization: Basic cHJvbTp3cm9uZw==\r\n";

#[test]
fn scrapers_show_credentials_and_probes_do_not() {
    let file = scrapers();
    let world = World::start(&[&file.option("http-auth-file")]);
    for path in ["/metrics/connected", "/metrics/proxy", "/sd", "/", "/metrics/app/x", "/none"] {
        let answer = get(world.http, path, "");
        assert_eq!(answer.status(), "401 Unauthorized");
        assert!(answer.head.to_lowercase().contains("www-authenticate: basic realm="));
    }
    for path in ["/-/healthy", "/-/ready", "/actuator/health"] {
        assert_eq!(get(world.http, path, "").status(), "200 OK");
    }
    let bearer = "Authorization: Bearer orders-token\r\n";
    for right in [RIGHT, RIGHT, bearer] {
        assert_eq!(get(world.http, "/metrics/connected", right).status(), "200 OK");
    }
    for _ in 0..10 {
        assert_eq!(get(world.http, "/sd", WRONG).status(), "401 Unauthorized");
    }
    assert_eq!(get(world.http, "/sd", WRONG).status(), "429 Too Many Requests");
    // What is known to be right is, from any address.
    assert_eq!(get(world.http, "/sd", RIGHT).status(), "200 OK");
    assert_eq!(get(world.http, "/-/healthy", WRONG).status(), "200 OK");
    world.stopped();
}

#[test]
fn a_changed_password_counts_from_then_on() {
    let file = scrapers();
    let world = World::start(&[&file.option("http-auth-file"), "--tls-reload-interval=50ms"]);
    assert_eq!(get(world.http, "/sd", RIGHT).status(), "200 OK");
    file.write(&format!("bearer_tokens_sha256:\n  x: {ORDERS}\n"));
    let is_refused = || get(world.http, "/sd", RIGHT).status() != "200 OK";
    assert!((0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_refused()
    }));
    world.stopped();
}

#[test]
fn status_pages_have_a_port_of_their_own() {
    let world = World::start(&["--listen-admin=127.0.0.1:0"]);
    let admin = world.admin.unwrap();
    let status = |address, path| get(address, path, "").status().to_owned();
    for (path, on_http, on_admin) in [
        ("/", "404 Not Found", "200 OK"),
        ("/metrics/connected", "200 OK", "404 Not Found"),
        ("/sd", "200 OK", "404 Not Found"),
        ("/metrics/proxy", "200 OK", "200 OK"),
        ("/-/healthy", "200 OK", "200 OK"),
    ] {
        assert_eq!(status(world.http, path), on_http, "{path}");
        assert_eq!(status(admin, path), on_admin, "{path}");
    }
    world.stopped();
}
