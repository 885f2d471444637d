//! The format in which a scraper is answered.

use http::{HeaderMap, HeaderValue, header};
use prometheus_rsocket_protocol::exposition::{Escaping, Format, Target};

/// The format of an answer, and its `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The format and escaping that the text is rendered in.
    pub target: Target,
    content_type: &'static str,
}

impl Negotiated {
    /// The text format 0.0.4, which every scraper reads.
    pub const TEXT: Self = Self {
        target: Target { format: Format::Text004, escaping: Escaping::Underscores },
        content_type: "text/plain; version=0.0.4; charset=utf-8",
    };

    /// Returns the value of the header `Content-Type`.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(self.content_type)
    }

    /// Returns the format with the highest weight among those that are served; of several with the same weight, the one that the scraper names first.
    /// A scraper that names none of them gets the text format 0.0.4.
    ///
    /// | media range in `Accept` | answer |
    /// |---|---|
    /// | `application/openmetrics-text`, without a version or of 1.0.0 | OpenMetrics 1.0 |
    /// | `text/plain;version=1.0.0` | text 0.0.4 with UTF-8 names, if `escaping=allow-utf-8` is there |
    /// | `text/plain`, without a version or of 0.0.4; `text/*`; `*/*` | text 0.0.4 |
    ///
    /// Names outside the legacy character set stay as they are with `escaping=allow-utf-8`. Otherwise, underscores replace the characters outside it.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut best: Option<(u16, Self)> = None;
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let Some((weight, format)) = parse_range(range) else { continue };
                if weight > 0 && best.is_none_or(|(other, _)| weight > other) {
                    best = Some((weight, format));
                }
            }
        }
        best.map_or(Self::TEXT, |(_, format)| format)
    }

    /// Returns whether the answer is OpenMetrics.
    pub fn is_open_metrics(self) -> bool {
        self.target.format == Format::OpenMetrics1
    }

    fn new(format: Format, escaping: Option<&str>, version: &str) -> Self {
        use Escaping::{AllowUtf8, Underscores};
        let scheme = match escaping {
            Some(scheme) if scheme.eq_ignore_ascii_case("allow-utf-8") => AllowUtf8,
            _ => Underscores,
        };
        let is_named = escaping.is_some();
        let content_type = match (format, scheme, is_named) {
            (Format::OpenMetrics1, AllowUtf8, _) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (Format::OpenMetrics1, Underscores, true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            (Format::OpenMetrics1, Underscores, false) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
            (Format::Text004, AllowUtf8, _) if version == "1.0.0" => {
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (Format::Text004, AllowUtf8, _) => {
                "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"
            }
            (Format::Text004, Underscores, true) => {
                "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
            }
            (Format::Text004, Underscores, false) => Self::TEXT.content_type,
        };
        Self { target: Target { format, escaping: scheme }, content_type }
    }
}

/// Returns the weight, in thousandths, and the format of a media range that is served.
fn parse_range(range: &str) -> Option<(u16, Negotiated)> {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let (mut version, mut escaping, mut weight) = ("", None, 1000);
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        match name.trim() {
            name if name.eq_ignore_ascii_case("version") => version = value,
            name if name.eq_ignore_ascii_case("escaping") => escaping = Some(value),
            name if name.eq_ignore_ascii_case("q") => {
                weight = super::negotiate::parse_weight(value)
            }
            _ => {}
        }
    }
    let is = |name: &str| media_type.eq_ignore_ascii_case(name);
    let format = match version {
        "" | "1.0.0" if is("application/openmetrics-text") => Format::OpenMetrics1,
        "" | "0.0.4" if is("text/plain") => Format::Text004,
        "1.0.0" if is("text/plain") && escaping.is_some() => Format::Text004,
        _ if is("text/*") || is("*/*") => Format::Text004,
        _ => return None,
    };
    Some((weight, Negotiated::new(format, escaping, version)))
}
