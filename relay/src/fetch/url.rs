use http::Uri;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// The address of a program's metrics: `http://HOST[:PORT][/PATH]`, the same with https, or `unix:///SOCKET[:/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScrapeUrl(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    uri: Uri,
    /// The Unix socket to connect to instead of the host.
    socket: Option<Box<Path>>,
}

impl FromStr for ScrapeUrl {
    type Err = String;

    /// Without a scheme, http is assumed; without a path, `/metrics`.
    fn from_str(url: &str) -> Result<Self, String> {
        if let Some(rest) = url.strip_prefix("unix://") {
            return Self::of_socket(rest);
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (authority, target) = match rest.find(['/', '?']) {
            None => (rest, "/metrics".to_owned()),
            Some(end) => {
                let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
                let slash = if target.starts_with('/') { "" } else { "/" };
                (authority, format!("{slash}{target}"))
            }
        };
        let uri: Uri = format!("{scheme}://{authority}{target}")
            .parse()
            .map_err(|error| format!("{error}; it should be http://HOST:PORT/PATH"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = uri.host().unwrap_or_default();
        match uri.scheme_str() {
            // They would be shown in logs and to the proxy.
            _ if authority.contains('@') => Err("user and password do not belong into the URL; \
                there are --scrape-user and --scrape-password-file"
                .to_owned()),
            Some("http" | "https") if authority.len() > host.len() && uri.port_u16().is_none() => {
                Err("the port is none".to_owned())
            }
            Some("http" | "https") if !host.is_empty() && host != "[]" => {
                Ok(Self(Arc::new(Parts { uri, socket: None })))
            }
            _ => Err(
                "it should be http://HOST:PORT/PATH, the same with https, or unix:///SOCKET:/PATH"
                    .to_owned(),
            ),
        }
    }
}

impl ScrapeUrl {
    /// Parses what follows `unix://`: the socket, and after a colon the path of its metrics.
    fn of_socket(rest: &str) -> Result<Self, String> {
        let at = rest.find(":/").unwrap_or(rest.len());
        let (socket, target) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if !socket.starts_with('/') || socket.len() == 1 {
            return Err("it should be unix:///SOCKET:/PATH".to_owned());
        }
        let target = target.strip_prefix(':').unwrap_or("/metrics");
        let uri: Uri = format!("http://localhost{target}")
            .parse()
            .map_err(|error| format!("{error}; it should be unix:///SOCKET:/PATH"))?;
        Ok(Self(Arc::new(Parts { uri, socket: Some(Path::new(socket).into()) })))
    }

    /// Returns the Unix socket to connect to, if it is not host and port.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.0.socket.as_deref()
    }

    /// Returns a name or a literal address, an IPv6 one without brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.0.uri.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.uri.port_u16().unwrap_or_else(|| self.usual_port())
    }

    fn usual_port(&self) -> u16 {
        if self.is_https() { 443 } else { 80 }
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.uri.scheme_str() == Some("https")
    }

    /// Returns path and query.
    pub(crate) fn path(&self) -> &str {
        self.0.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// Returns host and port as a request names them: without the port if it is the default one.
    pub(crate) fn host_header(&self) -> String {
        let host = self.0.uri.host().unwrap_or_default();
        if self.port() == self.usual_port() {
            host.to_owned()
        } else {
            format!("{host}:{}", self.port())
        }
    }

    /// Returns `HOST:PORT`, or `None` if the program is on this machine, where that identifies nothing.
    pub(crate) fn instance(&self) -> Option<String> {
        let is_here = match self.host().parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || address.is_unspecified(),
            Err(_) => {
                let host = self.host().trim_end_matches('.').to_ascii_lowercase();
                host == "localhost" || host.ends_with(".localhost")
            }
        };
        (!is_here).then(|| format!("{}:{}", self.0.uri.host().unwrap_or_default(), self.port()))
    }

    /// Returns what distinguishes it from others on this machine: the socket or the port.
    pub(crate) fn place(&self) -> String {
        match &self.0.socket {
            Some(socket) => socket.display().to_string(),
            None => self.port().to_string(),
        }
    }

    /// Returns whether scheme, host and port are the same.
    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        (self.is_https(), self.port(), &self.0.socket)
            == (other.is_https(), other.port(), &other.0.socket)
            && self.host().eq_ignore_ascii_case(other.host())
    }

    /// Returns where a redirect leads: a whole URL, a URL without scheme, or a path, which may be relative (RFC 3986, section 5.2).
    pub(crate) fn join(&self, location: &str) -> Result<Self, String> {
        let location = location.split('#').next().unwrap_or_default();
        let scheme = if self.is_https() { "https" } else { "http" };
        let authority = self.0.uri.authority().map_or("", |authority| authority.as_str());
        let path = self.0.uri.path();
        let directory = path.rfind('/').and_then(|slash| path.get(..=slash)).unwrap_or("/");
        let scheme_end = location
            .find(':')
            .filter(|end| location.get(..*end).is_some_and(|scheme| !scheme.contains(['/', '?'])));
        if scheme_end.is_some() {
            // The path may be missing, which does not mean /metrics here.
            let (_, rest) = location.split_once("://").ok_or("it is no URL of HTTP")?;
            let slash = if rest.contains(['/', '?']) { "" } else { "/" };
            let url: Self = format!("{location}{slash}").parse()?;
            return match url.socket() {
                // A server must not choose files of this machine to be opened.
                Some(_) => Err("it is no URL of HTTP".to_owned()),
                None => Ok(url),
            };
        }
        if let Some(rest) = location.strip_prefix("//") {
            let slash = if rest.contains(['/', '?']) { "" } else { "/" };
            return format!("{scheme}://{rest}{slash}").parse();
        }
        let target = match location.as_bytes().first() {
            Some(b'/') => without_dots(location),
            Some(b'?') => format!("{path}{location}"),
            None => self.path().to_owned(),
            Some(_) => without_dots(&format!("{directory}{location}")),
        };
        let url: Self = format!("{scheme}://{authority}{target}").parse()?;
        Ok(match &self.0.socket {
            None => url,
            Some(socket) => {
                Self(Arc::new(Parts { uri: url.0.uri.clone(), socket: Some(socket.clone()) }))
            }
        })
    }
}

/// Removes `.` and `..` from a path.
fn without_dots(target: &str) -> String {
    let (path, query) = match target.find('?') {
        Some(mark) => target.split_at_checked(mark).unwrap_or((target, "")),
        None => (target, ""),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

impl fmt::Display for ScrapeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.socket {
            Some(socket) => write!(f, "unix://{}:{}", socket.display(), self.path()),
            None => self.0.uri.fmt(f),
        }
    }
}
