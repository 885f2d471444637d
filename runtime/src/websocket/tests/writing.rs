use super::*;
use crate::websocket::encode::OUT_MAX;
use std::{collections::BTreeSet, io::IoSlice};

#[test]
fn each_frame_is_sent_as_one_message_whatever_the_pieces() {
    let frames: [&[u8]; 5] = [b"one", b"", &[2; 125], &[3; 126], b"last"];
    let bytes = frames.map(prefixed).concat();
    let expected = frames.map(|frame| (BINARY, frame.to_vec()));
    for role in ROLES {
        for split in 0..=bytes.len() {
            let (mut socket, far) = open(role);
            write_all(&mut socket, &bytes[..split]);
            write_all(&mut socket, &bytes[split..]);
            assert_eq!(take_frames(role, far.incoming.take()), expected);
        }
        let (mut socket, far) = open(role);
        bytes.iter().for_each(|byte| write_all(&mut socket, &[*byte]));
        assert_eq!(take_frames(role, far.incoming.take()), expected);
    }
}

#[test]
fn the_longest_frames_are_sent_too() {
    for role in ROLES {
        for len in [65535, 65536, 16_777_212, 16_777_215] {
            let payload: Vec<u8> = (0..len).map(|i: u32| (i % 253) as u8).collect();
            let (mut socket, far) = open(role);
            write_all(&mut socket, &prefixed(&payload));
            assert!(take_frames(role, far.incoming.take()) == [(BINARY, payload)]);
        }
    }
}

#[test]
fn every_frame_of_a_client_has_a_mask_of_its_own() {
    let (mut socket, far) = open(Role::Client);
    let mut masks = BTreeSet::new();
    for _ in 0..50 {
        write_all(&mut socket, &prefixed(b"same"));
        let wire = far.incoming.take();
        assert_eq!(wire.len(), 2 + 4 + 4);
        masks.insert(wire[2..6].to_vec());
    }
    assert!(masks.len() > 45, "{} masks for 50 frames", masks.len());
}

#[test]
fn no_more_is_taken_than_there_is_room_for() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        far.incoming.set_capacity(1000);
        let (bytes, mut taken) = (prefixed(&[7; 100_000]), 0);
        while let Poll::Ready(result) = poll_write(&mut socket, &bytes[taken..]) {
            taken += result.unwrap();
            assert!(taken < bytes.len());
        }
        assert!((OUT_MAX..OUT_MAX + 1100).contains(&taken), "{taken}");
        assert!(poll_flush(&mut socket).is_pending());
        let mut wire = Vec::new();
        while taken < bytes.len() {
            wire.extend(far.incoming.take());
            if let Poll::Ready(result) = poll_write(&mut socket, &bytes[taken..]) {
                taken += result.unwrap();
            }
            assert!(socket.queued() <= OUT_MAX + 300);
        }
        while poll_flush(&mut socket).is_pending() {
            wire.extend(far.incoming.take());
        }
        wire.extend(far.incoming.take());
        assert_eq!(take_frames(role, wire), [(BINARY, vec![7; 100_000])]);
    }
}

#[test]
fn who_waits_to_write_is_woken_when_there_is_room() {
    let (mut socket, far) = open(Role::Client);
    far.incoming.set_capacity(1000);
    let mut task = Task::new(async move {
        let bytes = prefixed(&[7; 100_000]);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let write = std::future::poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, rest));
            rest = &rest[write.await.unwrap()..];
        }
        std::future::poll_fn(|cx| Pin::new(&mut socket).poll_close(cx)).await.unwrap();
    });
    let mut wire = Vec::new();
    while task.output().is_none() {
        run(&mut [&mut task]);
        assert!(far.incoming.has_ended() || far.incoming.len() > 0, "it waits for nothing");
        wire.extend(far.incoming.take());
    }
    assert!(far.incoming.has_ended());
    let expected = [(BINARY, vec![7; 100_000]), (CLOSE, close(1000, ""))];
    assert_eq!(take_frames(Role::Client, wire), expected);
}

#[test]
fn a_pong_waits_for_the_end_of_the_message() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        let bytes = [prefixed(b"message"), prefixed(b"another")].concat();
        write_all(&mut socket, &bytes[..5]);
        far.outgoing.push(&frame(role, PING, b"1"));
        far.outgoing.push(&frame(role, PING, b"2"));
        read(&mut socket, 10);
        write_all(&mut socket, &bytes[5..]);
        let expected =
            [(BINARY, b"message".to_vec()), (PONG, b"2".to_vec()), (BINARY, b"another".to_vec())];
        assert_eq!(take_frames(role, far.incoming.take()), expected);
    }
}

#[test]
fn closing_sends_what_was_written_and_a_close_frame_and_the_end() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        far.incoming.buffer();
        far.incoming.set_capacity(0);
        assert!(matches!(poll_write(&mut socket, &prefixed(b"last")), Poll::Ready(Ok(7))));
        assert!(poll_close(&mut socket).is_pending());
        far.incoming.set_capacity(100);
        assert!(matches!(poll_close(&mut socket), Poll::Ready(Ok(()))));
        let expected = [(BINARY, b"last".to_vec()), (CLOSE, close(1000, ""))];
        assert_eq!(take_frames(role, far.incoming.take()), expected);
        assert!(far.incoming.has_ended());
        assert!(matches!(poll_close(&mut socket), Poll::Ready(Ok(()))));
        assert!(matches!(poll_flush(&mut socket), Poll::Ready(Ok(()))));
    }
}

#[test]
fn reading_goes_on_after_closing_until_the_peer_closes() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        assert!(matches!(poll_close(&mut socket), Poll::Ready(Ok(()))));
        far.incoming.take();
        far.outgoing.push(&frame(role, PING, b"late"));
        far.outgoing.push(&frame(role, BINARY, b"frame"));
        let (bytes, end) = read(&mut socket, 100);
        assert_eq!(bytes, prefixed(b"frame"));
        assert!(matches!(end, End::Pending));
        far.outgoing.push(&frame(role, CLOSE, &close(1000, "")));
        assert!(matches!(read(&mut socket, 100).1, End::Eof));
        assert_eq!(far.incoming.len(), 0, "nothing follows a close frame");
    }
}

#[test]
fn no_pong_follows_a_close_frame_that_waits() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        far.incoming.set_capacity(0);
        assert!(poll_close(&mut socket).is_pending());
        far.outgoing.push(&frame(role, PING, b"late"));
        read(&mut socket, 100);
        far.incoming.set_capacity(100);
        assert!(matches!(poll_close(&mut socket), Poll::Ready(Ok(()))));
        assert_eq!(take_frames(role, far.incoming.take()), [(CLOSE, close(1000, ""))]);
    }
}

#[test]
fn nothing_is_written_after_a_close_frame() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        assert!(matches!(poll_close(&mut socket), Poll::Ready(Ok(()))));
        let (mut closed, peer) = open(role);
        peer.outgoing.push(&frame(role, CLOSE, b""));
        read(&mut closed, 10);
        for socket in [&mut socket, &mut closed] {
            let Poll::Ready(Err(error)) = poll_write(socket, &prefixed(b"late")) else { panic!() };
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
        for far in [far, peer] {
            assert_eq!(take_frames(role, far.incoming.take()).len(), 1);
        }
    }
}

#[test]
fn the_message_that_is_being_sent_ends_before_a_close_frame_is_answered() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        let bytes = [prefixed(b"message"), prefixed(b"too late")].concat();
        write_all(&mut socket, &bytes[..6]);
        far.outgoing.push(&frame(role, CLOSE, &close(4000, "")));
        assert!(matches!(read(&mut socket, 10).1, End::Eof));
        assert!(matches!(poll_write(&mut socket, &bytes[6..]), Poll::Ready(Ok(4))));
        let late = poll_write(&mut socket, &bytes[10..]);
        assert!(
            matches!(late, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe)
        );
        assert!(matches!(poll_close(&mut socket), Poll::Ready(Ok(()))));
        let expected = [(BINARY, b"message".to_vec()), (CLOSE, close(4000, ""))];
        assert_eq!(take_frames(role, far.incoming.take()), expected);
    }
}

#[test]
fn closing_within_a_frame_is_an_error() {
    let bytes = prefixed(b"frame");
    for len in 1..bytes.len() {
        let (mut socket, far) = open(Role::Server);
        write_all(&mut socket, &bytes[..len]);
        let Poll::Ready(Err(error)) = poll_close(&mut socket) else { panic!() };
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(!far.incoming.has_ended());
    }
}

#[test]
fn a_stream_that_breaks_is_an_error() {
    let (mut socket, far) = open(Role::Server);
    far.incoming.fail(io::ErrorKind::BrokenPipe);
    assert!(matches!(poll_write(&mut socket, &prefixed(b"x")), Poll::Ready(Ok(4))));
    assert!(matches!(poll_flush(&mut socket), Poll::Ready(Err(_))));
    assert!(matches!(poll_close(&mut socket), Poll::Ready(Err(_))));
    let (mut socket, far) = open(Role::Server);
    far.incoming.fail(io::ErrorKind::BrokenPipe);
    assert!(matches!(poll_write(&mut socket, &prefixed(&[0; 2 * OUT_MAX])), Poll::Ready(Err(_))));
}

/// With TCP_NODELAY, each write is a packet.
#[test]
fn several_small_frames_leave_in_one_write() {
    let writes = Writes::default();
    let mut socket = WebSocket::client(writes, Bytes::new(), &WebSocketConfig::default());
    let cx = &mut Context::from_waker(Waker::noop());
    for _ in 0..10 {
        let bytes = prefixed(b"frame");
        assert!(Pin::new(&mut socket).poll_write(cx, &bytes).is_ready());
    }
    assert!(Pin::new(&mut socket).poll_flush(cx).is_ready());
    assert_eq!(socket.get_ref().0, [10 * (2 + 4 + 5)]);
}

/// A stream that takes everything and records the lengths.
#[derive(Default)]
struct Writes(Vec<usize>);

impl AsyncRead for Writes {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl AsyncWrite for Writes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.push(buf.len());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
