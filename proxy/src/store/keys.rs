use crate::config::{Config, Envelope, RsaBackend};
use crate::ingress::bind::StartError;
#[cfg(feature = "openssl")]
use crate::store::openssl_key::OpenSslKeyPair;
use bytes::Bytes;
use prometheus_rsocket_protocol::envelope::{
    Fingerprint, KeyError, KeyUnwrap, PLAINTEXT, RsaKeyPair, SecretKey, UnwrapError,
};
use prometheus_rsocket_runtime::Runtime;

/// A way to compute RSA that is built in.
#[derive(Clone, Copy)]
enum Backend {
    Rust,
    #[cfg(feature = "openssl")]
    OpenSsl,
}

impl Backend {
    /// Fails where OpenSSL is asked for and not built in.
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

    fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            #[cfg(feature = "openssl")]
            Self::OpenSsl => "openssl",
        }
    }

    /// The library that computes, for the log.
    fn library(self) -> &'static str {
        match self {
            Self::Rust => "the crate `rsa`",
            #[cfg(feature = "openssl")]
            Self::OpenSsl => openssl::version::version(),
        }
    }

    /// Makes a key pair. `seed` is secret and fresh; OpenSSL draws its own.
    fn generate(self, bits: usize, seed: [u8; 32]) -> Result<Made, KeyError> {
        Ok(Made(match self {
            Self::Rust => Box::new(RsaKeyPair::generate(bits, seed)?),
            #[cfg(feature = "openssl")]
            Self::OpenSsl => Box::new(OpenSslKeyPair::generate(bits)?),
        }))
    }
}

/// A type with a name: with a bare trait object in its result, the compiler cannot tell that the future of a job may be sent to another thread.
struct Made(Box<dyn KeyUnwrap>);

/// Makes the key that all applications are sent. Returns the name of the backend as well: `rust`, `openssl`, or `none` in plaintext mode.
pub(crate) async fn make<R: Runtime>(
    runtime: &R,
    config: &Config,
) -> Result<(Box<dyn KeyUnwrap>, &'static str), StartError> {
    let backend = Backend::choose(config.rsa_backend)?;
    if config.envelope == Envelope::Plaintext {
        return Ok((Box::new(NoKey), "none"));
    }
    let (source, bits) = (runtime.clone(), config.key_bits);
    let made = runtime.unblock(move || {
        let mut seed = [0; 32];
        source.fill_random(&mut seed).map_err(|error| StartError::System(error.to_string()))?;
        backend.generate(bits, seed).map_err(StartError::Key)
    });
    let Made(keys) = made.await??;
    let (rsa_backend, library) = (backend.name(), backend.library());
    tracing::info!(rsa_backend, library, bits, "the key that applications seal with is made");
    Ok((keys, rsa_backend))
}

/// What stands for a key in plaintext mode. Nothing is wrapped under it.
struct NoKey;

impl KeyUnwrap for NoKey {
    fn unwrap_key(&self, wrapped: &[u8], _: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        Err(UnwrapError { len: wrapped.len(), expected: PLAINTEXT.len() })
    }

    fn unwrap_content_key(
        &self,
        _: &Fingerprint,
        wrapped: &[u8],
        seed: [u8; 32],
    ) -> Result<SecretKey, UnwrapError> {
        self.unwrap_key(wrapped, seed)
    }

    fn public_key(&self) -> Bytes {
        Bytes::from_static(PLAINTEXT)
    }
}
