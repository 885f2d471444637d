use super::{
    error::TlsError,
    explain,
    files::PemFile,
    live::{Live, Source},
    provider,
    stream::{BUFFER_MAX, MaybeTls, TlsStream},
    wire::Wire,
};
use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        server::{NoServerSessionStorage, WebPkiClientVerifier},
        sign::SingleCertAndKey,
    },
};
use std::{fmt, io, path::PathBuf, sync::Arc, time::SystemTime};
use x509_cert::{Certificate, der::Decode};

/// The files of a server, all PEM and at most 1 MiB each. Two of them may be the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerTlsFiles {
    /// The server's certificate, followed by the intermediate ones up to the CA.
    pub certificate: PathBuf,
    /// The private key of the server's certificate: PKCS #8, PKCS #1 or SEC1; RSA, ECDSA or Ed25519; without a password.
    pub key: PathBuf,
    /// Whether clients present certificates; [`ClientAuth::Off`] by default.
    pub client_auth: ClientAuth,
}

impl ServerTlsFiles {
    /// A server that requests no client certificates.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let (certificate, key) = (certificate.into(), key.into());
        Self { certificate, key, client_auth: ClientAuth::Off }
    }
}

/// Whether clients present certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuth {
    /// No certificate is requested.
    Off,
    /// A certificate is optional. One that is presented must be valid: an expired one, for example, is refused.
    Optional {
        /// The certificates of the CAs, one of which must have issued it.
        ca: PathBuf,
    },
    /// A certificate is required.
    Required {
        /// The certificates of the CAs, one of which must have issued it.
        ca: PathBuf,
    },
}

/// The server's side of TLS. Clones share one configuration.
#[derive(Clone)]
pub struct ServerTls {
    live: Arc<Live<ServerTlsFiles>>,
}

impl ServerTls {
    /// Reads the files, by blocking calls.
    ///
    /// # Errors
    ///
    /// A file cannot be read or used, or key and certificate do not match.
    pub fn load(files: ServerTlsFiles) -> Result<Self, TlsError> {
        Ok(Self { live: Arc::new(Live::load(files)?) })
    }

    /// Reads the files again, by blocking calls. If a byte of them has changed, new connections use them, and open connections
    /// keep what they have. Returns whether anything has changed.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load). The previous files then stay in use. A pair of which only half is written yet is such an
    /// error; the next call finds it complete.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.live.reload()
    }

    /// When the certificate in use expires; `None` if that cannot be read.
    pub fn not_after(&self) -> Option<SystemTime> {
        self.live.current().not_after
    }

    /// Performs the handshake with a client. There is no time limit; use [`timeout`](crate::timeout).
    ///
    /// # Errors
    ///
    /// - [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): the peer left before it sent anything, as port scanners do.
    /// - [`ConnectionAborted`](io::ErrorKind::ConnectionAborted): the peer left during the handshake.
    /// - [`InvalidData`](io::ErrorKind::InvalidData): any violation of TLS. The text explains it in words; the peer has received an alert.
    /// - Errors of the stream.
    pub async fn accept<S>(&self, stream: S) -> io::Result<MaybeTls<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.live.current().config));
        let accepting = acceptor.accept_with(Wire::new(stream), |session| {
            session.set_buffer_limit(Some(BUFFER_MAX));
        });
        match accepting.into_fallible().await {
            Ok(stream) => Ok(MaybeTls::Tls(TlsStream::new(stream))),
            Err((error, wire)) => Err(explain::of_failed_handshake(error, wire).await),
        }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(self.live.source()).finish()
    }
}

/// What is made from the files of a server.
pub(super) struct Made {
    config: Arc<ServerConfig>,
    /// When the certificate expires.
    not_after: Option<SystemTime>,
}

fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let since_epoch = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

/// The contents of a server's files.
#[derive(PartialEq, Eq)]
pub(super) struct ServerContents {
    certificate: PemFile,
    key: PemFile,
    client_ca: Option<PemFile>,
}

impl Source for ServerTlsFiles {
    type Contents = ServerContents;
    type Made = Made;

    fn read(&self) -> Result<ServerContents, TlsError> {
        let client_ca = match &self.client_auth {
            ClientAuth::Off => None,
            ClientAuth::Optional { ca } | ClientAuth::Required { ca } => Some(PemFile::read(ca)?),
        };
        let certificate = PemFile::read(&self.certificate)?;
        Ok(ServerContents { certificate, key: PemFile::read(&self.key)?, client_ca })
    }

    fn make(&self, contents: &ServerContents) -> Result<Made, TlsError> {
        let provider = provider()?;
        let identity = contents.certificate.identity(&contents.key, &provider)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("a provider has cipher suites for TLS 1.2 and 1.3");
        let builder = match &contents.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let roots = Arc::new(ca.roots()?);
                let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                if matches!(self.client_auth, ClientAuth::Optional { .. }) {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build().expect("there are roots, and no revocation lists");
                builder.with_client_cert_verifier(verifier)
            }
        };
        let not_after = identity.cert.first().and_then(|certificate| not_after(certificate));
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Made { config: Arc::new(config), not_after })
    }
}
