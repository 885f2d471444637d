//! Two providers of cryptography in one program, none of which is the default of the process: what happens to whoever uses rustls beside us.
//! AWS-LC takes long to compile, so `.ci/run full` runs this.

use futures_rustls::rustls;
use prometheus_rsocket_client::{ClientBuilder, ClientTls, ClientTlsFiles, Config};
use prometheus_rsocket_runtime::tls::{ServerTls, ServerTlsFiles};
use prometheus_rsocket_runtime::{Listener, Runtime};
use prometheus_rsocket_tokio::Tokio;

fn pem(name: &str) -> String {
    format!("{}/../runtime/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn tls_needs_no_default_provider_and_installs_none() {
    let defaulting = std::panic::catch_unwind(rustls::ClientConfig::builder);
    assert!(defaulting.is_err(), "with two providers, whoever relies on the default panics");
    Tokio::block_on(Some(1), |runtime| async move {
        let files = ServerTlsFiles::new(pem("server.pem"), pem("server.key"));
        let server = ServerTls::load(files).unwrap();
        let listener = runtime.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut config = Config::new(format!("tls://localhost:{port}").parse().unwrap());
        let mut files = ClientTlsFiles::default();
        files.ca = Some(pem("ca.pem").into());
        config.tls = Some(ClientTls::load(files).unwrap());
        let client = ClientBuilder::from(config).spawn(String::new).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let accepted = server.accept(stream).await;
        assert!(accepted.is_ok(), "{:?}", accepted.err());
        client.close().await;
    })
    .unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
