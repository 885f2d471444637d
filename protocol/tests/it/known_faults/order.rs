//! What goes before what.

use crate::talk::{Talk, channel, id, keepalive, request, stream};
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Event, Framing};
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, Setup};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use prometheus_rsocket_testkit::world::{epoch, setup};

const BIG: usize = 16_000_000;

/// rsocket-java #760.
#[test]
fn row_19_one_big_payload_does_not_block_others() {
    for (mtu, fragments) in [(Some(64 * 1024), 245), (Some(1024 * 1024), 16), (None, 1)] {
        let config = config(mtu);
        let mut talk = Talk::server(&config);
        talk.hears([request(1, "big"), request(3, "small"), stream(5, 9), channel(7, 9)]);
        talk.connection.respond(id(1), Payload::from_data(vec![b'x'; BIG])).unwrap();
        let mut sent = 0;
        let mut says = |talk: &mut Talk| {
            let frame = talk.says_one().unwrap();
            sent += usize::from(frame.stream_id == id(1));
            frame.stream_id.get()
        };
        // Whenever a small one comes, of whatever kind, it waits for one fragment at most.
        assert_eq!(says(&mut talk), 1);
        let small = Payload::from_data("small");
        talk.connection.respond(id(3), small.clone()).unwrap();
        talk.connection.send(id(5), small.clone()).unwrap();
        talk.connection.send(id(7), small.clone()).unwrap();
        match mtu {
            None => {
                assert_eq!([(); 3].map(|()| says(&mut talk)), [3, 5, 7], "one frame is the big one")
            }
            Some(_) => assert_eq!([(); 5].map(|()| says(&mut talk)), [1, 3, 5, 7, 1]),
        }
        // A second big one shares the turns.
        talk.hears([request(9, "big")]);
        talk.connection.respond(id(9), Payload::from_data(vec![b'y'; BIG])).unwrap();
        talk.connection.send(id(5), small).unwrap();
        let turns = [(); 3].map(|()| talk.says_one().map_or(0, |frame| frame.stream_id.get()));
        match mtu {
            None => assert_eq!(turns, [9, 5, 0]),
            Some(_) => assert_eq!(turns, [1, 9, 5]),
        }
        let rest = talk.says();
        let big = rest.iter().filter(|frame| frame.stream_id == id(1)).count();
        let before = if mtu.is_some() { 4 } else { 1 };
        // And the end, in a frame of its own.
        let frames = if mtu.is_some() { fragments + 1 } else { 1 };
        assert_eq!(big + before, frames, "every fragment was as long as it may be");
    }
}

/// rsocket-java #712, #640: the answer to a KEEPALIVE waited behind what was queued.
#[test]
fn row_09_an_answer_to_keepalive_overtakes_what_waits() {
    let mut talk = Talk::server(&config(Some(64 * 1024)));
    talk.hears([request(1, "big")]);
    talk.connection.respond(id(1), Payload::from_data(vec![b'x'; BIG])).unwrap();
    talk.says_one();
    talk.hears([keepalive(true, "ping")]);
    assert_eq!(talk.says_one(), Some(keepalive(false, "ping")));
}

/// reactor-netty #3937, rsocket-js #98. Messages in pieces are joined by the transport, in `runtime`.
#[test]
fn row_16_a_message_is_a_frame_and_a_frame_a_message() {
    let bytes = |frame: &Frame| {
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes).unwrap();
        bytes.freeze()
    };
    let mut config = config(Some(64));
    config.framing = Framing::Messages;
    let now = epoch();
    let mut server = Connection::server(config.clone(), now);
    server.handle_frame(now, bytes(&Frame::on_connection(Body::Setup(Box::new(setup(&config))))));
    // Two frames in one message are one: the second is the first's data, as with rsocket-java.
    let both = [bytes(&request(1, "a")), bytes(&request(3, "b"))].concat();
    server.handle_frame(now, both.into());
    let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).skip(1).collect();
    let [Event::RequestResponse { stream_id, payload }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((*stream_id, payload.data.len()), (id(1), 1 + 7));
    // Each fragment goes as a message of its own, without prefix.
    server.respond(id(1), Payload::from_data(vec![b'x'; 150])).unwrap();
    for len in [61, 61, 6 + 150 - 2 * 55] {
        let mut message = BytesMut::new();
        assert!(server.poll_transmit(now, &mut message));
        assert_eq!(message.len(), len);
        Frame::decode(message.freeze()).unwrap();
    }
    // A message in two is not put together here, nor taken for a frame: its end has another type.
    let whole = bytes(&keepalive(true, "some data that is long enough"));
    server.handle_frame(now, whole.slice(..10));
    assert!(!server.wants_input(), "the torn frame ends it");
    server.handle_frame(now, whole.slice(10..));
    let mut last = BytesMut::new();
    assert!(server.poll_transmit(now, &mut last));
    assert!(matches!(Frame::decode(last.freeze()).unwrap().body, Body::Error { .. }));
    assert!(server.is_closed());
}

/// rsocket-java #810, rsocket-py #255: a length that was off by one. Those of composite metadata are the metadata codecs' matter.
#[test]
fn row_17_lengths_within_frames_are_what_they_say() {
    for len in [0, 1, 35, 127, 128, 255] {
        let mime = Bytes::from(vec![b'm'; len]);
        let token = Bytes::from(vec![b't'; 257 * len]);
        let payload = Payload::new(vec![b'p'; 65_537 * len / 4], "data");
        let frame = Frame::on_connection(Body::Setup(Box::new(Setup {
            resume_token: Some(token.clone()),
            metadata_mime: mime.clone(),
            data_mime: mime.clone(),
            payload: payload.clone(),
            ..Setup::default()
        })));
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes).unwrap();
        // Header, version, two times; then each length and what it counts.
        let mut rest = &bytes[6 + 4 + 4 + 4..];
        let metadata = payload.metadata.as_ref().unwrap();
        for (width, field) in [(2, &token), (1, &mime), (1, &mime), (3, metadata)] {
            let (length, after) = rest.split_at(width);
            let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            assert_eq!((length, &after[..length]), (field.len(), &field[..]));
            rest = &after[length..];
        }
        assert_eq!(rest, b"data");
        assert_eq!(Frame::decode(bytes.freeze()).unwrap(), frame);
    }
}

fn config(mtu: Option<usize>) -> Config {
    let mut config = Config::default();
    config.mtu = mtu;
    config.max_queued_output = 3 * BIG;
    config
}
