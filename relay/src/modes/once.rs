//! A single push.

use super::{Signals, Source};
use crate::fetch::as_text;
use crate::targets::{Fleet, push_text};
use futures_lite::future::or;
use prometheus_rsocket_client::Config;
use prometheus_rsocket_protocol::exposition::ExpositionError;
use prometheus_rsocket_runtime::Runtime;
use std::io::{self, Read};
use std::process::ExitCode;
use std::time::Duration;

/// Pushes once. A signal ends it immediately.
pub(super) async fn run<R: Runtime>(
    runtime: R,
    mut configs: Vec<Config>,
    source: Source,
    signals: Signals,
) -> ExitCode {
    let pushing = async {
        match source {
            Source::Targets(relayed) => {
                allow_for_once(&mut configs, relayed.longest_timeout());
                Fleet::push_once(&runtime, configs, relayed).await
            }
            Source::Text { labels, text } => {
                allow_for_once(&mut configs, Duration::ZERO);
                push_text(&runtime, &configs, &labels, &text).await
            }
        }
    };
    let signalled = async {
        signals.next().await;
        tracing::error!("ended by a signal: the metrics are not pushed");
        false
    };
    if or(pushing, signalled).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Sets how long a single push may take: fetching, connecting and pushing.
fn allow_for_once(configs: &mut [Config], scrape_timeout: Duration) {
    for config in configs {
        let time = config.agent.push_timeout.saturating_add(config.connect_timeout);
        config.agent.push_timeout = time.saturating_add(scrape_timeout);
    }
}

/// Reads metrics in either format, of at most `limit` bytes. Reads the input to its end, however long that takes.
pub(crate) fn read_stdin(input: impl Read, limit: usize) -> Result<String, StdinError> {
    let mut bytes = Vec::new();
    let read = input.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(StdinError::Read)?;
    if bytes.len() > limit {
        return Err(StdinError::TooLong { limit });
    }
    match as_text(bytes).map_err(StdinError::NotMetrics)? {
        (0, _) => Err(StdinError::Empty),
        (_, text) => Ok(text),
    }
}

/// Why standard input yields no metrics.
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
    use super::read_stdin;

    #[test]
    fn metrics_in_either_format_are_taken() {
        for (input, text) in [
            (&b"a 1\n"[..], "a 1\n"),
            (b"a 1", "a 1"),
            (b"# TYPE a counter\na_total 2\n# EOF\n", "# TYPE a counter\na_total 2\n# EOF\n"),
            ("a{b=\"é\"} 1\n".as_bytes(), "a{b=\"é\"} 1\n"),
            (b"# \xff\na 1\n", "a 1\n"),
        ] {
            assert_eq!(read_stdin(input, 100).unwrap(), text);
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
            let error = read_stdin(input, limit).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("standard input"), "{error}");
        }
        assert!(read_stdin(&b"a 1\n"[..], 4).is_ok());
    }
}
