//! Several sources as one.

#[cfg(test)]
mod tests;

use super::{DynSource, Fetching, MetricsError, Source};
use futures_lite::FutureExt;
use prometheus_rsocket_protocol::exposition::group::{self, merged};
use prometheus_rsocket_protocol::exposition::{
    self, Escaping, ExpositionError, Format, Inject, Policy, ReservedNames, SourceFormat, Target,
    render,
};
use prometheus_rsocket_protocol::labels::{LabelError, Labels};
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

/// Several sources combined into one. Each may have labels of its own, which distinguish its series.
///
/// For each scrape, all sources are asked at the same time. A family that several sources have is written once, with the samples of all. If one
/// source returns OpenMetrics, the others are converted to it. If sources disagree on the type of a family, the type of the first is used, or none if
/// the samples do not fit it.
///
/// # Errors
///
/// The whole scrape fails if a source fails, if its text cannot be read, or if two sources have the same series: an error is noticed, and a missing
/// metric is not. The error names the series, and the sources by their numbers, counted from 1. If a part of the metrics may be missing, its closure
/// has to say so: `|| read().unwrap_or_default()`.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), prometheus_rsocket_client::JoinError> {
/// use prometheus_rsocket_client::Joined;
///
/// let source = Joined::new()
///     .source(|| "orders_total 42\n".to_owned())?
///     .labelled([("pool", "a")], || "idle_connections 3\n".to_owned())?
///     .labelled([("pool", "b")], || "idle_connections 5\n".to_owned())?;
/// # let _ = source;
/// # Ok(()) }
/// ```
#[derive(Default)]
pub struct Joined {
    parts: Vec<Part>,
}

struct Part {
    labels: Labels,
    source: Box<dyn DynSource>,
}

/// Why a source cannot be joined to others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// An invalid label, or two labels of the same name.
    #[error("label: {0}")]
    Label(#[from] LabelError),
    /// There are already [`Joined::MAX_SOURCES`].
    #[error("more than {} sources", Joined::MAX_SOURCES)]
    TooMany,
}

impl Joined {
    /// The most sources. Their texts are all in memory during a scrape.
    pub const MAX_SOURCES: usize = 64;

    /// Returns a source without any parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source, without labels. It may itself be a `Joined`.
    ///
    /// # Errors
    ///
    /// There are already [`MAX_SOURCES`](Self::MAX_SOURCES).
    pub fn source(self, source: impl Source) -> Result<Self, JoinError> {
        self.add(Labels::default(), source)
    }

    /// Adds a source, and labels for all of its series. A series that already has a label of the same name keeps its own.
    ///
    /// # Errors
    ///
    /// There are already [`MAX_SOURCES`](Self::MAX_SOURCES), or the labels are not valid [`Labels`].
    pub fn labelled<N, V>(
        self,
        labels: impl IntoIterator<Item = (N, V)>,
        source: impl Source,
    ) -> Result<Self, JoinError>
    where
        N: Into<Box<str>>,
        V: Into<Box<str>>,
    {
        self.add(Labels::new(labels)?, source)
    }

    fn add(mut self, labels: Labels, source: impl Source) -> Result<Self, JoinError> {
        if self.parts.len() == Self::MAX_SOURCES {
            return Err(JoinError::TooMany);
        }
        self.parts.push(Part { labels, source: Box::new(source) });
        Ok(self)
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| &part.labels)).finish()
    }
}

impl Source for Joined {
    fn metrics(&mut self) -> impl Future<Output = Result<String, MetricsError>> + Send + 'static {
        let fetch = |part: &mut Part| Answer::new(part.labels.clone(), part.source.fetch());
        let mut answers: Vec<_> = self.parts.iter_mut().map(fetch).collect();
        async move {
            poll_fn(|cx| poll_all(&mut answers, cx)).await?;
            join(&answers)
        }
    }
}

/// The text of a source, once it is there.
struct Answer {
    labels: Labels,
    fetching: Option<Fetching>,
    text: String,
}

impl Answer {
    fn new(labels: Labels, fetching: Fetching) -> Self {
        Self { labels, fetching: Some(fetching), text: String::new() }
    }
}

/// Polls the answers that are still missing. Ready once all have arrived, or with the first error.
fn poll_all(answers: &mut [Answer], cx: &mut Context<'_>) -> Poll<Result<(), MetricsError>> {
    let mut is_ready = true;
    for (position, answer) in answers.iter_mut().enumerate() {
        match answer.fetching.as_mut().map(|fetching| fetching.poll(cx)) {
            None => {}
            Some(Poll::Pending) => is_ready = false,
            Some(Poll::Ready(result)) => {
                answer.fetching = None;
                answer.text =
                    result.map_err(|error| format!("source {}: {error}", position + 1))?;
            }
        }
    }
    if is_ready { Poll::Ready(Ok(())) } else { Poll::Pending }
}

/// Writes the families of all texts, each once.
fn join(answers: &[Answer]) -> Result<String, MetricsError> {
    let policy = policy();
    let mut reads = Vec::with_capacity(answers.len());
    for (position, answer) in answers.iter().enumerate() {
        let read = read(&answer.labels, &answer.text, &policy);
        reads.push(read.map_err(|error| format!("source {}: {error}", position + 1))?);
    }
    check_series(&reads, &policy)?;
    let is_openmetrics = |read: &group::Part<'_>| read.facts.format == SourceFormat::OpenMetrics;
    let is_openmetrics = reads.iter().any(is_openmetrics);
    let format = if is_openmetrics { Format::OpenMetrics1 } else { Format::Text004 };
    let target = Target { format, ..TEXT };
    let mut out = merged(&reads, target);
    if is_openmetrics {
        out.extend_from_slice(b"# EOF\n");
    }
    Ok(String::from_utf8(out)?)
}

const TEXT: Target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };

/// The proxy decides which names are reserved and which limits hold.
fn policy() -> Policy {
    Policy { reserved: ReservedNames::none(), ..Policy::default() }
}

fn read<'t>(
    identity: &'t Labels,
    text: &'t str,
    policy: &'t Policy,
) -> Result<group::Part<'t>, ExpositionError> {
    // The series are the application's own, so nobody chooses their names to make fingerprints collide.
    let source =
        exposition::Source { text: text.as_bytes(), identity, inject: Inject::Missing, seed: 0 };
    let facts = exposition::read(&source, policy)?;
    Ok(group::Part { source, policy, facts, omit: Vec::new() })
}

/// Fails if two texts have the same series. If one text has a series twice, at different times, the proxy judges that.
fn check_series(reads: &[group::Part<'_>], policy: &Policy) -> Result<(), MetricsError> {
    let mut seen = HashMap::new();
    for (position, read) in reads.iter().enumerate() {
        for (index, fingerprint) in read.facts.fingerprints.iter().enumerate() {
            let first = *seen.entry(fingerprint).or_insert(position);
            if first != position {
                let series = series(read, policy, index);
                let (first, second) = (first + 1, position + 1);
                return Err(format!("sources {first} and {second} both have {series}").into());
            }
        }
    }
    Ok(())
}

/// Returns the name and the labels of a sample, by rendering it alone.
fn series(read: &group::Part<'_>, policy: &Policy, index: usize) -> String {
    let others = (0..read.facts.samples).filter(|other| *other != index);
    let omit: Vec<_> = others.filter_map(|other| u32::try_from(other).ok()).collect();
    let mut out = Vec::new();
    render(&read.source, policy, &read.facts, TEXT, &omit, &mut out);
    let text = String::from_utf8_lossy(&out);
    let is_sample = |line: &&str| !line.starts_with('#') && !line.is_empty();
    let sample = text.lines().find(is_sample).unwrap_or_default();
    let end = sample.rfind('}').map(|brace| brace + 1).or_else(|| sample.find(' '));
    sample.get(..end.unwrap_or(sample.len())).unwrap_or_default().to_owned()
}
