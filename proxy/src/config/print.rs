//! The configuration as a file.

use super::kind::TomlType;
use super::settings::{self, Change, Setting};
use super::source::{Loaded, Origin};
use std::fmt;

/// All settings as TOML that `--config` reads. A comment on each says where it comes from, and whether a change needs a restart.
impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Behind each value: where it comes from, and whether a change needs a restart.\n"
        )?;
        let mut heading = None;
        for setting in settings::all() {
            if heading != Some(setting.heading) {
                match setting.heading {
                    "" => {}
                    heading => writeln!(f, "\n# {heading}")?,
                }
                heading = Some(setting.heading);
            }
            let name = setting.name();
            match (setting.show)(&self.config) {
                Some(text) => {
                    let origin = self.origins.get(setting.field).unwrap_or(&Origin::Default);
                    let change = match setting.change {
                        Change::Live => "",
                        Change::Restart => "; needs a restart",
                    };
                    writeln!(f, "{name} = {}  # {origin}{change}", value(setting, &text))?;
                }
                None => writeln!(f, "# {name} is not set")?,
            }
        }
        Ok(())
    }
}

/// Writes a setting's value in TOML.
fn value(setting: &Setting, text: &str) -> String {
    match setting.toml_type {
        TomlType::Integer if text.bytes().all(|byte| byte.is_ascii_digit()) => text.to_owned(),
        TomlType::Boolean | TomlType::Flag => matches!(text, "on" | "true").to_string(),
        TomlType::List if text == "none" => "[]".to_owned(),
        TomlType::List => {
            let elements: Vec<String> = text.split(',').map(quoted).collect();
            format!("[{}]", elements.join(", "))
        }
        TomlType::Text | TomlType::Integer => quoted(text),
    }
}

/// Writes a basic string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
