use super::Config;
use super::command::{self, CHECK, CONFIG, PRINT};
use super::error::ConfigError;
use super::file::{self, Digest, File};
use super::misspelt;
use super::original::{self, Listener};
use super::settings::{self, Draft, PREFIX, Setting};
use super::tls;
use super::value::{self, ListenAddr};
use crate::service::memory::Shares;
use clap::ArgMatches;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// The sources of a program's configuration: its command line, its environment, and the file that one of them names. The file can be read again.
#[derive(Debug)]
pub struct Sources {
    options: ArgMatches,
    env: Environment,
    path: Option<PathBuf>,
    sentences: Vec<String>,
}

/// The task that the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Run.
    Serve,
    /// Check the configuration.
    Check,
    /// Print the configuration.
    Print,
}

/// A configuration, and where its values come from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Origins by field. Fields that are missing have their defaults.
    pub(super) origins: BTreeMap<&'static str, Origin>,
    /// The digest of the file.
    pub(crate) digest: Option<Digest>,
}

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    Variable(String),
    /// A name of the original's, for a setting that has another name here.
    Original,
    Option(String),
}

impl Sources {
    /// Reads a command line, whose first argument is the program's name, and takes an environment, as [`std::env::args_os`] and [`std::env::vars_os`]
    /// return them.
    ///
    /// # Errors
    ///
    /// An option is unknown or has an invalid value, or help or the version is requested.
    pub fn new(
        args: impl IntoIterator<Item = impl Into<OsString>>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut env = Environment::new(env);
        let (args, sentences) =
            original::translate(args.into_iter().map(Into::into).collect(), &mut env)?;
        let options = command::command().try_get_matches_from(args)?;
        let variable = env.get(&format!("{PREFIX}{}", CONFIG.to_ascii_uppercase()));
        let path = match options.get_one::<Option<PathBuf>>(CONFIG) {
            Some(path) => path.clone(),
            None => variable.map(PathBuf::from),
        };
        Ok(Self { options, env, path, sentences })
    }

    /// Returns the task that the command line asks for.
    pub fn task(&self) -> Task {
        match (self.options.get_flag(CHECK), self.options.get_flag(PRINT)) {
            (true, _) => Task::Check,
            (_, true) => Task::Print,
            _ => Task::Serve,
        }
    }

    /// Returns the path of the file with settings, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Reads the file, by blocking calls, and combines all sources.
    ///
    /// # Errors
    ///
    /// The environment or the file has an invalid value, or a name that is not a setting; the file cannot be read; or settings do not fit together,
    /// which is checked only if all else is good.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut errors = misspelt::errors(&self.env);
        let file = self.path.as_deref().map(|path| File::read(path, &mut errors));
        let file = file.unwrap_or_default();
        let host = self.original_host().unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let mut draft = Draft::default();
        let mut origins = BTreeMap::new();
        for setting in settings::all() {
            let found = match self.find(setting, &file, host.as_deref()) {
                Ok(found) => found,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            let Some((text, origin)) = found else { continue };
            if let Err(reason) = (setting.set)(&mut draft, &text) {
                errors.push(origin.error(setting, text, reason));
            }
            origins.insert(setting.field, origin);
        }
        let Draft { mut config, tls } = draft;
        tls::resolve(tls, &mut config, &mut errors);
        follow(&mut config, |field| !origins.contains_key(field));
        // If a value is missing, others may only seem to contradict each other.
        if errors.is_empty() {
            errors.extend(config.conflicts());
        }
        config.warnings.clone_from(&self.sentences);
        match ConfigError::all(errors) {
            None => Ok(Loaded { config, origins, digest: file.digest }),
            Some(error) => Err(error),
        }
    }

    /// Returns the digest of the present file; `None` if there is none or it cannot be read. Blocks.
    pub(crate) fn digest(&self) -> Option<Digest> {
        file::digest(self.path()?)
    }

    /// Returns the value of a setting in the first source that has it.
    fn find(
        &self,
        setting: &Setting,
        file: &File,
        host: Option<&str>,
    ) -> Result<Option<(String, Origin)>, ConfigError> {
        if let Some(text) = self.options.get_one::<String>(setting.field) {
            return Ok(Some((text.clone(), Origin::Option(setting.name()))));
        }
        let listener = original::LISTENERS.iter().find(|listener| listener.field == setting.field);
        let at = |port| ListenAddr::On { host: host.unwrap_or(value::ANY_HOST).to_owned(), port };
        if let Some(Listener { property, .. }) = listener
            && let Some(port) = self.options.get_one::<u16>(property)
        {
            return Ok(Some((at(*port).to_string(), Origin::Option((*property).to_owned()))));
        }
        let variable = setting.variable();
        if let Some(text) = self.env.parsed(&variable, |text| Ok(text.to_owned()))? {
            let is_original = self.env.is_translated(&variable);
            let origin = if is_original { Origin::Original } else { Origin::Variable(variable) };
            return Ok(Some((text, origin)));
        }
        for name in listener.map_or(&[][..], |listener| listener.variables) {
            if let Some(port) = self.env.parsed(name, value::port)? {
                return Ok(Some((at(port).to_string(), Origin::Variable((*name).to_owned()))));
            }
        }
        if let Some((line, text)) = file.get(setting) {
            let origin = Origin::File { path: file.path.clone(), line: *line };
            return Ok(Some((text.clone(), origin)));
        }
        // A host alone is combined with the default port.
        let default = listener.and_then(|_| (setting.show)(&Config::default())?.parse().ok());
        match (default, host) {
            (Some(ListenAddr::On { port, .. }), Some(_)) => {
                Ok(Some((at(port).to_string(), Origin::Original)))
            }
            _ => Ok(None),
        }
    }

    /// Returns the host that the original's settings give to listeners, if any.
    fn original_host(&self) -> Result<Option<String>, ConfigError> {
        match self.options.get_one::<String>(original::ADDRESS) {
            Some(host) => Ok(Some(host.clone())),
            None => self.env.parsed(original::ADDRESS_VARIABLE, value::host),
        }
    }
}

/// Sets defaults that follow from other settings.
fn follow(config: &mut Config, is_open: impl Fn(&str) -> bool) {
    if is_open("max_held_push_bytes") {
        config.max_held_push_bytes = Shares::of(config.max_memory).pushes;
    }
    // If only the maximum is lowered, the default must not exceed it.
    if is_open("scrape_timeout") {
        config.scrape_timeout = config.scrape_timeout.min(config.scrape_timeout_max);
    }
}

impl Origin {
    fn error(&self, setting: &Setting, value: String, reason: String) -> ConfigError {
        match self {
            Self::Variable(name) => ConfigError::Environment { name: name.clone(), value, reason },
            Self::Original => ConfigError::Environment { name: setting.variable(), value, reason },
            Self::File { path, line } => ConfigError::File {
                path: path.clone(),
                line: Some(*line),
                what: format!("invalid value '{value}' for {}: {reason}", setting.name()),
            },
            Self::Option(_) | Self::Default => ConfigError::Conflict(format!(
                "invalid value '{value}' for --{}: {reason}",
                setting.name()
            )),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            // Escaped, since a path may contain anything.
            Self::File { path, line } => write!(f, "{path:?}, line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Original => f.write_str("a setting of the Java proxy"),
            Self::Option(name) => write!(f, "option --{name}"),
        }
    }
}

/// The environment.
#[derive(Debug)]
pub(super) struct Environment {
    variables: BTreeMap<OsString, OsString>,
    /// The names of variables that were set from settings of the original's.
    translated: BTreeSet<String>,
}

impl Environment {
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        // On Windows, names of variables are case-insensitive.
        let key = |name: OsString| if cfg!(windows) { name.to_ascii_uppercase() } else { name };
        let variables = variables.into_iter().map(|(name, value)| (key(name), value)).collect();
        Self { variables, translated: BTreeSet::new() }
    }

    /// Returns names and values of all variables. A name that is not UTF-8 is not one of ours.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.variables.iter().filter_map(|(name, value)| Some((name.to_str()?, value.as_os_str())))
    }

    /// Returns the value of a variable, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name)).map(OsString::as_os_str);
        value.filter(|value| !value.is_empty())
    }

    /// Sets a variable from a setting of the original's, and replaces its value.
    pub(super) fn replace(&mut self, name: &str, value: String) {
        self.variables.insert(name.into(), value.into());
    }

    /// Sets a variable from a setting of the original's, unless it has a value.
    pub(super) fn add(&mut self, name: String, value: String) {
        if self.get(&name).is_none() {
            self.replace(&name, value);
            self.translated.insert(name);
        }
    }

    fn is_translated(&self, name: &str) -> bool {
        self.translated.contains(name)
    }

    /// Parses the value of a variable. An empty one counts as not set.
    fn parsed<T>(
        &self,
        name: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let parsed = match value.to_str() {
            Some(text) => parse(text),
            None => Err("it is not UTF-8".to_owned()),
        };
        parsed.map(Some).map_err(|reason| ConfigError::Environment {
            name: name.to_owned(),
            value: value.to_string_lossy().into_owned(),
            reason,
        })
    }
}
