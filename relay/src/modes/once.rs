//! One push, and the end.

use super::Signals;
use crate::fetch::as_text;
use crate::targets::{Given, push_once};
use futures_lite::future::or;
use prometheus_rsocket_client::Config;
use prometheus_rsocket_protocol::exposition::ExpositionError;
use prometheus_rsocket_protocol::exposition::filter::Filter;
use prometheus_rsocket_runtime::Runtime;
use std::io::{self, Read};
use std::process::ExitCode;

/// Pushes once. A signal ends it at once.
pub(super) async fn run<R: Runtime>(
    runtime: R,
    mut configs: Vec<Config>,
    given: Given,
    signals: &Signals,
) -> ExitCode {
    let fetching = match &given {
        Given::Targets(_, loaded) => loaded.iter().map(|it| it.target.options.timeout).max(),
        Given::Text(..) => None,
    };
    for config in &mut configs {
        // It is fetched, connected and pushed within this.
        let time = config.agent.push_timeout.saturating_add(config.connect_timeout);
        config.agent.push_timeout = time.saturating_add(fetching.unwrap_or_default());
    }
    let signalled = async {
        signals.next().await;
        tracing::error!("ended by a signal: the metrics are not pushed");
        false
    };
    let is_pushed = or(push_once(runtime, configs, given), signalled).await;
    if is_pushed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The metrics on an input, of at most `limit` bytes, as text of the format 0.0.4. Reads to its end, however long that takes.
pub(crate) fn read_text(
    input: impl Read,
    limit: usize,
    filter: &Filter,
) -> Result<String, StdinError> {
    let mut bytes = Vec::new();
    let read = input.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(StdinError::Read)?;
    if bytes.len() > limit {
        return Err(StdinError::TooLong { limit });
    }
    let (samples, text) = as_text(bytes).map_err(StdinError::NotMetrics)?;
    if samples == 0 {
        return Err(StdinError::Empty);
    }
    Ok(filter.apply(&text).map_err(StdinError::NotMetrics)?.text)
}

/// Why standard input gives no metrics.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StdinError {
    #[error("standard input has no sample")]
    Empty,
    #[error("standard input is not metrics: {0}")]
    NotMetrics(ExpositionError),
    #[error("cannot read standard input: {0}")]
    Read(io::Error),
    #[error("standard input is longer than the {limit} bytes of --max-text-bytes")]
    TooLong { limit: usize },
}

#[cfg(test)]
mod tests {
    use super::{Filter, read_text};

    #[test]
    fn metrics_in_either_format_are_taken() {
        for (input, text) in [
            (&b"a 1\n"[..], "a 1\n"),
            (b"a 1", "a 1"),
            (b"# TYPE a counter\na_total 2\n# EOF\n", "# TYPE a_total counter\na_total 2\n"),
            ("a{b=\"é\"} 1\n".as_bytes(), "a{b=\"é\"} 1\n"),
            (b"# \xff\na 1\n", "a 1\n"),
        ] {
            assert_eq!(read_text(input, 100, &Filter::default()).unwrap(), text);
        }
    }

    #[test]
    fn others_are_refused_with_the_line() {
        for (input, limit, reason) in [
            (&b""[..], 100, "has no sample"),
            (b"\n# a comment\n", 100, "has no sample"),
            (b"a 1\nb 2\noh no\n", 100, "line 3, byte 4"),
            (b"a{b=\"\xff\"} 1\n", 100, "line 1"),
            (b"a 1\n", 3, "longer than the 3 bytes of --max-text-bytes"),
        ] {
            let error = read_text(input, limit, &Filter::default()).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("standard input"), "{error}");
        }
        assert!(read_text(&b"a 1\n"[..], 4, &Filter::default()).is_ok());
    }

    #[test]
    fn filters_count_for_it_as_well() {
        let mut filter = Filter::default();
        filter.deny("go_*".parse().unwrap()).unwrap();
        assert_eq!(read_text(&b"go_x 1\na 1\n"[..], 100, &filter).unwrap(), "a 1\n");
    }
}
