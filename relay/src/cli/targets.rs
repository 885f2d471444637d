//! What is scraped, and how.

use super::Fault;
use super::values::{bytes, duration, label};
use crate::fetch::{Credentials, Endpoint, ScrapeFormat, ScrapeUrl};
use clap::Args;
use clap::error::ErrorKind;
use prometheus_rsocket_client::{ClientTls, ClientTlsFiles, LabelError, Labels, TlsError};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArgs {
    /// The endpoint to relay: http://HOST:PORT/PATH, or the same with https. Without a path it is /metrics
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE",
        value_name = "URL",
        required_unless_present = "stdin",
        conflicts_with = "stdin"
    )]
    pub(crate) scrape: Option<ScrapeUrl>,
    /// A label that tells this program from others, as name=value; may be repeated, or be several with commas between. Without a label
    /// `instance` there is one of the endpoint's host and port or, where that is this machine, the machine's name
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_LABEL",
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        value_parser = label
    )]
    pub(crate) label: Vec<(String, String)>,
    /// How long the endpoint may take to answer
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub(crate) scrape_timeout: Duration,
    /// The longest text that the endpoint may answer with, in bytes (1000, 64KiB, 8MiB)
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_MAX_TEXT_BYTES", default_value = "16MiB", value_parser = bytes)]
    pub(crate) max_text_bytes: usize,
    /// What the endpoint answers in, if its content type does not say
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_FORMAT",
        value_name = "FORMAT",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_format: Option<ScrapeFormat>,
    /// PEM file with the CAs that the certificate of an https endpoint must come from; those of the system where none is named
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_CA",
        value_name = "FILE",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_ca: Option<PathBuf>,
    /// The user to show to the endpoint
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_USER",
        value_name = "NAME",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_user: Option<String>,
    /// File with the password of that user; read for each scrape
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_PASSWORD_FILE",
        value_name = "FILE",
        requires = "scrape_user",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_password_file: Option<PathBuf>,
    /// File with a bearer token to show to the endpoint; read for each scrape
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_BEARER_FILE",
        value_name = "FILE",
        conflicts_with = "scrape_user",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_bearer_file: Option<PathBuf>,
}

const SCRAPE: &str = "The endpoint";

impl TargetArgs {
    /// What no single option shows to be wrong.
    pub(super) fn check(&self) -> Result<(), Fault> {
        match self.labels() {
            Ok(_) => Ok(()),
            Err(error) => Err((ErrorKind::ValueValidation, format!("--label: {error}"))),
        }
    }

    /// What to fetch. Reads the file of CAs, if there is one.
    pub(crate) fn load_endpoint(&self) -> Result<Option<Endpoint>, TlsError> {
        let Some(url) = self.scrape.clone() else { return Ok(None) };
        let mut files = ClientTlsFiles::default();
        files.ca = self.scrape_ca.clone();
        // Without a file, the system's roots are looked for when they are needed: a redirect may lead to https.
        let tls = files.ca.is_some().then(|| ClientTls::load(files)).transpose()?;
        let credentials = match (&self.scrape_user, &self.scrape_bearer_file) {
            (Some(user), _) => {
                let password = self.scrape_password_file.clone();
                Credentials::Basic { user: user.clone(), password }
            }
            (None, Some(token)) => Credentials::Bearer { token: token.clone() },
            (None, None) => Credentials::None,
        };
        Ok(Some(Endpoint {
            url,
            tls,
            credentials,
            fallback: self.scrape_format,
            max_text_bytes: self.max_text_bytes,
            timeout: self.scrape_timeout,
        }))
    }

    /// The labels given, and an `instance` if none is given.
    pub(super) fn labels(&self) -> Result<Labels, LabelError> {
        let mut labels = self.label.clone();
        if !labels.iter().any(|(name, _)| name == "instance") {
            let instance = self.scrape.as_ref().and_then(ScrapeUrl::instance);
            let instance = instance.or_else(prometheus_rsocket_client::hostname);
            labels.extend(instance.map(|instance| ("instance".to_owned(), instance)));
        }
        Labels::new(labels)
    }
}
