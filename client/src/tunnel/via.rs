use crate::url::bracketed;
use data_encoding::BASE64;
use http::uri::Authority;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// An HTTP proxy that connections go through: `http://[USER[:PASSWORD]@]HOST[:PORT]`. The scheme may be omitted, and the port is 80 by default. In
/// user and password, characters that have a meaning in URLs are percent-encoded.
///
/// Neither `Debug` nor `Display` shows the password. [`Route`](crate::Route) has an example.
#[derive(Clone, PartialEq, Eq)]
pub struct Via {
    host: String,
    port: u16,
    user: Option<String>,
    /// The value of the header, which contains the password.
    authorization: Option<Zeroizing<String>>,
}

impl Via {
    /// Returns the host: a name or a literal address, an IPv6 one without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the user, if there is one.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the same HTTP proxy with a password for its [`user`](Self::user).
    ///
    /// # Errors
    ///
    /// There is no user, or its name contains a colon, which would end the name.
    pub fn with_password(self, password: &str) -> Result<Self, ViaError> {
        let Some(user) = self.user else {
            return Err(ViaError { place: self.host, reason: "a password needs a user" });
        };
        if user.contains(':') {
            return Err(ViaError { place: self.host, reason: "the user's name has a colon" });
        }
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
        let authorization = Zeroizing::new(format!("Basic {}", *encoded));
        Ok(Self { user: Some(user), authorization: Some(authorization), ..self })
    }

    /// Returns whether a URL contains a password.
    pub fn has_password(url: &str) -> bool {
        split(url).credentials.is_some_and(|credentials| credentials.contains(':'))
    }

    /// Returns whether it is certainly on this machine: `localhost`, or a loopback address.
    pub fn is_local(&self) -> bool {
        crate::url::is_local(&self.host)
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref().map(String::as_str)
    }
}

impl FromStr for Via {
    type Err = ViaError;

    fn from_str(url: &str) -> Result<Self, ViaError> {
        let Parts { scheme, credentials, place } = split(url);
        let error = |reason| ViaError { place: place.to_owned(), reason };
        if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
            return Err(error("only an HTTP proxy will do: http://HOST:PORT"));
        }
        let authority = place.strip_suffix('/').unwrap_or(place);
        if authority.contains(['/', '?', '#']) {
            return Err(error("it should end with the port"));
        }
        let authority: Authority = authority.parse().map_err(|_| error("it names no host"))?;
        let host = authority.host();
        let port = match authority.as_str().get(host.len()..) {
            None | Some("") => 80,
            Some(_) => match authority.port_u16() {
                None | Some(0) => return Err(error("the port should be a number up to 65535")),
                Some(port) => port,
            },
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(error("it names no host"));
        }
        let direct = Self { host: host.to_owned(), port, user: None, authorization: None };
        let Some(credentials) = credentials else { return Ok(direct) };
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let unreadable = || error("user or password is not percent-encoded UTF-8");
        let user = decoded(user).ok_or_else(unreadable)?.to_string();
        let password = decoded(password).ok_or_else(unreadable)?;
        Self { user: Some(user), ..direct }.with_password(&password)
    }
}

/// The parts of an HTTP proxy's URL.
struct Parts<'a> {
    scheme: Option<&'a str>,
    credentials: Option<&'a str>,
    /// The rest, which contains no secret.
    place: &'a str,
}

fn split(url: &str) -> Parts<'_> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, url),
    };
    // A password may contain an `@` although it should not. Nothing before the last one is shown.
    match rest.rsplit_once('@') {
        Some((credentials, place)) => Parts { scheme, credentials: Some(credentials), place },
        None => Parts { scheme, credentials: None, place: rest },
    }
}

/// Decodes percent-encoded text, if the result is UTF-8.
fn decoded(text: &str) -> Option<Zeroizing<String>> {
    // At most as long as the text, so that it never grows and leaves a copy behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    std::str::from_utf8(&decoded).ok().map(|text| Zeroizing::new(text.to_owned()))
}

/// Does not show the password.
impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", bracketed(&self.host), self.port)
    }
}

/// Does not show the password.
impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Via")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The error of a URL that is not the URL of an HTTP proxy. It shows no user and no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place:?}: {reason}")]
pub struct ViaError {
    /// The URL without scheme and credentials, or the name of the variable with it.
    pub(super) place: String,
    pub(super) reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(url: &str) -> Via {
        url.parse().unwrap()
    }

    #[test]
    fn urls_of_http_proxies_are_understood() {
        for (url, host, port, user, authorization) in [
            ("http://squid:3128", "squid", 3128, None, None),
            ("http://squid", "squid", 80, None, None),
            ("HTTP://squid:3128/", "squid", 3128, None, None),
            ("squid:3128", "squid", 3128, None, None),
            ("[::1]:8", "::1", 8, None, None),
            ("http://u@squid", "squid", 80, Some("u"), Some("Basic dTo=")),
            ("http://u:p@[::1]:3128", "::1", 3128, Some("u"), Some("Basic dTpw")),
            // u@: and p:@/% and é
            (
                "http://u%40:p%3a%40%2F%25%C3%a9@h:1",
                "h",
                1,
                Some("u@"),
                Some("Basic dUA6cDpALyXDqQ=="),
            ),
            ("http://u:p@q@h:1", "h", 1, Some("u"), Some("Basic dTpwQHE=")),
        ] {
            let via = via(url);
            assert_eq!((via.host(), via.port(), via.user()), (host, port, user), "{url}");
            assert_eq!(via.authorization(), authorization, "{url}");
        }
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        for (url, reason) in [
            ("", "names no host"),
            ("http://", "names no host"),
            ("http://:3128", "names no host"),
            ("https://squid:3128", "only an HTTP proxy"),
            ("socks5h://squid:1080", "only an HTTP proxy"),
            ("http://squid:0", "up to 65535"),
            ("http://squid:65536", "up to 65535"),
            ("http://squid:3128/path", "end with the port"),
            ("http://squid?x", "end with the port"),
            ("http://u%zz:secret@squid", "percent-encoded"),
            ("http://u:secret%@squid", "percent-encoded"),
            ("http://u:secret%ff@squid", "percent-encoded"),
            ("http://u%3a:secret@squid", "colon"),
            ("ftp://u:secret@squid", "only an HTTP proxy"),
            ("http://u:secret@", "names no host"),
            ("http://u:sec/secret@squid:x", "number up to 65535"),
        ] {
            let error = url.parse::<Via>().unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(error.to_string().contains(reason), "{url}: {error}");
            assert!(!shown.contains("secret") && !shown.contains("u:"), "{url}: {shown}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        let via = via("http://name:secret@squid:3128");
        let shown = format!("{via} {via:?}");
        assert!(!shown.contains("secret") && !shown.contains("c2Vjcm"), "{shown}");
        assert_eq!(via.to_string(), "http://squid:3128");
    }

    #[test]
    fn a_password_can_come_from_elsewhere() {
        let known = via("http://u@squid").with_password("p").unwrap();
        assert_eq!(known, via("http://u:p@squid"));
        assert!(via("http://squid").with_password("p").is_err());
        for (url, has_password) in
            [("http://u:p@h", true), ("u:@h", true), ("http://u@h:1", false), ("h:1", false)]
        {
            assert_eq!(Via::has_password(url), has_password, "{url}");
        }
    }
}
