use std::fmt;
use std::str::FromStr;

/// Where a proxy listens: `tcp://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl {
    host: String,
    port: u16,
}

impl ProxyUrl {
    /// A name or a literal address, an IPv6 one without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 7001 where the URL names none.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tcp://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tcp://{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ProxyUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let error = |reason| UrlError { url: url.to_owned(), reason };
        let uri: http::Uri = url.parse().map_err(|_| error("it is no URL"))?;
        match uri.scheme_str() {
            Some("tcp") => {}
            Some("tls" | "ws" | "wss") => {
                return Err(error(
                    "this version speaks RSocket over plain TCP only, tcp://HOST:PORT",
                ));
            }
            _ => return Err(error("it should begin with tcp://")),
        }
        if uri.path_and_query().is_some_and(|rest| rest != "/") {
            return Err(error("TCP has no path"));
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
            None | Some("") => DEFAULT_PORT,
            Some(_) => authority.port_u16().ok_or_else(|| error("the port is none"))?,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// A URL that is not a proxy's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?}: {reason}")]
pub struct UrlError {
    url: String,
    reason: &'static str,
}

/// The port of the original proxy.
const DEFAULT_PORT: u16 = 7001;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_proxies_are_understood() {
        for (url, host, port) in [
            ("tcp://proxy.example.org:7001", "proxy.example.org", 7001),
            ("tcp://proxy", "proxy", 7001),
            ("tcp://127.0.0.1:80/", "127.0.0.1", 80),
            ("tcp://[::1]:7002", "::1", 7002),
        ] {
            let parsed: ProxyUrl = url.parse().unwrap();
            assert_eq!((parsed.host(), parsed.port()), (host, port), "{url}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{url}");
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
            "tcp://u@p",
            "wss://p",
        ] {
            let error = url.parse::<ProxyUrl>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{url:?}: ")), "{error}");
        }
    }
}
