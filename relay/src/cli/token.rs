//! The token that identifies the relayed program.

use super::ProxyArgs;
use prometheus_rsocket_client::{ProxyUrl, Route, Token};
use prometheus_rsocket_runtime::read_file;
use std::ffi::OsString;
use std::fmt;

/// Why a token that should be there is not. It shows nothing of the token.
#[derive(Debug)]
pub(crate) struct TokenFault(String);

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The variable that holds the token. There is no option for it, since others can read command lines.
pub(crate) const TOKEN_VARIABLE: &str = "PROMETHEUS_RSOCKET_CLIENT_TOKEN";

/// The longest token file, in bytes; longer than any token.
const MAX_TOKEN_FILE: u64 = 16 * 1024;

impl ProxyArgs {
    /// Returns the token, if there is one: from the file, or else from the environment.
    pub(crate) fn load_token(
        &self,
        variable: Option<OsString>,
        route: &Route,
    ) -> Result<Option<Token>, TokenFault> {
        let variable = variable.filter(|value| !value.is_empty());
        let (token, place) = match (&self.token_file, variable) {
            (Some(file), _) => {
                let place = format!("--token-file {}", file.display());
                let bytes = read_file(file, MAX_TOKEN_FILE);
                let bytes = bytes.map_err(|error| TokenFault(format!("{place}: {error}")))?;
                (String::from_utf8(bytes).unwrap_or_default().trim_end().to_owned(), place)
            }
            (None, Some(value)) => {
                (value.into_string().unwrap_or_default(), TOKEN_VARIABLE.to_owned())
            }
            (None, None) => return Ok(None),
        };
        let token = Token::new(&token).map_err(|error| TokenFault(format!("{place}: {error}")))?;
        let is_safe = |proxy: &&ProxyUrl| proxy.scheme().is_tls() || route.stays_here(proxy);
        let mut proxies = self.proxy.iter();
        if !self.token_in_clear
            && let Some(proxy) = proxies.find(|proxy| !is_safe(proxy))
        {
            return Err(TokenFault(format!(
                "{place}: the token is not shown to {proxy}, which is reached neither by TLS nor on this machine, without --token-in-clear"
            )));
        }
        Ok(Some(token))
    }
}
