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

/// Several sources as one, each with labels of its own if that tells them apart.
///
/// For each scrape, all of them are asked at the same time. Families that several have are written once, with the samples of all. If one is in
/// OpenMetrics, the others are converted to it. Where sources disagree on the type of a family, the type of the first is used, or none
/// if the samples do not fit it.
///
/// # Errors
///
/// The whole scrape fails if a source fails, if its text is not readable, or if two sources have the same series: an error is seen, and a metric that
/// is missing is not. The error names the sources by their numbers, counted from 1, and the series. Where a part of the metrics may be missing,
/// say so in its closure: `|| read().unwrap_or_default()`.
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
    /// A label that cannot be one, or two of the same name.
    #[error("label: {0}")]
    Label(#[from] LabelError),
    /// There are [`Joined::MAX_SOURCES`] already.
    #[error("more than {} sources", Joined::MAX_SOURCES)]
    TooMany,
}

impl Joined {
    /// The most sources. Their texts are all in memory during a scrape.
    pub const MAX_SOURCES: usize = 64;

    /// Joins nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source, without labels. It may be joined itself.
    ///
    /// # Errors
    ///
    /// If there are [`MAX_SOURCES`](Self::MAX_SOURCES) already.
    pub fn source(self, source: impl Source) -> Result<Self, JoinError> {
        self.add(Labels::default(), source)
    }

    /// Adds a source, with labels for all of its series. A series that has a label of that name keeps its own.
    ///
    /// # Errors
    ///
    /// If there are [`MAX_SOURCES`](Self::MAX_SOURCES) already, or the labels are not such as [`Labels`] can have.
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

/// Polls whatever is not there yet. Ready once all are, or with the first error.
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

/// Which names are reserved, and which limits hold, is for the proxy to say.
fn policy() -> Policy {
    Policy { reserved: ReservedNames::none(), ..Policy::default() }
}

fn read<'t>(
    identity: &'t Labels,
    text: &'t str,
    policy: &'t Policy,
) -> Result<group::Part<'t>, ExpositionError> {
    // The series are the application's own: nobody has chosen their names to make them collide.
    let source =
        exposition::Source { text: text.as_bytes(), identity, inject: Inject::Missing, seed: 0 };
    let facts = exposition::read(&source, policy)?;
    Ok(group::Part { source, policy, facts, omit: Vec::new() })
}

/// Fails if two texts have the same series. That one text has it twice, at different times, is for the proxy to judge.
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

/// The name and the labels of a sample, which is rendered alone for that.
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
