use super::Config;
use super::error::ConfigError;

/// Returns a conflict between the settings of admission.
pub(super) fn check(c: &Config) -> Option<ConfigError> {
    let conflict = |what: &str| Some(ConfigError::Conflict(what.to_owned()));
    if c.require_identity && c.auth_file.is_none() {
        return conflict("--require-identity needs --auth-file");
    }
    if c.require_identity && c.demo > 0 {
        return conflict(
            "--demo does not go with --require-identity: the examples show no credentials",
        );
    }
    None
}
