use super::{meet_raw, pair, raw_config, server};
use crate::{
    DriveEnd, DriverConfig, Runtime, drive,
    testing::{Duplex, Task, Virtual, duplex, run},
    tls::{
        MaybeTls,
        stream::{BUFFER_MAX, names},
    },
};
use futures_io::AsyncWrite;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWriteExt, future::zip};
use futures_rustls::pki_types::{CertificateDer, pem::PemObject};
use futures_rustls::rustls::version;
use prometheus_rsocket_protocol::{
    Connection, Payload,
    rsocket::connection::{Config, Event},
    rsocket::frame::{ErrorCode, Setup},
};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};
use x509_cert::{Certificate, der::Decode};

type Stream = MaybeTls<Duplex>;

/// The link below.
fn link(stream: &Stream) -> &Duplex {
    let MaybeTls::Tls(stream) = stream else { panic!("plain") };
    stream.0.get_ref().0.inner()
}

fn poll_read(stream: &mut Stream, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), buf)
}

fn poll_write(stream: &mut Stream, buf: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_write(&mut Context::from_waker(Waker::noop()), buf)
}

fn poll_flush(stream: &mut Stream) -> Poll<io::Result<()>> {
    Pin::new(stream).poll_flush(&mut Context::from_waker(Waker::noop()))
}

fn poll_close(stream: &mut Stream) -> Poll<io::Result<()>> {
    Pin::new(stream).poll_close(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn is_ready<T>(poll: Poll<io::Result<T>>) -> T {
    match poll {
        Poll::Ready(Ok(value)) => value,
        Poll::Ready(Err(error)) => panic!("{error}"),
        Poll::Pending => panic!("pending"),
    }
}

/// Takes everything that has arrived, with no end after it.
#[track_caller]
fn take(stream: &mut Stream) -> Vec<u8> {
    let (mut all, mut buf) = (Vec::new(), [0; 1000]);
    while let Poll::Ready(read) = poll_read(stream, &mut buf) {
        let len = read.unwrap();
        assert_ne!(len, 0, "an end");
        all.extend(&buf[..len]);
    }
    all
}

/// Sends `bytes`, ends, and reads until the other side ends.
async fn exchange(mut stream: Stream, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut received = Vec::new();
    let (mut reader, mut writer) = futures_lite::io::split(&mut stream);
    let writing = async {
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        writer.close().await
    };
    let (written, read) = zip(writing, reader.read_to_end(&mut received)).await;
    written?;
    read?;
    Ok(received)
}

#[test]
fn much_goes_both_ways_at_once_over_any_link() {
    let bytes = |seed: usize| (0..200_000).map(|i| (i * seed / 97) as u8).collect::<Vec<_>>();
    for seed in 0..4 {
        let (near, far) = pair();
        link(&near).incoming.set_capacity(700);
        link(&near).outgoing.set_capacity(70_000);
        if seed > 0 {
            link(&near).shake(seed);
        }
        if seed % 2 == 1 {
            link(&near).outgoing.buffer();
        }
        let mut near = Task::new(exchange(near, bytes(3)));
        let mut far = Task::new(exchange(far, bytes(5)));
        run(&mut [&mut near, &mut far]);
        assert!(near.output().unwrap().unwrap() == bytes(5));
        assert!(far.output().unwrap().unwrap() == bytes(3));
    }
}

#[test]
fn who_is_not_read_from_cannot_write_without_end() {
    let (server, client) = pair();
    assert_bounded(server, client);
    let (server, client) = pair();
    assert_bounded(client, server);
}

#[track_caller]
fn assert_bounded(mut near: Stream, mut far: Stream) {
    link(&near).outgoing.set_capacity(10_000);
    let mut written = 0;
    while let Poll::Ready(len) = poll_write(&mut near, &[b'x'; 5000]) {
        written += len.unwrap();
        assert!(written <= 10_000 + BUFFER_MAX, "{written}");
    }
    assert!(written > 10_000, "{written}");
    assert!(poll_flush(&mut near).is_pending());
    let mut read = 0;
    while read < written {
        let len = take(&mut far).len();
        assert_ne!(len, 0, "{read} of {written}");
        read += len;
        let _ = poll_flush(&mut near);
    }
    is_ready(poll_flush(&mut near));
    assert_eq!(is_ready(poll_write(&mut near, b"more")), 4);
}

#[test]
fn what_is_flushed_has_arrived() {
    let (mut near, mut far) = pair();
    link(&near).outgoing.buffer();
    assert_eq!(is_ready(poll_write(&mut near, b"hello")), 5);
    assert_eq!(take(&mut far), b"");
    is_ready(poll_flush(&mut near));
    assert_eq!(take(&mut far), b"hello");
}

#[test]
fn several_slices_are_written_at_once_and_are_one_record() {
    let (mut near, mut far) = pair();
    let slices = [b"one, ", &b""[..], b"two, ", b"three"].map(IoSlice::new);
    let cx = &mut Context::from_waker(Waker::noop());
    assert_eq!(is_ready(Pin::new(&mut near).poll_write_vectored(cx, &slices)), 15);
    // Header, content, its type, and tag: RFC 8446, section 5.2.
    assert_eq!(link(&far).incoming.len(), 5 + 15 + 1 + 16);
    assert_eq!(take(&mut far), b"one, two, three");
}

#[test]
fn an_end_is_flushed_and_leaves_the_other_direction_open() {
    let (mut near, mut far) = pair();
    link(&near).outgoing.buffer();
    is_ready(poll_write(&mut near, b"bye"));
    is_ready(poll_close(&mut near));
    assert!(link(&near).outgoing.has_ended());
    let mut buf = [0; 8];
    assert_eq!(is_ready(poll_read(&mut far, &mut buf)), 3);
    assert_eq!(is_ready(poll_read(&mut far, &mut buf)), 0);
    assert_eq!(is_ready(poll_read(&mut far, &mut buf)), 0);

    assert!(poll_read(&mut near, &mut buf).is_pending());
    is_ready(poll_write(&mut far, b"still"));
    is_ready(poll_flush(&mut far));
    assert_eq!(take(&mut near), b"still");
    is_ready(poll_close(&mut far));
    assert_eq!(is_ready(poll_read(&mut near, &mut buf)), 0);
}

#[test]
fn an_end_is_said_by_a_closing_alert_in_either_version() {
    for version in [&version::TLS12, &version::TLS13] {
        let (near, far) = meet_raw(&server("server"), &Arc::new(raw_config(&[version])));
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        is_ready(poll_write(&mut near, b"bye"));
        is_ready(poll_close(&mut near));
        let mut peer = Task::new(async move {
            let mut text = Vec::new();
            // It treats an end without the alert as an error.
            far.read_to_end(&mut text).await?;
            far.write_all(b"and you").await?;
            far.close().await?;
            Ok::<_, io::Error>(text)
        });
        run(&mut [&mut peer]);
        assert_eq!(peer.output().unwrap().unwrap(), b"bye");
        let mut buf = [0; 8];
        assert_eq!(is_ready(poll_read(&mut near, &mut buf)), 7);
        assert_eq!(is_ready(poll_read(&mut near, &mut buf)), 0);
    }
}

#[test]
fn an_end_waits_for_what_was_written() {
    let (mut near, mut far) = pair();
    link(&near).outgoing.set_capacity(5);
    is_ready(poll_write(&mut near, b"a word"));
    assert!(poll_close(&mut near).is_pending());
    assert!(!link(&near).outgoing.has_ended());
    let mut received = take(&mut far);
    for _ in 0..100 {
        if poll_close(&mut near).is_ready() {
            break;
        }
        received.extend(take(&mut far));
    }
    assert!(link(&near).outgoing.has_ended());
    assert_eq!(received, b"a word");
    assert_eq!(is_ready(poll_read(&mut far, &mut [0; 8])), 0);
}

#[test]
fn an_end_without_a_word_is_an_end_between_records() {
    let (mut near, mut far) = pair();
    is_ready(poll_write(&mut near, b"the last"));
    is_ready(poll_flush(&mut near));
    link(&near).outgoing.end();
    let mut buf = [0; 20];
    assert_eq!(is_ready(poll_read(&mut far, &mut buf)), 8);
    assert_eq!(is_ready(poll_read(&mut far, &mut buf)), 0);
    assert_eq!(is_ready(poll_read(&mut far, &mut buf)), 0);
    is_ready(poll_write(&mut far, b"an answer"));
    is_ready(poll_flush(&mut far));
    assert_eq!(take(&mut near), b"an answer");
    is_ready(poll_close(&mut far));
    // The server's end may lack the alert, too.
    let (mut near, far) = pair();
    link(&far).outgoing.end();
    assert_eq!(is_ready(poll_read(&mut near, &mut buf)), 0);
    assert_eq!(is_ready(poll_read(&mut near, &mut buf)), 0);
}

#[test]
fn an_end_within_a_record_is_an_error() {
    let (mut near, mut far) = pair();
    is_ready(poll_write(&mut near, b"broken off"));
    let mut bytes = link(&far).incoming.take();
    bytes.pop();
    link(&far).incoming.push(&bytes);
    link(&far).incoming.end();
    let Poll::Ready(Err(error)) = poll_read(&mut far, &mut [0; 20]) else { panic!("no error") };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("within a record"), "{error}");
}

#[test]
fn what_was_tampered_with_is_refused() {
    let (mut near, mut far) = pair();
    is_ready(poll_write(&mut near, b"trust me"));
    let mut bytes = link(&far).incoming.take();
    *bytes.last_mut().unwrap() ^= 1;
    link(&far).incoming.push(&bytes);
    let Poll::Ready(Err(error)) = poll_read(&mut far, &mut [0; 20]) else { panic!("no error") };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("TLS failed"), "{error}");
    let Poll::Ready(Err(error)) = poll_read(&mut near, &mut [0; 20]) else { panic!("no error") };
    assert!(error.to_string().contains("the peer refuses the connection"), "{error}");
}

#[test]
fn a_reset_stays_a_reset() {
    let (near, mut far) = pair();
    link(&near).outgoing.fail(io::ErrorKind::ConnectionReset);
    let Poll::Ready(Err(error)) = poll_read(&mut far, &mut [0; 20]) else { panic!("no error") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_stream_that_takes_nothing_is_an_error_and_no_loop() {
    let (near, far) = duplex(100_000);
    let mut client = super::connecting(&super::client(), "localhost", far);
    let tls = server("server");
    let mut server = Task::new(async move { tls.accept(Stuck { stream: near, writes: 5 }).await });
    run(&mut [&mut server, &mut client]);
    let mut stream = server.output().unwrap().unwrap();
    let mut task = Task::new(async move {
        stream.write_all(&[1; 100_000]).await?;
        stream.flush().await
    });
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().unwrap_err().kind(), io::ErrorKind::WriteZero);
}

/// Takes nothing after some writes, and says so.
struct Stuck {
    stream: Duplex,
    writes: usize,
}

impl AsyncRead for Stuck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.writes == 0 {
            return Poll::Ready(Ok(0));
        }
        self.writes -= 1;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Drives a machine until its connection is over. Returns how it ended, and the number of answers. The machine makes a request
/// if it can, answers requests, and closes once it has an answer.
fn driven(stream: Stream, mut machine: Connection, clock: &Virtual) -> Task<(DriveEnd, usize)> {
    let runtime = clock.clone();
    Task::new(async move {
        let mut answered = 0;
        let payload = Payload::new("", vec![b'm'; 300_000]);
        // Before SETUP, a server cannot make requests.
        let _ = machine.request_response(payload);
        let mut owner = |_: &mut Context<'_>, now: Instant, machine: &mut Connection| {
            while let Some(event) = machine.poll_event() {
                match event {
                    Event::RequestResponse { stream_id, payload } => {
                        machine.respond(stream_id, payload).unwrap();
                    }
                    Event::Response { payload, .. } => {
                        answered = payload.unwrap().data.len();
                        machine.close(now, ErrorCode::CONNECTION_CLOSE, "thanks");
                    }
                    _ => {}
                }
            }
        };
        let config = DriverConfig::default();
        let end = drive(&runtime, stream, &mut machine, &mut owner, &config).await;
        (end.unwrap(), answered)
    })
}

#[test]
fn connections_are_driven_over_it_to_a_clean_end() {
    for seed in 0..4 {
        let (near, far) = pair();
        link(&near).incoming.set_capacity(5000);
        if seed > 0 {
            link(&near).shake(seed);
        }
        let clock = Virtual::new();
        let now = clock.now();
        let server = Connection::server(Config::default(), now);
        let client = Connection::client(Config::default(), Setup::default(), now).unwrap();
        let mut server = driven(near, server, &clock);
        let mut client = driven(far, client, &clock);
        run(&mut [&mut server, &mut client]);
        assert_eq!(server.output(), Some((DriveEnd::Closed, 0)));
        assert_eq!(client.output(), Some((DriveEnd::Closed, 300_000)));
    }
}

#[test]
fn a_plain_stream_is_left_as_it_is() {
    let (near, far) = duplex(100);
    near.outgoing.buffer();
    let mut near = MaybeTls::Plain(near);
    assert!(!near.is_tls());
    is_ready(poll_write(&mut near, b"one"));
    assert_eq!(far.incoming.len(), 0);
    is_ready(poll_flush(&mut near));
    assert_eq!(far.incoming.take(), b"one");
    far.outgoing.push(b"two");
    let mut buf = [0; 8];
    assert_eq!(is_ready(poll_read(&mut near, &mut buf)), 3);
    is_ready(poll_close(&mut near));
    assert!(far.incoming.has_ended());

    let (near, _far) = duplex(100);
    let mut near = MaybeTls::Plain(Vectored(near));
    let cx = &mut Context::from_waker(Waker::noop());
    let slices = [b"a", &b"b"[..]].map(IoSlice::new);
    assert_eq!(is_ready(Pin::new(&mut near).poll_write_vectored(cx, &slices)), 77);
}

/// Distinguishes vectored writes from others.
struct Vectored(Duplex);

impl AsyncRead for Vectored {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Vectored {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(77))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

#[test]
fn the_names_of_a_certificate_are_told_apart() {
    let file = format!("{}/tests/pem/named.pem", env!("CARGO_MANIFEST_DIR"));
    let der = CertificateDer::from_pem_file(file).unwrap();
    let certificate = Certificate::from_der(&der).unwrap().tbs_certificate;
    // Addresses are not names.
    assert_eq!(
        names(&certificate),
        ["dns:orders.example", "uri:spiffe://example/orders", "email:ops@orders.example"]
    );
    assert_eq!(certificate.subject.to_string(), "CN=test named,O=Example");
}
