use super::via::{Via, ViaError};
use crate::url::{ProxyUrl, is_local};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// The usual environment variables about HTTP proxies, read as other programs read them:
///
/// - `https_proxy` or `HTTPS_PROXY` is for `tls://` and `wss://`, and `http_proxy` for `ws://`. `all_proxy` or `ALL_PROXY` is for `tcp://`, and for
///   the others if their variable is not set. Lower case takes precedence. `HTTP_PROXY` is not read, since in a CGI program it holds what a client
///   sent in the header `Proxy`; curl does not read it for the same reason.
/// - `no_proxy` or `NO_PROXY` lists hosts that are connected to directly, separated by commas or spaces: `*`; names, which include all names below
///   them (with a leading dot or `*.`, only those below); addresses; and networks such as `10.0.0.0/8`. A name or address may have a port.
/// - Connections to `localhost` or a loopback address never go through an HTTP proxy.
///
/// `Debug` does not show the values, which may contain passwords.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use prometheus_rsocket_client::Environment;
///
/// let environment = Environment::new(|name| match name {
///     "HTTPS_PROXY" => Some("http://squid:3128".to_owned()),
///     "NO_PROXY" => Some(".example.org".to_owned()),
///     _ => None,
/// });
/// assert!(environment.via(&"tls://proxy.example.com".parse()?)?.is_some());
/// assert!(environment.via(&"tls://proxy.example.org".parse()?)?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    all: Option<Variable>,
    https: Option<Variable>,
    http: Option<Variable>,
    except: Vec<Exception>,
}

/// A variable that is set.
#[derive(Clone)]
struct Variable {
    name: &'static str,
    value: Zeroizing<String>,
}

impl Environment {
    /// Returns the present environment of this process. A value that is not Unicode counts as not set.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Returns the environment whose variables `lookup` returns by name. An empty value counts as not set.
    pub fn new(lookup: impl Fn(&'static str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = lookup(name).filter(|value| !value.trim().is_empty())?;
                Some(Variable { name, value: Zeroizing::new(value) })
            })
        };
        let except = first(&["no_proxy", "NO_PROXY"]);
        let except = except.as_ref().map_or("", |except| &except.value);
        let except = except.split([',', ' ', '\t']).filter_map(Exception::parse).collect();
        Self {
            all: first(&["all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY"]),
            http: first(&["http_proxy"]),
            except,
        }
    }

    /// Returns the HTTP proxy on the way to a proxy, if there is one.
    ///
    /// # Errors
    ///
    /// The variable that applies is not the URL of an HTTP proxy. The error names the variable.
    pub fn via(&self, proxy: &ProxyUrl) -> Result<Option<Via>, ViaError> {
        let (host, port) = (proxy.host(), proxy.port());
        let own = match (proxy.scheme().is_tls(), proxy.scheme().is_websocket()) {
            (true, _) => &self.https,
            (false, true) => &self.http,
            (false, false) => &None,
        };
        let Some(variable) = own.as_ref().or(self.all.as_ref()) else { return Ok(None) };
        if is_local(host) || self.except.iter().any(|except| except.covers(host, port)) {
            return Ok(None);
        }
        let via: Result<Via, ViaError> = variable.value.trim().parse();
        via.map(Some).map_err(|error| ViaError { place: variable.name.to_owned(), ..error })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [&self.all, &self.https, &self.http];
        let set: Vec<_> = set.into_iter().flatten().map(|variable| variable.name).collect();
        f.debug_struct("Environment").field("set", &set).field("except", &self.except).finish()
    }
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    All,
    /// In lower case, without dots at either end.
    Name {
        name: String,
        covers_itself: bool,
        port: Option<u16>,
    },
    Network(IpNet),
}

impl Exception {
    fn parse(word: &str) -> Option<Self> {
        let word = word.trim();
        match word {
            "" => return None,
            "*" => return Some(Self::All),
            _ => {}
        }
        if let Ok(network) = word.parse() {
            return Some(Self::Network(network));
        }
        if let Some(address) = address(word) {
            return Some(Self::Address { address, port: None });
        }
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (word, None),
        };
        if let Some(address) = address(host) {
            return Some(Self::Address { address, port });
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = below.unwrap_or(host).trim_end_matches('.').to_ascii_lowercase();
        let covers_itself = below.is_none();
        (!name.is_empty()).then_some(Self::Name { name, covers_itself, port })
    }

    fn covers(&self, host: &str, to_port: u16) -> bool {
        let is_to = |port: &Option<u16>| port.is_none_or(|port| port == to_port);
        match self {
            Self::All => true,
            Self::Address { address: except, port } => {
                address(host) == Some(*except) && is_to(port)
            }
            Self::Network(network) => {
                address(host).is_some_and(|address| network.contains(&address))
            }
            Self::Name { name, covers_itself, port } => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let before = host.strip_suffix(&**name);
                let is_below = |before: &str| before.ends_with('.');
                let is_it = |before: &str| before.is_empty() && *covers_itself;
                before.is_some_and(|before| is_below(before) || is_it(before)) && is_to(port)
            }
        }
    }
}

/// Parses a literal address, with or without brackets. An IPv4-mapped IPv6 address counts as the IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    /// The host of the HTTP proxy on the way.
    fn host_to(environment: &Environment, url: &str) -> Option<String> {
        let via = environment.via(&url.parse().unwrap()).unwrap();
        via.map(|via| via.host().to_owned())
    }

    #[test]
    fn each_scheme_has_its_variables() {
        let upper = [("HTTPS_PROXY", "upper"), ("ALL_PROXY", "all"), ("HTTP_PROXY", "cgi")];
        let lower = [("https_proxy", "lower"), ("all_proxy", "every"), ("http_proxy", "plain")];
        let both = [upper, lower].concat();
        let empty = [("https_proxy", ""), ("HTTPS_PROXY", "upper"), ("all_proxy", " ")];
        for (variables, tls, ws, tcp) in [
            (&[][..], None, None, None),
            (&upper, Some("upper"), Some("all"), Some("all")),
            (&lower, Some("lower"), Some("plain"), Some("every")),
            (&both, Some("lower"), Some("plain"), Some("every")),
            (&empty, Some("upper"), None, None),
            (&upper[2..], None, None, None),
            (&upper[1..2], Some("all"), Some("all"), Some("all")),
            (&lower[2..], None, Some("plain"), None),
        ] {
            let environment = environment(variables);
            for (url, expected) in
                [("tls://h", tls), ("wss://h", tls), ("ws://h", ws), ("tcp://h", tcp)]
            {
                let host = host_to(&environment, url);
                assert_eq!(host.as_deref(), expected, "{url} {variables:?}");
            }
        }
    }

    #[test]
    fn who_is_named_in_no_proxy_is_reached_directly() {
        for (no_proxy, url, is_direct) in [
            ("*", "tcp://h", true),
            ("a,*", "tcp://h", true),
            ("example.org", "tcp://example.org", true),
            ("example.org", "tcp://EXAMPLE.org.", true),
            ("Example.Org.", "tcp://example.org", true),
            ("example.org", "tcp://a.b.example.org", true),
            ("example.org", "tcp://anexample.org", false),
            ("example.org", "tcp://example.org.evil", false),
            (".example.org", "tcp://a.example.org", true),
            (".example.org", "tcp://example.org", false),
            ("*.example.org", "tcp://a.example.org", true),
            ("*.example.org", "tcp://example.org", false),
            ("example.org:7001", "tcp://example.org", true),
            ("example.org:7001", "tcp://a.example.org:7002", false),
            ("example.org:x", "tcp://example.org", false),
            ("10.1.2.3", "tcp://10.1.2.3", true),
            ("10.1.2.3:7001", "tcp://10.1.2.3", true),
            ("10.1.2.3:7001", "tcp://10.1.2.3:1", false),
            ("10.1.2.3", "tcp://10.1.2.30", false),
            ("10.0.0.0/8", "tcp://10.200.0.1", true),
            ("10.0.0.0/8", "tcp://11.0.0.1", false),
            ("10.0.0.0/8", "tcp://name", false),
            ("2001:db8::/32", "tcp://[2001:db8::1]", true),
            ("2001:db8::1", "tcp://[2001:db8::1]", true),
            ("2001:db8::1", "tcp://[2001:db8::2]", false),
            ("[2001:db8::1]:7001", "tcp://[2001:db8::1]", true),
            ("[2001:db8::1]:7001", "tcp://[2001:db8::1]:9", false),
            ("a b\tc , d", "tcp://d", true),
            ("a b\tc , d", "tcp://c", true),
            ("a,,.", "tcp://e", false),
            ("", "tcp://localhost", true),
            ("", "tcp://127.9.9.9", true),
            ("", "tcp://[::1]", true),
            ("", "tcp://[::ffff:127.0.0.1]", true),
            ("10.0.0.1", "tcp://[::ffff:10.0.0.1]", true),
        ] {
            for name in ["no_proxy", "NO_PROXY"] {
                let environment = environment(&[("ALL_PROXY", "squid"), (name, no_proxy)]);
                assert_eq!(host_to(&environment, url).is_none(), is_direct, "{no_proxy:?} {url}");
            }
        }
    }

    #[test]
    fn a_variable_of_no_use_is_named_where_it_applies() {
        let environment =
            environment(&[("ALL_PROXY", "socks5://u:secret@squid"), ("NO_PROXY", "direct")]);
        let error = environment.via(&"tcp://h".parse().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("\"ALL_PROXY\": ") && error.contains("http://HOST"), "{error}");
        assert_eq!(host_to(&environment, "tcp://direct"), None);
        let shown = format!("{environment:?} {error}");
        assert!(shown.contains("ALL_PROXY") && !shown.contains("secret"), "{shown}");
    }
}
