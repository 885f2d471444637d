use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

/// A command line, an environment or a file that cannot be used.
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
    /// An environment variable that looks as if it were meant for this program, but is none of its settings.
    UnknownVariable {
        /// Its name.
        name: String,
        /// The most similar name that there is.
        nearest: String,
    },
    /// The file with settings.
    File {
        /// Which.
        path: PathBuf,
        /// The line, from 1, where the error is in one.
        line: Option<usize>,
        /// What is wrong.
        what: String,
    },
    /// Several, none of which is this again.
    Several(Vec<Self>),
}

impl ConfigError {
    /// What the process should exit with: 2, or 0 where help or the version was asked for.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Arguments(error) if error.exit_code() == 0 => 0,
            _ => 2,
        }
    }

    /// Tells the user: on standard output what was asked for, errors on standard error.
    pub fn print(&self) {
        match self {
            // Nowhere is left to tell that an output is closed.
            Self::Arguments(error) => drop(error.print()),
            Self::Several(errors) => errors.iter().for_each(Self::print),
            _ => drop(io::stderr().write_all(format!("error: {self}\n").as_bytes())),
        }
    }

    /// Each of several, or this one.
    pub(crate) fn each(&self) -> &[Self] {
        match self {
            Self::Several(errors) => errors,
            error => std::slice::from_ref(error),
        }
    }

    /// All of them as one; `None` where there is none.
    pub(super) fn all(mut errors: Vec<Self>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
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
            Self::UnknownVariable { name, nearest } => write!(
                f,
                "the environment variable {name} is not a setting of this program; the nearest name is {nearest}"
            ),
            Self::File { path, line: Some(line), what } => {
                write!(f, "{}, line {line}: {what}", path.display())
            }
            Self::File { path, line: None, what } => write!(f, "{}: {what}", path.display()),
            Self::Several(errors) => {
                for (position, error) in errors.iter().enumerate() {
                    let border = if position == 0 { "" } else { "\n" };
                    write!(f, "{border}{error}")?;
                }
                Ok(())
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
