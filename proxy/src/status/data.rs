//! Plain data: what the pages and the JSON say. Ages and durations are in seconds, counted back from [`Overview::time`].

use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// All that `/` and `/status.json` say.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Overview {
    /// When it was taken, in seconds since 1970; `None` on a simulated clock.
    pub time: Option<f64>,
    /// The proxy itself.
    pub proxy: ProxyInfo,
    /// How many applications are in which state, whatever is filtered.
    pub counts: Counts,
    /// The part of the applications that was asked for.
    pub page: PageInfo,
    /// The applications of this page.
    pub applications: Vec<AppRow>,
    /// Applications whose connections have ended lately, the latest first: at most [`MAX_DEPARTURES`], filtered by the same text.
    pub departures: Vec<Departure>,
    /// Pushes that are held.
    pub pushes: Pushes,
    /// The latest scrapes of all applications, the latest first: at most [`MAX_ROUNDS`].
    pub rounds: Vec<RoundRow>,
    /// Scrapers that are known, at most 64.
    pub scrapers: Vec<ScraperRow>,
    /// What is used of each limit.
    pub limits: Vec<LimitRow>,
}

/// Departures that are remembered.
pub const MAX_DEPARTURES: usize = 100;
/// Rounds that are remembered.
pub const MAX_ROUNDS: usize = 50;
/// Applications of a round that are remembered by name as missing.
pub const MAX_MISSING: usize = 10;
/// Pushes that are shown.
pub const MAX_PUSHES: usize = 50;
/// Applications on a page.
pub const PER_PAGE: usize = 100;

/// The proxy itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProxyInfo {
    /// `ready`, `draining` or `starting`.
    pub verdict: &'static str,
    /// The version of this program.
    pub version: &'static str,
    /// `tokio` or `smol`.
    pub runtime: &'static str,
    /// `rust`, `openssl`, or `none` in plaintext mode.
    pub rsa_backend: &'static str,
    /// Time since the start.
    pub uptime_seconds: f64,
    /// Where it listens.
    pub listeners: Vec<ListenerRow>,
    /// Example applications inside this process.
    pub demo_applications: usize,
    /// The key that applications seal under; `None` in plaintext mode.
    pub key: Option<KeyInfo>,
}

/// A listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListenerRow {
    /// `tcp`, `websocket`, `http` or `admin`.
    pub name: &'static str,
    /// Its address, with the real port.
    pub address: String,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// When its certificate expires, in seconds since 1970.
    pub certificate_expires: Option<f64>,
    /// How long that is from now; negative once it has expired.
    pub certificate_left_seconds: Option<f64>,
}

/// The key that applications seal under.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KeyInfo {
    /// The SHA-256 of the public key, in hexadecimal.
    pub sha256: String,
    /// Bits of the modulus.
    pub bits: usize,
    /// How long this process has used it.
    pub in_use_seconds: f64,
    /// The key before it, if applications may still seal under that.
    pub old_sha256: Option<String>,
}

/// How many applications are in which state. One with several troubles counts for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All that are known.
    pub total: usize,
    /// Those whose state is a trouble.
    pub troubled: usize,
    /// See [`AppStatus`].
    pub failing: usize,
    /// See [`AppStatus`].
    pub gone: usize,
    /// See [`AppStatus`].
    pub partial: usize,
    /// See [`AppStatus`].
    pub duplicate: usize,
    /// See [`AppStatus`].
    pub slow: usize,
    /// See [`AppStatus`].
    pub connecting: usize,
    /// See [`AppStatus`].
    pub waiting: usize,
    /// See [`AppStatus`].
    pub ok: usize,
}

/// How an application is: the first of these that is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AppStatus {
    /// It is connected, and its last scrape failed.
    Failing,
    /// Its connection has ended, and its grace time has not, or a push of it is held.
    Gone,
    /// Part of its last text was left out: bad lines, or series that another application has.
    Partial,
    /// Another application that is connected has its identity.
    Duplicate,
    /// Its last answer took a second or more, and more than three times as long as that of most others.
    Slow,
    /// Its connection is accepted, and it is not set up.
    Connecting,
    /// It is connected, and was never scraped.
    Waiting,
    /// Its last scrape was served.
    #[default]
    Ok,
}

/// Which part of the applications is shown, and what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PageInfo {
    /// The page, counted from 1.
    pub page: usize,
    /// How many pages there are; at least 1.
    pub pages: usize,
    /// Applications on a full page.
    pub per_page: usize,
    /// Applications that the filter lets through.
    pub matching: usize,
}

/// An application.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AppRow {
    /// Its path: behind `/app/` there is its page, behind `/metrics/app/` its metrics.
    pub id: String,
    /// Its identity.
    pub labels: BTreeMap<String, String>,
    /// Where the identity comes from: `connection`, `credentials`, `hello` or `text`.
    pub identity_source: &'static str,
    /// How it is.
    pub status: AppStatus,
    /// Why it is not well, in words.
    pub why: Option<String>,
    /// The first line of its last text that is at fault: at most 160 bytes around the fault.
    pub faulty_line: Option<String>,
    /// How long it has been so.
    pub for_seconds: Option<f64>,
    /// The address of the other end of its connection, or its last one.
    pub peer: String,
    /// `tcp` or `websocket`.
    pub transport: &'static str,
    /// Whether TLS is used, as far as the proxy knows.
    pub tls: bool,
    /// The subject of the certificate that it has shown.
    pub tls_subject: Option<String>,
    /// Whose credentials it has shown.
    pub grant: Option<String>,
    /// The program that it says it is.
    pub program: Option<String>,
    /// How long ago that connection was accepted.
    pub connected_seconds: f64,
    /// Its last scrape.
    pub last_scrape: Option<ScrapeRow>,
    /// Its last scrape that was served, if that is not the last one.
    pub last_served: Option<ScrapeRow>,
    /// The last time that scrapes of it failed.
    pub last_error: Option<ErrorRow>,
    /// Pushes that were held, ever.
    pub pushes: u64,
    /// Whether a push of it is held now.
    pub has_push: bool,
    /// Series that the last scrape left out because another application has them.
    pub collisions: usize,
}

/// A scrape of one application.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ScrapeRow {
    /// How long ago it was settled.
    pub age_seconds: f64,
    /// Time from the request to the arrival of the answer; after a failure, from the beginning of the scrape to its end.
    pub took_seconds: f64,
    /// Bytes of the text; 0 after a failure.
    pub bytes: usize,
    /// Series of the text; 0 after a failure.
    pub series: usize,
}

/// Scrapes of one application that failed one after another.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ErrorRow {
    /// From a fixed set, as in `prometheus_proxy_app_up`.
    pub reason: &'static str,
    /// The latest one in words, with line and byte where it is the text that is wrong.
    pub message: String,
    /// How long ago the first of them was.
    pub since_seconds: f64,
    /// How long ago the latest was.
    pub age_seconds: f64,
    /// How many there were.
    pub times: u64,
    /// How long ago the application was served again; `None` if it was not.
    pub ended_seconds: Option<f64>,
}

/// A connection of an application that has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Departure {
    /// The application's path.
    pub id: String,
    /// Its identity.
    pub labels: BTreeMap<String, String>,
    /// The address of the other end.
    pub peer: String,
    /// How long ago.
    pub age_seconds: f64,
    /// Why.
    pub reason: String,
    /// Whether it has come back, is known as gone, or is forgotten: `back`, `gone` or `forgotten`.
    pub now: &'static str,
}

/// Pushes that are held.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pushes {
    /// How many.
    pub held: usize,
    /// Of these, how many some scraper that was seen in the last ten minutes has not had, or nobody has.
    pub missed: usize,
    /// The first of them in the order of arrival: at most [`MAX_PUSHES`].
    pub listed: Vec<PushRow>,
}

/// A push that is held.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PushRow {
    /// The path of its application.
    pub id: String,
    /// How long it has been held.
    pub age_seconds: f64,
    /// How long it will be held at most.
    pub left_seconds: f64,
    /// Bytes of its text.
    pub bytes: usize,
    /// Series of its text.
    pub series: usize,
    /// Whether it is on a disk as well.
    pub stored: bool,
    /// The scrapers that have had it, or a later answer in its place.
    pub had: Vec<String>,
    /// Scrapers that were seen in the last ten minutes and have not.
    pub missing: Vec<String>,
}

/// A scrape of all applications.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RoundRow {
    /// Who scraped.
    pub scraper: String,
    /// From where.
    pub peer: String,
    /// How long ago it ended.
    pub age_seconds: f64,
    /// How long it took.
    pub took_seconds: f64,
    /// `complete`, `partial` or `aborted`.
    pub outcome: &'static str,
    /// Applications that it asked or told of, as far as it came.
    pub applications: usize,
    /// Those whose metrics are in the answer.
    pub served: usize,
    /// Of those, pushes in place of an answer.
    pub pushes: usize,
    /// Those without metrics.
    pub missing: usize,
    /// The first of them, at most [`MAX_MISSING`].
    pub missing_first: Vec<Missing>,
}

/// An application that a round had no metrics of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its path.
    pub id: String,
    /// Why, from a fixed set, as in `prometheus_proxy_app_up`.
    pub reason: &'static str,
}

/// A scraper.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ScraperRow {
    /// What tells it from others: `?` and its name, or address and User-Agent.
    pub name: String,
    /// How long ago it began its last scrape.
    pub age_seconds: f64,
}

/// What is used of a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LimitRow {
    /// What is limited.
    pub name: &'static str,
    /// The option that sets the limit, if one does.
    pub option: Option<&'static str>,
    /// What is used.
    pub used: u64,
    /// The limit.
    pub limit: Option<u64>,
    /// `count` or `bytes`.
    pub unit: &'static str,
}

/// All that `/app/<id>` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AppPage {
    /// When it was taken, in seconds since 1970; `None` on a simulated clock.
    pub time: Option<f64>,
    /// The application, after it was asked.
    pub app: AppRow,
    /// Its other names by TLS.
    pub tls_names: Vec<String>,
    /// What came of asking it for this page.
    pub asked: Asked,
    /// Its pushes that are held.
    pub pushes: Vec<PushRow>,
}

/// What came of asking an application.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Its metrics, or a push that stands in for them.
    Served {
        /// Whether it is a push.
        is_push: bool,
        /// The format of the text.
        format: &'static str,
        /// Bytes of the text.
        bytes: usize,
        /// Its families, in the order of their names.
        families: Vec<FamilyRow>,
        /// Samples of families that are not listed, as there are too many.
        unlisted_samples: usize,
    },
    /// None.
    Failed {
        /// Why, in words.
        message: String,
    },
}

impl Default for Asked {
    fn default() -> Self {
        Self::Failed { message: String::new() }
    }
}

/// A family of an application's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FamilyRow {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its help; may be empty.
    pub help: String,
    /// Its samples.
    pub samples: usize,
}

pub(super) fn seconds(duration: Duration) -> f64 {
    // To the millisecond: more is noise in JSON.
    duration.as_millis() as f64 / 1000.0
}
