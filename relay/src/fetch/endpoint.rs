use super::{Credentials, FetchError, Headers, ScrapeFormat, ScrapeUrl};
use prometheus_rsocket_client::{ClientTls, ClientTlsFiles, TlsError};
use prometheus_rsocket_protocol::exposition::filter::Filter;
use prometheus_rsocket_runtime::Runtime;
use std::time::Duration;

/// How an endpoint is scraped, and which part of its answer is relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScrapeOptions {
    pub(crate) timeout: Duration,
    /// The format of an answer whose content type does not say.
    pub(crate) fallback: Option<ScrapeFormat>,
    /// The longest text, in bytes before compression.
    pub(crate) max_text_bytes: usize,
    pub(crate) credentials: Credentials,
    pub(crate) headers: Headers,
    pub(crate) tls: ClientTlsFiles,
    pub(crate) filter: Filter,
}

/// What is scraped, and how.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: ScrapeUrl,
    pub(crate) options: ScrapeOptions,
    /// The TLS settings for https; the system's roots if `None`.
    tls: Option<ClientTls>,
}

/// TLS settings by their files, so that many targets share one.
#[derive(Debug, Default)]
pub(crate) struct TlsFiles(Vec<(ClientTlsFiles, ClientTls)>);

impl TlsFiles {
    /// Reads the files, by blocking calls, unless they were read for another target.
    fn load(&mut self, files: &ClientTlsFiles) -> Result<Option<ClientTls>, TlsError> {
        // Without a file, the system's roots are loaded when they are needed: a redirect may lead to https.
        if *files == ClientTlsFiles::default() {
            return Ok(None);
        }
        if let Some((_, tls)) = self.0.iter().find(|(known, _)| known == files) {
            return Ok(Some(tls.clone()));
        }
        let tls = ClientTls::load(files.clone())?;
        self.0.push((files.clone(), tls.clone()));
        Ok(Some(tls))
    }
}

impl Endpoint {
    /// Returns an endpoint. Reads the files of TLS, by blocking calls.
    pub(crate) fn load(
        url: ScrapeUrl,
        options: ScrapeOptions,
        files: &mut TlsFiles,
    ) -> Result<Self, TlsError> {
        let tls = files.load(&options.tls)?;
        Ok(Self { url, options, tls })
    }

    /// Returns the TLS settings with the present contents of their files.
    pub(super) async fn tls<R: Runtime>(&self, runtime: &R) -> Result<ClientTls, FetchError> {
        let (tls, url) = (self.tls.clone(), self.url.clone());
        let loading = runtime.unblock(move || {
            let Some(tls) = tls else { return ClientTls::load(ClientTlsFiles::default()) };
            match tls.reload() {
                Ok(true) => tracing::info!(%url, "TLS files have changed and are in use"),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%url, %error, "changed TLS files cannot be used; the old ones stay in use");
                }
            }
            Ok(tls)
        });
        loading.await.map_err(FetchError::Lost)?.map_err(FetchError::Tls)
    }
}
