use super::world::World;
use crate::app::App;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory of its own for a test, removed with this.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let (pid, nth) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let runtime = super::OPTION.trim_start_matches("--runtime=");
        let name = format!("prometheus-rsocket-storing-{runtime}-{pid}-{nth}");
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn start(&self) -> World {
        World::start(&[&format!("--push-dir={}", self.0.display())])
    }

    fn files(&self) -> Vec<String> {
        let all = fs::read_dir(&self.0).unwrap();
        let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != ".lock").collect()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn push(app: &mut App, text: &[u8]) -> Event {
    let payload = app.sealed(text);
    app.connection().request_response(payload).unwrap();
    loop {
        let event = app.next();
        if matches!(event, Event::Response { .. } | Event::RequestFailed { .. }) {
            return event;
        }
    }
}

#[test]
fn what_was_acknowledged_is_served_by_the_next_proxy() {
    let temporary = Temporary::new();
    let world = temporary.start();
    let mut named = App::connect_as(world.tcp, &[("instance", "job")]);
    assert!(matches!(push(&mut named, b"named 1\n"), Event::Response { .. }));
    // Known at once, and written once.
    assert!(matches!(push(&mut named, b"named 2\n"), Event::Response { .. }));
    assert!(matches!(push(&mut App::connect(world.tcp), b"unnamed 1\n"), Event::Response { .. }));
    assert_eq!(temporary.files().len(), 2);
    drop(named);
    world.wait_own("prometheus_proxy_scrape_active_connections", 0.0);
    world.scrape().text();
    world.stopped();
    let world = temporary.start();
    assert_eq!(world.own("prometheus_proxy_pushes_held"), 2.0);
    let text = world.scrape().text();
    assert!(text.contains("named{instance=\"job\"} 2\n"), "{text}");
    assert!(text.contains("unnamed 1\n"), "{text}");
    assert_eq!(world.scrape().text(), "", "once for each scraper");
    world.stopped();
}

#[test]
fn a_push_that_cannot_be_written_is_refused_and_scrapes_go_on() {
    let temporary = Temporary::new();
    let world = temporary.start();
    let mut app = App::connect(world.tcp);
    fs::remove_dir_all(&temporary.0).unwrap();
    let Event::RequestFailed { error, .. } = push(&mut app, b"last 1\n") else { panic!("stored") };
    assert!(error.to_string().contains("cannot be written to disk"), "{error}");
    let scraping = world.scrape();
    app.answer_text("a 1\n");
    assert_eq!(scraping.text(), "a 1\n");
    let rejected = "prometheus_proxy_application_error_total{cause=\"not_stored\"}";
    assert_eq!(world.own(rejected), 1.0);
    // As soon as the disk is back, pushes are taken.
    fs::create_dir(&temporary.0).unwrap();
    assert!(matches!(push(&mut app, b"last 2\n"), Event::Response { .. }));
    world.stopped();
}

#[test]
fn a_push_dir_is_of_one_proxy() {
    let temporary = Temporary::new();
    let world = temporary.start();
    let option = format!("--push-dir={}", temporary.0.display());
    let second = std::panic::catch_unwind(|| World::start(&[&option]));
    assert!(second.is_err());
    world.stopped();
    temporary.start().stopped();
}
