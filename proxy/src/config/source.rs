use super::value::{self, ListenAddr};
use std::{error::Error, ffi::OsString, fmt};

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
            // Nowhere is left to tell that the output is closed.
            Self::Arguments(error) => drop(error.print()),
            Self::Conflict(_) | Self::Environment { .. } => eprintln!("error: {self}"),
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

/// What the command line left open is asked of the environment.
///
/// Variables that begin like ours but are no option are no error: Kubernetes sets some such, as
/// `PROMETHEUS_RSOCKET_PROXY_PORT`, in every container beside a service of the proxy's name.
pub(super) struct Environment<'a>(pub(super) &'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'_> {
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

    /// Like [`set`](Self::set), with the original's variables behind the own one.
    pub(super) fn set_listener(
        &self,
        setting: &mut ListenAddr,
        given: Option<ListenAddr>,
        option: &str,
        originals: &[&str],
    ) -> Result<(), ConfigError> {
        let mut found = given;
        if found.is_none() {
            found = self.parsed(&env_name(option), value::listen_addr)?;
        }
        for name in originals {
            if found.is_none() {
                found = self.parsed(name, value::listen_port)?;
            }
        }
        if let Some(found) = found {
            *setting = found;
        }
        Ok(())
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = (self.0)(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
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

fn env_name(option: &str) -> String {
    format!("PROMETHEUS_RSOCKET_PROXY_{}", option.replace('-', "_").to_ascii_uppercase())
}

/// As Spring binds environment variables (dots to underscores, dashes dropped), and as people write them too.
pub(super) const ORIGINAL_TCP: [&str; 2] =
    ["MICROMETER_PROMETHEUSPROXY_TCPPORT", "MICROMETER_PROMETHEUS_PROXY_TCP_PORT"];
pub(super) const ORIGINAL_WEBSOCKET: [&str; 2] =
    ["MICROMETER_PROMETHEUSPROXY_WEBSOCKETPORT", "MICROMETER_PROMETHEUS_PROXY_WEBSOCKET_PORT"];
pub(super) const ORIGINAL_HTTP: [&str; 1] = ["SERVER_PORT"];
