//! What the program prints about its configuration instead of serving.

use prometheus_rsocket_proxy::config::{Config, Loaded};
use prometheus_rsocket_runtime::{logging, manual};
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints a configuration as a file for `--config`.
pub(crate) fn config(loaded: &Loaded) -> ExitCode {
    manual::print(loaded.to_string().as_bytes())
}

/// Reports whether a configuration is valid. Only the files that it names are still unchecked.
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
    manual::print(b"the configuration is good\n")
}
