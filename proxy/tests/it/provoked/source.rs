//! The messages of the program's log lines.

use prometheus_rsocket_testkit::source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The message of each line of INFO and above, with its levels.
pub(crate) fn messages() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    source::messages(&[&root.join("src"), &root.join("../runtime/src")])
}
