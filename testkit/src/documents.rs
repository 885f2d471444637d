//! Tables and code in the project's documents, for tests that compare them with the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Returns the text of a document, given its path from the root of the repository.
///
/// # Panics
///
/// The file cannot be read.
pub fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the paths of the documents for users, from the root of the repository.
///
/// # Panics
///
/// The directory of documents cannot be read.
pub fn user_documents() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let entries = fs::read_dir(folder).expect("the folder of documents can be read");
    let names = entries.map(|entry| entry.expect("it can be read").file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    let mut paths: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    paths.extend(["README.md", "SECURITY.md", "deploy/README.md"].map(str::to_owned));
    paths.sort();
    paths
}

/// Returns the rows of all tables whose first column has this header, one list of cells for each row.
///
/// # Panics
///
/// A row has another number of cells than its header.
pub fn rows(markdown: &str, header: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut columns = None;
    for line in markdown.lines() {
        let Some(cells) = cells(line) else {
            columns = None;
            continue;
        };
        match columns {
            None if cells[0] == header => columns = Some((cells.len(), true)),
            None => columns = Some((cells.len(), false)),
            Some((count, is_wanted)) => {
                assert_eq!(cells.len(), count, "{line}");
                let is_rule = cells[0].starts_with("---");
                if is_wanted && !is_rule {
                    rows.push(cells);
                }
            }
        }
    }
    rows
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// Returns the texts between backticks.
pub fn code_spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Returns the long options that a text names, such as `--max-memory`, wherever they are.
pub fn options(text: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for (start, _) in text.match_indices("--") {
        let before = text[..start].chars().next_back();
        if before.is_some_and(|char| char == '-' || char.is_alphanumeric()) {
            continue;
        }
        let is_of_name = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '.';
        let name = &text[start + 2..];
        let name = &name[..name.find(|char| !is_of_name(char)).unwrap_or(name.len())];
        let name = name.trim_end_matches(['.', '-']);
        if name.starts_with(|char: char| char.is_ascii_lowercase()) {
            options.insert(format!("--{name}"));
        }
    }
    options
}

/// Returns the endings of the variables that a text names, after a prefix such as `PROMETHEUS_RSOCKET_PROXY_`.
pub fn variables(text: &str, prefix: &str) -> BTreeSet<String> {
    let endings = text.match_indices(prefix).map(|(start, _)| {
        let ending = &text[start + prefix.len()..];
        let is_of_name =
            |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
        &ending[..ending.find(|char| !is_of_name(char)).unwrap_or(ending.len())]
    });
    endings.filter(|ending| !ending.is_empty()).map(str::to_owned).collect()
}

/// Returns the default at the end of an option's help: `[default: 10s]`.
pub fn default_in(help: &str) -> Option<&str> {
    let (_, rest) = help.rsplit_once("[default: ")?;
    rest.split(']').next()
}

/// Returns the faults of a table of options. Its first column has the options, and its second column has their defaults as code or "–". `known` has
/// all options with their defaults.
pub fn faults_of_options(rows: &[Vec<String>], known: &[(String, Option<String>)]) -> Vec<String> {
    let mut faults = Vec::new();
    let name_of = |row: &Vec<String>| options(&row[0]).into_iter().next().unwrap_or_default();
    for (option, default) in known {
        let mut matching = rows.iter().filter(|row| name_of(row) == *option);
        let Some(row) = matching.next() else {
            faults.push(format!("{option} is not documented"));
            continue;
        };
        if matching.next().is_some() {
            faults.push(format!("{option} is documented twice"));
        }
        let is_same = match default {
            Some(default) => code_spans(&row[1]).contains(&&**default),
            None => row[1] == "–",
        };
        if !is_same {
            faults.push(format!("{option}: the default is {default:?}, documented is {}", row[1]));
        }
    }
    let is_known = |name: &String| known.iter().any(|(option, _)| option == name);
    let unknown = rows.iter().map(name_of).filter(|name| !is_known(name));
    faults.extend(unknown.map(|name| format!("{name:?} is documented, and is no option")));
    faults
}

/// Returns the faults of a table of log lines, whose first column has the levels and whose second column has the messages, given all messages with
/// their levels.
pub fn faults_of_messages(
    rows: &[Vec<String>],
    known: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut documented = BTreeSet::new();
    for row in rows {
        let message = code_spans(&row[1]).concat();
        match known.get(&message) {
            None => faults.push(format!("{message:?} is documented, and nothing logs it")),
            Some(levels) if !levels.contains(&row[0].to_lowercase()) => {
                faults.push(format!("{message:?} is documented as {}, and is {levels:?}", row[0]));
            }
            Some(_) => {}
        }
        if !documented.insert(message.clone()) {
            faults.push(format!("{message:?} is documented twice"));
        }
    }
    let missing = known.keys().filter(|message| !documented.contains(*message));
    faults.extend(missing.map(|message| format!("{message:?} is logged, and not documented")));
    faults
}

/// A family of an exposition.
#[derive(Debug)]
pub struct Family {
    /// Its type.
    pub kind: String,
    /// The values of each label of its samples, except for `le`.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

/// Returns the families of a text of version 0.0.4 that have a `TYPE`.
pub fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            let family = Family { kind: kind.trim().to_owned(), labels: BTreeMap::new() };
            families.insert(name.to_owned(), family);
        }
        let Some((name, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let bare = bare.filter(|bare| families.contains_key(*bare)).unwrap_or(name);
        let Some(family) = families.get_mut(bare) else { continue };
        let pairs = rest.split('}').next().unwrap_or_default().split("\",");
        for (label, value) in pairs.filter_map(|pair| pair.split_once("=\"")) {
            if label != "le" {
                let values = family.labels.entry(label.to_owned()).or_default();
                values.insert(value.trim_end_matches('"').to_owned());
            }
        }
    }
    families
}

/// Returns the faults of a table of metrics, whose first three columns have names, types and labels, given all families that are exposed.
pub fn faults_of_metrics(rows: &[Vec<String>], exposed: &BTreeMap<String, Family>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut documented = BTreeSet::new();
    for row in rows {
        let name = code_spans(&row[0]).concat();
        let labels: BTreeSet<_> = code_spans(&row[2]).into_iter().collect();
        match exposed.get(&name) {
            None => faults.push(format!("{name} is documented, and not exposed")),
            Some(family) => {
                if family.kind != row[1] {
                    faults.push(format!(
                        "{name} is documented as {}, and is {}",
                        row[1], family.kind
                    ));
                }
                let own: BTreeSet<_> = family.labels.keys().map(|label| &**label).collect();
                if own != labels {
                    faults.push(format!("{name} is documented with {labels:?}, and has {own:?}"));
                }
            }
        }
        if !documented.insert(name.clone()) {
            faults.push(format!("{name} is documented twice"));
        }
    }
    let missing = exposed.keys().filter(|name| !documented.contains(*name));
    faults.extend(missing.map(|name| format!("{name} is exposed, and not documented")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_by_their_first_header() {
        let text = "| a | b |\n|---|---|\n| `x` | 1 |\n\n| c | d |\n|---|---|\n| y | 2 |\n";
        assert_eq!(rows(text, "a"), [["`x`", "1"]]);
        assert_eq!(rows(text, "c"), [["y", "2"]]);
    }

    #[test]
    fn options_and_variables_are_found_in_text_and_code() {
        let text =
            "`--max-memory 1`, `--tcp-tls-…`, --push-dir. a--b ---x |---|--| `P_MAX_MEMORY=1`";
        let found: Vec<_> = options(text).into_iter().collect();
        assert_eq!(found, ["--max-memory", "--push-dir", "--tcp-tls"]);
        assert_eq!(variables(text, "P_").into_iter().collect::<Vec<_>>(), ["MAX_MEMORY"]);
    }

    #[test]
    fn faults_of_tables_are_named() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["`--a`", "`1`"]), row(&["`--b`", "–"]), row(&["`--x`", "–"])];
        let known = [("--a", Some("2")), ("--b", None), ("--c", None)];
        let known = known.map(|(name, default)| (name.to_owned(), default.map(str::to_owned)));
        assert_eq!(faults_of_options(&rows, &known).len(), 3);
        let levels = |level: &str| BTreeSet::from([level.to_owned()]);
        let known = [("one".to_owned(), levels("info")), ("two".to_owned(), levels("warn"))].into();
        let rows = [row(&["WARN", "`one`"]), row(&["WARN", "`three`"])];
        assert_eq!(faults_of_messages(&rows, &known).len(), 3);
        let text = "# TYPE a counter\na{x=\"1\",y=\"2\"} 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 0\n# TYPE c gauge\nc 1\n";
        let rows = [
            row(&["`a`", "counter", "`x`, `y`"]),
            row(&["`h`", "gauge", "`x`"]),
            row(&["`b`", "gauge", ""]),
        ];
        assert_eq!(faults_of_metrics(&rows, &families(text)).len(), 4);
    }
}
