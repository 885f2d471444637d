use std::{error::Error, fmt, io, path::PathBuf};

/// Why TLS cannot be set up: what is wrong with which file.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Read {
        /// The file.
        file: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// A file is longer than 1 MiB.
    TooLong {
        /// The file.
        file: PathBuf,
    },
    /// A file is not valid PEM.
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line where the invalid section begins, counted from 1.
        line: usize,
        /// The reason.
        reason: &'static str,
    },
    /// A file has no certificate.
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// A certificate cannot be used.
    BadCertificate {
        /// The file.
        file: PathBuf,
        /// The number of the certificate in that file, counted from 1.
        number: usize,
        /// The reason.
        reason: String,
    },
    /// A file has no private key.
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// A private key is protected by a password.
    EncryptedKey {
        /// The file.
        file: PathBuf,
    },
    /// A private key cannot be used.
    BadKey {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A private key does not belong to a certificate.
    KeyMismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The system has no usable root certificate, and no file of CAs is named.
    NoRoots {
        /// The first error, if there was one.
        reason: Option<String>,
    },
    /// No cryptography is built in.
    NoProvider,
    /// The expected name of a server is neither a DNS name nor an IP address.
    ServerName {
        /// The name.
        name: String,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { file, error } => write!(f, "cannot read {}: {error}", file.display()),
            Self::TooLong { file } => {
                write!(f, "{} is longer than 1 MiB, the limit of PEM files", file.display())
            }
            Self::Malformed { file, line, reason } => {
                write!(f, "{}, line {line}: {reason}", file.display())
            }
            Self::NoCertificate { file } => write!(
                f,
                "{} has no certificate in it (PEM, -----BEGIN CERTIFICATE-----)",
                file.display()
            ),
            Self::BadCertificate { file, number, reason } => {
                write!(f, "certificate {number} in {} cannot be used: {reason}", file.display())
            }
            Self::NoKey { file } => write!(
                f,
                "{} has no private key in it (PEM, -----BEGIN PRIVATE KEY-----)",
                file.display()
            ),
            Self::EncryptedKey { file } => write!(
                f,
                "the private key in {} is protected by a password, which is not supported",
                file.display()
            ),
            Self::BadKey { file, reason } => {
                write!(f, "the private key in {} cannot be used: {reason}", file.display())
            }
            Self::KeyMismatch { certificate, key } => write!(
                f,
                "the private key in {} does not belong to the first certificate in {}",
                key.display(),
                certificate.display()
            ),
            Self::NoRoots { reason } => {
                f.write_str("the system has no root certificates; name a file of them (--tls-ca)")?;
                reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
            }
            Self::NoProvider => {
                f.write_str("this build has no TLS: it needs the feature `ring` or `aws-lc-rs`")
            }
            Self::ServerName { name } => {
                write!(f, "{name:?} is neither a DNS name nor an IP address")
            }
        }
    }
}

impl Error for TlsError {}
