//! What the program prints in place of serving: what packages need, which the help does not list, and the configuration.

use clap_complete::Shell;
use prometheus_rsocket_proxy::config::{Config, Loaded};
use prometheus_rsocket_runtime::logging;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints the manual, in roff. It must be the first argument.
pub(crate) const MANUAL: &str = "--print-man";

/// Prints completions for the shell that comes next. It must be the first argument.
pub(crate) const COMPLETIONS: &str = "--print-completions";

pub(crate) fn manual() -> ExitCode {
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(named()).render(&mut text);
    print(rendered.and_then(|()| io::stdout().write_all(&text)))
}

pub(crate) fn completions(shell: Option<&OsString>) -> ExitCode {
    let shell = shell.and_then(|shell| shell.to_str());
    let Some(shell) = shell.and_then(|shell| shell.parse::<Shell>().ok()) else {
        logging::tell_error(&format_args!(
            "{COMPLETIONS} needs a shell: bash, elvish, fish, powershell or zsh"
        ));
        return ExitCode::from(2);
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut named(), env!("CARGO_BIN_NAME"), &mut text);
    print(io::stdout().write_all(&text))
}

/// Prints a configuration as a file for `--config`.
pub(crate) fn config(loaded: &Loaded) -> ExitCode {
    print(io::stdout().write_all(loaded.to_string().as_bytes()))
}

/// Tells whether a configuration is good, of which all but the files that it names is known to be.
pub(crate) fn check(config: &Config) -> ExitCode {
    for warning in &config.warnings {
        let line = format!("warning: {warning}\n");
        logging::tell(move || drop(io::stderr().write_all(line.as_bytes())));
    }
    let errors = config.check_files();
    for error in &errors {
        logging::tell_error(error);
    }
    if !errors.is_empty() {
        return ExitCode::from(2);
    }
    print(io::stdout().write_all(b"the configuration is good\n"))
}

/// The command by the program's name.
fn named() -> clap::Command {
    Config::command().name(env!("CARGO_BIN_NAME"))
}

fn print(printed: io::Result<()>) -> ExitCode {
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::tell_error(&format_args!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}
