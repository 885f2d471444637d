use crate::url::ProxyUrl;
use std::fmt;

/// The proxies that a client may connect to, at least one, in the order of preference.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), prometheus_rsocket_client::UrlError> {
/// use prometheus_rsocket_client::{Proxies, ProxyUrl};
///
/// let mut proxies = Proxies::from("tcp://proxy-1.example.org".parse::<ProxyUrl>()?);
/// proxies.push("tcp://proxy-2.example.org".parse()?);
/// assert_eq!(proxies.to_string(), "tcp://proxy-1.example.org:7001,tcp://proxy-2.example.org:7001");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    first: ProxyUrl,
    others: Vec<ProxyUrl>,
}

impl Proxies {
    /// Adds a proxy to the end.
    pub fn push(&mut self, proxy: ProxyUrl) {
        self.others.push(proxy);
    }

    /// Returns the first proxy.
    pub fn first(&self) -> &ProxyUrl {
        &self.first
    }

    /// Returns all proxies in their order.
    pub fn iter(&self) -> impl Iterator<Item = &ProxyUrl> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the proxy at this index; the first one if there is none.
    pub(crate) fn at(&self, place: usize) -> &ProxyUrl {
        self.iter().nth(place).unwrap_or(&self.first)
    }
}

impl From<ProxyUrl> for Proxies {
    fn from(first: ProxyUrl) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl Extend<ProxyUrl> for Proxies {
    fn extend<I: IntoIterator<Item = ProxyUrl>>(&mut self, proxies: I) {
        self.others.extend(proxies);
    }
}

/// The URLs, separated by commas.
impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.others.iter().try_for_each(|proxy| write!(f, ",{proxy}"))
    }
}
