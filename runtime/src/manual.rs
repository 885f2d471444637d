//! Options for packagers: they print the manual and completions from a program's description of its command line. The help does not list them.

use crate::logging;
use clap::Command;
use clap_complete::Shell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// If the first argument is `--print-man`, prints the manual in roff; if it is `--print-completions`, prints the completions
/// for the shell in the next argument. Returns the exit code in these cases (2 if the shell is unknown), and `None` otherwise.
///
/// `args` begins with the name of the program, which is ignored; the output has the command's own name.
pub fn printed(args: &[OsString], command: impl FnOnce() -> Command) -> Option<ExitCode> {
    match args.get(1)?.to_str()? {
        MANUAL => Some(print(&manual(command()))),
        COMPLETIONS => Some(match completions(args.get(2), command) {
            Some(text) => print(&text),
            None => {
                logging::tell_error(&format_args!(
                    "{COMPLETIONS} needs a shell: bash, elvish, fish, powershell or zsh"
                ));
                ExitCode::from(2)
            }
        }),
        _ => None,
    }
}

/// Prints to standard output. Returns the exit code: closed output is an error.
pub fn print(text: &[u8]) -> ExitCode {
    match io::stdout().write_all(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::tell_error(&format_args!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn manual(command: Command) -> Vec<u8> {
    let mut text = Vec::new();
    // Fails only if writing does, which a vector never does.
    let _ = clap_mangen::Man::new(command).render(&mut text);
    text
}

/// `None` if the shell is unknown.
fn completions(shell: Option<&OsString>, command: impl FnOnce() -> Command) -> Option<Vec<u8>> {
    let shell: Shell = shell?.to_str()?.parse().ok()?;
    let (mut text, mut command) = (Vec::new(), command());
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    Some(text)
}

const MANUAL: &str = "--print-man";
const COMPLETIONS: &str = "--print-completions";
