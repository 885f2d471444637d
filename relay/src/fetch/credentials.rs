use data_encoding::BASE64;
use http::HeaderValue;
use prometheus_rsocket_runtime::{FileError, read_file};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest secret, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// The credentials that the endpoint requires. Secrets stay in files, which are read again for each scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credentials {
    #[default]
    None,
    /// A user, and the file with the password.
    Basic { user: String, password: Option<PathBuf> },
    /// The file with the token.
    Bearer { token: PathBuf },
}

/// Why there are no credentials to present. It never contains a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("cannot read {}: {error}", file.display())]
    Read { file: PathBuf, error: FileError },
    #[error("the content of {} is not UTF-8", file.display())]
    NotUtf8 { file: PathBuf },
    #[error("the content of {} cannot be sent in a header", file.display())]
    Unsendable { file: PathBuf },
    #[error("{}, line {line}: {reason}", file.display())]
    Header { file: PathBuf, line: usize, reason: String },
}

impl Credentials {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Reads the secret, and returns the value of the header `Authorization`. Blocks.
    pub(crate) fn read(&self) -> Result<Option<HeaderValue>, CredentialsError> {
        let (text, file) = match self {
            Self::None => return Ok(None),
            Self::Basic { user, password } => {
                let secret = password.as_deref().map(secret).transpose()?.unwrap_or_default();
                let pair = Zeroizing::new(format!("{user}:{}", *secret));
                let pair = Zeroizing::new(BASE64.encode(pair.as_bytes()));
                let text = Zeroizing::new(format!("Basic {}", *pair));
                (text, password.clone().unwrap_or_default())
            }
            Self::Bearer { token } => {
                (Zeroizing::new(format!("Bearer {}", *secret(token)?)), token.clone())
            }
        };
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| CredentialsError::Unsendable { file })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Returns the contents of a file without the white space around them.
pub(super) fn secret(file: &Path) -> Result<Zeroizing<String>, CredentialsError> {
    let bytes = read_file(file, MAX_SECRET)
        .map_err(|error| CredentialsError::Read { file: file.to_owned(), error })
        .map(Zeroizing::new)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| CredentialsError::NotUtf8 { file: file.to_owned() })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
