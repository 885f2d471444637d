use super::*;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future::zip, io::split};
use proptest::{collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn frames_come_through_in_both_directions(
        there in frames(),
        back in frames(),
        sizes in vec(1..70_000_usize, 1..5),
        capacity in prop_oneof![30..300_usize, 1000..100_000_usize],
        seed in proptest::option::of(any::<u32>()),
    ) {
        let (near, far) = duplex(capacity);
        if let Some(seed) = seed {
            near.shake(seed.into());
        }
        let config = WebSocketConfig::default();
        let client = WebSocket::client(near, Bytes::new(), &config);
        let server = WebSocket::server(far, Bytes::new(), &config);
        let ours = talk(client, there.clone(), sizes.clone(), back.len());
        let theirs = talk(server, back.clone(), sizes, there.len());
        let (from_server, from_client) = complete(zip(ours, theirs));
        prop_assert!(from_server == back);
        prop_assert!(from_client == there);
    }

    #[test]
    fn it_does_not_matter_how_any_bytes_are_cut(
        wire in wire(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
        chunk in 1..600_usize,
    ) {
        for role in ROLES {
            let (mut whole, far) = open_with(role, &limited(2000));
            far.outgoing.push(&wire);
            far.outgoing.end();
            let (expected, expected_end) = read(&mut whole, 1000);
            let replies = far.incoming.take();

            let (mut socket, far) = open_with(role, &limited(2000));
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
            cuts.push(wire.len());
            cuts.sort_unstable();
            let (mut start, mut bytes) = (0, Vec::new());
            for cut in cuts {
                far.outgoing.push(&wire[start..cut]);
                bytes.extend(read(&mut socket, chunk).0);
                start = cut;
            }
            far.outgoing.end();
            let (rest, end) = read(&mut socket, chunk);
            bytes.extend(rest);
            prop_assert!(bytes == expected);
            prop_assert_eq!(format!("{end:?}"), format!("{expected_end:?}"));
            prop_assert_eq!(opened(role, far.incoming.take()), opened(role, replies));
        }
    }
}

/// Frames with payload lengths around the changes of the header.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![
        8 => 0..300_usize,
        2 => prop::sample::select(vec![125, 126, 127, 65535, 65536, 65537]),
        1 => 0..100_000_usize,
    ];
    let frame = (len, any::<u8>())
        .prop_map(|(len, first)| (0..len).map(|i| (i as u8).wrapping_add(first)).collect());
    vec(frame, 0..6)
        .prop_map(|frames: Vec<Vec<u8>>| frames.iter().flat_map(|frame| prefixed(frame)).collect())
}

/// Something like frames, valid and invalid, for either role.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => prop::sample::select(vec![BINARY, BINARY_MORE, MORE, LAST, PING, PONG]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![vec(any::<u8>(), 0..200), vec(any::<u8>(), 0..1500)];
    let part = (prop::sample::select(ROLES.to_vec()), first, payload);
    vec((part, 0..40), 0..8).prop_map(|parts| {
        let one = parts.first().map_or(Role::Client, |((role, ..), _)| *role);
        let wire = parts.into_iter().flat_map(|((role, first, payload), odd)| {
            let role = if odd == 0 { role } else { one };
            frame(role, first, &payload)
        });
        wire.collect()
    })
}

/// Writes `bytes` in pieces of these sizes while it reads what is `expected`, then closes, which ends both directions.
async fn talk(
    mut socket: WebSocket<Duplex>,
    bytes: Vec<u8>,
    sizes: Vec<usize>,
    expected: usize,
) -> Vec<u8> {
    let mut received = vec![0; expected];
    {
        let (mut reader, mut writer) = split(&mut socket);
        let writing = async {
            let (mut rest, mut sizes) = (&bytes[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let piece = rest.len().min(*sizes.next().unwrap());
                writer.write_all(&rest[..piece]).await.unwrap();
                rest = &rest[piece..];
            }
            writer.flush().await.unwrap();
        };
        zip(writing, reader.read_exact(&mut received)).await.1.unwrap();
    }
    socket.close().await.unwrap();
    socket.read_to_end(&mut received).await.unwrap();
    received
}

/// The frames without their masks, which are random.
fn opened(role: Role, wire: Vec<u8>) -> Vec<(u8, Vec<u8>)> {
    let frames = take_frames(role, wire);
    // Of several pings at once, only the last need be answered.
    frames.into_iter().filter(|(first, _)| *first != PONG).collect()
}
