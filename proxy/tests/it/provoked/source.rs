//! The messages of the log lines, read from the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What the macros of the levels from INFO are called with, and the proxy's own for lines about applications.
const MACROS: [&str; 4] = ["info!(", "warn!(", "error!(", "throttled!("];

/// The message of each line of INFO and above.
pub(super) fn messages() -> BTreeSet<String> {
    let mut messages = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "../runtime/src"] {
        read_folder(&root.join(folder), &mut messages);
    }
    assert!(messages.len() > 20, "{messages:?}");
    messages
}

fn read_folder(folder: &Path, messages: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests" || name == "testing");
        if is_test {
            continue;
        }
        if path.is_dir() {
            read_folder(&path, messages);
        } else {
            read_source(&fs::read_to_string(path).unwrap(), messages);
        }
    }
}

fn read_source(source: &str, messages: &mut BTreeSet<String>) {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    for name in MACROS {
        for (start, _) in code.match_indices(name) {
            let before = &code[..start];
            // A definition, a comment, or `compile_error!`.
            let line = before.rsplit('\n').next().unwrap();
            if before.ends_with('_') || line.contains("//") {
                continue;
            }
            let arguments = &code[start + name.len()..];
            let message = message(arguments);
            messages.insert(
                message.unwrap_or_else(|| panic!("no message: {before:.0}{arguments:.200}")),
            );
        }
    }
}

/// The last literal of a macro's arguments.
fn message(arguments: &str) -> Option<String> {
    let (mut depth, mut last, mut literal) = (1, None, None::<String>);
    let mut chars = arguments.chars();
    while let Some(char) = chars.next() {
        match (&mut literal, char) {
            (Some(_), '"') => last = literal.take(),
            (Some(text), '\\') => text.extend(chars.next()),
            (Some(text), char) => text.push(char),
            (None, '"') => literal = Some(String::new()),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return last;
        }
    }
    None
}
