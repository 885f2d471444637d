use super::{explain, wire::Wire};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};
use x509_cert::{Certificate, TbsCertificate, der::Decode};

/// A stream with or without TLS.
pub enum MaybeTls<S> {
    /// The stream itself.
    Plain(S),
    /// A stream after its TLS handshake.
    Tls(TlsStream<S>),
}

impl<S> MaybeTls<S> {
    /// Returns whether the stream has TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Returns the subject of the peer's certificate, as text (RFC 4514); `None` if it presented none.
    pub fn peer_subject(&self) -> Option<String> {
        Some(self.peer_certificate()?.subject.to_string())
    }

    /// Returns the subject alternative names of the peer's certificate: `dns:`, `uri:` or `email:`, followed by the name as it
    /// is in the certificate. At most the first 64.
    pub fn peer_names(&self) -> Vec<String> {
        self.peer_certificate().map(|certificate| names(&certificate)).unwrap_or_default()
    }

    fn peer_certificate(&self) -> Option<TbsCertificate> {
        let Self::Tls(stream) = self else { return None };
        let (_, session) = stream.0.get_ref();
        let certificate = Certificate::from_der(session.peer_certificates()?.first()?).ok()?;
        Some(certificate.tbs_certificate)
    }
}

pub(super) fn names(certificate: &TbsCertificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.get() else { return Vec::new() };
    let known = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(format!("dns:{name}")),
        GeneralName::Rfc822Name(name) => Some(format!("email:{name}")),
        GeneralName::UniformResourceIdentifier(name) => Some(format!("uri:{name}")),
        _ => None,
    });
    known.take(MAX_NAMES).collect()
}

const MAX_NAMES: usize = 64;

/// A TLS stream.
///
/// - Written bytes are encrypted immediately, into a buffer of 32 KiB (plus the framing of records), from which the stream
///   below takes them; while it is full, writing waits. [`poll_flush`](AsyncWrite::poll_flush) is ready once the stream below
///   has taken and flushed everything.
/// - Vectored writes put several slices into one record.
/// - [`poll_close`](AsyncWrite::poll_close) sends the closing alert and ends the stream below; reading continues.
/// - An end of the stream below without a closing alert counts as an ordinary end between two records, since some peers leave
///   so. An attacker could cause it to truncate a message, but everything sent here has lengths: the reader notices a truncated
///   frame of RSocket or WebSocket, or a truncated HTTP body. Within a record it is an
///   [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
/// - The peer's alerts, for example that it does not trust a certificate, are errors of reading, with the reason in words. With
///   TLS 1.3 a client learns in this way that its certificate is refused: its own handshake is complete by then.
pub struct TlsStream<S>(pub(super) Box<futures_rustls::TlsStream<Wire<S>>>);

impl<S> TlsStream<S> {
    /// `stream` has completed its handshake.
    pub(super) fn new(stream: impl Into<futures_rustls::TlsStream<Wire<S>>>) -> Self {
        let mut stream = stream.into();
        stream.get_mut().0.on_handshake_done();
        Self(Box::new(stream))
    }

    fn explained(&self, error: io::Error) -> io::Error {
        explain::explained(error, self.0.get_ref().0.head())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut *self.0).poll_read(cx, buf));
        Poll::Ready(read.or_else(|error| {
            let is_eof = error.kind() == io::ErrorKind::UnexpectedEof;
            match is_eof.then(|| self.0.get_ref().0.is_between_records()) {
                Some(true) => Ok(0),
                Some(false) => Err(io::Error::new(error.kind(), "the stream ends within a record")),
                None => Err(self.explained(error)),
            }
        }))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_close(cx)
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsStream")
    }
}

impl<S> fmt::Debug for MaybeTls<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTls<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_close(cx),
            Self::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}

/// The number of encrypted bytes that may wait: two records, one being written and one to continue with.
pub(super) const BUFFER_MAX: usize = 32 * 1024;
