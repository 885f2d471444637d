use crate::config::{Config, Envelope};
use crate::ingress::bind::StartError;
use bytes::Bytes;
use prometheus_rsocket_protocol::envelope::{
    KeyUnwrap, PLAINTEXT, RsaKeyPair, SecretKey, UnwrapError,
};
use prometheus_rsocket_runtime::Runtime;

/// Makes the key that all applications are sent.
pub(crate) async fn make<R: Runtime>(
    runtime: &R,
    config: &Config,
) -> Result<Box<dyn KeyUnwrap>, StartError> {
    if config.envelope == Envelope::Plaintext {
        return Ok(Box::new(NoKey));
    }
    let (source, bits) = (runtime.clone(), config.key_bits);
    let made = runtime.unblock(move || {
        let mut seed = [0; 32];
        source.fill_random(&mut seed).map_err(|error| StartError::System(error.to_string()))?;
        RsaKeyPair::generate(bits, seed).map_err(StartError::Key)
    });
    Ok(Box::new(made.await??))
}

/// What stands for a key in plaintext mode. Nothing is wrapped under it.
struct NoKey;

impl KeyUnwrap for NoKey {
    fn unwrap_key(&self, wrapped: &[u8], _: [u8; 32]) -> Result<SecretKey, UnwrapError> {
        Err(UnwrapError { len: wrapped.len(), expected: PLAINTEXT.len() })
    }

    fn public_key(&self) -> Bytes {
        Bytes::from_static(PLAINTEXT)
    }
}
