use super::{
    ApplicationErrorCause, ConnectionErrorCause, FailureReason, HttpClosed, HttpCode, HttpPath,
    Label, ListenerName, ProbeKind, PushDropCause, PushKind, PushOutcome, RegistryState,
    RoundOutcome, ScrapeGivenUp, ScrapeOutcome, SignalType, family::Families, window::WindowMax,
};
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts,
};
use std::{
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

#[derive(Debug)]
pub(super) struct Scrapes {
    pub(super) active_connections: IntGauge,
    pub(super) seconds: HistogramVec,
    seconds_max: GaugeVec,
    pub(super) payload_bytes: Histogram,
    payload_bytes_max: Gauge,
    pub(super) round_seconds: HistogramVec,
    pub(super) application_errors: IntCounterVec,
    pub(super) failures: IntCounterVec,
    pub(super) collisions: IntCounter,
    pub(super) reduced_texts: IntCounter,
    pub(super) type_conflicts: IntCounter,
    pub(super) given_up: IntCounterVec,
    maxima: Mutex<Maxima>,
}

#[derive(Debug, Default)]
pub(super) struct Maxima {
    pub(super) seconds: [WindowMax; ScrapeOutcome::ALL.len()],
    pub(super) payload_bytes: WindowMax,
}

impl Scrapes {
    pub(super) fn new(make: &Families<'_>) -> Self {
        Self {
            active_connections: make.gauge(
                "prometheus_proxy_scrape_active_connections",
                "Applications that are connected.",
            ),
            seconds: make.histograms::<ScrapeOutcome>(
                "prometheus_proxy_scrape_seconds",
                "Time from asking an application for its metrics to the end of its scrape.",
                &SECONDS,
            ),
            seconds_max: make.float_gauges::<ScrapeOutcome>(
                "prometheus_proxy_scrape_seconds_max",
                "Longest scrape of an application in about the last two minutes.",
            ),
            payload_bytes: make.histogram(
                "prometheus_proxy_scrape_payload_bytes",
                "Size of an application's metrics as text.",
                &BYTES,
            ),
            payload_bytes_max: make.float_gauge(
                "prometheus_proxy_scrape_payload_bytes_max",
                "Largest metrics of an application in about the last two minutes.",
            ),
            round_seconds: make.histograms::<RoundOutcome>(
                "prometheus_proxy_scrape_rounds_seconds",
                "Time that a scrape of all applications took.",
                &SECONDS,
            ),
            application_errors: make.counters::<ApplicationErrorCause>(
                "prometheus_proxy_application_error_total",
                "Metrics of single applications that were of no use or did not come.",
            ),
            failures: make.counters::<FailureReason>(
                "prometheus_proxy_app_scrape_failures_total",
                "Scrapes of single applications that failed, by the reason that prometheus_proxy_app_up has.",
            ),
            collisions: make.counter(
                "prometheus_proxy_collisions_total",
                "Series left out of answers because another application's come first.",
            ),
            reduced_texts: make.counter(
                "prometheus_proxy_reduced_texts_total",
                "Metrics of single applications served without the families of bad lines.",
            ),
            type_conflicts: make.counter(
                "prometheus_proxy_type_conflicts_total",
                "Families served untyped because another application's have another type.",
            ),
            given_up: make.counters::<ScrapeGivenUp>(
                "prometheus_proxy_scrapes_given_up_total",
                "Scrapes that were refused, or ended before their time because another one needed the room.",
            ),
            maxima: Mutex::default(),
        }
    }

    pub(super) fn with_maxima(&self, f: impl FnOnce(&mut Maxima)) {
        // A maximum is never left half written, so the value is valid even after a panic elsewhere.
        f(&mut self.maxima.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn refresh_maxima(&self, now: Instant) {
        self.with_maxima(|maxima| {
            for (outcome, max) in ScrapeOutcome::ALL.iter().zip(&mut maxima.seconds) {
                self.seconds_max.with_label_values(&[outcome.value()]).set(max.max(now));
            }
            self.payload_bytes_max.set(maxima.payload_bytes.max(now));
        });
    }
}

/// The last reading of the configuration.
#[derive(Debug)]
pub(super) struct Reloads {
    successful: IntGauge,
    success_seconds: Gauge,
}

impl Reloads {
    /// The configuration was read for the first time at the start.
    pub(super) fn new(make: &Families<'_>, started: Option<SystemTime>) -> Self {
        let this = Self {
            successful: make.gauge(
                "prometheus_proxy_config_last_reload_successful",
                "Whether the configuration could be used when it was read last.",
            ),
            success_seconds: make.float_gauge(
                "prometheus_proxy_config_last_reload_success_timestamp_seconds",
                "When the configuration was last read and could be used.",
            ),
        };
        this.tell(true, started);
        this
    }

    pub(super) fn tell(&self, is_successful: bool, at: Option<SystemTime>) {
        self.successful.set(is_successful.into());
        if let Some(at) = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
            self.success_seconds.set(at.as_secs_f64());
        }
    }
}

/// The registry of applications.
#[derive(Debug)]
pub(super) struct Apps {
    pub(super) by_state: IntGaugeVec,
    pub(super) duplicates: IntGauge,
}

impl Apps {
    pub(super) fn new(make: &Families<'_>) -> Self {
        Self {
            by_state: make.gauges::<RegistryState>(
                "prometheus_proxy_applications",
                "Applications known, including those that went within their grace time.",
            ),
            duplicates: make.gauge(
                "prometheus_proxy_identity_duplicates",
                "Applications that are connected while another one has the same identity.",
            ),
        }
    }
}

#[derive(Debug)]
pub(super) struct Pushes {
    pub(super) received: IntCounterVec,
    pub(super) dropped: IntCounterVec,
    pub(super) held: IntGauge,
    pub(super) served: IntCounter,
}

impl Pushes {
    pub(super) fn new(make: &Families<'_>) -> Self {
        let received = make.counters_by_two::<PushKind, PushOutcome>(
            "prometheus_proxy_pushes_total",
            "Last metrics pushed by applications.",
        );
        for kind in PushKind::ALL {
            for outcome in PushOutcome::ALL {
                received.with_label_values(&[kind.value(), outcome.value()]);
            }
        }
        Self {
            received,
            dropped: make.counters::<PushDropCause>(
                "prometheus_proxy_pushes_dropped_total",
                "Pushed metrics that are no longer held.",
            ),
            held: make.gauge(
                "prometheus_proxy_pushes_held",
                "Pushed metrics that are held for the next scrapes.",
            ),
            served: make.counter(
                "prometheus_proxy_pushes_served_total",
                "Times that pushed metrics were part of an answer.",
            ),
        }
    }
}

#[derive(Debug)]
pub(super) struct Rsocket {
    pub(super) connection_errors: IntCounterVec,
    pub(super) probes: IntCounterVec,
    pub(super) request_response_seconds: HistogramVec,
    pub(super) fire_and_forgets: IntCounterVec,
}

impl Rsocket {
    pub(super) fn new(make: &Families<'_>) -> Self {
        let probes = make.counters_by_two::<ListenerName, ProbeKind>(
            "prometheus_proxy_probes_total",
            "Connections of somebody who is neither an application nor a scraper.",
        );
        for listener in ListenerName::ALL {
            for kind in ProbeKind::ALL {
                probes.with_label_values(&[listener.value(), kind.value()]);
            }
        }
        Self {
            probes,
            connection_errors: make.counters::<ConnectionErrorCause>(
                "prometheus_proxy_connection_error_total",
                "Connections of applications that were refused or broke.",
            ),
            request_response_seconds: make.histograms::<SignalType>(
                "rsocket_request_response_seconds",
                "Time that RSocket request-response interactions took.",
                &SECONDS,
            ),
            fire_and_forgets: make.counters::<SignalType>(
                "rsocket_request_fnf_total",
                "RSocket fire-and-forget interactions.",
            ),
        }
    }
}

#[derive(Debug)]
pub(super) struct Http {
    pub(super) requests: IntCounterVec,
    pub(super) malformed: IntCounter,
    pub(super) refused: IntCounter,
    pub(super) tls_failed: IntCounter,
    pub(super) closed: IntCounterVec,
}

impl Http {
    pub(super) fn new(make: &Families<'_>) -> Self {
        let requests = make.counters_by_two::<HttpPath, HttpCode>(
            "prometheus_proxy_http_requests_total",
            "HTTP requests answered.",
        );
        for path in HttpPath::ALL {
            let usual = if *path == HttpPath::Other { HttpCode::NotFound } else { HttpCode::Ok };
            requests.with_label_values(&[path.value(), usual.value()]);
        }
        Self {
            requests,
            malformed: make.counter(
                "prometheus_proxy_http_malformed_total",
                "HTTP connections on which something else than a request came.",
            ),
            refused: make.counter(
                "prometheus_proxy_http_refused_total",
                "HTTP connections closed at once because there were too many.",
            ),
            tls_failed: make.counter(
                "prometheus_proxy_http_tls_failed_total",
                "HTTP connections on which TLS did not come about.",
            ),
            closed: make.counters::<HttpClosed>(
                "prometheus_proxy_http_connections_closed_total",
                "HTTP connections that the proxy ended before their peers did.",
            ),
        }
    }
}

/// The proxy's keys.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) info: IntGaugeVec,
    pub(super) rotations: IntCounter,
}

impl Keys {
    pub(super) fn new(make: &Families<'_>) -> Self {
        let opts = Opts::new(
            "prometheus_proxy_key_info",
            "The keys that applications seal with, by the SHA-256 of the public half: at most one current and one old.",
        );
        Self {
            info: make.register(IntGaugeVec::new(opts, &["sha256", "state", "bits", "backend"])),
            rotations: make.counter(
                "prometheus_proxy_key_rotations_total",
                "Times that the key was replaced by another.",
            ),
        }
    }
}

/// One series for each listener with TLS.
pub(super) fn certificates(make: &Families<'_>) -> IntGaugeVec {
    let opts = Opts::new(
        "prometheus_proxy_tls_certificate_expiry_timestamp_seconds",
        "When the certificate that a listener shows expires, in seconds since 1970; 0 if that cannot be read.",
    );
    make.register(IntGaugeVec::new(opts, &["listener"]))
}

pub(super) fn build_info(make: &Families<'_>, runtime: &str, rsa_backend: &str) {
    let opts = Opts::new("prometheus_proxy_build_info", "What is running; always 1.")
        .const_label("version", env!("CARGO_PKG_VERSION"))
        .const_label("runtime", runtime)
        .const_label("rsa_backend", rsa_backend);
    make.register(IntGauge::with_opts(opts)).set(1);
}

const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const BYTES: [f64; 8] = [1e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7];
