//! The messages of log lines, read from source code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The macros of the levels from INFO, and the proxy's own for lines about applications, whose third argument is the level.
const MACROS: [(&str, Option<&str>); 4] = [
    ("info!(", Some("info")),
    ("warn!(", Some("warn")),
    ("error!(", Some("error")),
    ("throttled!(", None),
];

/// Returns the message of each log line of INFO and above in directories of source code, with its levels in lower case.
///
/// Tests are skipped.
///
/// # Panics
///
/// A directory cannot be read, or a line has no message.
pub fn messages(folders: &[&Path]) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages = BTreeMap::new();
    for folder in folders {
        read_folder(folder, &mut messages);
    }
    assert!(messages.len() > 20, "{messages:?}");
    messages
}

fn read_folder(folder: &Path, messages: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests" || name == "testing");
        if is_test {
            continue;
        }
        if path.is_dir() {
            read_folder(&path, messages);
        } else {
            read_source(&fs::read_to_string(path).expect("source code is text"), messages);
        }
    }
}

fn read_source(source: &str, messages: &mut BTreeMap<String, BTreeSet<String>>) {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for (name, level) in MACROS {
        for (start, _) in code.match_indices(name) {
            let before = &code[..start];
            // A definition, a comment, or `compile_error!`.
            let line = before.rsplit('\n').next().unwrap_or_default();
            if before.ends_with('_') || line.contains("//") {
                continue;
            }
            let arguments = &code[start + name.len()..];
            let message =
                message(arguments).unwrap_or_else(|| panic!("no message: {arguments:.200}"));
            let level = level.or_else(|| arguments.split(',').nth(2)).unwrap_or_default();
            messages.entry(message).or_default().insert(level.trim().to_owned());
        }
    }
}

/// Returns the last literal of a macro's arguments.
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
