use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The URL of a proxy: `tcp://HOST:PORT`, `tls://HOST:PORT`, `ws://HOST:PORT/PATH` or `wss://HOST:PORT/PATH`.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), prometheus_rsocket_client::UrlError> {
/// use prometheus_rsocket_client::{ProxyUrl, Scheme};
///
/// let proxy: ProxyUrl = "wss://proxy.example.org/rsocket".parse()?;
/// assert_eq!((proxy.scheme(), proxy.port(), proxy.path()), (Scheme::Wss, 443, "/rsocket"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

/// The transport to a proxy: the scheme of a [`ProxyUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RSocket over TCP.
    Tcp,
    /// RSocket over TLS over TCP.
    Tls,
    /// RSocket over WebSocket.
    Ws,
    /// RSocket over WebSocket over TLS.
    Wss,
}

impl Scheme {
    /// Returns the scheme as it is written in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Returns whether the connection uses TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Returns whether frames travel as WebSocket messages.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// For TCP the original proxy's port; for WebSocket that of HTTP, which everybody expects of such URLs.
    fn default_port(self) -> u16 {
        match self {
            Self::Tcp | Self::Tls => 7001,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl ProxyUrl {
    /// Returns the scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host: a name or a literal address, an IPv6 one without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port. If the URL names none, it is 7001 for TCP and TLS, 80 for `ws`, and 443 for `wss`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path and query of the WebSocket request, at least `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether the proxy is certainly on this machine: `localhost`, or a loopback address.
    pub fn is_local(&self) -> bool {
        is_local(&self.host)
    }

    /// Returns host and port as an HTTP request names them: without the port if it is the default of `ws` or `wss` (RFC 6455, section 4.1).
    pub fn authority(&self) -> String {
        let is_usual = self.port == self.scheme.default_port();
        if self.scheme.is_websocket() && is_usual {
            bracketed(&self.host)
        } else {
            format!("{}:{}", bracketed(&self.host), self.port)
        }
    }
}

/// Whether a host is certainly this machine: `localhost`, or a loopback address.
pub(crate) fn is_local(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// A host as it is written before a port.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Shows the port even if it is the default one.
impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.name(), bracketed(&self.host), self.port)?;
        if self.scheme.is_websocket() { f.write_str(&self.path) } else { Ok(()) }
    }
}

impl ProxyUrl {
    /// Returns whether this build can connect to it.
    pub(crate) fn check_is_built_in(&self) -> Result<(), UrlError> {
        let missing = if self.scheme.is_tls() && !cfg!(feature = "_tls") {
            "this build cannot use TLS: enable the feature `tls` of prometheus-rsocket-client"
        } else if self.scheme.is_websocket() && !cfg!(feature = "websocket") {
            "this build cannot use WebSocket: enable the feature `websocket` of prometheus-rsocket-client"
        } else {
            return Ok(());
        };
        Err(UrlError { url: self.to_string(), reason: missing })
    }
}

impl TryFrom<&str> for ProxyUrl {
    type Error = UrlError;

    fn try_from(url: &str) -> Result<Self, UrlError> {
        url.parse()
    }
}

impl TryFrom<String> for ProxyUrl {
    type Error = UrlError;

    fn try_from(url: String) -> Result<Self, UrlError> {
        url.parse()
    }
}

impl FromStr for ProxyUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let error = |reason| UrlError { url: url.to_owned(), reason };
        let uri: http::Uri = url.parse().map_err(|_| error("it is no URL"))?;
        let schemes = [Scheme::Tcp, Scheme::Tls, Scheme::Ws, Scheme::Wss];
        let named = uri.scheme_str().unwrap_or_default();
        let scheme = schemes.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(named));
        let scheme =
            scheme.ok_or_else(|| error("it should begin with tcp://, tls://, ws:// or wss://"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        if !scheme.is_websocket() && path != "/" {
            return Err(error("only ws:// and wss:// have a path"));
        }
        let authority = uri.authority().ok_or_else(|| error("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(error("user names are not used here"));
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(error("it names no host"));
        }
        let port = match authority.as_str().get(authority.host().len()..) {
            None | Some("") => scheme.default_port(),
            Some(_) => authority.port_u16().ok_or_else(|| error("the port is none"))?,
        };
        Ok(Self { scheme, host: host.to_owned(), port, path })
    }
}

/// The URL is not the URL of a proxy, or needs a feature that is not built in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?}: {reason}")]
pub struct UrlError {
    url: String,
    reason: &'static str,
}

/// A [`ProxyUrl`] needs no parsing.
impl From<Infallible> for UrlError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_proxies_are_understood() {
        for (url, scheme, host, port, path) in [
            ("tcp://proxy.example.org:7001", Scheme::Tcp, "proxy.example.org", 7001, "/"),
            ("tcp://proxy", Scheme::Tcp, "proxy", 7001, "/"),
            ("tcp://127.0.0.1:80/", Scheme::Tcp, "127.0.0.1", 80, "/"),
            ("tcp://[::1]:7002", Scheme::Tcp, "::1", 7002, "/"),
            ("tls://proxy", Scheme::Tls, "proxy", 7001, "/"),
            ("ws://proxy", Scheme::Ws, "proxy", 80, "/"),
            ("ws://proxy:8081/rsocket", Scheme::Ws, "proxy", 8081, "/rsocket"),
            ("wss://proxy", Scheme::Wss, "proxy", 443, "/"),
            ("wss://proxy/a/b?c=d", Scheme::Wss, "proxy", 443, "/a/b?c=d"),
            ("WSS://proxy?c=d", Scheme::Wss, "proxy", 443, "/?c=d"),
        ] {
            let parsed: ProxyUrl = url.parse().unwrap();
            assert_eq!(parsed.scheme(), scheme, "{url}");
            let rest = (parsed.host(), parsed.port(), parsed.path());
            assert_eq!(rest, (host, port, path), "{url}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{url}");
        }
    }

    #[test]
    fn authorities_are_as_http_has_them() {
        for (url, authority) in [
            ("ws://a", "a"),
            ("ws://a:80/x", "a"),
            ("ws://a:443", "a:443"),
            ("wss://[::1]", "[::1]"),
            ("wss://[::1]:7/x", "[::1]:7"),
            ("tcp://a", "a:7001"),
        ] {
            assert_eq!(url.parse::<ProxyUrl>().unwrap().authority(), authority);
        }
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        for url in [
            "",
            "proxy:7001",
            "http://proxy",
            "tcp://",
            "tcp://p:99999",
            "tcp://p/path",
            "tls://p/path",
            "tcp://u@p",
            "wss://u@p",
            "ws:///path",
        ] {
            let error = url.parse::<ProxyUrl>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{url:?}: ")), "{error}");
        }
    }
}
