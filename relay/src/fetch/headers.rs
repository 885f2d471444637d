//! Headers that a user adds to requests.

use super::credentials::{CredentialsError, secret};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::path::PathBuf;

/// Headers that are added to the requests to an endpoint. `Debug` does not show their values.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) given: Vec<(HeaderName, HeaderValue)>,
    /// More headers, one per line; read for each scrape.
    pub(crate) file: Option<PathBuf>,
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.given.iter().map(|(name, _)| name);
        f.debug_list().entries(names).entries(&self.file).finish()
    }
}

/// The most headers of an endpoint.
pub(crate) const MAX_HEADERS: usize = 64;

/// Headers that the relay sets itself, or that are about how a request is sent.
const RESERVED: [&str; 13] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-prometheus-scrape-timeout-seconds",
];

impl Headers {
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.file.is_none()
    }

    /// Adds the headers to others. Blocks.
    pub(super) fn read(&self, headers: &mut HeaderMap) -> Result<(), CredentialsError> {
        headers.extend(self.given.iter().cloned());
        let Some(file) = &self.file else { return Ok(()) };
        let text = secret(file)?;
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        for (count, (number, line)) in lines.enumerate() {
            let fault = |reason: String| CredentialsError::Header {
                file: file.clone(),
                line: number + 1,
                reason,
            };
            if count >= MAX_HEADERS {
                return Err(fault(format!("more than {MAX_HEADERS} headers")));
            }
            let (name, value) = header(line).map_err(fault)?;
            headers.append(name, value);
        }
        Ok(())
    }
}

/// Parses a header as it is written in a request: `Name: value`. The error does not contain the value.
pub(crate) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("it should be Name: value")?;
    pair(name.trim(), value.trim())
}

/// Checks a name and a value that may be added. The error does not contain the value.
pub(crate) fn pair(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name: HeaderName =
        name.parse().map_err(|_| format!("{name:?} is not the name of a header"))?;
    if RESERVED.contains(&name.as_str()) {
        return Err(format!("the header {name} cannot be set: the relay sets it itself"));
    }
    let mut value: HeaderValue =
        value.parse().map_err(|_| format!("the value of {name} cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok((name, value))
}
