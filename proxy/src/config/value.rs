//! Values of options, and how they are written. Parsers return a reason that fits after the option and the value.

use prometheus_rsocket_protocol::collector::PushKeep;
use prometheus_rsocket_protocol::exposition::{Inject, OnBadLine, ReservedNames};
use prometheus_rsocket_protocol::labels::Labels;
use std::{
    fmt::{self, Display},
    net::Ipv6Addr,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

/// Where to listen, if at all: `host:port`, or `off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddr {
    /// Nowhere.
    Off,
    /// On this address.
    On {
        /// A name, an IPv4 address, or an IPv6 address without brackets.
        host: String,
        /// 0 takes any free port.
        port: u16,
    },
}

impl ListenAddr {
    /// Returns all IPv4 addresses of this machine, with this port.
    pub fn any(port: u16) -> Self {
        Self::On { host: ANY_HOST.to_owned(), port }
    }

    /// Whether only this machine can connect: a loopback address, or `localhost`.
    pub(super) fn is_loopback(&self) -> bool {
        let Self::On { host, .. } = self else { return false };
        match host.parse::<std::net::IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Returns whether to listen at all.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::On { .. })
    }
}

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let address = rest.trim_end_matches('/');
            return Err(format!(
                "an address is expected without a scheme: leave out {scheme}://, as in {address}"
            ));
        }
        let (host, port) = text.rsplit_once(':').ok_or(ADDR_FORM)?;
        let port = port.parse().map_err(|_| format!("{port:?} is no port, 0 to 65535"))?;
        let bracketed = host.strip_prefix('[').map(|rest| rest.strip_suffix(']').ok_or(ADDR_FORM));
        let host = match bracketed.transpose()? {
            Some(v6) if v6.parse::<Ipv6Addr>().is_ok() => v6,
            Some(v6) => return Err(format!("{v6:?} is no IPv6 address")),
            None if host.contains(':') => return Err("an IPv6 address needs brackets".to_owned()),
            None if host.is_empty() => ANY_HOST,
            None if is_host_name(host) => host,
            None => return Err(ADDR_FORM.to_owned()),
        };
        Ok(Self::On { host: host.to_owned(), port })
    }
}

impl Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::On { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// The async runtime that everything runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    /// smol
    Smol,
    /// tokio
    Tokio,
}

impl RuntimeKind {
    /// Returns the name by which it is chosen.
    pub fn name(self) -> &'static str {
        chosen(&self)
    }
}

/// tokio, unless only smol is built in.
impl Default for RuntimeKind {
    fn default() -> Self {
        if cfg!(feature = "smol") && !cfg!(feature = "tokio") { Self::Smol } else { Self::Tokio }
    }
}

impl Choice for RuntimeKind {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("tokio", Self::Tokio), ("smol", Self::Smol)];
}

/// How applications are told to send their metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Encrypted under the proxy's key. This protects them on any connection, and costs operations of RSA.
    Encrypted,
    /// As plain text, which costs none. It makes sense if TLS protects the connection, or if it does not leave the machine.
    Plaintext,
}

impl Choice for Envelope {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("encrypted", Self::Encrypted), ("plaintext", Self::Plaintext)];
}

/// The implementation of RSA that unwraps the keys of applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaBackend {
    /// The fastest one that is built in.
    #[default]
    Auto,
    /// The crate `rsa`, which is always built in.
    Rust,
    /// OpenSSL, with the feature `openssl` or `openssl-vendored`.
    OpenSsl,
}

impl Choice for RsaBackend {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("rust", Self::Rust), ("openssl", Self::OpenSsl)];
}

impl Choice for PushKeep {
    const CHOICES: &'static [(&'static str, Self)] = &[("last", Self::Last), ("all", Self::All)];
}

impl Choice for Inject {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("missing", Self::Missing), ("always", Self::Always), ("never", Self::Never)];
}

impl Choice for OnBadLine {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("drop-application", Self::DropApplication), ("drop-family", Self::DropFamily)];
}

/// A value that is chosen by one of a few words.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// All values with their words.
    const CHOICES: &'static [(&'static str, Self)];
}

/// Parses the word for a value.
pub(super) fn choose<T: Choice>(text: &str) -> Result<T, String> {
    let found = T::CHOICES.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = T::CHOICES.iter().map(|(word, _)| *word).collect();
        match words.split_last() {
            Some((last, [])) => format!("it is {last}"),
            Some((last, others)) => format!("it is {} or {last}", others.join(", ")),
            None => "there is no such value".to_owned(),
        }
    })
}

/// Returns the word for a value.
pub(super) fn chosen<T: Choice>(value: &T) -> &'static str {
    T::CHOICES.iter().find(|(_, other)| other == value).map_or("", |(word, _)| word)
}

/// The names of the proxy's own series.
const OWN_NAMES: &str = "prometheus_proxy_*";

/// Whether clients must present a certificate, if there is a CA to verify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientAuthKind {
    Optional,
    Required,
}

impl Choice for ClientAuthKind {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("required", Self::Required), ("optional", Self::Optional)];
}

pub(super) fn key_rotation(text: &str) -> Result<Option<Duration>, String> {
    let least = |text: &str| match duration(text)? {
        time if time < KEY_ROTATION_MIN => Err("it is at least 10s".to_owned()),
        time => Ok(time),
    };
    limit(text, least)
}

/// The shortest rotation: generating a key takes some seconds of CPU on slow machines.
const KEY_ROTATION_MIN: Duration = Duration::from_secs(10);

pub(super) fn file(text: &str) -> Result<Option<PathBuf>, String> {
    if text.is_empty() { Err("it names no file".to_owned()) } else { Ok(Some(text.into())) }
}

pub(super) fn envelope_version(text: &str) -> Result<u8, String> {
    match text {
        "1" => Ok(1),
        "2" => Ok(2),
        _ => Err("it is 1 or 2".to_owned()),
    }
}

/// Parses the path of a URL, without a query; `None` for [`ANY_PATH`].
pub(super) fn websocket_path(text: &str) -> Result<Option<String>, String> {
    let is_path = text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if is_path || text == ANY_PATH {
        Ok(Some(text.to_owned()).filter(|path| path != ANY_PATH))
    } else {
        Err("it is a path such as /rsocket, or any".to_owned())
    }
}

pub(super) fn listen_addr(text: &str) -> Result<ListenAddr, String> {
    text.parse()
}

/// Parses a port alone, as the original is configured.
pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is no port, 0 to 65535"))
}

/// Parses a host alone, as the original is configured: a name, or an address with or without brackets.
pub(super) fn host(text: &str) -> Result<String, String> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = bracketed.unwrap_or(text);
    let is_v6 = host.parse::<Ipv6Addr>().is_ok();
    let is_name = bracketed.is_none() && is_host_name(host);
    if is_v6 || is_name {
        Ok(host.to_owned())
    } else {
        Err("it is a host without a port: a name, an IPv4 address or an IPv6 address".to_owned())
    }
}

/// Parses host and port as URLs have them.
pub(super) fn authority(text: &str) -> Result<Option<String>, String> {
    match text.parse()? {
        ListenAddr::On { host, port } if port > 0 && !text.starts_with(':') => {
            Ok(Some(ListenAddr::On { host, port }.to_string()))
        }
        ListenAddr::On { .. } | ListenAddr::Off => Err(AUTHORITY_FORM.to_owned()),
    }
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("it is on or off, or true or false".to_owned()),
    }
}

/// Parses names of labels, or [`NO_NAMES`].
pub(super) fn label_names(text: &str) -> Result<Vec<String>, String> {
    if text == NO_NAMES {
        return Ok(Vec::new());
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    // They have to be valid names for labels of an identity.
    Labels::new(names.iter().map(|name| (&**name, "value"))).map_err(|error| error.to_string())?;
    Ok(names)
}

/// Writes names as [`label_names`] reads them.
pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() { NO_NAMES.to_owned() } else { names.join(",") }
}

/// Parses names of metrics, or prefixes of names before a `*`. An empty text and [`NO_NAMES`] mean only the proxy's own names.
pub(super) fn reserved_names(text: &str) -> Result<ReservedNames, String> {
    let names = if text.trim().is_empty() || text == NO_NAMES { None } else { Some(text) };
    let names = names.into_iter().flat_map(|names| names.split(',').map(str::trim));
    ReservedNames::new(names.chain([OWN_NAMES])).map_err(|error| error.to_string())
}

/// Writes names as [`reserved_names`] reads them.
pub(super) fn listed_reserved(names: &ReservedNames) -> String {
    listed(&names.patterns().filter(|name| name != OWN_NAMES).collect::<Vec<_>>())
}

pub(super) fn gzip_level(text: &str) -> Result<u32, String> {
    let level = text.parse().ok().filter(|level| (1..=9).contains(level));
    level.ok_or_else(|| "it is 1 to 9".to_owned())
}

pub(super) fn key_bits(text: &str) -> Result<usize, String> {
    match text {
        "2048" => Ok(2048),
        "3072" => Ok(3072),
        "4096" => Ok(4096),
        _ => Err("it is 2048, 3072 or 4096".to_owned()),
    }
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse::<u32>()
        .map(|count| count as usize)
        .map_err(|_| format!("it is a number, 0 to {}", u32::MAX))
}

pub(super) fn positive_count(text: &str) -> Result<usize, String> {
    count(text).and_then(|count| if count == 0 { Err("it cannot be 0".into()) } else { Ok(count) })
}

pub(super) fn demo_count(text: &str) -> Result<usize, String> {
    count(text).and_then(|count| {
        if count > DEMO_MAX { Err(format!("it is at most {DEMO_MAX}")) } else { Ok(count) }
    })
}

/// Parses a number of bytes: `1000`, `64KiB`, `8MiB`, `1GiB`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit {other:?}; there are KiB, MiB and GiB")),
    };
    let number: usize = digits.parse().map_err(|_| "it is a size such as 8MiB")?;
    match number.checked_mul(unit) {
        Some(0) => Err("it cannot be 0".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("it is too large".to_owned()),
    }
}

/// Writes a number of bytes as [`bytes`] reads it.
pub(super) fn size(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Like [`bytes`], or [`NO_LIMIT`].
pub(super) fn limit_bytes(text: &str) -> Result<Option<usize>, String> {
    limit(text, bytes)
}

/// Like [`positive_count`], or [`NO_LIMIT`].
pub(super) fn limit_count(text: &str) -> Result<Option<usize>, String> {
    limit(text, positive_count)
}

/// Like [`positive_duration`], or [`NO_LIMIT`].
pub(super) fn limit_duration(text: &str) -> Result<Option<Duration>, String> {
    limit(text, positive_duration)
}

/// Writes a limit as the functions above read it.
pub(super) fn shown_limit<T>(limit: Option<T>, show: fn(T) -> String) -> Option<String> {
    Some(limit.map_or_else(|| NO_LIMIT.to_owned(), show))
}

fn limit<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == NO_LIMIT {
        return Ok(None);
    }
    parse(text).map(Some).map_err(|reason| format!("{reason}, or {NO_LIMIT}"))
}

pub(super) fn frame_bytes(text: &str) -> Result<usize, String> {
    let bytes = bytes(text)?;
    if (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("it is {FRAME_BYTES_MIN} to {FRAME_BYTES_MAX}"))
    }
}

/// Parses a duration: `10s`, `500ms`, `5m`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| c.is_ascii_digit());
        let number: u64 = number.parse().map_err(|_| DURATION_FORM)?;
        let millis_per_unit = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(format!("it has no unit; {DURATION_FORM}")),
            other => return Err(format!("unknown unit {other:?}; {DURATION_FORM}")),
        };
        let millis = number.checked_mul(millis_per_unit).map(Duration::from_millis);
        total = match millis.and_then(|millis| total.checked_add(millis)) {
            Some(sum) if sum <= DURATION_MAX => sum,
            _ => return Err(format!("it is more than {} days", DURATION_MAX.as_secs() / 86_400)),
        };
        rest = after;
    }
    Ok(total)
}

/// Writes a duration as [`duration`] reads it. Fractions of a millisecond are dropped.
pub(super) fn time(time: Duration) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut left = time.as_millis();
    let mut text = String::new();
    for (millis, unit) in units {
        if left >= millis {
            text += &format!("{}{unit}", left / millis);
            left %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it cannot be 0".to_owned()),
        duration => Ok(duration),
    }
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || ":[]/@".contains(c))
}

fn split_where(text: &str, border: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(border).unwrap_or(text.len()))
}

/// Stands for every path.
pub(super) const ANY_PATH: &str = "any";

/// All IPv4 addresses of this machine.
pub(super) const ANY_HOST: &str = "0.0.0.0";

/// Stands for an empty list.
const NO_NAMES: &str = "none";

/// Stands for no limit.
const NO_LIMIT: &str = "unlimited";

const AUTHORITY_FORM: &str = "it is host:port or [IPv6 address]:port, as Prometheus reaches it";
const ADDR_FORM: &str = "it is host:port, [IPv6 address]:port, or off";
const DURATION_FORM: &str = "it is a time such as 10s, 500ms or 1h30m";

/// The longest duration: no deadline computed from it can overflow the clock.
const DURATION_MAX: Duration = Duration::from_secs(365 * 86_400);

/// The lowest limit for frames; an application's SETUP and the proxy's key certainly fit.
const FRAME_BYTES_MIN: usize = 4096;

/// The longest frame that a 24-bit length can announce.
const FRAME_BYTES_MAX: usize = 0xff_ffff;

/// The most demo applications. Each is a connection, and uses two sockets of this process.
const DEMO_MAX: usize = 1000;
