use super::{Dir, client_files, meet, pem, server, server_files};
use crate::tls::{
    ClientAuth, ClientTls, ClientTlsFiles, ServerTls, ServerTlsFiles, TlsError,
    client::system_roots,
};
use rustls_native_certs::{CertificateResult, load_certs_from_paths};
use std::{fs, path::PathBuf};

/// Loading must fail with a message that contains each of `parts`.
#[track_caller]
fn refused(files: ServerTlsFiles, parts: &[&str]) -> TlsError {
    let error = ServerTls::load(files).expect_err("files that are of no use");
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
    error
}

fn with_key(key: PathBuf) -> ServerTlsFiles {
    ServerTlsFiles::new(pem("server.pem"), key)
}

fn with_certificate(certificate: PathBuf) -> ServerTlsFiles {
    ServerTlsFiles::new(certificate, pem("server.key"))
}

#[test]
fn keys_of_every_common_kind_can_be_used() {
    for name in ["server", "rsa", "ed25519", "chain"] {
        let (server, client) = meet(&server(name), &super::client(), "localhost");
        assert!(server.is_ok() && client.is_ok(), "{name}: {server:?} {client:?}");
    }
    ServerTls::load(with_key(pem("server-sec1.key"))).unwrap();
}

#[test]
fn certificates_and_key_may_be_in_one_file_among_other_things() {
    let dir = Dir::new();
    let parts = ["chain.key", "chain.pem"].map(|file| fs::read_to_string(pem(file)).unwrap());
    let other = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let text = format!("a comment\n{other}{}\nanother\r\n{}", parts[0], parts[1]);
    let both = dir.write("both.pem", text);
    let tls = ServerTls::load(ServerTlsFiles::new(both.clone(), both)).unwrap();
    let (server, client) = meet(&tls, &super::client(), "localhost");
    assert!(server.is_ok() && client.is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = Dir::new();
    let error = refused(with_key(dir.path("absent.key")), &["cannot read", "absent.key"]);
    assert!(matches!(error, TlsError::Read { file, .. } if file == dir.path("absent.key")));
    refused(with_certificate(dir.path("absent.pem")), &["cannot read", "absent.pem"]);
    refused(with_certificate(dir.0.clone()), &["cannot read", dir.0.to_str().unwrap()]);
    let mut files = server_files("server");
    files.client_auth = ClientAuth::Required { ca: dir.path("absent-ca.pem") };
    refused(files.clone(), &["cannot read", "absent-ca.pem"]);
    files.client_auth = ClientAuth::Optional { ca: dir.path("absent-ca.pem") };
    refused(files, &["cannot read", "absent-ca.pem"]);
}

#[test]
fn a_file_is_read_up_to_a_mebibyte() {
    let dir = Dir::new();
    let mut text = fs::read(pem("server.pem")).unwrap();
    text.resize(1 << 20, b'\n');
    ServerTls::load(with_certificate(dir.write("long.pem", &text))).unwrap();
    text.push(b'\n');
    let error = refused(with_certificate(dir.write("long.pem", &text)), &["long.pem", "1 MiB"]);
    assert!(matches!(error, TlsError::TooLong { .. }));
}

#[test]
fn a_file_without_what_is_looked_for_is_named() {
    let dir = Dir::new();
    let error = refused(with_certificate(pem("server.key")), &["server.key", "no certificate"]);
    assert!(matches!(error, TlsError::NoCertificate { .. }));
    let error = refused(with_key(pem("server.pem")), &["server.pem", "no private key"]);
    assert!(matches!(error, TlsError::NoKey { .. }));
    refused(with_certificate(dir.write("empty.pem", "")), &["empty.pem", "no certificate"]);
    let mut files = server_files("server");
    files.client_auth = ClientAuth::Required { ca: dir.write("empty-ca.pem", "# none\n") };
    refused(files, &["empty-ca.pem", "no certificate"]);
}

#[test]
fn a_key_with_a_password_is_called_that() {
    for file in ["server-encrypted.key", "server-encrypted-sec1.key"] {
        let error = refused(with_key(pem(file)), &[file, "password", "not supported"]);
        assert!(matches!(error, TlsError::EncryptedKey { .. }));
    }
}

#[test]
fn a_malformed_section_is_told_by_its_line() {
    let dir = Dir::new();
    let good = fs::read_to_string(pem("server.pem")).unwrap();
    let lines = good.lines().count();
    for (name, broken, reason) in [
        ("no-end.pem", good.replace("-----END", "----END"), "no END line"),
        ("cut.pem", good[..good.len() - 100].to_owned(), "no END line"),
        ("begin.pem", good.replace("CERTIFICATE-----\n", "CERTIFICATE---\n"), "five dashes"),
        ("letters.pem", good.replace("\nMII", "\nM!I"), "not base64"),
    ] {
        let file = dir.write(name, format!("{good}\n{broken}"));
        let line = format!("line {}:", lines + 2);
        let error = refused(with_certificate(file), &[name, &line, reason]);
        assert!(matches!(error, TlsError::Malformed { .. }));
    }
    let key = fs::read_to_string(pem("server.key")).unwrap().replace("\nMI", "\n*I");
    refused(with_key(dir.write("letters.key", key)), &["letters.key, line 1", "not base64"]);
}

#[test]
fn a_certificate_that_is_none_is_told_by_its_number() {
    let dir = Dir::new();
    let good = fs::read_to_string(pem("server.pem")).unwrap();
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let file = dir.write("second.pem", format!("{good}{bad}"));
    let error = refused(with_certificate(file.clone()), &["certificate 2 in", "second.pem"]);
    assert!(matches!(error, TlsError::BadCertificate { number: 2, .. }));
    let mut files = server_files("server");
    files.client_auth = ClientAuth::Required { ca: file };
    refused(files, &["certificate 2 in", "second.pem", "no X.509 certificate"]);
    refused(server_files("v1"), &["certificate 1 in", "v1.pem", "version 1"]);
}

#[test]
fn a_key_that_is_none_is_named() {
    let dir = Dir::new();
    let text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let error = refused(with_key(dir.write("bad.key", text)), &["bad.key", "cannot be used"]);
    assert!(matches!(error, TlsError::BadKey { .. }));
}

#[test]
fn a_key_must_belong_to_the_certificate() {
    let error =
        refused(with_key(pem("renewed.key")), &["renewed.key", "does not belong", "server.pem"]);
    assert!(matches!(error, TlsError::KeyMismatch { .. }));
    // The chain begins with the owner's certificate.
    let dir = Dir::new();
    let chain = ["ca.pem", "server.pem"].map(|file| fs::read_to_string(pem(file)).unwrap());
    let file = dir.write("upside-down.pem", chain.concat());
    refused(with_certificate(file), &["does not belong to the first certificate"]);
}

#[test]
fn an_expired_certificate_is_loaded() {
    server("expired");
}

#[test]
fn the_files_of_a_client_are_looked_at_as_well() {
    let refused = |files, part: &str| {
        let message = ClientTls::load(files).unwrap_err().to_string();
        assert!(message.contains(part), "no {part:?} in {message:?}");
    };
    let identity = Some((pem("client.pem"), pem("stranger.key")));
    refused(ClientTlsFiles { identity, ..client_files() }, "stranger.key does not belong");
    refused(
        ClientTlsFiles { ca: Some(pem("client.key")), ..client_files() },
        "client.key has no cert",
    );
    let name = Some("not a name".to_owned());
    refused(ClientTlsFiles { server_name: name, ..client_files() }, "\"not a name\" is neither");
}

#[test]
fn of_the_systems_roots_those_are_used_that_can_be() {
    let dir = Dir::new();
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    dir.write("bad.pem", bad);
    let found = load_certs_from_paths(None, Some(&dir.0));
    assert_eq!(found.certs.len(), 1);
    let message = system_roots(found).unwrap_err().to_string();
    assert!(message.contains("--tls-ca"), "{message}");

    dir.put("good.pem", "ca.pem");
    assert_eq!(system_roots(load_certs_from_paths(None, Some(&dir.0))).unwrap().len(), 1);

    let absent = load_certs_from_paths(Some(&dir.path("absent.pem")), None);
    let message = system_roots(absent).unwrap_err().to_string();
    assert!(message.contains("--tls-ca") && message.contains("absent.pem"), "{message}");
    assert!(system_roots(CertificateResult::default()).is_err());
}

#[test]
fn no_key_is_shown_by_debug() {
    let shown = format!("{:?} {:?}", server("server"), super::client_as("client"));
    assert!(shown.contains("server.key") && shown.contains("client.key"), "{shown}");
    assert!(shown.len() < 2000, "{shown}");
}
