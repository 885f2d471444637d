//! File descriptors: how many the system allows, and how they are divided.

use crate::config::Config;
use std::io;

/// Raises the limit on file descriptors as far as the system allows, and makes the configuration fit it, so that applications cannot use up the
/// descriptors that scrapers need. Returns a warning with the figures if the configuration had to be reduced.
///
/// # Errors
///
/// The limit cannot be read or raised. The configuration is unchanged then.
pub fn prepare(config: &mut Config) -> io::Result<Option<String>> {
    // Each connection takes one descriptor, and the usual 1,024 are few. What the system allows beyond that is there to be used.
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    tracing::debug!(limit, "file descriptors");
    Ok(fit(config, usize::try_from(limit).unwrap_or(usize::MAX)))
}

/// Makes the configuration fit a limit. The program itself comes first, then HTTP with at most a quarter of the rest, then the others.
fn fit(config: &mut Config, limit: usize) -> Option<String> {
    let leaving = config.max_turned_away.saturating_mul(LEAVING);
    let wanted = [config.max_connections, leaving, config.http_descriptors()];
    let needed = wanted.iter().fold(OWN, |sum, count| sum.saturating_add(*count));
    if needed <= limit {
        return None;
    }
    let rest = limit.saturating_sub(OWN);
    while config.http_descriptors() > (rest / 4).max(2) && config.max_http_connections > 1 {
        config.max_http_connections -= 1;
    }
    let rest = rest.saturating_sub(config.http_descriptors());
    config.max_turned_away = config.max_turned_away.min(rest / 4 / LEAVING);
    let rest = rest - config.max_turned_away * LEAVING;
    config.max_connections = config.max_connections.min(rest).max(1);
    let Config { max_connections, max_http_connections, .. } = config;
    Some(format!(
        "the limit of {limit} file descriptors is too low for --max-connections and --max-http-connections, which need {needed}: \
         at most {max_connections} applications and {max_http_connections} HTTP connections are accepted"
    ))
}

/// Descriptors of everything but connections: listeners, the runtime, logs, files that are read again; and of connections that are ending.
const OWN: usize = 32;

/// Descriptors for each connection that may wait to be turned away. As many others may have been accepted before and have lost their place, whether
/// they wait too or have to end.
const LEAVING: usize = 3;

#[cfg(test)]
mod tests {
    use super::{LEAVING, OWN, fit};
    use crate::config::Config;

    #[test]
    fn what_fits_is_left_as_it_is() {
        let mut config = Config::default();
        let needed = 10_000 + 3 * 256 + 256 + 16 + OWN;
        assert_eq!(fit(&mut config, needed), None);
        assert_eq!(config, Config::default());
        assert!(fit(&mut config, needed - 1).is_some());
        assert_eq!(config.max_connections, 9_999);
    }

    #[test]
    fn a_limit_that_is_too_low_is_shared_out_and_told_with_figures() {
        for limit in [0, 1, 40, 64, 100, 1024, 4096] {
            let mut config = Config::default();
            let warning = fit(&mut config, limit).unwrap();
            let (applications, http) = (config.max_connections, config.max_http_connections);
            assert!(applications >= 1 && http >= 1);
            for figure in [limit, applications, http, 11_072] {
                assert!(warning.contains(&format!(" {figure}")), "{figure}: {warning}");
            }
            let all =
                applications + LEAVING * config.max_turned_away + config.http_descriptors() + OWN;
            assert!(all <= limit.max(OWN + 3), "{limit}: {config:?}");
        }
    }
}
