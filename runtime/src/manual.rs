//! What packages print from a program's description of its command line. The help does not list these options.

use crate::logging;
use clap::Command;
use clap_complete::Shell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints the manual, in roff, if the first argument of a program is `--print-man`, and completions for the shell that comes next if it is
/// `--print-completions`. Returns what the program should exit with then.
///
/// `args` begins with the program's name, which is not looked at; the command's own name stands in what is printed.
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

/// Prints on standard output. Returns what the program should exit with: an output that is closed is an error.
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
    // It fails where writing does, and a vector always takes more.
    let _ = clap_mangen::Man::new(command).render(&mut text);
    text
}

/// `None` if that is no shell.
fn completions(shell: Option<&OsString>, command: impl FnOnce() -> Command) -> Option<Vec<u8>> {
    let shell: Shell = shell?.to_str()?.parse().ok()?;
    let (mut text, mut command) = (Vec::new(), command());
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    Some(text)
}

const MANUAL: &str = "--print-man";
const COMPLETIONS: &str = "--print-completions";
