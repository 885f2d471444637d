//! The file with settings: TOML, whose keys are the names of the options.

use super::error::ConfigError;
use super::kind::TomlType;
use super::settings::{self, Setting};
use prometheus_rsocket_runtime::read_file;
use prometheus_rsocket_runtime::settings::{TomlText, nearest};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeInteger, DeValue};

/// The longest file, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// SHA-256 of a file's contents.
pub(crate) type Digest = [u8; 32];

/// Reads a file for its digest, by blocking calls; `None` if it cannot be read. Only the bytes show whether a file has changed: times and inodes say
/// little about symlinks that are swapped, which is what Kubernetes does with ConfigMaps.
pub(super) fn digest(path: &Path) -> Option<Digest> {
    read_file(path, MAX_LEN).ok().map(|bytes| Sha256::digest(bytes).into())
}

/// The contents of a file.
#[derive(Default)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// The line, and the value as an option has it, by field.
    values: BTreeMap<&'static str, (usize, String)>,
    pub(super) digest: Option<Digest>,
}

impl File {
    /// Reads a file, by blocking calls. Returns the valid settings, and adds errors to `errors`.
    pub(super) fn read(path: &Path, errors: &mut Vec<ConfigError>) -> Self {
        let of_line = |line, what| ConfigError::File { path: path.to_owned(), line, what };
        let read = read_file(path, MAX_LEN).map_err(|error| error.to_string());
        let digest = read.as_ref().ok().map(|bytes| Sha256::digest(bytes).into());
        let text = read
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
        match text {
            Ok(text) => {
                let mut faults = Vec::new();
                let values = parse(&text, &mut faults);
                errors.extend(faults.into_iter().map(|(line, what)| of_line(Some(line), what)));
                Self { path: path.to_owned(), values, digest }
            }
            Err(what) => {
                errors.push(of_line(None, what));
                Self::default()
            }
        }
    }

    /// Returns the line and the text of a setting, if it is in the file.
    pub(super) fn get(&self, setting: &Setting) -> Option<&(usize, String)> {
        self.values.get(setting.field)
    }
}

/// Returns the lines and texts of all settings. Adds faults to `faults`, with their lines.
fn parse(text: &str, faults: &mut Vec<(usize, String)>) -> BTreeMap<&'static str, (usize, String)> {
    let mut values = BTreeMap::new();
    let text = TomlText(text);
    let table = match text.parse() {
        Ok(table) => table,
        Err(fault) => {
            faults.push((fault.line, fault.what));
            return values;
        }
    };
    for (key, value) in &table {
        let name = key.get_ref();
        let Some(setting) = settings::all().find(|setting| setting.name() == **name) else {
            let nearest = nearest(name, settings::all().map(Setting::name)).unwrap_or_default();
            let fault = text.fault(
                key.span().start,
                format!("there is no setting {name:?}; the nearest name is {nearest}"),
            );
            faults.push((fault.line, fault.what));
            continue;
        };
        let fault = text.fault(value.span().start, String::new());
        match as_option(value.get_ref(), setting.toml_type) {
            Some(value) => drop(values.insert(setting.field, (fault.line, value))),
            None => {
                faults.push((fault.line, format!("{name} must be {}", wanted(setting.toml_type))))
            }
        }
    }
    values
}

/// Converts a value to the text of an option; `None` if it is of the wrong type.
fn as_option(value: &DeValue<'_>, toml_type: TomlType) -> Option<String> {
    match (value, toml_type) {
        (DeValue::String(text), _) => Some(text.to_string()),
        (DeValue::Integer(number), TomlType::Integer) => Some(integer(number)),
        (DeValue::Boolean(is_true), TomlType::Boolean | TomlType::Flag) => {
            Some(is_true.to_string())
        }
        (DeValue::Array(elements), TomlType::List) if elements.is_empty() => {
            Some("none".to_owned())
        }
        (DeValue::Array(elements), TomlType::List) => {
            let texts = elements.iter().map(|element| match element.get_ref() {
                DeValue::String(text) if !text.contains(',') => Some(&**text),
                _ => None,
            });
            Some(texts.collect::<Option<Vec<_>>>()?.join(","))
        }
        _ => None,
    }
}

/// Writes a number in decimal digits. A number that is too large for the type stays as it is, so that the setting refuses it.
fn integer(number: &DeInteger<'_>) -> String {
    let digits = number.as_str();
    let parsed = i128::from_str_radix(digits, number.radix());
    parsed.map_or_else(|_| digits.to_owned(), |number| number.to_string())
}

fn wanted(toml_type: TomlType) -> &'static str {
    match toml_type {
        TomlType::Text => "a string",
        TomlType::Integer => "a number or a string",
        TomlType::Boolean | TomlType::Flag => "true or false",
        TomlType::List => "a list of strings without commas",
    }
}
