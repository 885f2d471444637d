//! PEM files: reading, parsing, and conversion for rustls.

use super::{error::TlsError, explain};
use crate::{FileError, read_file};
use futures_rustls::{
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject, SectionKind},
    },
    rustls::{
        self, RootCertStore, crypto::CryptoProvider, server::ParsedCertificate, sign::CertifiedKey,
    },
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// A file and its contents when it was read.
#[derive(PartialEq, Eq)]
pub(super) struct PemFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl PemFile {
    /// Reads a file of at most [`FILE_MAX`] bytes.
    pub(super) fn read(path: &Path) -> Result<Self, TlsError> {
        let bytes = read_file(path, FILE_MAX).map_err(|error| match error {
            FileError::Io(error) => TlsError::Read { file: path.to_owned(), error },
            FileError::TooLong { .. } => TlsError::TooLong { file: path.to_owned() },
            error => TlsError::Read { file: path.to_owned(), error: io::Error::other(error) },
        })?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// The certificates of one or several CAs.
    pub(super) fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for (certificate, number) in self.certificates()?.into_iter().zip(1..) {
            roots.add(certificate).map_err(|error| self.bad_certificate(number, &error))?;
        }
        Ok(roots)
    }

    /// The certificate chain of this file, starting with the owner's, and the key in `key` that belongs to it.
    pub(super) fn identity(
        &self,
        key: &Self,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, TlsError> {
        let chain = self.certificates()?;
        for (certificate, number) in chain.iter().zip(1..) {
            ParsedCertificate::try_from(certificate)
                .map_err(|error| self.bad_certificate(number, &error))?;
        }
        let bad_key = |error: rustls::Error| TlsError::BadKey {
            file: key.path.clone(),
            reason: error.to_string(),
        };
        let signer = provider.key_provider.load_private_key(key.key()?).map_err(bad_key)?;
        let identity = CertifiedKey::new(chain, signer);
        identity.keys_match().map_err(|_| TlsError::KeyMismatch {
            certificate: self.path.clone(),
            key: key.path.clone(),
        })?;
        Ok(identity)
    }

    /// All certificates, at least one; other sections are skipped.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let sections = self.sections()?.into_iter();
        let certificates: Vec<_> = sections
            .filter(|(kind, _)| *kind == SectionKind::Certificate)
            .map(|(_, der)| der.into())
            .collect();
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate { file: self.path.clone() });
        }
        Ok(certificates)
    }

    /// The first private key: PKCS #8, PKCS #1 or SEC1.
    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        // The parser knows neither kind of section: it skips the one, and takes the other for invalid Base64.
        if [PKCS8_ENCRYPTED, LEGACY_ENCRYPTED].iter().any(|mark| self.contains(mark)) {
            return Err(TlsError::EncryptedKey { file: self.path.clone() });
        }
        let mut sections = self.sections()?.into_iter();
        sections
            .find_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
            .ok_or_else(|| TlsError::NoKey { file: self.path.clone() })
    }

    fn sections(&self) -> Result<Vec<(SectionKind, Vec<u8>)>, TlsError> {
        let mut rest = &self.bytes[..];
        let mut sections = Vec::new();
        loop {
            match pem::from_buf(&mut rest) {
                Ok(Some(section)) => sections.push(section),
                Ok(None) => return Ok(sections),
                Err(error) => return Err(self.malformed(&error, rest.len())),
            }
        }
    }

    fn malformed(&self, error: &pem::Error, unread: usize) -> TlsError {
        let read = self.bytes.len() - unread;
        let lines = self.bytes[..read].split(|byte| *byte == b'\n');
        let begins = lines.zip(1..).filter(|(line, _)| line.starts_with(b"-----BEGIN "));
        let reason = match error {
            pem::Error::MissingSectionEnd { .. } => "the section has no END line of its kind",
            pem::Error::IllegalSectionStart { .. } => {
                "the BEGIN line does not end with five dashes"
            }
            pem::Error::Base64Decode(_) => "the section is not base64",
            _ => "the section cannot be read",
        };
        let line = begins.last().map_or(1, |(_, line)| line);
        TlsError::Malformed { file: self.path.clone(), line, reason }
    }

    fn bad_certificate(&self, number: usize, error: &rustls::Error) -> TlsError {
        let reason = match error {
            rustls::Error::InvalidCertificate(error) => explain::of_certificate(error),
            error => error.to_string(),
        };
        TlsError::BadCertificate { file: self.path.clone(), number, reason }
    }

    fn contains(&self, mark: &str) -> bool {
        self.bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
    }
}

/// More than 1 MiB of PEM is no chain of certificates: that would be 500 of them, and all roots of a system take 200 KiB.
const FILE_MAX: u64 = 1 << 20;

const PKCS8_ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const LEGACY_ENCRYPTED: &str = "Proc-Type: 4,ENCRYPTED";
