use super::Config;
use super::source::{ConfigError, Environment};
use super::value::{self, ListenAddr};
use clap::Args;
use std::path::PathBuf;

/// The options of who may connect.
#[derive(Debug, Args)]
pub(super) struct AuthArgs {
    /// TOML file with applications, the tokens and certificates by which they are known, and the labels that these give; read again
    /// when it changes (--tls-reload-interval). Others must not be able to read it
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "Admission")]
    auth_file: Option<PathBuf>,

    /// YAML file with those who may scrape and look at pages, in the form of Prometheus' web configuration: basic_auth_users with bcrypt
    /// hashes; beside them, bearer_tokens_sha256. /-/healthy, /-/ready and /actuator/health stay open. Read again when it changes
    #[arg(long, value_name = "FILE", value_parser = value::file, help_heading = "Admission")]
    http_auth_file: Option<PathBuf>,

    /// Turns applications away that show no credentials of --auth-file [default: false]
    #[arg(
        long,
        value_name = "WHETHER",
        value_parser = value::switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Admission"
    )]
    require_identity: Option<bool>,

    /// Where the status page / is served instead of on --listen-http, with its TLS and --http-auth-file; /metrics/proxy and the health
    /// endpoints are on both [default: off]
    #[arg(long, value_name = "ADDR", value_parser = value::listen_addr, help_heading = "Listeners")]
    listen_admin: Option<ListenAddr>,
}

impl AuthArgs {
    #[rustfmt::skip] // One setting, one line.
    pub(super) fn resolve(self, c: &mut Config, env: &Environment) -> Result<(), ConfigError> {
        c.auth_file = self.auth_file;
        env.complete(&mut c.auth_file, "auth-file", value::file)?;
        c.http_auth_file = self.http_auth_file;
        env.complete(&mut c.http_auth_file, "http-auth-file", value::file)?;
        env.set(&mut c.listen_admin, self.listen_admin, "listen-admin", value::listen_addr)?;
        env.set(&mut c.require_identity, self.require_identity, "require-identity", value::switch)?;
        Ok(())
    }
}

/// What of these settings does not fit together.
pub(super) fn check(c: &Config) -> Result<(), ConfigError> {
    let conflict = |what: &str| Err(ConfigError::Conflict(what.to_owned()));
    if c.require_identity && c.auth_file.is_none() {
        return conflict("--require-identity needs --auth-file");
    }
    if c.require_identity && c.demo > 0 {
        return conflict(
            "--demo does not go with --require-identity: the examples show no credentials",
        );
    }
    Ok(())
}
