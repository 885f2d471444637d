//! Configuration: the command line, the environment, the file, and the names that configure the original.

mod auth;
mod balancers;
mod changes;
mod command;
mod derived;
mod error;
mod file;
mod files;
mod kind;
mod log;
mod misspelt;
mod original;
mod print;
mod settings;
mod source;
mod tls;
mod value;

pub use balancers::{ProxyProtocol, TrustedProxies};
pub(crate) use changes::Changed;
pub use error::ConfigError;
pub use log::LogFormat;
pub use prometheus_rsocket_protocol::collector::PushKeep;
pub use settings::Config;
pub use source::{Loaded, Sources, Task};
pub use value::{Envelope, ListenAddr, RsaBackend, RuntimeKind};

use prometheus_rsocket_runtime::tls::ServerTlsFiles;
use std::ffi::OsString;

/// The least memory: with less, not even a single long frame would be let in.
const MIN_MEMORY: usize = 16 << 20;

impl Config {
    /// Returns the definition of the command line, for manuals and completions.
    pub fn command() -> clap::Command {
        command::command()
    }

    /// Reads a command line, whose first argument is the program's name, and an environment, as [`std::env::args_os`] and [`std::env::vars_os`]
    /// return them, and the file that one of them names, if any.
    ///
    /// For each setting, the first of these counts: the option, the original's option, the environment variable, the original's environment variable,
    /// the file, the default. An empty environment variable counts as not set.
    pub fn from_args(
        args: impl IntoIterator<Item = impl Into<OsString>>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        Ok(Sources::new(args, env)?.load()?.config)
    }

    /// Returns what no single value shows to be wrong.
    fn conflicts(&self) -> Vec<ConfigError> {
        let conflicts = [
            self.memory_conflict(),
            self.timeout_conflict(),
            self.listener_conflict(),
            self.plaintext_conflict(),
            self.demo_conflict(),
        ];
        let conflicts = conflicts.into_iter().flatten().map(ConfigError::Conflict);
        conflicts.chain(balancers::check(self)).chain(auth::check(self)).collect()
    }

    fn memory_conflict(&self) -> Option<String> {
        let too_little = self.max_memory < MIN_MEMORY;
        too_little.then(|| {
            format!("--max-memory {} is less than the 16MiB that the proxy needs", self.max_memory)
        })
    }

    fn timeout_conflict(&self) -> Option<String> {
        let Self { scrape_timeout, scrape_timeout_max, scrape_timeout_offset, .. } = self;
        if scrape_timeout > scrape_timeout_max {
            return Some(format!(
                "--scrape-timeout {scrape_timeout:?} is longer than --scrape-timeout-max {scrape_timeout_max:?}"
            ));
        }
        (scrape_timeout_offset >= scrape_timeout).then(|| {
            format!(
                "--scrape-timeout-offset {scrape_timeout_offset:?} leaves nothing of --scrape-timeout {scrape_timeout:?}"
            )
        })
    }

    fn listener_conflict(&self) -> Option<String> {
        let all_off = "--listen-tcp, --listen-websocket and --listen-http are all off";
        let listeners = [&self.listen_tcp, &self.listen_websocket, &self.listen_http];
        (!listeners.iter().any(|listener| listener.is_on())).then(|| all_off.to_owned())
    }

    /// Plaintext metrics may travel only under TLS or on loopback, unless `--insecure-plaintext` is set. Settings of keys contradict plaintext.
    fn plaintext_conflict(&self) -> Option<String> {
        if self.envelope != Envelope::Plaintext {
            return None;
        }
        let conflicts = [
            ("--min-envelope 2", self.min_envelope >= 2),
            ("--key-file", self.key_file.is_some()),
            ("--key-rotation", self.key_rotation.is_some()),
        ];
        if let Some((option, _)) = conflicts.into_iter().find(|(_, is_given)| *is_given) {
            return Some(format!("--envelope plaintext seals nothing, which contradicts {option}"));
        }
        let listeners = [
            ("--listen-tcp", &self.listen_tcp, &self.tcp_tls),
            ("--listen-websocket", &self.listen_websocket, &self.websocket_tls),
        ];
        let is_open = |(_, listen, tls): &(&str, &ListenAddr, &Option<ServerTlsFiles>)| {
            listen.is_on() && tls.is_none() && !listen.is_loopback()
        };
        let open = listeners.into_iter().find(is_open).filter(|_| !self.insecure_plaintext);
        open.map(|(option, listen, _)| {
            format!(
                "--envelope plaintext needs TLS or a loopback address for {option} {listen}; --insecure-plaintext does without"
            )
        })
    }

    /// The example applications trust no CA, so they need a listener without TLS.
    fn demo_conflict(&self) -> Option<String> {
        let listeners =
            [(&self.listen_tcp, &self.tcp_tls), (&self.listen_websocket, &self.websocket_tls)];
        let is_plain = |(listen, tls): &(&ListenAddr, &Option<ServerTlsFiles>)| {
            listen.is_on() && tls.is_none()
        };
        (self.demo > 0 && !listeners.iter().any(is_plain)).then(|| {
            format!("--demo {} needs --listen-tcp or --listen-websocket, without TLS", self.demo)
        })
    }
}

#[cfg(test)]
mod tests;
