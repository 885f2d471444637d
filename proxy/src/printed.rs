//! What packages print from the command line's description. The help does not list these options.

use clap_complete::Shell;
use prometheus_rsocket_proxy::config::Config;
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
