use super::*;
use crate::websocket::encode::OUT_MAX;
use bytes::BytesMut;

#[test]
fn each_binary_message_is_a_frame_after_its_length() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        let mut expected = Vec::new();
        for len in [0, 1, 125, 126, 127, 255, 256, 257, 65535, 65536, 70000] {
            let payload: Vec<_> = (0..len).map(|i: u32| (i % 251) as u8).collect();
            far.outgoing.push(&frame(role, BINARY, &payload));
            expected.extend(prefixed(&payload));
        }
        let (bytes, end) = read(&mut socket, 1000);
        assert!(bytes == expected);
        assert!(matches!(end, End::Pending));
    }
}

/// Messages, fragments and control frames of each kind, then a close frame.
fn everything(role: Role) -> (Vec<u8>, Vec<u8>) {
    let long: Vec<u8> = (0..300u32).map(|i| (i * 7) as u8).collect();
    let wire = [
        frame(role, BINARY, b"one"),
        frame(role, PING, b"are you there?"),
        frame(role, BINARY, b""),
        frame(role, BINARY_MORE, b"fr"),
        frame(role, PONG, b"unasked"),
        frame(role, MORE, b""),
        frame(role, PING, &[7; 125]),
        frame(role, MORE, b"agm"),
        frame(role, LAST, b"ents"),
        frame(role, BINARY, &long),
        frame(role, BINARY_MORE, b""),
        frame(role, LAST, b""),
        frame(role, BINARY, b"last"),
        frame(role, CLOSE, &close(1001, "bye")),
    ];
    let frames: [&[u8]; 6] = [b"one", b"", b"fragments", &long, b"", b"last"];
    (wire.concat(), frames.map(prefixed).concat())
}

#[test]
fn it_does_not_matter_in_which_pieces_bytes_arrive_and_are_read() {
    for role in ROLES {
        let (wire, expected) = everything(role);
        for chunk in [1, 2, 3, 4, 5, 7, 300, 5000] {
            for split in 0..=wire.len() {
                let (mut socket, far) = open(role);
                far.outgoing.push(&wire[..split]);
                let (mut bytes, _) = read(&mut socket, chunk);
                far.outgoing.push(&wire[split..]);
                let (rest, end) = read(&mut socket, chunk);
                bytes.extend(rest);
                assert!(bytes == expected, "split at {split}, read by {chunk}");
                assert!(matches!(end, End::Eof), "split at {split}, read by {chunk}: {end:?}");
            }
        }
    }
}

#[test]
fn it_does_not_matter_if_bytes_arrive_one_by_one() {
    for role in ROLES {
        let (wire, expected) = everything(role);
        let (mut socket, far) = open(role);
        let mut bytes = Vec::new();
        for byte in wire {
            far.outgoing.push(&[byte]);
            bytes.extend(read(&mut socket, 100).0);
        }
        assert_eq!(bytes, expected);
        let expected =
            [(PONG, b"are you there?".to_vec()), (PONG, vec![7; 125]), (CLOSE, close(1001, ""))];
        assert_eq!(take_frames(role, far.incoming.take()), expected);
    }
}

#[test]
fn what_was_read_before_comes_first() {
    let (wire, expected) = everything(Role::Server);
    for split in 0..=wire.len() {
        let (near, far) = duplex(usize::MAX / 2);
        let early = Bytes::copy_from_slice(&wire[..split]);
        let mut socket = WebSocket::server(near, early, &WebSocketConfig::default());
        far.outgoing.push(&wire[split..]);
        let (bytes, end) = read(&mut socket, 100);
        assert!(bytes == expected && matches!(end, End::Eof), "split at {split}");
    }
}

/// In unfragmented messages.
#[test]
fn a_message_is_passed_on_while_it_arrives() {
    let (mut socket, far) = open(Role::Client);
    let wire = frame(Role::Client, BINARY, &[1; 100_000]);
    far.outgoing.push(&wire[..70_000]);
    let (bytes, _) = read(&mut socket, 50_000);
    assert_eq!(bytes.len(), 3 + 70_000 - 10);
}

#[test]
fn a_close_frame_is_answered_and_is_the_end() {
    let payloads = [(vec![], vec![]), (close(1000, "done"), close(1000, ""))];
    let codes = [1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999];
    let codes = codes.map(|code| (close(code, "because"), close(code, "")));
    for (sent, answered) in payloads.into_iter().chain(codes) {
        for role in ROLES {
            let (mut socket, far) = open(role);
            far.outgoing.push(&frame(role, CLOSE, &sent));
            // Nothing may follow it, so it is not examined.
            far.outgoing.push(b"anything");
            let (bytes, end) = read(&mut socket, 100);
            assert!(bytes.is_empty() && matches!(end, End::Eof));
            assert!(matches!(read(&mut socket, 100).1, End::Eof));
            assert_eq!(take_frames(role, far.incoming.take()), [(CLOSE, answered.clone())]);
            assert!(!far.incoming.has_ended());
            assert!(matches!(poll_close(&mut socket), Poll::Ready(Ok(()))));
            assert!(far.incoming.take().is_empty(), "one close frame is enough");
            assert!(far.incoming.has_ended());
        }
    }
}

#[test]
fn an_end_between_messages_needs_no_close_frame() {
    for role in ROLES {
        for wire in [vec![], frame(role, BINARY, b"frame"), frame(role, PING, b"?")] {
            let (mut socket, far) = open(role);
            far.outgoing.push(&wire);
            far.outgoing.end();
            assert!(matches!(read(&mut socket, 100).1, End::Eof));
            assert!(matches!(read(&mut socket, 100).1, End::Eof));
        }
    }
}

#[test]
fn an_end_within_a_message_is_an_error() {
    let wires = |role| {
        let fragments = [frame(role, BINARY_MORE, b"begun"), frame(role, LAST, b"")].concat();
        [frame(role, BINARY, &[5; 200]), frame(role, PING, b"ping"), fragments]
    };
    for role in ROLES {
        for wire in wires(role) {
            for len in 1..wire.len() {
                let (mut socket, far) = open(role);
                far.outgoing.push(&wire[..len]);
                far.outgoing.end();
                let (_, end) = read(&mut socket, 1000);
                let End::Failed(error) = end else { panic!("{len} of {wire:?}: {end:?}") };
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                assert!(error.to_string().contains("in the middle of a message"), "{error}");
            }
        }
    }
}

#[test]
fn a_broken_stream_is_an_error() {
    let (mut socket, far) = open(Role::Server);
    far.outgoing.fail(io::ErrorKind::ConnectionReset);
    let (_, End::Failed(error)) = read(&mut socket, 10) else { panic!() };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_ping_is_answered_though_the_stream_holds_back_what_is_not_flushed() {
    for role in ROLES {
        let (mut socket, far) = open(role);
        far.incoming.buffer();
        far.outgoing.push(&frame(role, PING, b"hello"));
        read(&mut socket, 10);
        assert_eq!(take_frames(role, far.incoming.take()), [(PONG, b"hello".to_vec())]);
    }
}

#[test]
fn a_ping_is_answered_by_reading_once_there_is_room() {
    let (mut socket, far) = open(Role::Server);
    far.incoming.set_capacity(3);
    far.outgoing.push(&frame(Role::Server, PING, b"hello"));
    let mut task = Task::new(async move {
        let mut buf = [0; 10];
        std::future::poll_fn(|cx| Pin::new(&mut socket).poll_read(cx, &mut buf)).await
    });
    run(&mut [&mut task]);
    let mut wire = far.incoming.take();
    assert_eq!(wire.len(), 3);
    far.incoming.set_capacity(100);
    run(&mut [&mut task]);
    wire.extend(far.incoming.take());
    assert_eq!(take_frames(Role::Server, wire), [(PONG, b"hello".to_vec())]);
    assert!(task.output().is_none());
}

#[test]
fn pings_of_a_peer_that_does_not_read_make_nothing_grow() {
    let (mut socket, far) = open(Role::Client);
    far.incoming.set_capacity(0);
    for i in 0..20_000_u32 {
        far.outgoing.push(&frame(Role::Client, PING, &[&i.to_be_bytes()[..], &[1; 121]].concat()));
        if i % 50 == 0 {
            read(&mut socket, 100);
        }
        assert!(socket.queued() < OUT_MAX + 300);
    }
    read(&mut socket, 100);
    assert_eq!(far.outgoing.len(), 0, "all were read");
    far.incoming.set_capacity(usize::MAX / 2);
    read(&mut socket, 100);
    let pongs = take_frames(Role::Client, far.incoming.take());
    assert!(pongs.len() < 130);
    assert_eq!(pongs.last().unwrap().1[..4], 19_999_u32.to_be_bytes());
}

#[test]
fn who_reads_a_flood_of_pings_lets_others_run() {
    let (mut socket, far) = open(Role::Server);
    for _ in 0..10_000 {
        far.outgoing.push(&frame(Role::Server, PONG, &[0; 125]));
    }
    let poll =
        Pin::new(&mut socket).poll_read(&mut Context::from_waker(Waker::noop()), &mut [0; 10]);
    assert!(poll.is_pending());
    assert!(far.outgoing.len() > 1_000_000);
    let mut task = Task::new(async move {
        let mut buf = [0; 10];
        std::future::poll_fn(|cx| Pin::new(&mut socket).poll_read(cx, &mut buf)).await
    });
    run(&mut [&mut task]);
    assert_eq!(far.outgoing.len(), 0, "it goes on by itself");
}

#[test]
fn what_the_peer_sent_is_read_though_a_pong_cannot_be_written() {
    let (mut socket, far) = open(Role::Server);
    far.incoming.fail(io::ErrorKind::BrokenPipe);
    far.outgoing.push(&frame(Role::Server, PING, b"?"));
    far.outgoing.push(&frame(Role::Server, BINARY, b"the reason"));
    far.outgoing.end();
    let (bytes, end) = read(&mut socket, 100);
    assert_eq!(bytes, prefixed(b"the reason"));
    assert!(matches!(end, End::Eof));
}

#[test]
fn reading_into_nothing_takes_nothing() {
    let (mut socket, far) = open(Role::Server);
    far.outgoing.push(&frame(Role::Server, BINARY, b"x"));
    let poll = Pin::new(&mut socket).poll_read(&mut Context::from_waker(Waker::noop()), &mut []);
    assert!(matches!(poll, Poll::Ready(Ok(0))));
    assert_eq!(read(&mut socket, 10).0, prefixed(b"x"));
}

/// Thousands of connections are idle most of the time.
#[test]
fn an_idle_connection_holds_little() {
    assert!(size_of::<WebSocket<()>>() <= 512, "{}", size_of::<WebSocket<()>>());
    let (near, far) = duplex(usize::MAX / 2);
    let early = Bytes::copy_from_slice(&frame(Role::Server, BINARY, &[1; 10_000]));
    let mut socket = WebSocket::server(near, early, &WebSocketConfig::default());
    far.outgoing.push(&frame(Role::Server, BINARY_MORE, &[1; 100_000]));
    far.outgoing.push(&frame(Role::Server, PING, &[1; 100]));
    far.outgoing.push(&frame(Role::Server, LAST, &[1; 100_000]));
    assert_eq!(read(&mut socket, 1000).0.len(), 210_006);
    write_all(&mut socket, &prefixed(&[1; 100_000]));
    assert!(!socket.holds_memory());
    // As hyper returns it: an empty slice of the buffer that held the request.
    let mut early = BytesMut::zeroed(1000);
    drop(early.split_to(1000));
    let early = early.freeze();
    assert!(early.is_unique());
    let (near, _far) = duplex(10);
    assert!(!WebSocket::server(near, early, &WebSocketConfig::default()).holds_memory());
}
