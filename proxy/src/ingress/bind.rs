use crate::auth::AuthFileError;
use crate::config::ListenAddr;
use crate::store::key_file::KeyFileError;
use prometheus_rsocket_protocol::envelope::KeyError;
use prometheus_rsocket_runtime::tls::{ServerTls, ServerTlsFiles, TlsError};
use prometheus_rsocket_runtime::{JobLost, Listener, Runtime};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::{error, fmt, io};

/// The error of starting a proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A listener cannot be opened.
    Listen {
        /// The listener: `tcp`, `websocket` or `http`.
        listener: &'static str,
        /// Its address.
        address: String,
        /// Why it cannot be opened.
        error: io::Error,
    },
    /// A file with credentials cannot be used.
    Auth {
        /// The option that names it.
        option: &'static str,
        /// What is wrong with the file.
        error: AuthFileError,
    },
    /// The configuration asks for OpenSSL, which is not built in.
    NoOpenSsl,
    /// The key pair cannot be made.
    Key(KeyError),
    /// The file with the key cannot be used.
    KeyFile(KeyFileError),
    /// The system returns no randomness, or the runtime has ended.
    System(String),
    /// The directory for pushes cannot be used.
    PushDir {
        /// The path of the directory.
        path: PathBuf,
        /// Why it cannot be used.
        error: io::Error,
    },
    /// A listener's TLS files cannot be used.
    Tls {
        /// The listener that they belong to.
        listener: &'static str,
        /// The file, and what is wrong with it.
        error: TlsError,
    },
}

impl StartError {
    /// Returns whether the configuration is at fault, rather than the system.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Auth { .. }
                | Self::KeyFile(_)
                | Self::NoOpenSsl
                | Self::PushDir { .. }
                | Self::Tls { .. }
        )
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { listener, address, error } => {
                write!(f, "cannot listen on {address} (--listen-{listener}): {error}")
            }
            Self::Auth { option, error } => write!(f, "--{option}: {error}"),
            Self::NoOpenSsl => f.write_str(
                "--rsa-backend openssl: this program is built without the Cargo feature `openssl` or `openssl-vendored`",
            ),
            Self::Key(error) => write!(f, "cannot make the proxy's key: {error}"),
            Self::KeyFile(error) => write!(f, "--key-file: {error}"),
            Self::PushDir { path, error } => {
                write!(f, "cannot use {} (--push-dir): {error}", path.display())
            }
            Self::System(error) => f.write_str(error),
            Self::Tls { listener, error } => write!(f, "TLS of the {listener} listener: {error}"),
        }
    }
}

impl error::Error for StartError {}

impl From<KeyFileError> for StartError {
    fn from(error: KeyFileError) -> Self {
        Self::KeyFile(error)
    }
}

impl From<JobLost> for StartError {
    fn from(lost: JobLost) -> Self {
        Self::System(lost.to_string())
    }
}

/// An open listener.
pub(crate) struct Bound<R: Runtime> {
    pub(crate) name: &'static str,
    pub(crate) listener: R::Listener,
    /// With the real port.
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<ServerTls>,
}

impl<R: Runtime> Bound<R> {
    /// Opens the listener `name`, unless it is off.
    pub(crate) async fn open(
        runtime: &R,
        name: &'static str,
        address: &ListenAddr,
        tls: Option<&ServerTlsFiles>,
    ) -> Result<Option<Self>, StartError> {
        let ListenAddr::On { host, port } = address else { return Ok(None) };
        let tls = match tls.cloned() {
            None => None,
            Some(files) => {
                let loaded = runtime.unblock(move || ServerTls::load(files)).await?;
                Some(loaded.map_err(|error| StartError::Tls { listener: name, error })?)
            }
        };
        let error =
            |error| StartError::Listen { listener: name, address: address.to_string(), error };
        let (host, port) = (host.clone(), *port);
        let resolved = runtime.unblock(move || {
            let mut addresses = (host.as_str(), port).to_socket_addrs()?;
            addresses.next().ok_or_else(|| io::Error::other("the name has no address"))
        });
        let resolved = resolved.await?.map_err(error)?;
        let listener = runtime.bind(resolved).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Some(Self { name, listener, address, tls }))
    }
}
