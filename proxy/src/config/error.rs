use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

/// The error of a command line, an environment or a file that cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// The command line is wrong; or it asks for help or the version, which is not an error but also ends the program.
    Arguments(clap::Error),
    /// Settings do not fit together.
    Conflict(String),
    /// An environment variable has an invalid value.
    Environment {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// Why the value is refused.
        reason: String,
    },
    /// An environment variable looks as if it were meant for this program, but is not one of its settings.
    UnknownVariable {
        /// Its name.
        name: String,
        /// The most similar valid name.
        nearest: String,
    },
    /// The file with settings cannot be read, or has an error.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The line of the error, counted from 1, if it is in one.
        line: Option<usize>,
        /// What is wrong.
        what: String,
    },
    /// Several errors, none of which is `Several` again.
    Several(Vec<Self>),
}

impl ConfigError {
    /// Returns the exit status for the process: 2, or 0 if help or the version was requested.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Arguments(error) if error.exit_code() == 0 => 0,
            _ => 2,
        }
    }

    /// Prints help or the version to standard output, and errors to standard error.
    pub fn print(&self) {
        match self {
            // If the output is closed, there is nowhere left to report it.
            Self::Arguments(error) => drop(error.print()),
            Self::Several(errors) => errors.iter().for_each(Self::print),
            _ => drop(io::stderr().write_all(format!("error: {self}\n").as_bytes())),
        }
    }

    /// Returns each of several errors, or this one.
    pub(crate) fn each(&self) -> &[Self] {
        match self {
            Self::Several(errors) => errors,
            error => std::slice::from_ref(error),
        }
    }

    /// Combines errors into one; `None` if there are none.
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
