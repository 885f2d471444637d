//! RSA of the crate `rsa`, against the tests that every implementation has.

use prometheus_rsocket_protocol::envelope::{KeyError, RsaKeyPair};
use prometheus_rsocket_testkit::unwrapping::Backend;

struct Rust;

impl Backend for Rust {
    type Key = RsaKeyPair;

    fn generate(bits: usize) -> Result<RsaKeyPair, KeyError> {
        RsaKeyPair::generate(bits, [1; 32])
    }

    fn load(der: &[u8]) -> Result<RsaKeyPair, KeyError> {
        RsaKeyPair::from_pkcs8_der(der)
    }
}

prometheus_rsocket_testkit::unwrapping_suite!(Rust);
