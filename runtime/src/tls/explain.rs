//! The meaning of TLS errors, for the people who run a server.

use super::wire::{Head, Wire};
use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::io;

/// Explains an error in words if TLS is its cause. `head` is what the peer sent first.
pub(super) fn explained(error: io::Error, head: &Head) -> io::Error {
    let reason = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(_)) if !head.is_tls() => not_tls(head).to_owned(),
        Some(error) => of(error),
        None => return error,
    };
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Closes the connection after a failed handshake. Returns the explained error.
pub(super) async fn of_failed_handshake<S>(error: io::Error, mut wire: Wire<S>) -> io::Error
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    wire.dismiss().await;
    let head = wire.head();
    if error.kind() != io::ErrorKind::UnexpectedEof {
        return explained(error, head);
    }
    if head.is_empty() {
        return io::Error::new(error.kind(), "the peer left before it sent anything");
    }
    io::Error::new(io::ErrorKind::ConnectionAborted, "the peer left during the TLS handshake")
}

fn of(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => {
            format!("the peer refuses the connection: {}", of_alert(*alert))
        }
        Error::InvalidCertificate(error) => {
            format!("the peer's certificate is refused: {}", of_certificate(error))
        }
        Error::NoCertificatesPresented => {
            "the peer has sent no certificate, and one is required".to_owned()
        }
        Error::PeerIncompatible(error) => of_incompatible(error),
        error => format!("TLS failed: {error}"),
    }
}

/// What is wrong with a certificate.
pub(super) fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::BadEncoding => "it is no X.509 certificate".to_owned(),
        E::Expired | E::ExpiredContext { .. } => "it has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        E::UnknownIssuer => "it is not from a CA that is trusted here".to_owned(),
        E::BadSignature => {
            "its signature is wrong, so it is not from the CA that it names".to_owned()
        }
        E::NotValidForName => "it is for another server name".to_owned(),
        E::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            match &presented[..] {
                [] => format!("it has no subject alternative name, where {expected} is expected"),
                names => {
                    let names = names.iter().map(|name| bare(name)).collect::<Vec<_>>();
                    format!("it is for {}, not for {expected}", names.join(", "))
                }
            }
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "it is not made for this use (extended key usage)".to_owned()
        }
        E::Other(other) => match &other.to_string()[..] {
            "CaUsedAsEndEntity" => {
                "it is the certificate of a CA (CA:TRUE), which cannot be a peer's own".to_owned()
            }
            "UnsupportedCertVersion" => "it is of X.509 version 1; version 3 is needed".to_owned(),
            other => other.to_owned(),
        },
        error => error.to_string(),
    }
}

/// The verifier writes names as `DnsName("localhost")` and `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn of_alert(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::BadCertificate | A::CertificateUnknown | A::UnsupportedCertificate => {
            "it does not accept our certificate".to_owned()
        }
        A::CertificateExpired => "it says that our certificate has expired".to_owned(),
        A::CertificateRequired => "it requires a certificate, and we sent none".to_owned(),
        A::CertificateRevoked => "it says that our certificate is revoked".to_owned(),
        A::HandshakeFailure => {
            "no algorithms in common, or it requires a certificate, and we sent none".to_owned()
        }
        A::ProtocolVersion => "it has no TLS version in common with us".to_owned(),
        A::UnknownCA => "it does not trust the CA of our certificate".to_owned(),
        A::UnrecognisedName => "it does not know the server name that we ask for".to_owned(),
        alert => format!("{alert:?}"),
    }
}

fn of_incompatible(error: &PeerIncompatible) -> String {
    use PeerIncompatible as P;
    match error {
        // A peer that supports nothing newer than 1.1 lacks the last of these first in its hello.
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::SignatureAlgorithmsExtensionRequired => {
            "no TLS version in common with the peer; 1.2 and 1.3 are spoken here".to_owned()
        }
        P::NoCipherSuitesInCommon => "no cipher suite in common with the peer".to_owned(),
        P::NoKxGroupsInCommon => "no key exchange group in common with the peer".to_owned(),
        P::NoSignatureSchemesInCommon | P::NoCertificateRequestSignatureSchemesInCommon => {
            "no signature scheme in common with the peer, for the key that is configured".to_owned()
        }
        error => format!("the peer's TLS is incompatible: {error:?}"),
    }
}

fn not_tls(head: &Head) -> &'static str {
    if head.is_http() {
        "the peer speaks plain HTTP where TLS is expected"
    } else if head.is_rsocket() {
        "the peer speaks plain RSocket where TLS is expected"
    } else {
        "the peer does not speak TLS"
    }
}
