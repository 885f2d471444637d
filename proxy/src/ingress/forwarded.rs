//! The address of a peer behind a load balancer, as the PROXY protocol (versions 1 and 2) or `X-Forwarded-For` announces it.
//!
//! Only the load balancers that the configuration names are trusted. The PROXY header comes first on a connection, before TLS.

#[cfg(test)]
mod tests;

use crate::config::{ProxyProtocol, TrustedProxies};
use bytes::{Buf, BytesMut};
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::AsyncReadExt;
use http::{HeaderMap, HeaderName};
use ppp::{HeaderResult, PartialResult, v1, v2};
use std::fmt;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Load balancers in front of a listener.
#[derive(Clone, Debug)]
pub(crate) struct Balancers {
    pub(crate) protocol: ProxyProtocol,
    pub(crate) trusted: TrustedProxies,
}

impl Balancers {
    /// Whether a peer is trusted to announce the address of another.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.contains(peer)
    }

    /// Whether a PROXY header is read on connections from this address.
    pub(crate) fn expects_header(&self, peer: IpAddr) -> bool {
        match self.protocol {
            ProxyProtocol::Off => false,
            ProxyProtocol::Optional => self.trusts(peer),
            ProxyProtocol::Required => true,
        }
    }

    /// Whether a header from this address is taken for the beginning of TLS, RSocket or HTTP.
    pub(crate) fn ignores_header(&self, peer: IpAddr) -> bool {
        self.protocol != ProxyProtocol::Off && !self.expects_header(peer)
    }

    /// Reads the header of a connection that [should have one](Self::expects_header), and returns the announced address. Returns `None` if the load
    /// balancer speaks for itself, as in a health check, or if the header is optional and missing.
    ///
    /// Reads at most 4 KiB. There is no time limit.
    ///
    /// # Errors
    ///
    /// The peer is not trusted; the header is malformed, or required and missing; or the connection ends before the header does.
    pub(crate) async fn read_header<S: AsyncRead + Unpin>(
        &self,
        stream: &mut Begun<S>,
        peer: IpAddr,
    ) -> Result<Option<SocketAddr>, HeaderError> {
        let first = read_first(stream).await;
        if !self.trusts(peer) {
            return Err(match first {
                Ok(First::Other) | Err(HeaderError::Cut) => HeaderError::Missing,
                Ok(First::Header(_)) | Err(HeaderError::Malformed | HeaderError::TooLong) => {
                    HeaderError::Untrusted
                }
                Err(error) => error,
            });
        }
        match first? {
            First::Header(client) => Ok(client),
            First::Other if self.protocol == ProxyProtocol::Required => Err(HeaderError::Missing),
            First::Other => Ok(None),
        }
    }

    /// Returns the client's address from `X-Forwarded-For`: in all of its lines, the last address that does not belong to a trusted load balancer. An
    /// entry that is not an address hides those before it. At most 16 entries are read.
    pub(crate) fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut client = None;
        for hop in hops.take(MAX_HOPS) {
            let Some(address) = parse_hop(hop) else { break };
            client = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

/// Parses an address, possibly with a port, as load balancers write it.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bracketed = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let address = bracketed.unwrap_or(hop).parse().ok();
    address.or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most entries of `X-Forwarded-For` that are read.
const MAX_HOPS: usize = 16;

/// Why a connection's PROXY header is not accepted.
#[derive(Debug)]
pub(crate) enum HeaderError {
    /// The peer closed the connection without sending a byte, as health checks do.
    Closed,
    /// The connection ended within the header.
    Cut,
    Io(io::Error),
    Late,
    Malformed,
    Missing,
    TooLong,
    Untrusted,
}

impl HeaderError {
    /// Returns a name for log lines.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Cut => "cut",
            Self::Io(_) => "io",
            Self::Late => "late",
            Self::Malformed => "malformed",
            Self::Missing => "missing",
            Self::TooLong => "too_long",
            Self::Untrusted => "untrusted",
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the peer closed the connection without a byte",
            Self::Cut => "the connection ended within the PROXY header",
            Self::Io(error) => return error.fmt(f),
            Self::Late => "no PROXY header arrived in time",
            Self::Malformed => "the PROXY header is malformed",
            Self::Missing => "there is no PROXY header, which --proxy-protocol requires",
            Self::TooLong => "the PROXY header is longer than 4 KiB",
            Self::Untrusted => {
                "this looks like a PROXY header from a source that is not in --trusted-proxies"
            }
        })
    }
}

/// A stream whose first bytes may have been read ahead.
#[derive(Debug)]
pub(crate) struct Begun<S> {
    first: BytesMut,
    stream: S,
}

impl<S> Begun<S> {
    /// Returns a stream of which nothing was read yet.
    pub(crate) fn new(stream: S) -> Self {
        Self { first: BytesMut::new(), stream }
    }
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Waits for the first bytes, and returns whether they look like a PROXY header. They stay in the stream.
    pub(crate) async fn is_header(&mut self) -> io::Result<bool> {
        // Bytes that arrived together with a header may be all that arrives before an answer.
        if self.first.is_empty() {
            let mut chunk = [0; 16];
            let len = self.stream.read(&mut chunk).await?;
            self.first.extend_from_slice(chunk.get(..len).unwrap_or_default());
        }
        Ok([v1::PROTOCOL_PREFIX.as_bytes(), v2::PROTOCOL_PREFIX]
            .iter()
            .any(|start| self.first.starts_with(start)))
    }
}

/// The beginning of a connection.
enum First {
    /// A header, possibly with the client's address. It is removed from the stream.
    Header(Option<SocketAddr>),
    /// Something else, which stays in the stream.
    Other,
}

async fn read_first<S: AsyncRead + Unpin>(stream: &mut Begun<S>) -> Result<First, HeaderError> {
    let Begun { first, stream } = stream;
    loop {
        let mut chunk = [0; 256];
        let room = MAX_HEADER.saturating_sub(first.len()).min(chunk.len());
        let chunk = chunk.get_mut(..room).unwrap_or_default();
        let len = match stream.read(chunk).await {
            Ok(0) if first.is_empty() => return Err(HeaderError::Closed),
            // Some health checks end with a reset.
            Err(error) if first.is_empty() && error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(HeaderError::Closed);
            }
            Ok(len) => len,
            Err(error) => return Err(HeaderError::Io(error)),
        };
        first.extend_from_slice(chunk.get(..len).unwrap_or_default());
        match parse(first) {
            Parsed::Header { len, client } => {
                first.advance(len);
                return Ok(First::Header(client));
            }
            Parsed::Incomplete if len == 0 => return Err(HeaderError::Cut),
            Parsed::Incomplete if first.len() < MAX_HEADER => {}
            Parsed::Incomplete => return Err(HeaderError::TooLong),
            Parsed::Malformed => return Err(HeaderError::Malformed),
            Parsed::Other => return Ok(First::Other),
        }
    }
}

enum Parsed {
    Header {
        len: usize,
        client: Option<SocketAddr>,
    },
    Incomplete,
    /// It begins like a header, as no protocol does that is served here.
    Malformed,
    Other,
}

fn parse(first: &[u8]) -> Parsed {
    // The parser takes anything short for the beginning of a header.
    let may_be = |start: &[u8]| first.starts_with(start) || start.starts_with(first);
    if !may_be(v1::PROTOCOL_PREFIX.as_bytes()) && !may_be(v2::PROTOCOL_PREFIX) {
        return Parsed::Other;
    }
    // Of version 1, the parser judges what is there, not what may follow.
    let is_old = first.starts_with(b"P");
    let is_line = is_old && first.windows(2).any(|end| end == b"\r\n");
    if is_old && !is_line {
        return if first.len() < MAX_LINE { Parsed::Incomplete } else { Parsed::Malformed };
    }
    match HeaderResult::parse(first) {
        // Nothing follows a complete line.
        result if result.is_incomplete() && is_line => Parsed::Malformed,
        result if result.is_incomplete() => Parsed::Incomplete,
        HeaderResult::V1(Ok(header)) => {
            let client = match header.addresses {
                v1::Addresses::Tcp4(it) => Some((it.source_address, it.source_port).into()),
                v1::Addresses::Tcp6(it) => Some((it.source_address, it.source_port).into()),
                v1::Addresses::Unknown => None,
            };
            Parsed::Header { len: header.header.len(), client }
        }
        HeaderResult::V2(Ok(header)) => {
            let client = match header.addresses {
                // A health check of the load balancer itself.
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(it) => Some((it.source_address, it.source_port).into()),
                v2::Addresses::IPv6(it) => Some((it.source_address, it.source_port).into()),
                v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
            };
            Parsed::Header { len: header.as_bytes().len(), client }
        }
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Parsed::Malformed,
    }
}

/// The longest header of version 1, in bytes.
const MAX_LINE: usize = 107;

/// The longest header, in bytes. Version 2 allows 64 KiB, but addresses and extensions take a few hundred bytes.
const MAX_HEADER: usize = 4096;

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.first.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let len = buf.len().min(this.first.len());
        if let Some((to, from)) = buf.get_mut(..len).zip(this.first.get(..len)) {
            to.copy_from_slice(from);
        }
        this.first.advance(len);
        if this.first.is_empty() {
            this.first = BytesMut::new();
        }
        Poll::Ready(Ok(len))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
