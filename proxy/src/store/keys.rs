use crate::config::{Config, Envelope, RsaBackend};
use crate::ingress::bind::StartError;
use crate::store::key_file::{self, KeyFileError};
#[cfg(feature = "openssl")]
use crate::store::openssl_key::OpenSslKeyPair;
use crate::store::ring::{Key, KeyRing};
use prometheus_rsocket_protocol::envelope::{
    Fingerprint, KeyError, KeyUnwrap, PeerKey, PrivateKeyFile, RsaKeyPair,
};
use prometheus_rsocket_runtime::Runtime;
use std::path::Path;
use std::sync::Arc;

/// An implementation of RSA that is built in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Rust,
    #[cfg(feature = "openssl")]
    OpenSsl,
}

impl Backend {
    /// Fails if OpenSSL is asked for and not built in.
    fn choose(asked: RsaBackend) -> Result<Self, StartError> {
        match asked {
            RsaBackend::Rust => Ok(Self::Rust),
            #[cfg(feature = "openssl")]
            RsaBackend::Auto | RsaBackend::OpenSsl => Ok(Self::OpenSsl),
            #[cfg(not(feature = "openssl"))]
            RsaBackend::Auto => Ok(Self::Rust),
            #[cfg(not(feature = "openssl"))]
            RsaBackend::OpenSsl => Err(StartError::NoOpenSsl),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            #[cfg(feature = "openssl")]
            Self::OpenSsl => "openssl",
        }
    }

    /// Returns the name of the library, for the log.
    fn library(self) -> &'static str {
        match self {
            Self::Rust => "the crate `rsa`",
            #[cfg(feature = "openssl")]
            Self::OpenSsl => openssl::version::version(),
        }
    }

    /// Makes a key pair that is kept only in memory. `seed` must be secret and fresh; OpenSSL draws its own.
    pub(crate) fn generate(self, bits: usize, seed: [u8; 32]) -> Result<Key, KeyError> {
        key(
            match self {
                Self::Rust => Arc::new(RsaKeyPair::generate(bits, seed)?),
                #[cfg(feature = "openssl")]
                Self::OpenSsl => Arc::new(OpenSslKeyPair::generate(bits)?),
            },
            None,
        )
    }

    /// Loads a key pair from a file's contents.
    pub(crate) fn load(self, file: PrivateKeyFile) -> Result<Key, KeyError> {
        let der = file.as_der();
        let pair: Arc<dyn KeyUnwrap> = match self {
            Self::Rust => Arc::new(RsaKeyPair::from_pkcs8_der(der)?),
            #[cfg(feature = "openssl")]
            Self::OpenSsl => Arc::new(OpenSslKeyPair::from_pkcs8_der(der)?),
        };
        key(pair, Some(file))
    }

    /// Loads the key pair of a file at this path.
    pub(crate) fn load_at(self, path: &Path, file: PrivateKeyFile) -> Result<Key, KeyFileError> {
        let key = self.load(file).map_err(|error| KeyFileError::new(path, &error))?;
        if key.bits < MIN_BITS {
            let reason = format!("it is an RSA key of {} bits; 2048 is the least", key.bits);
            return Err(KeyFileError::new(path, &reason));
        }
        Ok(key)
    }

    /// Makes a key pair for a file, and writes it.
    pub(crate) fn generate_at(
        self,
        path: &Path,
        bits: usize,
        seed: [u8; 32],
    ) -> Result<Key, KeyFileError> {
        let file = PrivateKeyFile::generate(bits, seed);
        let file = file.map_err(|error| KeyFileError::new(path, &error))?;
        key_file::write(path, &file)?;
        self.load_at(path, file)
    }
}

fn key(pair: Arc<dyn KeyUnwrap>, file: Option<PrivateKeyFile>) -> Result<Key, KeyError> {
    let public = pair.public_key();
    let bits = PeerKey::parse(&public)?.bits().unwrap_or_default();
    Ok(Key { fingerprint: Fingerprint::of(&public), bits, pair, file: file.map(Arc::new) })
}

/// Returns what would keep [`make`] from using the key file, by blocking calls, without making a key.
pub(crate) fn check(config: &Config) -> Result<(), StartError> {
    let backend = Backend::choose(config.rsa_backend)?;
    let Some(path) = config.key_file.as_deref() else { return Ok(()) };
    let old = key_file::old_path(path);
    for path in [path, &old] {
        if let Some(file) = key_file::read(path)? {
            backend.load_at(path, file)?;
        }
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match directory.metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(KeyFileError::new(path, &error).into()),
    }
}

/// Makes the key that all applications are sent. With a key file, reads it from there, or writes it there if the file is missing.
pub(crate) async fn make<R: Runtime>(
    runtime: &R,
    config: &Config,
) -> Result<Arc<KeyRing>, StartError> {
    let backend = Backend::choose(config.rsa_backend)?;
    if config.envelope == Envelope::Plaintext {
        return Ok(Arc::new(KeyRing::without_key()));
    }
    let (source, bits, path) = (runtime.clone(), config.key_bits, config.key_file.clone());
    let made = runtime.unblock(move || -> Result<Made, StartError> {
        let mut seed = [0; 32];
        source.fill_random(&mut seed).map_err(|error| StartError::System(error.to_string()))?;
        let Some(path) = path else {
            let current = backend.generate(bits, seed).map_err(StartError::Key)?;
            return Ok(Made { current, old: None, how: "made" });
        };
        let (current, how) = match key_file::read(&path)? {
            Some(file) => (backend.load_at(&path, file)?, "read"),
            None => (backend.generate_at(&path, bits, seed)?, "made"),
        };
        // For what applications sealed shortly before a restart.
        let old_path = key_file::old_path(&path);
        let old = key_file::read(&old_path)?.map(|file| backend.load_at(&old_path, file));
        let old = old.transpose()?.filter(|old| old.fingerprint != current.fingerprint);
        Ok(Made { current, old, how })
    });
    let Made { current, old, how } = made.await??;
    let (rsa_backend, library, bits) = (backend.name(), backend.library(), current.bits);
    let sha256 = current.fingerprint;
    tracing::info!(
        rsa_backend, library, bits, %sha256, how, "the key that applications seal with"
    );
    Ok(Arc::new(KeyRing::new(backend, current, old, runtime.now())))
}

/// A named type: with a tuple, the compiler cannot prove that the job's future is `Send`.
struct Made {
    current: Key,
    old: Option<Key>,
    how: &'static str,
}

/// Smaller keys are not accepted from files.
const MIN_BITS: usize = 2048;
