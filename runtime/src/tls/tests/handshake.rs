use super::{
    Met, accepting, client, client_as, client_files, connecting, meet, meet_raw, pem, raw_config,
    server, server_files, server_with,
};
use crate::{
    Elapsed, Runtime,
    testing::{Duplex, Task, Virtual, duplex, run},
    timeout,
    tls::{ClientAuth, ClientTls, ClientTlsFiles, MaybeTls, ServerTls},
};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use futures_rustls::{
    TlsAcceptor,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    rustls::{HandshakeKind, ProtocolVersion, ServerConfig, crypto::ring, version},
};
use prometheus_rsocket_protocol::{Connection, Machine, rsocket::connection};
use std::{io, sync::Arc, time::Duration};

/// The handshake must fail with an error of this kind that contains each of `parts`.
#[track_caller]
fn failed(met: Met, kind: io::ErrorKind, parts: &[&str]) {
    let error = met.expect_err("a handshake that fails");
    assert_eq!(error.kind(), kind, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "no {part:?} in {error}");
    }
}

#[track_caller]
fn invalid(met: Met, parts: &[&str]) {
    failed(met, io::ErrorKind::InvalidData, parts);
}

/// The result of reading at one end.
fn read(stream: MaybeTls<Duplex>) -> io::Result<usize> {
    let mut task = Task::new(async move {
        let mut stream = stream;
        stream.read(&mut [0; 8]).await
    });
    run(&mut [&mut task]);
    task.output().unwrap()
}

#[test]
fn each_mode_of_client_certificates_lets_in_whom_it_should() {
    let off = || server("server");
    let optional = || server_with(ClientAuth::Optional { ca: pem("ca.pem") });
    let required = || server_with(ClientAuth::Required { ca: pem("ca.pem") });
    let good = "";
    let (missing, stranger) =
        ("no certificate, and one is required", "not from a CA that is trusted");
    for (mode, tls, outcomes) in [
        ("off", off(), [good, good, good, good]),
        ("optional", optional(), [good, good, stranger, "expired"]),
        ("required", required(), [missing, good, stranger, "expired"]),
    ] {
        let clients = [client(), client_as("client"), client_as("stranger"), client_as("expired")];
        for (number, (client, expected)) in clients.iter().zip(outcomes).enumerate() {
            let (server, client) = meet(&tls, client, "localhost");
            match expected {
                "" => assert!(server.is_ok() && client.is_ok(), "{mode} {number}: {server:?}"),
                reason => invalid(server, &[reason]),
            }
        }
    }
}

#[test]
fn a_client_hears_why_its_certificate_is_refused() {
    let required = server_with(ClientAuth::Required { ca: pem("ca.pem") });
    for (client, reason) in [
        (client(), "it requires a certificate, and we sent none"),
        (client_as("stranger"), "it does not trust the CA of our certificate"),
        (client_as("expired"), "our certificate has expired"),
    ] {
        let (_, client) = meet(&required, &client, "localhost");
        // Its own handshake was complete before.
        let error = read(client.unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(reason), "{error}");
    }
    // With TLS 1.2 it is not.
    let (server, client) = meet_raw(&required, &Arc::new(raw_config(&[&version::TLS12])));
    invalid(server, &["no certificate, and one is required"]);
    assert!(client.is_err());
}

#[test]
fn a_client_hears_so_though_it_has_sent_much_by_then() {
    let required = server_with(ClientAuth::Required { ca: pem("ca.pem") });
    let (near, far) = duplex(100_000);
    let (mut server, tls) = (accepting(&required, near), client());
    let mut client = Task::new(async move {
        let mut stream = tls.connect("localhost", far).await.unwrap();
        stream.write_all(&[7; 50_000]).await.unwrap();
        stream.flush().await.unwrap();
        stream.read(&mut [0; 8]).await
    });
    run(&mut [&mut server, &mut client]);
    let error = client.output().unwrap().unwrap_err();
    assert!(error.to_string().contains("it requires a certificate"), "{error}");
}

#[test]
fn a_server_must_be_whom_the_client_means() {
    let server = server("server");
    for host in ["localhost", "LOCALHOST", "proxy.test", "127.0.0.1", "::1"] {
        let (server, client) = meet(&server, &client(), host);
        assert!(server.unwrap().is_tls() && client.unwrap().is_tls(), "{host}");
    }
    for host in ["other.test", "127.0.0.2", "::2", "sub.proxy.test"] {
        let (server, client) = meet(&server, &client(), host);
        let names = "it is for localhost, proxy.test, 127.0.0.1, ";
        invalid(client, &["certificate is refused", names, &format!(", not for {host}")]);
        invalid(server, &["the peer refuses the connection", "does not accept our certificate"]);
    }
    let nobody = connecting(&client(), "not a name", duplex(1).0);
    let mut nobody = nobody;
    run(&mut [&mut nobody]);
    failed(nobody.output().unwrap(), io::ErrorKind::InvalidInput, &["\"not a name\""]);
}

#[test]
fn a_server_name_takes_the_place_of_the_host() {
    let named = |name: &str| {
        let server_name = Some(name.to_owned());
        ClientTls::load(ClientTlsFiles { server_name, ..client_files() }).unwrap()
    };
    let server = server("server");
    for name in ["proxy.test", "127.0.0.1"] {
        assert!(meet(&server, &named(name), "10.1.2.3").1.is_ok(), "{name}");
        assert!(meet(&server, &named(name), "not a name").1.is_ok(), "{name}");
    }
    invalid(meet(&server, &named("other.test"), "localhost").1, &["not for other.test"]);
}

#[test]
fn a_servers_certificate_must_be_good() {
    let (expired, trusting) = (server("expired"), client());
    let (server_met, client_met) = meet(&expired, &trusting, "localhost");
    invalid(client_met, &["certificate is refused", "expired"]);
    invalid(server_met, &["the peer refuses", "our certificate has expired"]);

    let elsewhere = ClientTlsFiles { ca: Some(pem("other-ca.pem")), ..client_files() };
    let (server_met, client_met) =
        meet(&server("server"), &ClientTls::load(elsewhere).unwrap(), "localhost");
    invalid(client_met, &["not from a CA that is trusted here"]);
    invalid(server_met, &["does not trust the CA of our certificate"]);

    let themselves = ClientTlsFiles { ca: Some(pem("self-signed.pem")), ..client_files() };
    let themselves = ClientTls::load(themselves).unwrap();
    invalid(meet(&server("self-signed"), &themselves, "localhost").1, &["CA:TRUE"]);
    invalid(meet(&server("client"), &trusting, "localhost").1, &["refused"]);
    let as_client = server_with(ClientAuth::Required { ca: pem("ca.pem") });
    invalid(meet(&as_client, &client_as("server"), "localhost").0, &["extended key usage"]);
}

#[test]
fn what_is_not_tls_is_called_by_its_name_and_told_by_an_alert() {
    let mut setup = vec![0, 0, 0x38, 0, 0, 0, 0, 4, 0, 0, 1, 0, 0];
    setup.resize(0x3b, 0);
    for (bytes, reason) in [
        (&setup[..], "plain RSocket"),
        (b"GET /metrics/connected HTTP/1.1\r\n\r\n", "plain HTTP"),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", "plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak TLS"),
        (&[0x80, 0x2e, 1, 3, 1, 0, 0x15], "does not speak TLS"),
    ] {
        // In one piece, and in single bytes.
        for capacity in [1000, 1] {
            let (near, far) = duplex(capacity);
            near.outgoing.buffer();
            let mut server = accepting(&server("server"), near);
            let bytes = bytes.to_vec();
            let mut peer = Task::new(async move {
                let mut far = far;
                let mut answer = Vec::new();
                // The server may close before it has everything.
                let _ = far.write_all(&bytes).await;
                far.read_to_end(&mut answer).await.map(|_| answer)
            });
            run(&mut [&mut server, &mut peer]);
            invalid(server.output().unwrap(), &[reason]);
            let answer = peer.output().unwrap().unwrap();
            assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "a fatal alert: {answer:?}");
        }
    }
}

#[test]
fn a_plain_port_is_told_from_a_tls_port_by_the_client() {
    let mut refusal = vec![0, 0, 0x10, 0, 0, 0, 0, 0x2c, 0, 0, 0, 1, 1];
    refusal.resize(0x13, b'x');
    for (answer, reason) in [
        (&refusal[..], "the peer speaks plain RSocket where TLS is expected"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the peer speaks plain HTTP where TLS is expected"),
        (b"220 mail.test ESMTP\r\n", "the peer does not speak TLS"),
    ] {
        let (near, far) = duplex(10_000);
        let mut task = connecting(&client(), "localhost", near);
        far.outgoing.push(answer);
        run(&mut [&mut task]);
        invalid(task.output().unwrap(), &[reason]);
    }
}

/// A proxy without TLS, and a client that starts a handshake.
#[test]
fn a_plain_rsocket_machine_refuses_a_tls_hello() {
    let (near, far) = duplex(10_000);
    let mut task = connecting(&client(), "localhost", near);
    run(&mut [&mut task]);
    let now = Virtual::new().now();
    let mut machine = Connection::server(connection::Config::default(), now);
    let mut answer = bytes::BytesMut::new();
    machine.handle_input(now, &mut (&far.incoming.take()[..]).into());
    while machine.poll_transmit(now, &mut answer) {}
    assert!(machine.is_closed());
    far.outgoing.push(&answer);
    run(&mut [&mut task]);
    invalid(task.output().unwrap(), &["plain RSocket"]);
}

#[test]
fn a_peer_that_leaves_is_told_from_one_that_is_wrong() {
    let met = |bytes: &[u8], leave: fn(&Duplex)| {
        let (near, far) = duplex(10_000);
        let mut task = accepting(&server("server"), near);
        far.outgoing.push(bytes);
        run(&mut [&mut task]);
        leave(&far);
        run(&mut [&mut task]);
        task.output().unwrap()
    };
    let end = |far: &Duplex| far.outgoing.end();
    let reset = |far: &Duplex| far.outgoing.fail(io::ErrorKind::ConnectionReset);
    failed(met(b"", end), io::ErrorKind::UnexpectedEof, &["before it sent anything"]);
    failed(met(&[22, 3], end), io::ErrorKind::ConnectionAborted, &["during the TLS handshake"]);
    failed(met(&[22, 3], reset), io::ErrorKind::ConnectionReset, &[]);
    // It closes with an alert: user_canceled or close_notify.
    invalid(met(&[21, 3, 3, 0, 2, 2, 90], end), &["the peer refuses"]);
}

#[test]
fn versions_before_1_2_are_refused() {
    // A ClientHello of TLS 1.1 (RFC 4346, section 7.4.1.2), once as it is, and once with an extension introduced by 1.2.
    for (extensions, alert) in [(&[][..], 40), (&[0, 8, 0, 13, 0, 4, 0, 2, 4, 3], 70)] {
        let len = 41 + extensions.len() as u8;
        let mut hello = vec![22, 3, 1, 0, len + 4, 1, 0, 0, len, 3, 2];
        hello.extend([5; 32]);
        hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
        hello.extend(extensions);
        let (near, far) = duplex(10_000);
        let mut task = accepting(&server("server"), near);
        far.outgoing.push(&hello);
        run(&mut [&mut task]);
        invalid(task.output().unwrap(), &["no TLS version in common"]);
        let answer = far.incoming.take();
        assert_eq!((answer[0], &answer[3..]), (21, &[0, 2, 2, alert][..]));
    }
}

#[test]
fn both_versions_are_spoken_and_no_session_is_kept() {
    for (config, expected) in [
        (raw_config(&[&version::TLS12]), ProtocolVersion::TLSv1_2),
        (raw_config(&[&version::TLS13]), ProtocolVersion::TLSv1_3),
        (raw_config(&[&version::TLS12, &version::TLS13]), ProtocolVersion::TLSv1_3),
    ] {
        // A client that tries to resume and offers HTTP/2.
        let mut config = config;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (config, server) = (Arc::new(config), server("server"));
        for _ in 0..2 {
            let (met, client) = meet_raw(&server, &config);
            met.unwrap();
            let client = client.unwrap();
            let (link, session) = client.get_ref();
            assert_eq!(session.protocol_version(), Some(expected));
            assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(session.alpn_protocol(), None);
            assert_eq!(link.incoming.len(), 0, "no tickets");
        }
    }
}

#[test]
fn a_client_does_not_resume_though_the_server_would() {
    let identity = ["server.pem", "server.key"].map(pem);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&identity[0]).unwrap()],
            PrivateKeyDer::from_pem_file(&identity[1]).unwrap(),
        );
    let (acceptor, tls) = (TlsAcceptor::from(Arc::new(config.unwrap())), client());
    for _ in 0..2 {
        let (near, far) = duplex(100_000);
        let mut server = Task::new(acceptor.accept(near));
        let mut client = connecting(&tls, "localhost", far);
        run(&mut [&mut server, &mut client]);
        let server = server.output().unwrap().unwrap();
        assert!(server.get_ref().1.handshake_kind() == Some(HandshakeKind::Full));
        // The client reads, and so would receive any tickets.
        let mut reading = Task::new(async move {
            drop(server);
            client.output().unwrap().unwrap().read(&mut [0; 8]).await
        });
        run(&mut [&mut reading]);
        assert_eq!(reading.output().unwrap().unwrap(), 0);
    }
}

#[test]
fn a_peer_that_takes_no_alert_and_sends_without_end_is_left() {
    let (near, far) = duplex(0);
    let mut task = accepting(&server("server"), near);
    far.outgoing.push(&[b'x'; 60_000]);
    run(&mut [&mut task]);
    assert!(task.output().is_none(), "it may still take it");
    far.outgoing.push(&[b'x'; 10_000]);
    run(&mut [&mut task]);
    invalid(task.output().unwrap(), &["does not speak TLS"]);
}

#[test]
fn a_handshake_in_single_bytes_or_random_pieces_is_the_same() {
    let required = server_with(ClientAuth::Required { ca: pem("ca.pem") });
    for seed in 0..20 {
        let (near, far) = duplex(if seed == 0 { 1 } else { 50 });
        if seed > 0 {
            near.shake(seed);
        }
        if seed % 2 == 0 {
            near.incoming.buffer();
            near.outgoing.buffer();
        }
        let mut server = accepting(&required, near);
        let mut client = connecting(&client_as("client"), "localhost", far);
        run(&mut [&mut server, &mut client]);
        assert!(server.output().unwrap().unwrap().is_tls());
        assert!(client.output().unwrap().unwrap().is_tls());
    }
}

#[test]
fn a_peer_that_says_nothing_is_left_to_a_timeout() {
    let runtime = Virtual::new();
    let (near, far) = duplex(100);
    let (tls, waiting) = (ServerTls::load(server_files("server")).unwrap(), runtime.clone());
    let deadline = runtime.now() + Duration::from_secs(10);
    let mut task = Task::new(async move {
        let met = timeout(&waiting, deadline, tls.accept(near)).await;
        met.map(|_| ())
    });
    far.outgoing.push(&[22, 3, 1]);
    run(&mut [&mut task]);
    runtime.advance(Duration::from_secs(10));
    run(&mut [&mut task]);
    assert_eq!(task.output(), Some(Err(Elapsed)));
}
