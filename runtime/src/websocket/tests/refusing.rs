use super::*;

/// What a peer must not send, the close code, and the text of the error.
fn wrongs(role: Role) -> Vec<(Vec<u8>, u16, &'static str)> {
    let mut masked_wrongly = frame(peer(role), BINARY, b"x");
    // Enough for the header, even if it is taken for a masked one.
    masked_wrongly.extend([0; 10]);
    let mask_text = match role {
        Role::Server => "unmasked frame from a client",
        Role::Client => "masked frame from a server",
    };
    let continued = [frame(role, BINARY_MORE, b"a"), frame(role, BINARY, b"b")].concat();
    vec![
        (frame(role, TEXT, b"text"), 1003, "text message; RSocket frames are sent as binary"),
        (frame(role, 0x01, b"text"), 1003, "text message"),
        (masked_wrongly, 1002, mask_text),
        (frame(role, 0xc2, b"x"), 1002, "reserved bits"),
        (frame(role, 0xa2, b"x"), 1002, "reserved bits"),
        (frame(role, 0x92, b"x"), 1002, "reserved bits"),
        (frame(role, 0xc9, b"x"), 1002, "reserved bits"),
        (frame(role, 0x83, b"x"), 1002, "reserved opcode 0x3"),
        (frame(role, 0x87, b"x"), 1002, "reserved opcode 0x7"),
        (frame(role, 0x8b, b"x"), 1002, "reserved opcode 0xb"),
        (frame(role, 0x8f, b"x"), 1002, "reserved opcode 0xf"),
        (frame(role, 0x09, b"x"), 1002, "control frame in fragments"),
        (frame(role, 0x08, b""), 1002, "control frame in fragments"),
        (frame(role, PING, &[0; 126]), 1002, "control frame of more than 125 bytes"),
        (frame(role, CLOSE, &[3; 126]), 1002, "control frame of more than 125 bytes"),
        (frame(role, LAST, b"x"), 1002, "continuation of no message"),
        (frame(role, MORE, b"x"), 1002, "continuation of no message"),
        (continued, 1002, "new message before the last fragment of another"),
        (frame(role, CLOSE, b"\x03"), 1002, "close frame without a valid code"),
        (frame(role, CLOSE, &close(999, "")), 1002, "close frame without a valid code"),
        (frame(role, CLOSE, &close(1005, "")), 1002, "close frame without a valid code"),
        (frame(role, CLOSE, &close(1015, "")), 1002, "close frame without a valid code"),
        (frame(role, CLOSE, &close(2999, "")), 1002, "close frame without a valid code"),
        (frame(role, CLOSE, &close(5000, "")), 1002, "close frame without a valid code"),
    ]
}

/// The frames that a refused peer sees; what it sends meanwhile is discarded.
#[track_caller]
fn refused(socket: &mut WebSocket<Duplex>, far: &Duplex, chunk: usize) -> (Vec<u8>, io::Error) {
    let (bytes, end) = read(socket, chunk);
    assert!(matches!(end, End::Pending), "the peer can still see why: {end:?}");
    assert!(far.incoming.has_ended());
    far.outgoing.push(&[0xab; 1000]);
    assert!(matches!(read(socket, chunk).1, End::Pending));
    assert_eq!(far.outgoing.len(), 0);
    far.outgoing.end();
    let (rest, end) = read(socket, chunk);
    assert!(rest.is_empty());
    let End::Failed(error) = end else { panic!("{end:?}") };
    (bytes, error)
}

#[test]
fn what_is_wrong_is_answered_by_a_close_frame_and_told_in_an_error() {
    for role in ROLES {
        for (wrong, code, text) in wrongs(role) {
            for before in [vec![], frame(role, BINARY, b"good")] {
                let (mut socket, far) = open(role);
                far.outgoing.push(&[&before[..], &wrong].concat());
                let (bytes, error) = refused(&mut socket, &far, 100);
                assert_eq!(bytes.is_empty(), before.is_empty(), "what came before is read");
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                assert!(error.to_string().contains(text), "{error}, not {text}");
                let [(CLOSE, payload)] = &take_frames(role, far.incoming.take())[..] else {
                    panic!("one close frame is sent");
                };
                let (told, reason) = payload.split_at(2);
                assert_eq!(told, code.to_be_bytes(), "{error}");
                assert!(std::str::from_utf8(reason).unwrap().contains(text));
            }
        }
    }
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    let many = |role, sizes: &[usize]| {
        let (last, first) = sizes.split_last().unwrap();
        let mut wire = Vec::new();
        for (i, &len) in first.iter().enumerate() {
            wire.extend(frame(role, if i == 0 { BINARY_MORE } else { MORE }, &vec![9; len]));
        }
        wire.extend(frame(role, if first.is_empty() { BINARY } else { LAST }, &vec![9; *last]));
        wire
    };
    for role in ROLES {
        for sizes in [&[1000][..], &[400, 600], &[999, 1], &[0, 1000], &[1000, 0], &[1; 1000]] {
            let (mut socket, far) = open_with(role, &limited(1000));
            far.outgoing.push(&many(role, sizes));
            assert_eq!(read(&mut socket, 100).0, prefixed(&[9; 1000]));
        }
        for sizes in [&[1001][..], &[400, 601], &[1000, 1], &[0, 1001], &[1; 1001]] {
            let (mut socket, far) = open_with(role, &limited(1000));
            far.outgoing.push(&many(role, sizes));
            let (bytes, error) = refused(&mut socket, &far, 100);
            assert!(bytes.is_empty());
            assert!(error.to_string().contains("of 1001 bytes or more"), "{error}");
            assert!(error.to_string().contains("limit of 1000"), "{error}");
            let [(CLOSE, payload)] = &take_frames(role, far.incoming.take())[..] else { panic!() };
            assert_eq!(payload[..2], 1009_u16.to_be_bytes());
        }
    }
}

#[test]
fn the_first_message_may_be_shorter_if_it_comes_in_fragments() {
    let first_of = |len: usize| {
        let config = WebSocketConfig { max_first_len: 100, ..limited(1000) };
        let (socket, far) = open_with(Role::Server, &config);
        far.outgoing.push(&frame(Role::Server, BINARY_MORE, &[1; 50]));
        far.outgoing.push(&frame(Role::Server, LAST, &vec![1; len - 50]));
        (socket, far)
    };
    let (mut socket, far) = first_of(101);
    let (_, error) = refused(&mut socket, &far, 100);
    assert!(error.to_string().contains("of 101 bytes or more is over the limit of 100"), "{error}");

    let (mut socket, far) = first_of(100);
    assert_eq!(read(&mut socket, 100).0, prefixed(&[1; 100]));
    let long = [frame(Role::Server, BINARY_MORE, &[2; 900]), frame(Role::Server, LAST, &[2; 100])];
    far.outgoing.push(&long.concat());
    assert_eq!(read(&mut socket, 100).0, prefixed(&[2; 1000]));

    // An unfragmented message is not held.
    let config = WebSocketConfig { max_first_len: 100, ..limited(1000) };
    let (mut socket, far) = open_with(Role::Server, &config);
    far.outgoing.push(&[frame(Role::Server, BINARY, &[3; 1000]), long.concat()].concat());
    assert_eq!(read(&mut socket, 100).0, [prefixed(&[3; 1000]), prefixed(&[2; 1000])].concat());
}

#[test]
fn the_longest_message_is_what_a_prefix_can_tell() {
    const MAX: usize = 16_777_215;
    for max_message_len in [MAX, usize::MAX] {
        let (mut socket, far) = open_with(Role::Client, &limited(max_message_len));
        far.outgoing.push(&frame(Role::Client, BINARY, &vec![3; MAX]));
        let (bytes, _) = read(&mut socket, 65536);
        assert!(bytes.len() == 3 + MAX && bytes.starts_with(&[0xff, 0xff, 0xff, 3]));
        // The header suffices.
        far.outgoing.push(&frame(Role::Client, BINARY, &vec![3; MAX + 1])[..10]);
        let (_, error) = refused(&mut socket, &far, 65536);
        assert!(
            error.to_string().contains("of 16777216 bytes or more is over the limit of 16777215")
        );
    }
    let (mut socket, far) = open(Role::Client);
    far.outgoing.push(&[&[BINARY, 127][..], &[0xff; 8]].concat());
    let (_, error) = refused(&mut socket, &far, 100);
    assert!(error.to_string().contains("over the limit of 16777215"), "{error}");
}

#[test]
fn every_reason_fits_a_close_frame() {
    for role in ROLES {
        let huge = [&[BINARY, if role == Role::Server { 0xff } else { 127 }][..], &[0xff; 12]];
        let wrongs = wrongs(role).into_iter().map(|(wrong, ..)| wrong).chain([huge.concat()]);
        for wrong in wrongs {
            let (mut socket, far) = open(role);
            far.outgoing.push(&wrong);
            read(&mut socket, 100);
            let frames = take_frames(role, far.incoming.take());
            assert!(frames.len() == 1 && frames[0].1.len() <= 125);
        }
    }
}

#[test]
fn writing_to_a_refused_peer_fails_and_says_why() {
    let (mut socket, far) = open(Role::Server);
    far.outgoing.push(&frame(Role::Server, TEXT, b"text"));
    read(&mut socket, 10);
    let Poll::Ready(Err(error)) = poll_write(&mut socket, &prefixed(b"x")) else { panic!() };
    assert!(error.to_string().contains("text message"), "{error}");
    assert!(matches!(poll_flush(&mut socket), Poll::Ready(Ok(()))));
    assert!(matches!(poll_close(&mut socket), Poll::Ready(Ok(()))));
}

#[test]
fn a_refused_peer_that_never_ends_is_forgotten_only_so_long() {
    let (mut socket, far) = open(Role::Server);
    far.outgoing.push(&frame(Role::Server, TEXT, b"text"));
    let mut sent = 0;
    let error = loop {
        far.outgoing.push(&[0; 1024 * 1024]);
        sent += 1;
        assert!(sent < 40);
        match read(&mut socket, 65536).1 {
            End::Failed(error) => break error,
            End::Eof => panic!("not ended"),
            End::Pending => {}
        }
    };
    assert!(sent > 32, "only {sent} MiB");
    assert!(error.to_string().contains("text message"));
}

/// A peer that has to write before it reads, and one that is gone.
#[test]
fn a_refused_peer_is_read_also_while_it_does_not_read() {
    let (mut socket, far) = open(Role::Server);
    far.incoming.set_capacity(0);
    far.outgoing.push(&frame(Role::Server, TEXT, b"text"));
    far.outgoing.push(&[0; 10_000]);
    assert!(matches!(read(&mut socket, 100).1, End::Pending));
    assert_eq!(far.outgoing.len(), 0);
    assert!(!far.incoming.has_ended());
    far.incoming.set_capacity(1000);
    assert!(matches!(read(&mut socket, 100).1, End::Pending));
    assert!(far.incoming.has_ended());
    drop(far);
    assert!(matches!(read(&mut socket, 100).1, End::Failed(_)));
}

/// No close frame may be sent within a message, and this message will never be finished.
#[test]
fn a_peer_that_is_refused_while_it_is_sent_a_message_sees_the_end() {
    let (mut socket, far) = open(Role::Server);
    write_all(&mut socket, &prefixed(b"message")[..5]);
    far.outgoing.push(&frame(Role::Server, TEXT, b"text"));
    let (_, error) = refused(&mut socket, &far, 100);
    assert!(error.to_string().contains("text message"));
    assert_eq!(far.incoming.take(), [BINARY, 7, b'm', b'e']);
}
