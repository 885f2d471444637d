//! Keys that are replaced by way of their file.

use super::child::{Proxy, Seen};
use crate::app::App;
use std::fs;

pub(super) const SCENARIOS: &[fn() -> Seen] = &[replaced_files];

fn replaced_files() -> Seen {
    let name = format!("prometheus-rsocket-provoked-keys-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    let option = |file: &str| format!("--key-file={}", folder.join(file).display());
    // A proxy makes the key that its file lacks.
    for file in ["second.pem", "third.pem"] {
        Proxy::start(&[&option(file)]).ended();
    }
    fs::write(folder.join("bad.pem"), "no key").unwrap();
    let proxy = Proxy::start(&[&option("key.pem"), "--tls-reload-interval=20ms"]);
    let replace = |file: &str| fs::rename(folder.join(file), folder.join("key.pem")).unwrap();
    // It never answers, and so does not move to the next key.
    let app = App::connect(proxy.tcp);
    replace("bad.pem");
    assert!(proxy.wait_line("the key stays as it is").contains("key.pem"));
    replace("second.pem");
    proxy.wait_line("applications seal with another key from now on");
    replace("third.pem");
    let line = proxy.wait_line(
        "a key is dropped though not every application has moved from it to the next one",
    );
    assert!(line.contains("applications=1"), "{line}");
    proxy.wait_line("applications seal with another key from now on");
    drop(app);
    let seen = proxy.seen();
    fs::remove_dir_all(&folder).unwrap();
    seen
}
