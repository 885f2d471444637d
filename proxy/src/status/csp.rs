//! What a browser may do with a page: show it, run the one script that it has, and nothing else.

use super::html::{SCRIPT, STYLE};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The value of `Content-Security-Policy`. The hashes are of the style and the script that are in the pages, as they are sent.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
        source(STYLE),
        source(SCRIPT)
    )
});

/// The hash of an inline element's text as a source of the policy (CSP level 3, section 2.3.1).
pub(super) fn source(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(&Sha256::digest(text)))
}
