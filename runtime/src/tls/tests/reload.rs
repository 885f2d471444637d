use super::{Dir, Met, client, client_files, meet, server_files};
use crate::{
    testing::{Task, Virtual, run},
    tls::{ClientAuth, ClientTls, ClientTlsFiles, MaybeTls, ServerTls, ServerTlsFiles},
    watch, watch_when,
};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use futures_rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{
    cell::{Cell, RefCell},
    fs,
    future::poll_fn,
    mem,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::{Duration, SystemTime},
};

/// A server with its own copies of the files.
fn install(dir: &Dir) -> ServerTls {
    let files = ServerTlsFiles::new(dir.put("a.pem", "server.pem"), dir.put("a.key", "server.key"));
    ServerTls::load(files).unwrap()
}

/// The file name of the certificate that a client is shown.
#[track_caller]
fn shown(server: &ServerTls) -> &'static str {
    let (_, client) = meet(server, &client(), "localhost");
    certificate(&client.unwrap())
}

fn certificate<S>(stream: &MaybeTls<S>) -> &'static str {
    let MaybeTls::Tls(stream) = stream else { panic!("plain") };
    let shown = stream.0.get_ref().1.peer_certificates().unwrap()[0].clone();
    ["server.pem", "renewed.pem", "rsa.pem"]
        .into_iter()
        .find(|file| {
            let pem = fs::read(super::pem(file)).unwrap();
            CertificateDer::from_pem_slice(&pem).unwrap() == shown
        })
        .unwrap()
}

#[test]
fn nothing_changes_while_the_files_are_the_same() {
    let dir = Dir::new();
    let tls = install(&dir);
    assert!(!tls.reload().unwrap());
    // Written again, but with the same bytes.
    dir.put("a.pem", "server.pem");
    assert!(!tls.reload().unwrap());
    assert_eq!(shown(&tls), "server.pem");
}

#[test]
fn it_is_known_when_the_certificate_expires() {
    let dir = Dir::new();
    let tls = install(&dir);
    // As printed by `openssl x509 -enddate`.
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(tls.not_after(), at(4_733_510_400));
    dir.put("a.pem", "expired.pem");
    dir.put("a.key", "expired.key");
    assert!(tls.reload().unwrap());
    assert_eq!(tls.not_after(), at(1_580_515_200));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_any_more_changes_nothing() {
    let dir = Dir::new();
    let tls = install(&dir);
    let (certificate, key) = (dir.path("a.pem"), dir.path("a.key"));
    for file in [&certificate, &key] {
        let kept = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
        let error = tls.reload().unwrap_err().to_string();
        assert!(error.contains(file.to_str().unwrap()) && error.contains("a FIFO"), "{error}");
        assert_eq!(shown(&tls), "server.pem");
        fs::remove_file(file).unwrap();
        fs::write(file, kept).unwrap();
    }
    assert!(!tls.reload().unwrap());
}

#[test]
fn what_changed_counts_for_new_connections_and_not_for_old_ones() {
    let dir = Dir::new();
    let tls = install(&dir);
    let twin = tls.clone();
    let (old_server, old_client) = meet(&tls, &client(), "localhost");
    dir.put("a.pem", "renewed.pem");
    dir.put("a.key", "renewed.key");
    assert!(tls.reload().unwrap());
    assert_eq!(shown(&tls), "renewed.pem");
    assert_eq!(shown(&twin), "renewed.pem");
    assert!(!twin.reload().unwrap());
    let (server, client) = (old_server.unwrap(), old_client.unwrap());
    assert_eq!(certificate(&client), "server.pem");
    assert_talk(server, client);
}

#[track_caller]
fn assert_talk<S>(mut server: MaybeTls<S>, mut client: MaybeTls<S>)
where
    S: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin + 'static,
{
    let mut asks = Task::new(async move {
        client.write_all(b"still there?").await.unwrap();
        client.flush().await.unwrap();
        let mut answer = [0; 3];
        client.read_exact(&mut answer).await.unwrap();
        answer
    });
    let mut answers = Task::new(async move {
        server.read_exact(&mut [0; 12]).await.unwrap();
        server.write_all(b"yes").await.unwrap();
        server.close().await.unwrap();
        server
    });
    run(&mut [&mut asks, &mut answers]);
    assert_eq!(asks.output().unwrap(), *b"yes");
}

#[cfg(unix)]
#[test]
fn a_link_that_is_swapped_is_a_change() {
    use std::os::unix::fs::symlink;
    let dir = Dir::new();
    for (version, name) in [("v1", "server"), ("v2", "renewed")] {
        fs::create_dir(dir.path(version)).unwrap();
        dir.put(&format!("{version}/tls.pem"), &format!("{name}.pem"));
        dir.put(&format!("{version}/tls.key"), &format!("{name}.key"));
    }
    symlink("v1", dir.path("..data")).unwrap();
    let files = ["tls.pem", "tls.key"].map(|file| {
        symlink(format!("..data/{file}"), dir.path(file)).unwrap();
        dir.path(file)
    });
    let [certificate, key] = files;
    let tls = ServerTls::load(ServerTlsFiles::new(certificate, key)).unwrap();
    symlink("v2", dir.path("..next")).unwrap();
    fs::rename(dir.path("..next"), dir.path("..data")).unwrap();
    assert!(tls.reload().unwrap());
    assert_eq!(shown(&tls), "renewed.pem");
}

#[test]
fn files_that_are_of_no_use_leave_the_old_ones_in_use() {
    let dir = Dir::new();
    let tls = install(&dir);
    // Half of a new pair has been written.
    dir.put("a.pem", "renewed.pem");
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("a.key") && error.contains("does not belong"), "{error}");
    assert_eq!(shown(&tls), "server.pem");
    assert!(tls.reload().is_err(), "it is still so");
    // And the other half.
    dir.put("a.key", "renewed.key");
    assert!(tls.reload().unwrap());
    assert_eq!(shown(&tls), "renewed.pem");

    fs::remove_file(dir.path("a.key")).unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("cannot read"));
    dir.write("a.key", "");
    assert!(tls.reload().unwrap_err().to_string().contains("no private key"));
    assert_eq!(shown(&tls), "renewed.pem");
    dir.put("a.key", "renewed.key");
    assert!(!tls.reload().unwrap(), "it is what is in use");
}

#[test]
fn who_is_let_in_changes_with_the_ca_file() {
    let dir = Dir::new();
    let mut files = server_files("server");
    files.client_auth = ClientAuth::Required { ca: dir.put("ca.pem", "ca.pem") };
    let tls = ServerTls::load(files).unwrap();
    let stranger = super::client_as("stranger");
    let is_let_in = |(server, _): (Met, Met)| server.is_ok();
    assert!(!is_let_in(meet(&tls, &stranger, "localhost")));
    assert!(is_let_in(meet(&tls, &super::client_as("client"), "localhost")));
    dir.put("ca.pem", "other-ca.pem");
    assert!(tls.reload().unwrap());
    assert!(is_let_in(meet(&tls, &stranger, "localhost")));
    // Not even a client that was admitted before: there is no session to resume.
    assert!(!is_let_in(meet(&tls, &super::client_as("client"), "localhost")));
}

#[test]
fn a_client_reloads_as_well() {
    let dir = Dir::new();
    let ca = Some(dir.put("ca.pem", "other-ca.pem"));
    let identity = Some((dir.put("c.pem", "stranger.pem"), dir.put("c.key", "stranger.key")));
    let tls = ClientTls::load(ClientTlsFiles { ca, identity, ..client_files() }).unwrap();
    let mut files = server_files("server");
    files.client_auth = ClientAuth::Required { ca: super::pem("ca.pem") };
    let server = ServerTls::load(files).unwrap();
    assert!(meet(&server, &tls, "localhost").1.is_err());
    dir.put("ca.pem", "ca.pem");
    assert!(tls.reload().unwrap());
    assert!(!tls.reload().unwrap());
    assert!(meet(&server, &tls, "localhost").0.is_err());
    dir.put("c.pem", "client.pem");
    assert!(tls.reload().is_err());
    dir.put("c.key", "client.key");
    assert!(tls.reload().unwrap());
    assert!(meet(&server, &tls, "localhost").0.is_ok());
}

#[test]
fn a_watch_tells_what_is_news_and_nothing_else() {
    let dir = Dir::new();
    let tls = install(&dir);
    let runtime = Virtual::new();
    let news = Rc::new(RefCell::new(Vec::new()));
    let (watched, told) = (tls.clone(), Rc::clone(&news));
    let mut task = Task::new(watch(
        runtime.clone(),
        move || watched.reload(),
        Duration::from_secs(10),
        move |outcome| told.borrow_mut().push(outcome.map_err(|error| error.to_string())),
    ));
    run(&mut [&mut task]);
    let mut after = |time: Duration| {
        runtime.advance(time);
        run(&mut [&mut task]);
        mem::take(&mut *news.borrow_mut())
    };
    let period = Duration::from_secs(10);
    assert_eq!(after(period), []);
    dir.put("a.pem", "renewed.pem");
    assert_eq!(after(period - Duration::from_millis(1)), [], "not before it is time");
    let [Err(error)] = &after(Duration::from_millis(1))[..] else { panic!("one error") };
    assert!(error.contains("a.key"), "{error}");
    assert_eq!(after(period), [], "the same error");
    dir.write("a.pem", "");
    let [Err(error)] = &after(period)[..] else { panic!("one error") };
    assert!(error.contains("no certificate"), "{error}");
    dir.put("a.pem", "server.pem");
    assert_eq!(after(period), [Ok(false)], "as before");
    assert_eq!(after(period), []);
    dir.put("a.pem", "renewed.pem");
    dir.put("a.key", "renewed.key");
    assert_eq!(after(period), [Ok(true)]);
    dir.put("a.pem", "rsa.pem");
    dir.put("a.key", "rsa.key");
    assert_eq!(after(period), [Ok(true)], "a change is news each time");
    assert_eq!(shown(&tls), "rsa.pem");
}

#[test]
fn a_watch_without_pauses_does_not_spin_and_one_without_end_waits() {
    for every in [Duration::ZERO, Duration::MAX] {
        let runtime = Virtual::new();
        let called = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&called);
        let reload = move || {
            flag.store(true, Ordering::SeqCst);
            Ok(false)
        };
        let mut task = Task::new(watch(
            runtime.clone(),
            reload,
            every,
            |_: Result<bool, crate::tls::TlsError>| (),
        ));
        run(&mut [&mut task]);
        assert!(!called.load(Ordering::SeqCst), "{every:?}");
        runtime.advance(Duration::from_millis(1));
        run(&mut [&mut task]);
        assert_eq!(called.load(Ordering::SeqCst), every.is_zero(), "{every:?}");
    }
}

#[test]
fn a_watch_that_is_asked_does_not_wait_for_its_pause() {
    let runtime = Virtual::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let reload = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(false)
    };
    let (is_asked, waker) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(None::<Waker>)));
    let (asking, waiting) = (Rc::clone(&is_asked), Rc::clone(&waker));
    let asked = move || {
        let (is_asked, waker) = (Rc::clone(&asking), Rc::clone(&waiting));
        poll_fn(move |cx| match is_asked.take() {
            true => Poll::Ready(()),
            false => {
                *waker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    };
    let mut task = Task::new(watch_when(
        runtime.clone(),
        reload,
        Duration::from_secs(10),
        asked,
        |_: Result<bool, crate::tls::TlsError>| (),
    ));
    let mut calls_after = |time: Duration| {
        runtime.advance(time);
        run(&mut [&mut task]);
        calls.swap(0, Ordering::SeqCst)
    };
    assert_eq!(calls_after(Duration::from_secs(1)), 0);
    is_asked.set(true);
    waker.borrow_mut().take().unwrap().wake();
    assert_eq!(calls_after(Duration::ZERO), 1);
    // The pause starts again.
    assert_eq!(calls_after(Duration::from_secs(9)), 0);
    assert_eq!(calls_after(Duration::from_secs(1)), 1);
}
