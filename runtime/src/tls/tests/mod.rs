//! The certificates are in `tests/pem`, with the script that makes them.

mod files;
mod handshake;
mod reload;
mod stream;
mod wire;

use super::{ClientAuth, ClientTls, ClientTlsFiles, MaybeTls, ServerTls, ServerTlsFiles};
use crate::testing::{Duplex, Task, duplex, run};
use futures_rustls::{
    TlsConnector, client,
    pki_types::{CertificateDer, pem::PemObject},
    rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring},
};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

type Met = io::Result<MaybeTls<Duplex>>;

fn pem(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pem").join(file)
}

/// `name` is that of a certificate and its key.
fn server_files(name: &str) -> ServerTlsFiles {
    ServerTlsFiles::new(pem(&format!("{name}.pem")), pem(&format!("{name}.key")))
}

fn server(name: &str) -> ServerTls {
    ServerTls::load(server_files(name)).unwrap()
}

fn server_with(client_auth: ClientAuth) -> ServerTls {
    let mut files = server_files("server");
    files.client_auth = client_auth;
    ServerTls::load(files).unwrap()
}

/// Trusts the test CA.
fn client_files() -> ClientTlsFiles {
    ClientTlsFiles { ca: Some(pem("ca.pem")), identity: None, server_name: None }
}

fn client() -> ClientTls {
    ClientTls::load(client_files()).unwrap()
}

fn client_as(name: &str) -> ClientTls {
    let identity = (pem(&format!("{name}.pem")), pem(&format!("{name}.key")));
    ClientTls::load(ClientTlsFiles { identity: Some(identity), ..client_files() }).unwrap()
}

fn accepting(tls: &ServerTls, stream: Duplex) -> Task<Met> {
    let tls = tls.clone();
    Task::new(async move { tls.accept(stream).await })
}

fn connecting(tls: &ClientTls, host: &str, stream: Duplex) -> Task<Met> {
    let (tls, host) = (tls.clone(), host.to_owned());
    Task::new(async move { tls.connect(&host, stream).await })
}

/// Performs a handshake over an easy link. Returns the results of server and client.
#[track_caller]
fn meet(server: &ServerTls, client: &ClientTls, host: &str) -> (Met, Met) {
    let (near, far) = duplex(100_000);
    let (mut server, mut client) = (accepting(server, near), connecting(client, host, far));
    run(&mut [&mut server, &mut client]);
    (server.output().unwrap(), client.output().unwrap())
}

/// Both ends of a connection.
#[track_caller]
fn pair() -> (MaybeTls<Duplex>, MaybeTls<Duplex>) {
    let (server, client) = meet(&server("server"), &client(), "localhost");
    (server.unwrap(), client.unwrap())
}

/// rustls itself as the peer, with its own settings.
fn raw_config(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem("ca.pem")).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn meet_raw(
    server: &ServerTls,
    config: &Arc<ClientConfig>,
) -> (Met, io::Result<client::TlsStream<Duplex>>) {
    let (near, far) = duplex(100_000);
    let mut server = accepting(server, near);
    let connector = TlsConnector::from(Arc::clone(config));
    let mut client = Task::new(connector.connect("localhost".try_into().unwrap(), far));
    run(&mut [&mut server, &mut client]);
    (server.output().unwrap(), client.output().unwrap())
}

/// A directory that is removed when the value is dropped.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            env::temp_dir().join(format!("prometheus-rsocket-tls-{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(file);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Copies a test file into it under another name.
    fn put(&self, file: &str, source: &str) -> PathBuf {
        self.write(file, fs::read(pem(source)).unwrap())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}
