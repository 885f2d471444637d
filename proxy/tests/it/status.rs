//! The status page: what an operator finds on it.

use super::transports::tls_on;
use super::world::{Answer, World, get};
use crate::app::App;
use serde_json::Value;
use std::thread::{self, JoinHandle};
use std::time::Duration;

fn json(world: &World, query: &str) -> Value {
    let answer = get(world.http, &format!("/status.json{query}"), "");
    assert_eq!(answer.status(), "200 OK");
    serde_json::from_str(&answer.text()).unwrap()
}

/// Waits until the status is as it should be.
fn wait(world: &World, is_right: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..500 {
        let status = json(world, "");
        if is_right(&status) {
            return status;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{}", json(world, ""));
}

fn page(world: &World, path: &str) -> String {
    let answer = get(world.http, path, "");
    assert_eq!(answer.status(), "200 OK");
    assert!(answer.head.contains("content-security-policy: default-src 'none'; "));
    answer.text()
}

/// An application that serves one text.
fn serve(world: &World, name: &str, text: &'static str) -> JoinHandle<()> {
    let app = App::connect_as(world.tcp, &[("instance", name)]);
    thread::spawn(move || app.serve(text))
}

fn of<'a>(status: &'a Value, id: &str) -> &'a Value {
    let mut apps = status["applications"].as_array().unwrap().iter();
    apps.find(|app| app["id"] == id).unwrap_or_else(|| panic!("no {id} in {status}"))
}

#[test]
fn what_is_missing_broken_or_slow_is_on_the_page_with_the_reason_and_since_when() {
    let world = World::start(&[]);
    let _well: Vec<_> =
        (0..5).map(|number| serve(&world, &format!("well-{number}"), "jobs 1\n")).collect();
    let _broken = serve(&world, "broken", "jobs 1\njobs{ 2\n");
    let mut slow = App::connect_as(world.tcp, &[("instance", "slow")]);
    let missing = App::connect_as(world.tcp, &[("instance", "missing")]);
    let before = json(&world, "");
    assert_eq!(before["counts"]["waiting"], 8);
    drop(missing);
    world.wait_tables(|tables| tables.connections == 7);
    let scrape = world.scrape();
    let stream_id = slow.asked();
    thread::sleep(Duration::from_millis(1_300));
    let payload = slow.sealed(b"jobs 9\n");
    slow.connection().respond(stream_id, payload).unwrap();
    slow.flush();
    let _ = scrape.text();

    // It is noted when the scraper's connection has taken all.
    let status = wait(&world, |status| status["rounds"][0].is_object());
    let first: Vec<&str> = status["applications"].as_array().unwrap()[..3]
        .iter()
        .map(|app| app["status"].as_str().unwrap())
        .collect();
    assert_eq!(first, ["failing", "gone", "slow"]);
    assert_eq!(status["counts"]["troubled"], 3);
    let broken = of(&status, "broken");
    assert_eq!(broken["last_error"]["reason"], "exposition");
    let why = broken["why"].as_str().unwrap();
    assert!(why.starts_with("line 2, byte 7: "), "{why}");
    assert_eq!(broken["faulty_line"], "jobs{ 2");
    assert!(broken["for_seconds"].as_f64().unwrap() < 30.0);
    let gone = of(&status, "missing");
    assert_eq!(gone["why"], "the peer closed the connection");
    assert!(gone["for_seconds"].as_f64().unwrap() >= 1.3);
    let slow = of(&status, "slow");
    assert!(slow["last_scrape"]["took_seconds"].as_f64().unwrap() >= 1.3);
    assert!(slow["why"].as_str().unwrap().starts_with("its answer took 1."));
    let well = &of(&status, "well-0");
    assert_eq!((&well["status"], &well["last_scrape"]["series"]), (&"ok".into(), &1.into()));

    // The round says who was missing, and the same is on the page.
    let round = &status["rounds"][0];
    assert_eq!((&round["outcome"], &round["missing"]), (&"partial".into(), &2.into()));
    assert!(round["took_seconds"].as_f64().unwrap() >= 1.3);
    let html = page(&world, "/?state=troubled");
    let parts = [why, "<code><bdi>jobs{ 2</bdi></code>", "the peer closed the connection"];
    for part in parts.into_iter().chain(["/app/broken", "/app/missing", "/app/slow"]) {
        assert!(html.contains(&part.replace('\'', "&#39;")), "no {part} in {html}");
    }
    assert!(!html.contains("well-0"));
    assert_eq!(status["departures"][0]["id"], "missing");
}

#[test]
fn the_page_of_an_application_has_the_families_of_its_text() {
    let world = World::start(&[]);
    let text = "# HELP jobs Jobs <done>.\n# TYPE jobs counter\njobs{a=\"1\"} 1\njobs{a=\"2\"} 2\nup_to 1\n";
    let _app = serve(&world, "a", text);
    let html = page(&world, "/app/a");
    for part in
        ["<bdi>jobs</bdi>", "counter", "Jobs &lt;done&gt;.", "<bdi>up_to</bdi>", "2 families"]
    {
        assert!(html.contains(part), "no {part} in {html}");
    }
    // To look is not to scrape: there is no scraper that pushes would wait for.
    let status = json(&world, "");
    assert_eq!(status["scrapers"].as_array().unwrap().len(), 0);
    assert_eq!(
        (&of(&status, "a")["status"], &of(&status, "a")["last_scrape"]),
        (&"waiting".into(), &Value::Null)
    );
    let unknown = get(world.http, "/app/nobody", "");
    assert_eq!(unknown.status(), "404 Not Found");
    assert!(unknown.text().contains("Unknown application"));
}

#[test]
fn the_page_of_an_application_that_does_not_answer_says_so() {
    let world = World::start(&[]);
    let hung = App::connect_as(world.tcp, &[("instance", "hung")]);
    let html = page(&world, "/app/hung");
    assert!(html.contains("no answer by the deadline"), "{html}");
    drop(hung);
}

#[test]
fn held_pushes_say_who_has_had_them() {
    let world = World::start(&[]);
    let mut app = App::connect_as(world.tcp, &[("instance", "job")]);
    let payload = app.sealed(b"last 9\n");
    app.connection().request_response(payload).unwrap();
    app.flush();
    world.wait_tables(|tables| tables.held_pushes == 1);
    drop(app);
    world.wait_tables(|tables| tables.connections == 0);
    let push = |world: &World| json(world, "")["pushes"]["listed"][0].clone();
    assert_eq!(
        (&push(&world)["id"], push(&world)["had"].as_array().unwrap().len()),
        (&"job".into(), 0)
    );
    assert!(push(&world)["left_seconds"].as_f64().unwrap() > 60.0);
    assert!(page(&world, "/app/job").contains("it pushed"));
    let answer = get(world.http, "/metrics/connected?scraper=p1", "");
    assert_eq!(answer.text(), "last{instance=\"job\"} 9\n");
    // Delivered once the connection has ended cleanly.
    wait(&world, |status| status["pushes"]["listed"][0]["had"] == serde_json::json!(["?p1"]));
    assert_eq!(push(&world)["missing"].as_array().unwrap().len(), 0);
}

#[test]
fn with_a_listener_of_their_own_pages_are_there_alone() {
    let world = World::start(&["--listen-admin=127.0.0.1:0"]);
    let admin = world.admin.unwrap();
    for path in ["/", "/status.json", "/app/nobody"] {
        assert_eq!(get(world.http, path, "").status(), "404 Not Found");
        assert!(!get(world.http, path, "").head.contains("text/html"));
    }
    assert_eq!(get(admin, "/", "").status(), "200 OK");
    assert_eq!(get(admin, "/app/nobody", "").status(), "404 Not Found");
    assert_eq!(get(admin, "/metrics/connected", "").status(), "404 Not Found");
    let answer: Answer = get(admin, "/status.json", "Accept-Encoding: gzip\r\n");
    assert!(answer.head.contains("content-encoding: gzip"));
    let status: Value = serde_json::from_str(&answer.text()).unwrap();
    let names: Vec<_> =
        status["limits"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert!(names.contains(&&"HTTP connections, admin listener".into()), "{names:?}");
}

#[test]
fn the_limits_follow_what_is_used() {
    let world = World::start(&["--max-connections=7"]);
    let apps = ["a", "b"].map(|name| App::connect_as(world.tcp, &[("instance", name)]));
    let status = json(&world, "");
    let row = |name: &str| {
        let mut rows = status["limits"].as_array().unwrap().iter();
        rows.find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let connections = row("Connections of applications");
    assert_eq!((&connections["used"], &connections["limit"]), (&2.into(), &7.into()));
    assert_eq!(row("HTTP connections")["used"], 1);
    assert!(row("Bytes of frames of connections")["limit"].as_u64().unwrap() > 0);
    assert_eq!(status["proxy"]["verdict"], "ready");
    assert_eq!(status["proxy"]["key"]["sha256"].as_str().unwrap().len(), 64);
    drop(apps);
}

#[test]
fn it_is_told_when_certificates_expire() {
    let options = tls_on("tcp");
    let world = World::start(&options.each_ref().map(String::as_str));
    let status = json(&world, "");
    let listeners = status["proxy"]["listeners"].as_array().unwrap();
    let tcp = listeners.iter().find(|listener| listener["name"] == "tcp").unwrap();
    assert_eq!((&tcp["tls"], &tcp["certificate_expires"]), (&true.into(), &4_733_510_400.0.into()));
    assert!(tcp["certificate_left_seconds"].as_f64().unwrap() > 1e9);
    assert!(page(&world, "/").contains("2120-01-01 00:00:00&nbsp;UTC"));
    let expiry = "prometheus_proxy_tls_certificate_expiry_timestamp_seconds{listener=\"tcp\"}";
    assert_eq!(world.own(expiry), 4_733_510_400.0);
}
