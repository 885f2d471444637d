//! Which half of the crate may import which.

use std::fs;
use std::path::Path;

/// RSocket imports nothing of the metrics half, so that it can be had without cryptography.
#[test]
fn rsocket_imports_nothing_from_outside_of_it() {
    let mut files = 0;
    let rsocket = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rsocket");
    check(&rsocket, &mut files);
    assert!(files > 30, "only {files} files were found");
}

fn check(folder: &Path, files: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check(&path, files);
            continue;
        }
        *files += 1;
        let source = fs::read_to_string(&path).unwrap();
        let outside = source
            .split("crate::")
            .skip(1)
            .map(|after| after.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
            .find(|module| *module != "rsocket");
        assert_eq!(outside, None, "{} imports it from outside of rsocket", path.display());
    }
}
