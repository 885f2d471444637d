use crate::endpoint::endpoint;
use crate::program::{RUNTIMES, program, terminate};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_testkit::proxy::{FakeProxy, Peer};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const A: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n";
const B: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 2\n";
const GONE: &str = "HTTP/1.1 503 Gone\r\nContent-Length: 0\r\n\r\n";

fn runtimes() -> impl Iterator<Item = &'static str> {
    RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in).map(|(name, _)| *name)
}

fn relay(proxy: &FakeProxy, runtime: &str, args: &[&str]) -> Command {
    let mut command = program();
    command.args(["--proxy", &proxy.url(), "--runtime", runtime, "--backoff-min=10ms"]).args(args);
    command
}

/// As many clients as that, by the label `instance`.
fn accepted(proxy: &FakeProxy, count: usize) -> BTreeMap<String, Peer> {
    let peer = |_| {
        let peer = proxy.accept_with_key();
        (peer.hello().labels.get("instance").unwrap().to_owned(), peer)
    };
    (0..count).map(peer).collect()
}

/// Takes the last metrics and the end of a connection.
fn last_push(peer: &mut Peer) -> String {
    let (stream_id, text) = peer.pushed();
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    text
}

fn ended(mut child: Child) -> Option<i32> {
    child.wait().unwrap().code()
}

#[test]
fn each_target_is_an_application_of_its_own() {
    for runtime in runtimes() {
        let proxy = FakeProxy::new();
        let (a, b) = (format!("a={}", endpoint(&[A])), format!("b={}", endpoint(&[B])));
        let args = ["--scrape", &a, "--scrape", &b, "--target-label=b:zone=eu"];
        let child = relay(&proxy, runtime, &args).spawn().unwrap();
        let mut peers = accepted(&proxy, 2);
        assert_eq!(peers["b"].hello().labels.to_string(), "{instance=\"b\",zone=\"eu\"}");
        let mut texts = |name: &str| peers.get_mut(name).unwrap().scraped();
        assert_eq!((texts("b"), texts("a")), ("a 2\n".to_owned(), "a 1\n".to_owned()));
        terminate(&child);
        let pushed: Vec<_> = peers.values_mut().map(last_push).collect();
        assert_eq!(pushed, ["a 1\n", "a 2\n"]);
        drop(peers);
        assert_eq!(ended(child), Some(0));
    }
}

struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    /// Takes the file's place at once, as a reader might come between.
    fn replace(&self, text: &str) {
        let next = self.0.with_extension("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_of_targets_is_followed() {
    for runtime in runtimes() {
        let proxy = FakeProxy::new();
        let (a, b) = (endpoint(&[A]), endpoint(&[B]));
        let entry =
            |name: &str, url: &str| format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n");
        let stays = entry("stays", &a);
        let file = File::new(
            &format!("{runtime}.toml"),
            &[&*stays, &entry("changes", &a), &entry("goes", &a)].concat(),
        );
        let option = format!("--targets={}", file.0.display());
        let mut command = relay(&proxy, runtime, &[&option]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = crate::log::Log::of(&mut child);
        let mut peers = accepted(&proxy, 3);

        // A broken change keeps what there is, and says where it is broken.
        file.replace(&format!("{stays}urll = \"x\"\n"));
        log.wait_for("line 4: \"urll\" is not known here; the nearest name is \"url\"");
        assert_eq!(peers.get_mut("goes").unwrap().scraped(), "a 1\n");

        file.replace(&[&*stays, &entry("changes", &b), &entry("comes", &b)].concat());
        log.wait_for("--targets has changed and is in use");
        assert_eq!(last_push(peers.get_mut("goes").unwrap()), "a 1\n");
        // The old one pushes what it has, and is gone before the new one comes.
        assert_eq!(last_push(peers.get_mut("changes").unwrap()), "a 1\n");
        peers.remove("goes");
        peers.remove("changes");
        let mut others = accepted(&proxy, 2);
        assert_eq!(others.get_mut("changes").unwrap().scraped(), "a 2\n");
        assert_eq!(others.get_mut("comes").unwrap().scraped(), "a 2\n");
        assert_eq!(peers.get_mut("stays").unwrap().scraped(), "a 1\n", "it was left alone");

        terminate(&child);
        peers.append(&mut others);
        peers.values_mut().for_each(|peer| drop(last_push(peer)));
        drop(peers);
        assert_eq!(ended(child), Some(0));
    }
}

#[test]
fn targets_of_file_sd_are_relayed() {
    for runtime in runtimes() {
        let proxy = FakeProxy::new();
        let url = endpoint(&[A]);
        let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
        let file = File::new(
            &format!("{runtime}.json"),
            &format!(
                "[{{\"targets\": [\"{address}\"], \"labels\": {{\"instance\": \"x\", \"__meta\": \"y\"}}}}]"
            ),
        );
        let option = format!("--targets={}", file.0.display());
        let child = relay(&proxy, runtime, &[&option]).spawn().unwrap();
        let mut peers = accepted(&proxy, 1);
        let peer = peers.get_mut("x").unwrap();
        assert_eq!(peer.hello().labels.to_string(), "{instance=\"x\"}");
        assert_eq!(peer.scraped(), "a 1\n");
        terminate(&child);
        last_push(peer);
        drop(peers);
        assert_eq!(ended(child), Some(0));
    }
}

#[test]
fn joined_targets_are_one_application_and_one_that_fails_is_left_out() {
    for runtime in runtimes() {
        let proxy = FakeProxy::new();
        let (a, b) = (format!("a={}", endpoint(&[A])), format!("b={}", endpoint(&[B, GONE, B])));
        let args = ["--scrape", &a, "--scrape", &b, "--join", "--label=instance=both"];
        let mut command = relay(&proxy, runtime, &args);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = crate::log::Log::of(&mut child);
        let mut peer = proxy.accept_with_key();
        assert_eq!(peer.hello().labels.to_string(), "{instance=\"both\"}");
        let up = "prometheus_rsocket_client_target_up";
        let head = format!(
            "# HELP {up} Whether the target's metrics are in this answer.\n# TYPE {up} gauge\n{up}{{target=\"a\"}} 1\n"
        );
        let of_a = "# TYPE a untyped\na{instance=\"a\"} 1\n";
        let both = format!("{of_a}a{{instance=\"b\"}} 2\n{head}{up}{{target=\"b\"}} 1\n");
        assert_eq!(peer.scraped(), both);
        assert_eq!(peer.scraped(), format!("{of_a}{head}{up}{{target=\"b\"}} 0\n"));
        log.wait_for("the target is left out");
        assert_eq!(peer.scraped(), both);
        log.wait_for("the target can be fetched again");
        terminate(&child);
        assert_eq!(last_push(&mut peer), both);
        drop(peer);
        assert_eq!(ended(child), Some(0));
    }
}

#[test]
fn a_broken_file_of_targets_ends_with_2_at_the_start() {
    let file = File::new("broken.toml", "[[target]]\nurl = \"a\"\nhelp = 1\n");
    let option = format!("--targets={}", file.0.display());
    let output = program().args(["--proxy=tcp://localhost", &option]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("line 3: help: must be true or false"), "{message}");
}

#[test]
fn several_targets_are_pushed_once() {
    for (answers, code) in [(&[B][..], 0), (&[GONE], 1)] {
        let proxy = FakeProxy::new();
        let (a, b) = (format!("a={}", endpoint(&[A])), format!("b={}", endpoint(answers)));
        let args = ["--scrape", &a, "--scrape", &b, "--once"];
        let child = relay(&proxy, runtimes().next().unwrap(), &args).spawn().unwrap();
        let mut peers = accepted(&proxy, 2);
        assert_eq!(last_push(peers.get_mut("a").unwrap()), "a 1\n");
        let b = peers.get_mut("b").unwrap();
        if code == 0 {
            assert_eq!(last_push(b), "a 2\n");
        } else {
            while !matches!(b.next(), Event::Closed { .. }) {}
        }
        drop(peers);
        assert_eq!(ended(child), Some(code));
    }
}

#[test]
#[cfg(unix)]
fn the_relays_own_metrics_name_the_target() {
    let proxy = FakeProxy::new();
    let (a, b) = (format!("a={}", endpoint(&[A])), format!("b={}", endpoint(&[B])));
    let args = ["--scrape", &a, "--scrape", &b, "--listen=127.0.0.1:0"];
    let mut command = relay(&proxy, runtimes().next().unwrap(), &args);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let line = crate::log::Log::of(&mut child).wait_for("listening");
    let address = line.rsplit_once("address=").unwrap().1.trim().to_owned();
    let mut peers = accepted(&proxy, 2);
    peers.values_mut().for_each(|peer| assert!(!peer.scraped().is_empty()));
    assert_eq!(crate::modes::get(&address, "/-/ready").1, "2 of 2 connections to a proxy\n");
    let (_, text) = crate::modes::get(&address, "/metrics");
    for target in ["a", "b"] {
        let labels = format!("{{proxy=\"{}\",target=\"{target}\"}}", proxy.url());
        assert!(
            text.contains(&format!("prometheus_rsocket_client_connected{labels} 1\n")),
            "{text}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_push_of_no_targets_fails() {
    let file = File::new("empty.toml", "");
    let option = format!("--targets={}", file.0.display());
    let output = program().args(["--proxy=tcp://localhost", "--once", &option]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("there are no targets"), "{message}");
}
