use super::source::{ConfigError, Environment};
use super::value::{self, ClientAuthKind};
use clap::Args;
use prometheus_rsocket_runtime::tls::{ClientAuth, ServerTlsFiles};
use std::{path::PathBuf, time::Duration};

/// The options of TLS: the same four for each listener.
#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// PEM file with the certificate of --listen-tcp and those that lead to its CA; turns TLS on
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) tcp_tls_cert: Option<PathBuf>,

    /// PEM file with its private key, without a password
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) tcp_tls_key: Option<PathBuf>,

    /// PEM file with the CAs that certificates of applications must come from
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) tcp_tls_client_ca: Option<PathBuf>,

    /// Whether applications must show one: required or optional; required where there is a CA
    #[arg(long, value_name = "HOW", value_parser = value::client_auth, help_heading = "TLS")]
    pub(super) tcp_tls_client_auth: Option<ClientAuthKind>,

    /// Likewise, for --listen-websocket
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) websocket_tls_cert: Option<PathBuf>,

    /// Its private key
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) websocket_tls_key: Option<PathBuf>,

    /// The CAs of applications
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) websocket_tls_client_ca: Option<PathBuf>,

    /// Whether applications must show a certificate
    #[arg(long, value_name = "HOW", value_parser = value::client_auth, help_heading = "TLS")]
    pub(super) websocket_tls_client_auth: Option<ClientAuthKind>,

    /// Likewise, for --listen-http
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) http_tls_cert: Option<PathBuf>,

    /// Its private key
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) http_tls_key: Option<PathBuf>,

    /// The CAs of scrapers
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "TLS")]
    pub(super) http_tls_client_ca: Option<PathBuf>,

    /// Whether scrapers must show a certificate
    #[arg(long, value_name = "HOW", value_parser = value::client_auth, help_heading = "TLS")]
    pub(super) http_tls_client_auth: Option<ClientAuthKind>,

    /// How often all these files are read again; what changed counts for new connections [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = value::positive_duration, help_heading = "TLS")]
    pub(super) tls_reload_interval: Option<Duration>,
}

/// What is configured for the listeners for TCP, WebSocket and HTTP.
pub(super) type Resolved = (Option<ServerTlsFiles>, Option<ServerTlsFiles>, Option<ServerTlsFiles>);

impl TlsArgs {
    /// Takes all but the interval, and completes it from the environment.
    pub(super) fn resolve(&mut self, env: &Environment) -> Result<Resolved, ConfigError> {
        let tcp = Given {
            certificate: self.tcp_tls_cert.take(),
            key: self.tcp_tls_key.take(),
            client_ca: self.tcp_tls_client_ca.take(),
            client_auth: self.tcp_tls_client_auth.take(),
        };
        let websocket = Given {
            certificate: self.websocket_tls_cert.take(),
            key: self.websocket_tls_key.take(),
            client_ca: self.websocket_tls_client_ca.take(),
            client_auth: self.websocket_tls_client_auth.take(),
        };
        let http = Given {
            certificate: self.http_tls_cert.take(),
            key: self.http_tls_key.take(),
            client_ca: self.http_tls_client_ca.take(),
            client_auth: self.http_tls_client_auth.take(),
        };
        Ok((tcp.files("tcp", env)?, websocket.files("websocket", env)?, http.files("http", env)?))
    }
}

/// The four of one listener.
struct Given {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_auth: Option<ClientAuthKind>,
}

impl Given {
    #[rustfmt::skip] // One setting, one line.
    fn files(mut self, listener: &str, env: &Environment) -> Result<Option<ServerTlsFiles>, ConfigError> {
        let option = |name| format!("{listener}-tls-{name}");
        env.complete(&mut self.certificate, &option("cert"), value::file)?;
        env.complete(&mut self.key, &option("key"), value::file)?;
        env.complete(&mut self.client_ca, &option("client-ca"), value::file)?;
        env.complete(&mut self.client_auth, &option("client-auth"), value::client_auth)?;
        let needs = |has, lacks| {
            Err(ConfigError::Conflict(format!("--{} needs --{}", option(has), option(lacks))))
        };
        let (certificate, key) = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return needs("cert", "key"),
            (None, Some(_)) => return needs("key", "cert"),
            (None, None) if self.client_ca.is_some() => return needs("client-ca", "cert"),
            (None, None) if self.client_auth.is_some() => return needs("client-auth", "client-ca"),
            (None, None) => return Ok(None),
        };
        let mut files = ServerTlsFiles::new(certificate, key);
        files.client_auth = match (self.client_ca, self.client_auth) {
            (None, None) => ClientAuth::Off,
            (None, Some(_)) => return needs("client-auth", "client-ca"),
            (Some(ca), Some(ClientAuthKind::Optional)) => ClientAuth::Optional { ca },
            (Some(ca), Some(ClientAuthKind::Required) | None) => ClientAuth::Required { ca },
        };
        Ok(Some(files))
    }
}
