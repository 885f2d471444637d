//! What an answer is in, and how it becomes text of 0.0.4.

use super::{FetchError, ScrapeUrl};
use bytes::Bytes;
use clap::ValueEnum;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::exposition::{
    Escaping, ExpositionError, Facts, Format, Inject, Policy, ReservedNames, Source, SourceFormat,
    Target, read, render,
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

/// The format of an answer, and whether it is compressed by gzip.
///
/// It is as in Prometheus 3: any version of a known type is taken, and a type that is missing or unknown counts as `fallback`.
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

/// An answer as it came.
pub(super) struct Body {
    pub(super) url: ScrapeUrl,
    pub(super) bytes: Bytes,
    pub(super) format: ScrapeFormat,
    pub(super) is_gzip: bool,
    /// The longest text, in bytes.
    pub(super) limit: usize,
}

impl Body {
    /// Whether nothing is left to compute.
    pub(super) fn is_text(&self) -> bool {
        !self.is_gzip && self.format == ScrapeFormat::Text
    }

    /// The text, expanded and in the format 0.0.4.
    pub(super) fn text(self) -> Result<String, FetchError> {
        let (url, format) = (self.url.clone(), self.format);
        let bytes = if self.is_gzip { self.expanded()? } else { self.bytes.into() };
        let bytes = match format {
            ScrapeFormat::Text => bytes,
            ScrapeFormat::OpenMetrics => to_text(&url, &bytes)?,
        };
        String::from_utf8(bytes).or_else(|error| {
            // Prometheus reads comments that are not UTF-8. Rendering leaves them out.
            let rendered = rendered(error.as_bytes()).ok().map(|(_, text)| text);
            rendered
                .and_then(|text| String::from_utf8(text).ok())
                .ok_or(FetchError::NotUtf8 { url })
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

/// How many samples a text of either format has, and the text in the format 0.0.4.
pub(crate) fn as_text(bytes: Vec<u8>) -> Result<(usize, String), ExpositionError> {
    let (facts, out) = rendered(&bytes)?;
    let text = (facts.format == SourceFormat::Text004).then(|| String::from_utf8(bytes).ok());
    // Rendering leaves out comments, which alone may be something else than UTF-8.
    let text = text.flatten().unwrap_or_else(|| String::from_utf8_lossy(&out).into_owned());
    Ok((facts.samples, text))
}

/// OpenMetrics as text of 0.0.4, which is all that the original proxy takes. Names in UTF-8 stay: the proxy escapes them for whom
/// they have to be escaped.
fn to_text(url: &ScrapeUrl, text: &[u8]) -> Result<Vec<u8>, FetchError> {
    let not_openmetrics = |error: String| FetchError::NotOpenMetrics { url: url.clone(), error };
    let (facts, out) = rendered(text).map_err(|error| not_openmetrics(error.to_string()))?;
    if facts.format != SourceFormat::OpenMetrics {
        return Err(not_openmetrics("its last line is not # EOF".to_owned()));
    }
    Ok(out)
}

/// What is known of a text, and the text in the format 0.0.4.
fn rendered(text: &[u8]) -> Result<(Facts, Vec<u8>), ExpositionError> {
    let labels = Labels::default();
    let source = Source { text, identity: &labels, inject: Inject::Never, seed: 0 };
    // The proxy judges what it serves; here it is only converted.
    let policy = Policy { reserved: ReservedNames::none(), ..Policy::default() };
    let facts = read(&source, &policy)?;
    let target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
    let mut out = Vec::new();
    render(&source, &policy, &facts, target, &[], &mut out);
    Ok((facts, out))
}
