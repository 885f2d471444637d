//! The format of an answer, and its conversion to text.

use super::{FetchError, ScrapeUrl};
use bytes::Bytes;
use clap::ValueEnum;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::exposition::{
    ExpositionError, Facts, Inject, Policy, ReservedNames, Source, SourceFormat, read, to_text004,
};
use std::io::Read;

/// A format in which programs tell their metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScrapeFormat {
    /// Prometheus' text format
    Text,
    /// OpenMetrics
    #[value(name = "openmetrics")]
    OpenMetrics,
}

/// Returns the format of an answer, and whether it is compressed by gzip.
///
/// As in Prometheus 3, any version of a known type is accepted, and a missing or unknown type counts as `fallback`.
pub(super) fn kind(
    url: &ScrapeUrl,
    headers: &HeaderMap,
    fallback: Option<ScrapeFormat>,
) -> Result<(ScrapeFormat, bool), FetchError> {
    let content_type =
        headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let known = content_type.as_deref().and_then(format_of);
    let format = known.or(fallback).ok_or_else(|| FetchError::ContentType {
        url: url.clone(),
        what: content_type.map_or_else(
            || "without a content type".to_owned(),
            |content_type| format!("with the content type {content_type:?}"),
        ),
    })?;
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()).unwrap_or_default();
    let is_gzip = match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => false,
        b"gzip" | b"x-gzip" => true,
        other => {
            let encoding = String::from_utf8_lossy(other).into_owned();
            return Err(FetchError::Encoding { url: url.clone(), encoding });
        }
    };
    Ok((format, is_gzip))
}

fn format_of(content_type: &str) -> Option<ScrapeFormat> {
    match content_type.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "text/plain" => Some(ScrapeFormat::Text),
        "application/openmetrics-text" => Some(ScrapeFormat::OpenMetrics),
        _ => None,
    }
}

/// An answer as it was received.
pub(super) struct Body {
    pub(super) url: ScrapeUrl,
    pub(super) bytes: Bytes,
    pub(super) format: ScrapeFormat,
    pub(super) is_gzip: bool,
    /// The longest text, in bytes.
    pub(super) limit: usize,
}

impl Body {
    /// Whether no decompression and no conversion is left to do.
    pub(super) fn is_text(&self) -> bool {
        !self.is_gzip && self.format == ScrapeFormat::Text
    }

    /// Returns the text, decompressed.
    pub(super) fn text(self) -> Result<String, FetchError> {
        let (url, format) = (self.url.clone(), self.format);
        let bytes = if self.is_gzip { self.expanded()? } else { self.bytes.into() };
        if format == ScrapeFormat::OpenMetrics {
            openmetrics(&url, &bytes)?;
        }
        String::from_utf8(bytes).or_else(|error| {
            without_comments(error.as_bytes()).map_err(|_| FetchError::NotUtf8 { url })
        })
    }

    fn expanded(self) -> Result<Vec<u8>, FetchError> {
        let mut text = Vec::new();
        let mut decoder = MultiGzDecoder::new(&*self.bytes).take(self.limit as u64 + 1);
        if let Err(error) = decoder.read_to_end(&mut text) {
            return Err(FetchError::Gzip { url: self.url, error });
        }
        if text.len() > self.limit {
            return Err(FetchError::TooLong { url: self.url, limit: self.limit });
        }
        Ok(text)
    }
}

/// Returns how many samples a text of either format has, and the text without comments that are not UTF-8.
///
/// # Errors
///
/// The first line that Prometheus would reject.
pub(crate) fn as_text(bytes: Vec<u8>) -> Result<(usize, String), ExpositionError> {
    let facts = facts(&bytes)?;
    let text = String::from_utf8(bytes).or_else(|error| without_comments(error.as_bytes()))?;
    Ok((facts.samples, text))
}

/// Checks OpenMetrics, which stays as it is. It is converted when it is sealed, if the proxy reads only 0.0.4.
fn openmetrics(url: &ScrapeUrl, text: &[u8]) -> Result<(), FetchError> {
    let not_openmetrics = |error: String| FetchError::NotOpenMetrics { url: url.clone(), error };
    let facts = facts(text).map_err(|error| not_openmetrics(error.to_string()))?;
    if facts.format != SourceFormat::OpenMetrics {
        return Err(not_openmetrics("its last line is not # EOF".to_owned()));
    }
    Ok(())
}

fn facts(text: &[u8]) -> Result<Facts, ExpositionError> {
    let labels = Labels::default();
    let source = Source { text, identity: &labels, inject: Inject::Never, seed: 0 };
    // The proxy judges which of it is served.
    let policy = Policy { reserved: ReservedNames::none(), ..Policy::default() };
    read(&source, &policy)
}

/// Renders a text that is not all UTF-8. Prometheus accepts comments that are not UTF-8; rendering leaves them out.
fn without_comments(text: &[u8]) -> Result<String, ExpositionError> {
    let text = to_text004(text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
