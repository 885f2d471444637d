//! The relay's own file of targets.
//!
//! ```toml
//! [[target]]
//! name = "orders"                                  # for the log, and the label `instance` if there is none
//! url = "https://orders.example:8443/metrics"
//! labels = { zone = "eu" }
//! timeout = "5s"
//! ```
//!
//! What a target leaves out is taken from the command line. Paths are relative to the directory of this file.

use super::target::{default_name, is_name};
use super::{Filters, MAX_TARGETS, Target, TargetDefaults};
use crate::cli::{bytes, duration};
use crate::fetch::{Credentials, MAX_HEADERS, ScrapeFormat, ScrapeOptions, ScrapeUrl, pair};
use clap::ValueEnum;
use prometheus_rsocket_runtime::settings::{Fault, TomlText, nearest};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Parses the targets of a file in this directory.
pub(super) fn parse(
    text: &str,
    directory: &Path,
    defaults: &TargetDefaults,
) -> Result<Vec<Target>, Fault> {
    let text = TomlText(text);
    let mut targets = Vec::new();
    let mut names = BTreeSet::new();
    for (key, value) in &text.parse()? {
        if key.get_ref() != "target" {
            let what =
                format!("{:?} is not known here; each target is a table [[target]]", key.get_ref());
            return Err(text.fault(key.span().start, what));
        }
        for (at, table) in text.tables("target", value)? {
            if targets.len() >= MAX_TARGETS {
                return Err(text.fault(at, format!("more than {MAX_TARGETS} targets")));
            }
            let target = target(text, at, directory, defaults, table)?;
            if !names.insert(target.name.clone()) {
                return Err(text.fault(at, format!("the name {:?} appears twice", target.name)));
            }
            targets.push(target);
        }
    }
    Ok(targets)
}

const KEYS: [&str; 19] = [
    "allow",
    "bearer_file",
    "ca",
    "cert",
    "deny",
    "drop_labels",
    "format",
    "header_file",
    "headers",
    "help",
    "key",
    "labels",
    "max_text_bytes",
    "name",
    "password_file",
    "server_name",
    "timeout",
    "url",
    "user",
];

fn target(
    text: TomlText<'_>,
    at: usize,
    directory: &Path,
    defaults: &TargetDefaults,
    table: &DeTable<'_>,
) -> Result<Target, Fault> {
    let entry = Entry { text, at, table, directory };
    entry.check_keys()?;
    let url = entry.parsed::<ScrapeUrl>("url")?;
    let url = url.ok_or_else(|| text.fault(at, "a target needs a url"))?;
    let name = entry.checked("name", |name| match is_name(name) {
        true => Ok(name.to_owned()),
        false => Err("must be of letters, digits and _.:@-, at most 128"),
    })?;
    let name = name.unwrap_or_else(|| default_name(&url));
    let labels = defaults.labels(entry.pairs("labels")?, || Some(name.clone()));
    let labels = labels.map_err(|error| entry.fault("labels", error))?;
    let options = entry.options(defaults)?;
    Ok(Target { name, url, labels, options })
}

/// One target's table.
struct Entry<'e, 'd> {
    text: TomlText<'e>,
    at: usize,
    table: &'e DeTable<'d>,
    directory: &'e Path,
}

impl<'e, 'd> Entry<'e, 'd> {
    fn check_keys(&self) -> Result<(), Fault> {
        for key in self.table.keys() {
            if !KEYS.contains(&&**key.get_ref()) {
                let nearest = nearest(key.get_ref(), KEYS).unwrap_or_default();
                let what = format!(
                    "{:?} is not known here; the nearest name is {nearest:?}",
                    key.get_ref()
                );
                return Err(self.text.fault(key.span().start, what));
            }
        }
        Ok(())
    }

    fn value(&self, key: &str) -> Option<&'e Spanned<DeValue<'d>>> {
        self.table.get(key)
    }

    /// Returns a fault in the value of a key.
    fn fault(&self, key: &str, what: impl Display) -> Fault {
        let at = self.value(key).map_or(self.at, |value| value.span().start);
        self.text.fault(at, format!("{key}: {what}"))
    }

    fn string(&self, key: &str) -> Result<Option<&'e str>, Fault> {
        self.value(key).map(|value| self.text.string(key, value)).transpose()
    }

    fn checked<T, E: Display>(
        &self,
        key: &str,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Fault> {
        let checked = self.string(key)?.map(check).transpose();
        checked.map_err(|error| self.fault(key, error))
    }

    fn parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>, Fault> {
        self.checked(key, str::parse)
    }

    fn path(&self, key: &str) -> Result<Option<PathBuf>, Fault> {
        Ok(self.string(key)?.map(|path| self.directory.join(path)))
    }

    fn list<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<Vec<T>>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let parsed = self.text.strings(key, value)?.into_iter().map(|(at, string)| {
            string.parse().map_err(|error| self.text.fault(at, format!("{key}: {error}")))
        });
        parsed.collect::<Result<_, _>>().map(Some)
    }

    /// Returns the names and strings of a table.
    fn pairs(&self, key: &str) -> Result<Vec<(String, String)>, Fault> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let pairs = self.text.table(key, value)?.iter();
        let pair = |(name, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            Ok((name.get_ref().clone().into_owned(), self.text.string(key, value)?.to_owned()))
        };
        pairs.map(pair).collect()
    }

    fn options(&self, defaults: &TargetDefaults) -> Result<ScrapeOptions, Fault> {
        let mut options = defaults.options.clone();
        if let Some(timeout) = self.checked("timeout", duration)? {
            options.timeout = timeout;
        }
        if let Some(format) = self.checked("format", |it| ScrapeFormat::from_str(it, false))? {
            options.fallback = Some(format);
        }
        if let Some(limit) = self.checked("max_text_bytes", bytes)? {
            options.max_text_bytes = limit;
        }
        self.credentials(&mut options)?;
        self.headers(&mut options)?;
        if let Some(ca) = self.path("ca")? {
            options.tls.ca = Some(ca);
        }
        match (self.path("cert")?, self.path("key")?) {
            (Some(cert), Some(key)) => options.tls.identity = Some((cert, key)),
            (None, None) => {}
            (Some(_), None) => return Err(self.fault("cert", "it needs key as well")),
            (None, Some(_)) => return Err(self.fault("key", "it needs cert as well")),
        }
        if let Some(name) = self.string("server_name")? {
            options.tls.server_name = Some(name.to_owned());
        }
        if let Some((key, filters)) = self.filters(&defaults.filters)? {
            options.filter = filters.filter().map_err(|error| self.fault(key, error))?;
        }
        Ok(options)
    }

    fn credentials(&self, options: &mut ScrapeOptions) -> Result<(), Fault> {
        let (user, password) = (self.string("user")?, self.path("password_file")?);
        match (user, password, self.path("bearer_file")?) {
            (None, None, None) => {}
            (Some(user), password, None) => {
                options.credentials = Credentials::Basic { user: user.to_owned(), password };
            }
            (None, None, Some(token)) => options.credentials = Credentials::Bearer { token },
            (None, Some(_), _) => {
                return Err(self.fault("password_file", "it needs user as well"));
            }
            (Some(_), _, Some(_)) => {
                return Err(self.fault("bearer_file", "it cannot be there with user"));
            }
        }
        Ok(())
    }

    fn headers(&self, options: &mut ScrapeOptions) -> Result<(), Fault> {
        if self.value("headers").is_some() {
            let pairs = self.pairs("headers")?;
            if pairs.len() > MAX_HEADERS {
                return Err(self.fault("headers", format!("more than {MAX_HEADERS} of them")));
            }
            let given = pairs.iter().map(|(name, value)| pair(name, value));
            let given = given.collect::<Result<_, _>>();
            options.headers.given = given.map_err(|error| self.fault("headers", error))?;
        }
        if let Some(file) = self.path("header_file")? {
            options.headers.file = Some(file);
        }
        Ok(())
    }

    /// Returns the lists if the target has any of its own, and the last key of these.
    fn filters(&self, defaults: &Filters) -> Result<Option<(&'static str, Filters)>, Fault> {
        let mut filters = defaults.clone();
        let mut key = None;
        if let Some(allow) = self.list("allow")? {
            (filters.allow, key) = (allow, Some("allow"));
        }
        if let Some(deny) = self.list("deny")? {
            (filters.deny, key) = (deny, Some("deny"));
        }
        if let Some(value) = self.value("help") {
            let DeValue::Boolean(help) = value.get_ref() else {
                return Err(self.fault("help", "must be true or false"));
            };
            (filters.is_without_help, key) = (!help, Some("help"));
        }
        if let Some(labels) = self.list("drop_labels")? {
            (filters.drop_labels, key) = (labels, Some("drop_labels"));
        }
        Ok(key.map(|key| (key, filters)))
    }
}
