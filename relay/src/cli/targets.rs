//! The targets to scrape, and how.

use super::Fault;
use super::values::{bytes, duration, label};
use crate::fetch::{
    Credentials, Headers, MAX_HEADERS, ScrapeFormat, ScrapeOptions, ScrapeUrl, header,
};
use crate::targets::{
    Filters, Plan, Target, TargetDefaults, TargetsFile, check, default_name, is_name,
};
use clap::Args;
use clap::error::ErrorKind;
use http::{HeaderName, HeaderValue};
use prometheus_rsocket_client::{ClientTlsFiles, LabelError, Labels, hostname};
use prometheus_rsocket_protocol::exposition::filter::{Filter, Pattern};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArgs {
    /// The endpoint to relay: http://HOST:PORT/PATH, https://HOST:PORT/PATH or unix:///SOCKET:/PATH. The path is /metrics if there is none. Repeat
    /// it, or separate several by blanks; each can have a name, as in orders=http://localhost:9100/metrics, which is HOST:PORT by default
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE",
        value_name = "[NAME=]URL",
        value_delimiter = ' ',
        required_unless_present_any = ["targets", "stdin"],
        conflicts_with = "stdin"
    )]
    pub(crate) scrape: Vec<Named>,
    /// A label that identifies this program, as name=value; repeat it, or separate several by commas. If there is no `instance`, it is the endpoint's
    /// host and port or, on this machine, the machine's name
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_LABEL",
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        value_parser = label
    )]
    pub(crate) label: Vec<(String, String)>,
    /// File of targets, in TOML or, if its name ends in .json, as Prometheus' file_sd. It is read again when it changes
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_TARGETS",
        value_name = "FILE",
        conflicts_with = "stdin",
        help_heading = TARGETS
    )]
    pub(crate) targets: Option<PathBuf>,
    /// A label of one target, as TARGET:NAME=VALUE; repeat it, or separate several by commas
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_TARGET_LABEL",
        value_name = "TARGET:NAME=VALUE",
        value_delimiter = ',',
        value_parser = target_label,
        help_heading = TARGETS
    )]
    pub(crate) target_label: Vec<(String, (String, String))>,
    /// Joins all targets into one application, with the labels of each target on its series. By default, each is an application with a connection of
    /// its own
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_JOIN", help_heading = TARGETS)]
    pub(crate) join: bool,
    /// Time limit for the endpoint's answer
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_TIMEOUT",
        default_value = "10s",
        value_parser = duration
    )]
    pub(crate) scrape_timeout: Duration,
    /// The longest text that the endpoint may send, in bytes (1000, 64KiB, 8MiB)
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_MAX_TEXT_BYTES",
        default_value = "16MiB",
        value_parser = bytes
    )]
    pub(crate) max_text_bytes: usize,
    /// The format of the endpoint's answers, if its content type does not say
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_FORMAT",
        value_name = "FORMAT",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_format: Option<ScrapeFormat>,
    /// PEM file with the CAs of the certificates of https endpoints; by default those of the system
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_CA",
        value_name = "FILE",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_ca: Option<PathBuf>,
    /// The user to present to the endpoint
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
    /// File with a bearer token to present to the endpoint; read for each scrape
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_BEARER_FILE",
        value_name = "FILE",
        conflicts_with = "scrape_user",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_bearer_file: Option<PathBuf>,
    /// PEM file with a certificate to present to https endpoints, and its chain
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_CERT",
        value_name = "FILE",
        requires = "scrape_key",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_cert: Option<PathBuf>,
    /// PEM file with its private key, not encrypted
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_KEY",
        value_name = "FILE",
        requires = "scrape_cert",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_key: Option<PathBuf>,
    /// The name or address that an https endpoint's certificate must have; by default the URL's host
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_SERVER_NAME",
        value_name = "NAME",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_server_name: Option<String>,
    /// A header to add to requests; repeat it, or separate several by line feeds. Other users can read command lines: put secrets into
    /// --scrape-header-file
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_HEADER",
        hide_env_values = true,
        value_name = "NAME: VALUE",
        value_delimiter = '\n',
        value_parser = given_header,
        help_heading = SCRAPE
    )]
    pub(crate) scrape_header: Vec<GivenHeader>,
    /// File with more such headers, one per line; read for each scrape
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_SCRAPE_HEADER_FILE",
        value_name = "FILE",
        help_heading = SCRAPE
    )]
    pub(crate) scrape_header_file: Option<PathBuf>,
    /// Relays only the families of these names: globs such as go_*, or regular expressions between slashes. A histogram or summary is one family.
    /// Repeat it, or separate several by blanks
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_ALLOW_METRICS",
        value_name = "PATTERN",
        value_delimiter = ' ',
        help_heading = FILTERS
    )]
    pub(crate) allow_metrics: Vec<Pattern>,
    /// Leaves out the families of these names, even if they are allowed
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_DENY_METRICS",
        value_name = "PATTERN",
        value_delimiter = ' ',
        help_heading = FILTERS
    )]
    pub(crate) deny_metrics: Vec<Pattern>,
    /// Drops a label from all series. Repeat it, or separate several by commas. Of series that become equal, the first is kept
    #[arg(
        long,
        env = "PROMETHEUS_RSOCKET_CLIENT_DROP_LABEL",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = FILTERS
    )]
    pub(crate) drop_label: Vec<String>,
    /// Leaves out the HELP lines of metrics
    #[arg(long, env = "PROMETHEUS_RSOCKET_CLIENT_NO_HELP", help_heading = FILTERS)]
    pub(crate) no_help: bool,
}

const TARGETS: &str = "Several programs";
const SCRAPE: &str = "The endpoint";
const FILTERS: &str = "Filters";

impl TargetArgs {
    /// Checks how options fit together.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.plan().map(drop)
    }

    /// Returns what is relayed. Reads no file.
    pub(super) fn plan(&self) -> Result<Plan, Fault> {
        let invalid = |option: &str, error: &dyn fmt::Display| {
            (ErrorKind::ValueValidation, format!("{option}: {error}"))
        };
        let defaults = self.defaults()?;
        let is_alone = self.scrape.len() == 1 && self.targets.is_none();
        let mut targets = Vec::new();
        for Named { name, url } in &self.scrape {
            let instance = match name {
                None if is_alone => url.instance().or_else(hostname),
                None => None,
                Some(name) => Some(name.clone()),
            };
            let name = name.clone().unwrap_or_else(|| default_name(url));
            let own = self.target_label.iter().filter(|(target, _)| *target == name);
            let own = own.map(|(_, label)| label.clone());
            let labels = defaults.labels(own, || instance.or_else(|| Some(name.clone())));
            let labels = labels.map_err(|error| invalid("--label", &error))?;
            targets.push(Target {
                name,
                url: url.clone(),
                labels,
                options: defaults.options.clone(),
            });
        }
        let is_known = |name: &str| targets.iter().any(|target| target.name == name);
        if let Some((name, _)) = self.target_label.iter().find(|(name, _)| !is_known(name)) {
            return Err(invalid("--target-label", &format_args!("no --scrape is called {name:?}")));
        }
        check(&targets).map_err(|error| invalid("--scrape", &error))?;
        let joined = self.join.then(|| self.labels(hostname));
        let joined = joined.transpose().map_err(|error| invalid("--label", &error))?;
        let file = self.targets.clone().map(|path| TargetsFile::new(path, defaults));
        Ok(Plan { targets, file, joined })
    }

    /// Returns the labels and the filter for the metrics on standard input.
    pub(crate) fn of_text(&self) -> Result<(Labels, Filter), String> {
        let labels = self.labels(hostname).map_err(|error| format!("--label: {error}"))?;
        let defaults = self.defaults().map_err(|(_, message)| message)?;
        Ok((labels, defaults.options.filter))
    }

    /// Returns the defaults of all targets.
    fn defaults(&self) -> Result<TargetDefaults, Fault> {
        self.labels(|| None)
            .map_err(|error| (ErrorKind::ValueValidation, format!("--label: {error}")))?;
        if self.scrape_header.len() > MAX_HEADERS {
            let message = format!("--scrape-header is given more than {MAX_HEADERS} times");
            return Err((ErrorKind::TooManyValues, message));
        }
        let filters = Filters {
            allow: self.allow_metrics.clone(),
            deny: self.deny_metrics.clone(),
            drop_labels: self.drop_label.clone(),
            is_without_help: self.no_help,
        };
        let filter = filters.filter().map_err(|error| {
            let options = "--allow-metrics, --deny-metrics, --drop-label";
            (ErrorKind::ValueValidation, format!("{options}: {error}"))
        })?;
        let credentials = match (&self.scrape_user, &self.scrape_bearer_file) {
            (Some(user), _) => {
                let password = self.scrape_password_file.clone();
                Credentials::Basic { user: user.clone(), password }
            }
            (None, Some(token)) => Credentials::Bearer { token: token.clone() },
            (None, None) => Credentials::None,
        };
        let mut tls = ClientTlsFiles::default();
        tls.ca = self.scrape_ca.clone();
        tls.identity = self.scrape_cert.clone().zip(self.scrape_key.clone());
        tls.server_name = self.scrape_server_name.clone();
        let given =
            self.scrape_header.iter().cloned().collect::<Result<_, _>>().map_err(|error| {
                (ErrorKind::ValueValidation, format!("--scrape-header: {error}"))
            })?;
        let headers = Headers { given, file: self.scrape_header_file.clone() };
        let options = ScrapeOptions {
            timeout: self.scrape_timeout,
            fallback: self.scrape_format,
            max_text_bytes: self.max_text_bytes,
            credentials,
            headers,
            tls,
            filter,
        };
        // Joined targets would otherwise all have one instance.
        let labels = self.label.iter().filter(|(name, _)| !self.join || name != "instance");
        Ok(TargetDefaults { labels: labels.cloned().collect(), options, filters })
    }

    /// Returns the labels that all targets share, and an `instance` if none is given.
    fn labels(&self, instance: impl FnOnce() -> Option<String>) -> Result<Labels, LabelError> {
        let mut labels = self.label.clone();
        if !labels.iter().any(|(name, _)| name == "instance") {
            labels.extend(instance().map(|instance| ("instance".to_owned(), instance)));
        }
        Labels::new(labels)
    }
}

/// An endpoint and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    name: Option<String>,
    url: ScrapeUrl,
}

impl FromStr for Named {
    type Err = String;

    /// A name cannot be confused with a part of a URL, which has a `/` or a `?` before any `=`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=').filter(|(name, _)| !name.contains(['/', '?'])) {
            None => Ok(Self { name: None, url: text.parse()? }),
            Some((name, _)) if !is_name(name) => Err(format!(
                "{name:?} is not a valid name: use letters, digits and _.:@-, at most 128 of them"
            )),
            Some((name, url)) => Ok(Self { name: Some(name.to_owned()), url: url.parse()? }),
        }
    }
}

/// A header, or why it is invalid. (clap's own error would contain the value.)
type GivenHeader = Result<(HeaderName, HeaderValue), String>;

fn given_header(text: &str) -> Result<GivenHeader, String> {
    Ok(header(text))
}

/// Parses the label of one target.
fn target_label(text: &str) -> Result<(String, (String, String)), String> {
    let wanted = "it should be TARGET:NAME=VALUE";
    let (before, value) = text.split_once('=').ok_or(wanted)?;
    let (target, name) = before.rsplit_once(':').ok_or(wanted)?;
    Ok((target.to_owned(), label(&format!("{name}={value}"))?))
}
