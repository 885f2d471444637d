//! A configuration that changes.

use super::child::{Proxy, Seen};
use crate::credentials::AuthFile;

pub(super) const SCENARIOS: &[fn() -> Seen] = &[changed_file];

fn changed_file() -> Seen {
    let file = AuthFile::new("provoked-reload", "");
    let proxy = Proxy::start(&[&file.option("config"), "--tls-reload-interval=20ms"]);
    file.write("max-series = 1\nkey-bits = 3072\n");
    proxy.wait_line("the configuration was read again");
    file.write("max-serie = 1\n");
    proxy.wait_line("a changed configuration cannot be used");
    proxy.seen()
}
