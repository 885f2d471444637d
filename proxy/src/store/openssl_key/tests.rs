use super::*;
use prometheus_rsocket_protocol::envelope::PeerKey;
use prometheus_rsocket_testkit::unwrapping::Backend;
use prometheus_rsocket_testkit::vectors;

struct OpenSsl;

impl Backend for OpenSsl {
    type Key = OpenSslKeyPair;

    fn generate(bits: usize) -> Result<OpenSslKeyPair, KeyError> {
        OpenSslKeyPair::generate(bits)
    }

    fn load(der: &[u8]) -> Result<OpenSslKeyPair, KeyError> {
        OpenSslKeyPair::from_pkcs8_der(der)
    }
}

prometheus_rsocket_testkit::unwrapping_suite!(OpenSsl);

#[test]
fn nothing_is_left_in_openssls_queue_of_errors() {
    let key = OpenSslKeyPair::from_pkcs8_der(vectors::RSA2048).unwrap();
    let secret = SecretKey::new(vec![7; 16]).unwrap();
    let good = PeerKey::parse(&key.public_key()).unwrap().wrap(&secret, [1; 32]).unwrap();
    let mut bad = good.to_vec();
    bad[100] ^= 1;
    for wrapped in [&bad[..], &[0xff; 256], &[0; 256], b"", &good] {
        let _ = key.unwrap_key(wrapped, [0; 32]);
        assert_eq!(ErrorStack::get().errors().len(), 0);
    }
    assert!(OpenSslKeyPair::from_pkcs8_der(b"no key").is_err());
    assert_eq!(ErrorStack::get().errors().len(), 0);
}

#[test]
fn debug_shows_no_secrets() {
    let key = OpenSslKeyPair::from_pkcs8_der(vectors::RSA2048).unwrap();
    assert_eq!(format!("{key:?}"), "OpenSslKeyPair(2048 bits)");
}
