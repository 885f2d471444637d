//! Connections through an HTTP proxy, by the method CONNECT (RFC 9110, section 9.3.6).

mod environment;
#[cfg(test)]
mod tests;
mod via;

pub use environment::Environment;
pub use via::{Via, ViaError};

use crate::url::{ProxyUrl, bracketed};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use prometheus_rsocket_runtime::{Line, Runtime};
use std::fmt;
use std::io;
use zeroize::Zeroizing;

/// How connections to proxies leave this machine's network.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use prometheus_rsocket_client::{Client, Environment, Route};
///
/// let through_squid = Client::builder("tls://proxy.example.org")?
///     .route(Route::Via("http://squid.example.org:3128".parse()?));
/// let as_curl_does = Client::builder("tls://proxy.example.org")?
///     .route(Route::Environment(Environment::of_process()));
/// # let _ = (through_squid, as_curl_does);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Route {
    /// Directly.
    #[default]
    Direct,
    /// Through this HTTP proxy, whatever the host is.
    Via(Via),
    /// As variables of the environment say, such as `HTTPS_PROXY` and `NO_PROXY`.
    Environment(Environment),
}

impl Route {
    /// Returns the HTTP proxy on the way to a proxy; `None` if the connection is direct.
    ///
    /// # Errors
    ///
    /// The environment variable that applies is not the URL of an HTTP proxy.
    pub fn to(&self, proxy: &ProxyUrl) -> Result<Option<Via>, ViaError> {
        match self {
            Self::Direct => Ok(None),
            Self::Via(via) => Ok(Some(via.clone())),
            Self::Environment(environment) => environment.via(proxy),
        }
    }

    /// Returns whether the proxy is certainly on this machine. To an HTTP proxy on another machine, `localhost` is that other machine.
    pub fn stays_here(&self, proxy: &ProxyUrl) -> bool {
        let via = self.to(proxy);
        proxy.is_local() && via.is_ok_and(|via| via.is_none_or(|via| via.is_local()))
    }
}

/// Opens a TCP connection to a proxy, directly or through an HTTP proxy. There is no time limit.
pub(crate) async fn connect<R: Runtime>(
    runtime: &R,
    route: &Route,
    proxy: &ProxyUrl,
) -> io::Result<R::Stream> {
    let via = route.to(proxy);
    let via = via.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let Some(via) = via else { return runtime.connect(proxy.host(), proxy.port()).await };
    let through = |error: io::Error| {
        io::Error::new(error.kind(), format!("through the HTTP proxy {via}: {error}"))
    };
    let stream = runtime.connect(via.host(), via.port()).await.map_err(through)?;
    open(stream, &via, proxy.host(), proxy.port()).await.map_err(through)
}

/// Asks the HTTP proxy at the other end of `stream` for a tunnel to `host`, a name or a literal address without brackets. The returned stream is a
/// connection to that host: no byte after the head of the answer has been read. There is no time limit.
///
/// # Errors
///
/// The answer is not a success, is not HTTP, or has a head of more than 16 KiB; or the stream fails.
pub(crate) async fn open<S>(mut stream: S, via: &Via, host: &str, port: u16) -> io::Result<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = format!("{}:{port}", bracketed(host));
    stream.write_all(request(&target, via).as_bytes()).await?;
    stream.flush().await?;
    let mut head = Head::default();
    loop {
        // Byte by byte, since what follows the head is not ours to read. The head has a few hundred bytes, once per connection.
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Err(Refusal::BrokenOff.of(&target, via));
        }
        match head.push(byte[0]) {
            Ok(Some(())) => return Ok(stream),
            Ok(None) => {}
            Err(refusal) => return Err(refusal.of(&target, via)),
        }
    }
}

fn request(target: &str, via: &Via) -> Zeroizing<String> {
    let authorization = via.authorization();
    let mut request = Zeroizing::new(String::with_capacity(
        64 + 2 * target.len() + authorization.map_or(0, |value| 32 + value.len()),
    ));
    for part in ["CONNECT ", target, " HTTP/1.1\r\nHost: ", target, "\r\n"] {
        request.push_str(part);
    }
    if let Some(authorization) = authorization {
        for part in ["Proxy-Authorization: ", authorization, "\r\n"] {
            request.push_str(part);
        }
    }
    request.push_str("\r\n");
    request
}

/// The head of an answer, as it arrives.
#[derive(Debug, Default)]
struct Head(Vec<u8>);

impl Head {
    /// Adds the next byte. Returns `Some` after the last byte of a head that grants the tunnel.
    fn push(&mut self, byte: u8) -> Result<Option<()>, Refusal> {
        if self.0.len() >= MAX_HEAD {
            return Err(Refusal::TooLong);
        }
        self.0.push(byte);
        if !self.0.ends_with(b"\n\r\n") && !self.0.ends_with(b"\n\n") {
            return Ok(None);
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&self.0) {
            Ok(httparse::Status::Complete(_)) => {}
            // Partial: the empty line comes before the head, which no server sends.
            Ok(httparse::Status::Partial) | Err(_) => return Err(Refusal::NotHttp),
        }
        // A success has no body, whatever its headers say (RFC 9110, section 9.3.6).
        match response.code.unwrap_or_default() {
            200..=299 => Ok(Some(())),
            code => {
                let reason = response.reason.unwrap_or_default();
                Err(Refusal::Status { code, reason: Line(reason).to_string() })
            }
        }
    }
}

/// Why there is no tunnel.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    BrokenOff,
    NotHttp,
    Status { code: u16, reason: String },
    TooLong,
}

impl Refusal {
    fn of(self, target: &str, via: &Via) -> io::Error {
        let kind = match self {
            Self::BrokenOff => io::ErrorKind::UnexpectedEof,
            Self::NotHttp | Self::TooLong => io::ErrorKind::InvalidData,
            // tinyproxy answers 401 to wrong credentials.
            Self::Status { code: 401 | 407, .. } => io::ErrorKind::PermissionDenied,
            Self::Status { .. } => io::ErrorKind::ConnectionRefused,
        };
        let hint = match self {
            Self::Status { code: 401 | 407, .. } if via.authorization().is_some() => {
                "; it does not take the user and password"
            }
            Self::Status { code: 401 | 407, .. } => "; it wants a user and password",
            Self::BrokenOff | Self::NotHttp | Self::Status { .. } | Self::TooLong => "",
        };
        io::Error::new(kind, format!("CONNECT {target}: {self}{hint}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenOff => f.write_str("the connection was closed without an answer"),
            Self::NotHttp => f.write_str("the answer is not HTTP"),
            Self::Status { code, reason } if reason.is_empty() => {
                write!(f, "refused with status {code}")
            }
            Self::Status { code, reason } => write!(f, "refused with status {code} {reason}"),
            Self::TooLong => write!(f, "the head of the answer is longer than {MAX_HEAD} bytes"),
        }
    }
}

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The most headers of an answer.
const MAX_HEADERS: usize = 100;
