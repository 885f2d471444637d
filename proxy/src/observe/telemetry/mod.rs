//! The proxy's own metrics.
//!
//! Names and labels that the original's dashboards read are kept. Every label has a fixed set of values, each an enum here: no text from a peer
//! becomes a value, so the number of series does not depend on peers.
//!
//! The clock is an argument wherever time matters.

mod family;
mod labels;
mod meters;
mod process;
mod window;

pub use labels::{
    ApplicationErrorCause, ConnectionErrorCause, FailureReason, HttpClosed, HttpCode, HttpPath,
    Label, ListenerName, LogCause, ProbeKind, PushDropCause, PushKind, PushOutcome, RegistryState,
    RoundOutcome, ScrapeGivenUp, ScrapeOutcome, SignalType,
};

pub(crate) use process::resident_bytes;

use crate::observe::throttle::PeerThrottle;
use crate::store::ring::KeyRing;
use family::Families;
use meters::{Apps, Http, Keys, Pushes, Reloads, Rsocket, Scrapes};
use prometheus::{IntCounterVec, IntGaugeVec, Registry, TextEncoder};
use std::time::{Duration, Instant, SystemTime};

/// All metrics that the proxy has about itself. Shared by reference; every method may be called from any thread.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    started: Option<SystemTime>,
    apps: Apps,
    scrapes: Scrapes,
    pushes: Pushes,
    rsocket: Rsocket,
    http: Http,
    keys: Keys,
    certificates: IntGaugeVec,
    reloads: Reloads,
    suppressed_lines: IntCounterVec,
    lines: PeerThrottle,
}

impl Telemetry {
    /// Returns the metrics of a process that started at `started`, and runs on the runtime and with the RSA backend of these names. Without
    /// `started`, the process is a simulated one, and metrics about it are left out.
    pub fn new(runtime: &str, rsa_backend: &str, started: impl Into<Option<SystemTime>>) -> Self {
        let (registry, started) = (Registry::new(), started.into());
        let make = Families(&registry);
        meters::build_info(&make, runtime, rsa_backend);
        Self {
            started,
            apps: Apps::new(&make),
            scrapes: Scrapes::new(&make),
            pushes: Pushes::new(&make),
            rsocket: Rsocket::new(&make),
            http: Http::new(&make),
            keys: Keys::new(&make),
            certificates: meters::certificates(&make),
            reloads: Reloads::new(&make, started),
            suppressed_lines: make.counters::<LogCause>(
                "prometheus_proxy_log_lines_suppressed_total",
                "Log lines that were not written because a peer caused too many.",
            ),
            lines: PeerThrottle::default(),
            registry,
        }
    }

    /// Sets the keys that are in use now.
    pub(crate) fn keys(&self, ring: &KeyRing) {
        self.keys.info.reset();
        for (state, key) in [("current", ring.current()), ("old", ring.old())] {
            let Some(key) = key else { continue };
            let (sha256, bits) = (key.fingerprint.to_string(), key.bits.to_string());
            let values = [&sha256, state, &bits, ring.backend_name()];
            self.keys.info.with_label_values(&values).set(1);
        }
    }

    /// Sets when the certificate of a listener expires; `None` if that cannot be read.
    pub(crate) fn certificate_expires(&self, listener: &str, at: Option<SystemTime>) {
        let since_epoch = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds =
            since_epoch.map_or(0, |since_epoch| saturated(since_epoch.as_secs() as usize));
        self.certificates.with_label_values(&[listener]).set(seconds);
    }

    /// Counts a replacement of the key.
    pub(crate) fn key_rotated(&self) {
        self.keys.rotations.inc();
    }

    /// The configuration was read again at this time, and is in use.
    pub(crate) fn config_reloaded(&self, at: Option<SystemTime>) {
        self.reloads.tell(true, at);
    }

    /// The configuration was read again, and cannot be used.
    pub(crate) fn config_refused(&self) {
        self.reloads.tell(false, None);
    }

    /// Sets how many applications are connected now.
    pub fn active_connections(&self, count: usize) {
        self.scrapes.active_connections.set(saturated(count));
    }

    /// Sets how many applications of the registry are in this state now.
    pub fn applications(&self, state: RegistryState, count: usize) {
        self.apps.by_state.with_label_values(&[state.value()]).set(saturated(count));
    }

    /// Sets how many applications share their identity with another one now, while both are connected.
    pub fn identity_duplicates(&self, count: usize) {
        self.apps.duplicates.set(saturated(count));
    }

    /// Counts a failed scrape of one application.
    pub fn app_scrape_failed(&self, reason: FailureReason) {
        self.scrapes.failures.with_label_values(&[reason.value()]).inc();
    }

    /// Counts a scrape of one application that has ended.
    pub fn application_scraped(&self, outcome: ScrapeOutcome, took: Duration, now: Instant) {
        let seconds = took.as_secs_f64();
        self.scrapes.seconds.with_label_values(&[outcome.value()]).observe(seconds);
        self.scrapes.with_maxima(|maxima| maxima.seconds[outcome as usize].record(now, seconds));
    }

    /// Records the length of an application's text, in bytes.
    pub fn payload_received(&self, bytes: usize, now: Instant) {
        let bytes = bytes as f64;
        self.scrapes.payload_bytes.observe(bytes);
        self.scrapes.with_maxima(|maxima| maxima.payload_bytes.record(now, bytes));
    }

    /// Counts a round over all applications that has ended.
    pub fn round_ended(&self, outcome: RoundOutcome, took: Duration) {
        self.scrapes
            .round_seconds
            .with_label_values(&[outcome.value()])
            .observe(took.as_secs_f64());
    }

    /// Counts a connection that was refused, or broke.
    pub fn connection_failed(&self, cause: ConnectionErrorCause) {
        self.rsocket.connection_errors.with_label_values(&[cause.value()]).inc();
    }

    /// Counts a connection from a peer that is neither an application nor a scraper.
    pub fn probed(&self, listener: ListenerName, kind: ProbeKind) {
        self.rsocket.probes.with_label_values(&[listener.value(), kind.value()]).inc();
    }

    /// Counts series that were left out of an answer because an application before had them too.
    pub fn collided(&self, series: u64) {
        self.scrapes.collisions.inc_by(series);
    }

    /// Counts a text of which part was left out of an answer because of a bad line or a limit.
    pub fn text_reduced(&self) {
        self.scrapes.reduced_texts.inc();
    }

    /// Counts families of an answer that had another type in an application before, and were made untyped.
    pub fn types_conflicted(&self, families: u64) {
        self.scrapes.type_conflicts.inc_by(families);
    }

    /// Counts metrics of an application that were useless, or did not arrive.
    pub fn application_failed(&self, cause: ApplicationErrorCause) {
        self.scrapes.application_errors.with_label_values(&[cause.value()]).inc();
    }

    /// Counts a push of an application.
    pub fn pushed(&self, kind: PushKind, outcome: PushOutcome) {
        self.pushes.received.with_label_values(&[kind.value(), outcome.value()]).inc();
    }

    /// Counts a push that is no longer held.
    pub fn push_dropped(&self, cause: PushDropCause) {
        self.pushes.dropped.with_label_values(&[cause.value()]).inc();
    }

    /// Sets how many pushes are held now.
    pub fn pushes_held(&self, count: usize) {
        self.pushes.held.set(saturated(count));
    }

    /// Counts pushes that were part of an answer.
    pub fn pushes_served(&self, count: usize) {
        self.pushes.served.inc_by(count as u64);
    }

    /// Counts an HTTP request that was answered.
    pub fn http_answered(&self, path: HttpPath, code: HttpCode) {
        self.http.requests.with_label_values(&[path.value(), code.value()]).inc();
    }

    /// Counts data over HTTP that is not a request.
    pub fn http_malformed(&self) {
        self.http.malformed.inc();
    }

    /// Counts an HTTP connection for which there was no room.
    pub fn http_refused(&self) {
        self.http.refused.inc();
    }

    /// Counts an HTTP connection that the proxy ended.
    pub fn http_closed(&self, reason: HttpClosed) {
        self.http.closed.with_label_values(&[reason.value()]).inc();
    }

    /// Counts a scrape that was refused or given up.
    pub fn scrape_given_up(&self, reason: ScrapeGivenUp) {
        self.scrapes.given_up.with_label_values(&[reason.value()]).inc();
    }

    /// Counts a failed TLS handshake on an HTTP connection.
    pub fn http_tls_failed(&self) {
        self.http.tls_failed.inc();
    }

    /// Decides whether to log a line now that a peer has caused; `peer` is its address, with or without a port. Returns how many such lines were
    /// suppressed since the last one, or `None` if this one must be suppressed too, which is counted.
    pub(crate) fn may_log(&self, now: Instant, cause: LogCause, peer: &str) -> Option<u64> {
        let passed = self.lines.pass(now, cause, peer);
        if passed.is_none() {
            self.suppressed_lines.with_label_values(&[cause.value()]).inc();
        }
        passed
    }

    /// Counts an RSocket request-response interaction that has ended.
    pub fn request_response_ended(&self, signal: SignalType, took: Duration) {
        let seconds = took.as_secs_f64();
        self.rsocket.request_response_seconds.with_label_values(&[signal.value()]).observe(seconds);
    }

    /// Counts an RSocket fire-and-forget interaction that has ended.
    pub fn fire_and_forget_ended(&self, signal: SignalType) {
        self.rsocket.fire_and_forgets.with_label_values(&[signal.value()]).inc();
    }

    /// Returns all metrics in the text format 0.0.4.
    pub fn encode(&self, now: Instant) -> String {
        self.scrapes.refresh_maxima(now);
        let mut text = String::new();
        TextEncoder::new()
            .encode_utf8(&self.registry.gather(), &mut text)
            .expect("a family of ours has a name and series, and a String takes all");
        if let Some(started) = self.started {
            process::encode(&mut text, started).expect("a String takes all");
        }
        text
    }
}

fn saturated(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
