use super::world::{World, get};
use crate::app::App;
use prometheus_rsocket_protocol::envelope::Fingerprint;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use std::fs;
use std::path::{Path, PathBuf};

/// A directory of its own for a test, removed with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let runtime = super::OPTION.trim_start_matches("--runtime=");
        let name = format!("prometheus-rsocket-{name}-{runtime}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Starts a proxy whose key is in a file here.
    fn start(&self, file: &str) -> World {
        let file = format!("--key-file={}", self.0.join(file).display());
        World::start(&[&file, "--tls-reload-interval=20ms"])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The states of keys, by fingerprint, that the proxy tells of.
fn states(world: &World) -> Vec<String> {
    let text = get(world.http, "/metrics/proxy", "").text();
    let lines = text.lines().filter(|line| line.starts_with("prometheus_proxy_key_info{"));
    lines.map(str::to_owned).collect()
}

fn has(states: &[String], state: &str, key: &[u8]) -> bool {
    let (sha256, state) = (Fingerprint::of(key).to_string(), format!("state=\"{state}\""));
    states.iter().any(|line| line.contains(&sha256) && line.contains(&state))
}

fn replace(from: &Path, to: &Path) {
    // In one step, as an operator should: the proxy may look at any moment.
    fs::rename(from, to).unwrap();
}

#[test]
fn a_key_in_a_file_is_the_same_after_a_restart() {
    let folder = Folder::new("restart");
    let world = folder.start("key.pem");
    let key = App::connect(world.tcp).key;
    assert!(has(&states(&world), "current", &key), "{:?}", states(&world));
    world.stopped();
    let world = folder.start("key.pem");
    assert_eq!(App::connect(world.tcp).key, key);
    world.stopped();
}

#[test]
fn a_key_file_that_is_replaced_is_used_at_once_and_what_was_sealed_before_is_opened() {
    let folder = Folder::new("replaced");
    let other = folder.start("other.pem");
    let new_key = App::connect(other.tcp).key;
    other.stopped();
    let world = folder.start("key.pem");
    let mut app = App::connect(world.tcp);
    let old_key = app.key.clone();
    assert_ne!(old_key, new_key);
    replace(&folder.0.join("other.pem"), &folder.0.join("key.pem"));
    match app.next() {
        Event::FireAndForget { payload, .. } => assert_eq!(payload.data, new_key),
        other => panic!("the new key was expected, not {other:?}"),
    }
    world.wait_own("prometheus_proxy_key_rotations_total", 1.0);
    let keys = states(&world);
    assert!(has(&keys, "current", &new_key) && has(&keys, "old", &old_key), "{keys:?}");
    let page = get(world.http, "/", "").text();
    assert!(page.contains(&Fingerprint::of(&new_key).to_string()), "{page}");
    // Under the old key, which may happen until the application has answered with the new one.
    let payload = app.sealed(b"old 1\n");
    app.connection().request_response(payload).unwrap();
    assert!(matches!(app.next(), Event::Response { .. }), "the push is stored");
    app.key = new_key.clone();
    let scraping = world.scrape();
    app.answer_text("new 1\n");
    assert!(scraping.text().contains("new 1\n"));
    world.stopped();
    // A restart in between has both.
    let world = folder.start("key.pem");
    let keys = states(&world);
    assert!(has(&keys, "current", &new_key) && has(&keys, "old", &old_key), "{keys:?}");
    world.stopped();
}

#[test]
fn a_file_that_cannot_be_used_leaves_the_key_as_it_is() {
    let folder = Folder::new("broken");
    let world = folder.start("key.pem");
    let key = App::connect(world.tcp).key;
    let bad = folder.0.join("bad.pem");
    fs::write(&bad, "no key").unwrap();
    replace(&bad, &folder.0.join("key.pem"));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(App::connect(world.tcp).key, key);
    assert_eq!(world.own("prometheus_proxy_key_rotations_total"), 0.0);
    world.stopped();
}
