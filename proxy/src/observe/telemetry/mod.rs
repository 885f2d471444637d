//! The proxy's own metrics.
//!
//! Names and labels that the original's dashboards read are kept. Every label has a fixed set of values, each an enum
//! here: no text of a peer's gets in, so the number of series does not depend on what the proxy meets.
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

/// All that the proxy counts about itself. Shared by reference; every method may be called from any thread.
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
    /// Metrics of a process that started at `started`, runs on the runtime of that name and has the RSA of that name. Without that time
    /// nothing is told of the process, which is then a simulated one.
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

    /// These keys are in use now.
    pub(crate) fn keys(&self, ring: &KeyRing) {
        self.keys.info.reset();
        for (state, key) in [("current", ring.current()), ("old", ring.old())] {
            let Some(key) = key else { continue };
            let (sha256, bits) = (key.fingerprint.to_string(), key.bits.to_string());
            let values = [&sha256, state, &bits, ring.backend_name()];
            self.keys.info.with_label_values(&values).set(1);
        }
    }

    /// The certificate that a listener shows expires then; `None` if that cannot be read.
    pub(crate) fn certificate_expires(&self, listener: &str, at: Option<SystemTime>) {
        let since_epoch = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds =
            since_epoch.map_or(0, |since_epoch| saturated(since_epoch.as_secs() as usize));
        self.certificates.with_label_values(&[listener]).set(seconds);
    }

    /// The key was replaced by another.
    pub(crate) fn key_rotated(&self) {
        self.keys.rotations.inc();
    }

    /// The configuration was read again, at this time, and is in use.
    pub(crate) fn config_reloaded(&self, at: Option<SystemTime>) {
        self.reloads.tell(true, at);
    }

    /// The configuration was read again, and cannot be used.
    pub(crate) fn config_refused(&self) {
        self.reloads.tell(false, None);
    }

    /// So many applications are connected now.
    pub fn active_connections(&self, count: usize) {
        self.scrapes.active_connections.set(saturated(count));
    }

    /// So many applications of the registry are in this state now.
    pub fn applications(&self, state: RegistryState, count: usize) {
        self.apps.by_state.with_label_values(&[state.value()]).set(saturated(count));
    }

    /// So many applications share their identity with another one now, while both are connected.
    pub fn identity_duplicates(&self, count: usize) {
        self.apps.duplicates.set(saturated(count));
    }

    /// The scrape of one application failed.
    pub fn app_scrape_failed(&self, reason: FailureReason) {
        self.scrapes.failures.with_label_values(&[reason.value()]).inc();
    }

    /// The scrape of one application ended.
    pub fn application_scraped(&self, outcome: ScrapeOutcome, took: Duration, now: Instant) {
        let seconds = took.as_secs_f64();
        self.scrapes.seconds.with_label_values(&[outcome.value()]).observe(seconds);
        self.scrapes.with_maxima(|maxima| maxima.seconds[outcome as usize].record(now, seconds));
    }

    /// An application's metrics were so many bytes of text.
    pub fn payload_received(&self, bytes: usize, now: Instant) {
        let bytes = bytes as f64;
        self.scrapes.payload_bytes.observe(bytes);
        self.scrapes.with_maxima(|maxima| maxima.payload_bytes.record(now, bytes));
    }

    /// A round over all applications ended.
    pub fn round_ended(&self, outcome: RoundOutcome, took: Duration) {
        self.scrapes
            .round_seconds
            .with_label_values(&[outcome.value()])
            .observe(took.as_secs_f64());
    }

    /// A connection was refused, or broke.
    pub fn connection_failed(&self, cause: ConnectionErrorCause) {
        self.rsocket.connection_errors.with_label_values(&[cause.value()]).inc();
    }

    /// Somebody connected who is neither an application nor a scraper.
    pub fn probed(&self, listener: ListenerName, kind: ProbeKind) {
        self.rsocket.probes.with_label_values(&[listener.value(), kind.value()]).inc();
    }

    /// So many series were left out of an answer, as another application before had them too.
    pub fn collided(&self, series: u64) {
        self.scrapes.collisions.inc_by(series);
    }

    /// Part of an application's text was left out of an answer because of a bad line or a limit.
    pub fn text_reduced(&self) {
        self.scrapes.reduced_texts.inc();
    }

    /// So many families of an answer were of another type in an application before, and were made untyped.
    pub fn types_conflicted(&self, families: u64) {
        self.scrapes.type_conflicts.inc_by(families);
    }

    /// An application's metrics were of no use, or did not come.
    pub fn application_failed(&self, cause: ApplicationErrorCause) {
        self.scrapes.application_errors.with_label_values(&[cause.value()]).inc();
    }

    /// An application pushed its last metrics.
    pub fn pushed(&self, kind: PushKind, outcome: PushOutcome) {
        self.pushes.received.with_label_values(&[kind.value(), outcome.value()]).inc();
    }

    /// Pushed metrics are no longer held.
    pub fn push_dropped(&self, cause: PushDropCause) {
        self.pushes.dropped.with_label_values(&[cause.value()]).inc();
    }

    /// The metrics of so many pushes are held now.
    pub fn pushes_held(&self, count: usize) {
        self.pushes.held.set(saturated(count));
    }

    /// The metrics of so many pushes were part of an answer.
    pub fn pushes_served(&self, count: usize) {
        self.pushes.served.inc_by(count as u64);
    }

    /// An HTTP request was answered.
    pub fn http_answered(&self, path: HttpPath, code: HttpCode) {
        self.http.requests.with_label_values(&[path.value(), code.value()]).inc();
    }

    /// Something came over HTTP that is no request.
    pub fn http_malformed(&self) {
        self.http.malformed.inc();
    }

    /// There was no room for an HTTP connection.
    pub fn http_refused(&self) {
        self.http.refused.inc();
    }

    /// The proxy ended an HTTP connection.
    pub fn http_closed(&self, reason: HttpClosed) {
        self.http.closed.with_label_values(&[reason.value()]).inc();
    }

    /// A scrape was refused or given up.
    pub fn scrape_given_up(&self, reason: ScrapeGivenUp) {
        self.scrapes.given_up.with_label_values(&[reason.value()]).inc();
    }

    /// TLS did not come about on an HTTP connection.
    pub fn http_tls_failed(&self) {
        self.http.tls_failed.inc();
    }

    /// Whether to log now a line that a peer has caused, given its address with or without a port, and then how many like it have not been logged
    /// since the last one. Counts it if not.
    pub(crate) fn may_log(&self, now: Instant, cause: LogCause, peer: &str) -> Option<u64> {
        let passed = self.lines.pass(now, cause, peer);
        if passed.is_none() {
            self.suppressed_lines.with_label_values(&[cause.value()]).inc();
        }
        passed
    }

    /// An RSocket request-response interaction ended.
    pub fn request_response_ended(&self, signal: SignalType, took: Duration) {
        let seconds = took.as_secs_f64();
        self.rsocket.request_response_seconds.with_label_values(&[signal.value()]).observe(seconds);
    }

    /// An RSocket fire-and-forget interaction ended.
    pub fn fire_and_forget_ended(&self, signal: SignalType) {
        self.rsocket.fire_and_forgets.with_label_values(&[signal.value()]).inc();
    }

    /// Everything in the text format 0.0.4.
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
