use super::value::{self, ListenAddr};
use std::{
    collections::BTreeMap,
    error::Error,
    ffi::{OsStr, OsString},
    fmt,
    io::{self, Write},
};

/// A command line or an environment that cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// The command line; or it asks for help or the version, which is no error but ends the program as well.
    Arguments(clap::Error),
    /// Settings that do not fit together.
    Conflict(String),
    /// An environment variable.
    Environment {
        /// Its name.
        name: String,
        /// What it is set to.
        value: String,
        /// Why that will not do.
        reason: String,
    },
}

impl ConfigError {
    /// What the process should exit with: 2, or 0 where help or the version was asked for.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Arguments(error) if error.exit_code() == 0 => 0,
            Self::Arguments(_) | Self::Conflict(_) | Self::Environment { .. } => 2,
        }
    }

    /// Tells the user: on standard output what was asked for, errors on standard error.
    pub fn print(&self) {
        match self {
            // Nowhere is left to tell that an output is closed.
            Self::Arguments(error) => drop(error.print()),
            Self::Conflict(_) | Self::Environment { .. } => {
                drop(io::stderr().write_all(format!("error: {self}\n").as_bytes()));
            }
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments(error) => error.fmt(f),
            Self::Conflict(conflict) => f.write_str(conflict),
            Self::Environment { name, value, reason } => {
                write!(f, "invalid value '{value}' for environment variable {name}: {reason}")
            }
        }
    }
}

impl Error for ConfigError {}

impl From<clap::Error> for ConfigError {
    fn from(error: clap::Error) -> Self {
        Self::Arguments(error)
    }
}

/// The environment, which sets what the command line leaves open.
pub(super) struct Environment(BTreeMap<OsString, OsString>);

/// The names by which a listener is configured in the environment.
pub(super) struct ListenerNames {
    option: &'static str,
    /// The original's variables, which hold a port.
    originals: &'static [&'static str],
    pub(super) default_port: u16,
}

impl Environment {
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        // Windows does not tell the cases of names apart.
        let key = |name: OsString| if cfg!(windows) { name.to_ascii_uppercase() } else { name };
        Self(variables.into_iter().map(|(name, value)| (key(name), value)).collect())
    }

    /// Names and values of all variables. A name that is not UTF-8 is none of ours.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.0.iter().filter_map(|(name, value)| Some((name.to_str()?, value.as_os_str())))
    }

    /// What a variable holds, unless that is nothing.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Sets a variable, whatever it held.
    pub(super) fn replace(&mut self, name: &str, value: String) {
        self.0.insert(name.into(), value.into());
    }

    /// Sets a variable that holds nothing.
    pub(super) fn add(&mut self, name: &str, value: String) {
        if self.get(name).is_none() {
            self.replace(name, value);
        }
    }

    /// Sets what was given as an option, or else what its own variable holds, and leaves the default otherwise.
    pub(super) fn set<T>(
        &self,
        setting: &mut T,
        given: Option<T>,
        option: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<(), ConfigError> {
        let found = match given {
            Some(given) => Some(given),
            None => self.parsed(&env_name(option), parse)?,
        };
        if let Some(found) = found {
            *setting = found;
        }
        Ok(())
    }

    /// Sets what was not given as an option to what its variable holds, if anything.
    pub(super) fn complete<T>(
        &self,
        setting: &mut Option<T>,
        option: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<(), ConfigError> {
        if setting.is_none() {
            *setting = self.parsed(&env_name(option), parse)?;
        }
        Ok(())
    }

    /// Returns where to listen: what was given as an option, or as the original's option, or else what the own variable
    /// holds, or the original's. `host` is that of an address of which only the port is set, if that.
    pub(super) fn listener(
        &self,
        names: &ListenerNames,
        host: &str,
        given: Option<ListenAddr>,
        given_port: Option<u16>,
    ) -> Result<ListenAddr, ConfigError> {
        if let Some(given) = given {
            return Ok(given);
        }
        let mut port = given_port;
        if port.is_none() {
            if let Some(own) = self.parsed(&env_name(names.option), value::listen_addr)? {
                return Ok(own);
            }
            for name in names.originals {
                if port.is_none() {
                    port = self.parsed(name, value::port)?;
                }
            }
        }
        Ok(ListenAddr::On { host: host.to_owned(), port: port.unwrap_or(names.default_port) })
    }

    /// Returns what a variable holds. One that is empty counts as not set.
    pub(super) fn parsed<T>(
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

/// The variable of an option.
pub(super) fn env_name(option: &str) -> String {
    format!("{PREFIX}{}", option.replace('-', "_").to_ascii_uppercase())
}

/// What the variables of all options begin with.
pub(super) const PREFIX: &str = "PROMETHEUS_RSOCKET_PROXY_";

// The original's variables, as Spring binds them (dots to underscores, dashes dropped), and as people write them too.

pub(super) const LISTEN_TCP: ListenerNames = ListenerNames {
    option: "listen-tcp",
    originals: &["MICROMETER_PROMETHEUSPROXY_TCPPORT", "MICROMETER_PROMETHEUS_PROXY_TCP_PORT"],
    default_port: 7001,
};

pub(super) const LISTEN_WEBSOCKET: ListenerNames = ListenerNames {
    option: "listen-websocket",
    originals: &[
        "MICROMETER_PROMETHEUSPROXY_WEBSOCKETPORT",
        "MICROMETER_PROMETHEUS_PROXY_WEBSOCKET_PORT",
    ],
    default_port: 8081,
};

pub(super) const LISTEN_HTTP: ListenerNames =
    ListenerNames { option: "listen-http", originals: &["SERVER_PORT"], default_port: 8080 };

pub(super) const ORIGINAL_ADDRESS: &str = "SERVER_ADDRESS";
