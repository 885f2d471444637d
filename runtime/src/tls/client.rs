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
    TlsConnector,
    pki_types::ServerName,
    rustls::{ClientConfig, RootCertStore, client::Resumption, sign::SingleCertAndKey},
};
use rustls_native_certs::{CertificateResult, load_native_certs};
use std::{fmt, io, path::PathBuf, sync::Arc};

/// The files of a client, all PEM and at most 1 MiB each, and the expected name. By default the client trusts the system's CAs,
/// presents no certificate, and expects the host that it connects to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientTlsFiles {
    /// The CAs of the server's certificate; `None` means the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate with its chain, and its private key, in the forms of a server's. They may be the same file.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The DNS name or IP address that the server's certificate must have, instead of the host that is connected to.
    pub server_name: Option<String>,
}

/// The client's side of TLS. Clones share one configuration.
#[derive(Clone)]
pub struct ClientTls {
    live: Arc<Live<ClientTlsFiles>>,
}

impl ClientTls {
    /// Reads the files, by blocking calls.
    ///
    /// Unusable ones among the system's roots (or those named by `SSL_CERT_FILE` and `SSL_CERT_DIR`) are skipped.
    ///
    /// # Errors
    ///
    /// A file cannot be read or used; key and certificate do not match; the system has no roots; or the server name is invalid.
    pub fn load(files: ClientTlsFiles) -> Result<Self, TlsError> {
        Ok(Self { live: Arc::new(Live::load(files)?) })
    }

    /// Reads the files again, by blocking calls. If a byte of them has changed, new connections use them, and open connections
    /// keep what they have. Returns whether anything has changed. The system's roots are read again only if a file has changed.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load). The previous files then stay in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.live.reload()
    }

    /// Performs the handshake with a server, whose certificate must be for `host`, a DNS name or an IP address (an IPv6 address
    /// without brackets), unless there is a [`server_name`](ClientTlsFiles::server_name). There is no time limit; use
    /// [`timeout`](crate::timeout).
    ///
    /// # Errors
    ///
    /// Those of [`ServerTls::accept`](super::ServerTls::accept), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the host
    /// is neither. With TLS 1.3, a server refuses the client's certificate only later; that is an error of reading.
    pub async fn connect<S>(&self, host: &str, stream: S) -> io::Result<MaybeTls<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.live.current();
        let name = match &current.server_name {
            Some(name) => name.clone(),
            None => server_name(host)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?,
        };
        let connector = TlsConnector::from(Arc::clone(&current.config));
        let connecting = connector.connect_with(name, Wire::new(stream), |session| {
            session.set_buffer_limit(Some(BUFFER_MAX));
        });
        match connecting.into_fallible().await {
            Ok(stream) => Ok(MaybeTls::Tls(TlsStream::new(stream))),
            Err((error, wire)) => Err(explain::of_failed_handshake(error, wire).await),
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(self.live.source()).finish()
    }
}

/// The contents of a client's files.
#[derive(PartialEq, Eq)]
pub(super) struct ClientContents {
    ca: Option<PemFile>,
    identity: Option<(PemFile, PemFile)>,
}

pub(super) struct ClientMade {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Source for ClientTlsFiles {
    type Contents = ClientContents;
    type Made = ClientMade;

    fn read(&self) -> Result<ClientContents, TlsError> {
        let ca = self.ca.as_deref().map(PemFile::read).transpose()?;
        let identity = match &self.identity {
            Some((certificate, key)) => Some((PemFile::read(certificate)?, PemFile::read(key)?)),
            None => None,
        };
        Ok(ClientContents { ca, identity })
    }

    fn make(&self, contents: &ClientContents) -> Result<ClientMade, TlsError> {
        let server_name = self.server_name.as_deref().map(server_name).transpose()?;
        let provider = provider()?;
        let roots = match &contents.ca {
            Some(ca) => ca.roots()?,
            None => system_roots(load_native_certs())?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("a provider has cipher suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots);
        let mut config = match &contents.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let identity = SingleCertAndKey::from(certificate.identity(key, &provider)?);
                builder.with_client_cert_resolver(Arc::new(identity))
            }
        };
        config.resumption = Resumption::disabled();
        Ok(ClientMade { config: Arc::new(config), server_name })
    }
}

/// A system's roots may include unusable ones, which is not the user's fault.
pub(super) fn system_roots(found: CertificateResult) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut errors = found.errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    for certificate in found.certs {
        if let Err(error) = roots.add(certificate) {
            errors.push(error.to_string());
        }
    }
    for error in &errors {
        tracing::debug!(error, "a root certificate of the system's cannot be used");
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots { reason: errors.into_iter().next() });
    }
    Ok(roots)
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| TlsError::ServerName { name: name.to_owned() })
}
