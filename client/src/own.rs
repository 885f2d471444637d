//! The client's metrics about itself.

use crate::status::{Shared, Status};
use prometheus_rsocket_protocol::agent::DisconnectReason;
use prometheus_rsocket_protocol::rsocket::connection::CloseReason;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start of a client.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    attempts: AtomicU64,
    connections: AtomicU64,
    errors: [AtomicU64; ConnectionError::ALL.len()],
    scrapes: [AtomicU64; ScrapeOutcome::ALL.len()],
    pushes: [AtomicU64; 2],
}

/// Why there is no connection, or why one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionError {
    /// The proxy ended it in order, or said why it did.
    Closed,
    /// It broke off.
    Lost,
    /// The proxy cannot be reached in the way that its URL says.
    Unreachable,
    /// The proxy's key or envelope is not acceptable.
    Untrusted,
}

impl ConnectionError {
    const ALL: [Self; 4] = [Self::Closed, Self::Lost, Self::Unreachable, Self::Untrusted];

    fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
        }
    }
}

impl From<&DisconnectReason> for ConnectionError {
    fn from(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::NotConnected(_) => Self::Unreachable,
            DisconnectReason::Transport(_)
            | DisconnectReason::Closed(
                CloseReason::Eof { .. }
                | CloseReason::Transport { .. }
                | CloseReason::KeepAliveTimeout { .. },
            ) => Self::Lost,
            _ => Self::Closed,
        }
    }
}

/// The outcome of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScrapeOutcome {
    Answered,
    /// The proxy canceled it, or its connection ended.
    Canceled,
    /// The source returned no metrics, or not in time.
    NoMetrics,
}

impl ScrapeOutcome {
    const ALL: [Self; 3] = [Self::Answered, Self::Canceled, Self::NoMetrics];

    fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Canceled => "canceled",
            Self::NoMetrics => "no_metrics",
        }
    }
}

impl Counters {
    pub(crate) fn on_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_error(&self, error: ConnectionError) {
        self.errors[error as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_scrape(&self, outcome: ScrapeOutcome) {
        self.scrapes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_push(&self, is_pushed: bool) {
        self.pushes[usize::from(is_pushed)].fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Returns the metrics in the text format 0.0.4.
    pub(crate) fn own_metrics(&self) -> String {
        let mut text = Text { out: String::with_capacity(2048), is_openmetrics: false };
        text.write(self);
        text.out
    }

    /// Appends the client's own metrics to a text, in the format of that text.
    pub(crate) fn with_own_metrics(&self, mut metrics: String) -> String {
        let is_openmetrics = metrics.ends_with("\n# EOF\n") || metrics == "# EOF\n";
        if is_openmetrics {
            metrics.truncate(metrics.len() - EOF.len());
        } else if !metrics.is_empty() && !metrics.ends_with('\n') {
            metrics.push('\n');
        }
        let mut text = Text { out: metrics, is_openmetrics };
        text.write(self);
        if is_openmetrics {
            text.out.push_str(EOF);
        }
        text.out
    }
}

const EOF: &str = "# EOF\n";

struct Text {
    out: String,
    is_openmetrics: bool,
}

impl Text {
    fn write(&mut self, shared: &Shared) {
        let counters = &shared.counters;
        let is_ready = matches!(shared.status(), Status::Ready { .. });
        self.family("connected", "gauge", "Whether the proxy can scrape this client.");
        self.sample("connected", "", u64::from(is_ready));
        self.family("connections", "counter", "Connections that received a key.");
        self.sample("connections_total", "", load(&counters.connections));
        let retries = load(&counters.attempts).saturating_sub(1);
        self.family("retries", "counter", "Attempts to connect after the first.");
        self.sample("retries_total", "", retries);
        self.family(
            "connection_errors",
            "counter",
            "Why there was no connection, or not any more.",
        );
        for error in ConnectionError::ALL {
            let labels = format!("{{reason=\"{}\"}}", error.label());
            self.sample("connection_errors_total", &labels, load(&counters.errors[error as usize]));
        }
        self.family("scrapes", "counter", "Scrapes by the proxy.");
        for outcome in ScrapeOutcome::ALL {
            let labels = format!("{{outcome=\"{}\"}}", outcome.label());
            self.sample("scrapes_total", &labels, load(&counters.scrapes[outcome as usize]));
        }
        self.family("pushes", "counter", "Pushes to the proxy.");
        for (pushes, outcome) in counters.pushes.iter().zip(["failed", "pushed"]) {
            self.sample("pushes_total", &format!("{{outcome=\"{outcome}\"}}"), load(pushes));
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // In OpenMetrics, the name of the family lacks the suffix of its samples.
        let suffix = if kind == "counter" && !self.is_openmetrics { "_total" } else { "" };
        let name = format_args!("{PREFIX}{name}{suffix}");
        // Writing into a string does not fail.
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.out, "{PREFIX}{name}{labels} {value}");
    }
}

const PREFIX: &str = "prometheus_rsocket_client_";

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
