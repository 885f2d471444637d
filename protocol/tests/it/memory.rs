//! What a connection holds, counted in allocated bytes, whatever its peer does.

use crate::talk::{
    answer, cancel, channel, error, fragment, id, keepalive, next, opening, request, request_n,
    stream,
};
use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Credit, Event, ResumeConfig};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup};
use prometheus_rsocket_protocol::rsocket::framing::{
    MAX_RECEIVED_FRAME, append, encode_prefixed, split_frame,
};
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use prometheus_rsocket_testkit::world::{epoch, setup};
use std::mem::size_of;

/// What the owner does with the events that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// It does not take them.
    Asleep,
    /// It takes them, and does nothing.
    Idle,
    /// It answers what it is asked, and gives credit without end.
    Busy,
}

/// What a peer sends, over and over; the argument counts up.
type Flood = (&'static str, fn(u32) -> Vec<Frame>);

const FLOODS: &[Flood] = &[
    ("requests", |n| vec![request(odd(n), "data")]),
    ("long requests", |n| vec![request(odd(n), vec![b'x'; 30_000])]),
    ("fire-and-forget", |n| {
        let payload = Payload::from_data("data");
        vec![Frame::new(id(odd(n)), Body::RequestFnf { follows: false, payload })]
    }),
    ("streams", |n| vec![stream(odd(n), 0x7fff_ffff)]),
    ("channels that go on", |n| {
        vec![channel(odd(n), 1), next(odd(n), "more"), request_n(odd(n), 9)]
    }),
    ("requests that are cancelled", |n| vec![request(odd(n), "data"), cancel(odd(n))]),
    ("streams that are cancelled", |n| vec![stream(odd(n), 9), cancel(odd(n))]),
    ("first fragments", |n| vec![opening(odd(n), vec![b'x'; 500])]),
    ("first fragments of nothing", |n| vec![opening(odd(n), "")]),
    ("fragments", |n| vec![opening(odd(n % 40), "x"), fragment(odd(n % 40), vec![b'x'; 500])]),
    ("tiny fragments", |n| vec![opening(odd(n % 9), ""), fragment(odd(n % 9), "x")]),
    ("channels in fragments", |n| {
        vec![channel(odd(n % 9), 1), fragment(odd(n % 9), vec![b'x'; 200])]
    }),
    ("keepalives", |_| vec![keepalive(true, vec![b'k'; 50])]),
    ("keepalives between what is ignored", |_| {
        vec![keepalive(true, "k"), cancel(2), ignored(8_000)]
    }),
    ("requests behind what is ignored", |n| vec![ignored(30_000), request(odd(n), "data")]),
    ("extensions that must be known", |n| {
        vec![Frame::new(id(odd(n)), Body::Ext { extended_type: n, payload: Payload::default() })]
    }),
    ("metadata", |_| {
        vec![Frame::on_connection(Body::MetadataPush {
            metadata: Bytes::from_static(&[b'm'; 300]),
        })]
    }),
    ("leases", |n| {
        let metadata = Some(Bytes::from_static(&[b'l'; 300]));
        vec![Frame::on_connection(Body::Lease { ttl_ms: n, requests: n, metadata })]
    }),
    ("frames of streams that never were", |n| {
        vec![next(odd(n), "data"), cancel(odd(n)), request_n(odd(n), 1), answer(odd(n), "data")]
    }),
    ("errors of streams that never were", |n| {
        vec![error(odd(n), ErrorCode::APPLICATION_ERROR, LONG_TEXT)]
    }),
    ("positions", |n| {
        vec![Frame::on_connection(Body::KeepAlive {
            respond: true,
            position: n.into(),
            data: Bytes::new(),
        })]
    }),
];

#[test]
fn no_flood_makes_it_hold_more_than_its_configuration_says() {
    for scale in [1, 3] {
        let config = config(scale);
        let bound = bound(&config);
        for (name, flood) in FLOODS {
            let wire = wire(&config, *flood, 2 * bound);
            for owner in [Owner::Asleep, Owner::Idle, Owner::Busy] {
                for is_read in [false, true] {
                    let held = held(&config, &wire, owner, is_read);
                    let case =
                        format!("{name}, owner {owner:?}, output read: {is_read}, scale {scale}");
                    assert!(held <= bound, "{case}: {held} bytes are held, {bound} are the bound");
                }
            }
        }
    }
}

/// A short frame is read together with long ones, and waits longer than they do.
#[test]
fn what_waits_keeps_no_more_alive_than_itself() {
    let waiting: [(Frame, usize); 2] = [
        // It is a slice of what it was read with.
        (request(1, "data"), size_of::<Event>() + KEPT_ALIVE),
        (keepalive(true, "data"), size_of::<Frame>() + 100),
    ];
    for (frame, each) in waiting {
        let mut connection = Connection::server(Config::default(), epoch());
        let mut wire = BytesMut::new();
        encode_prefixed(&Frame::on_connection(Body::Setup(Box::<Setup>::default())), &mut wire)
            .unwrap();
        for n in 0..20 {
            let mut frame = frame.clone();
            if !frame.stream_id.is_connection() {
                frame.stream_id = id(odd(n));
            }
            let long = ignored(100_000 + 50 * n as usize);
            [long, frame].iter().for_each(|frame| encode_prefixed(frame, &mut wire).unwrap());
        }
        let info = measure(|| {
            let mut input = BytesMut::new();
            for chunk in wire.chunks(CHUNK) {
                input.extend_from_slice(chunk);
                connection.handle_input(epoch(), &mut input);
            }
            assert!(input.is_empty());
        });
        // Queues grow by doubling.
        let held = usize::try_from(info.bytes_current).unwrap();
        assert!(held <= 2 * 21 * each, "{held} bytes are kept for 20 times {frame:?}");
    }
}

/// Encoding and decoding take no memory but the payload's own, which is a slice when it is decoded.
#[test]
fn a_request_response_is_encoded_and_decoded_without_allocating() {
    let payload = Payload::new("metadata", vec![b'x'; 300]);
    let frame = Frame::new(id(1), Body::RequestResponse { follows: false, payload });
    let mut out = BytesMut::with_capacity(1_000);
    let encoding = measure(|| encode_prefixed(&frame, &mut out).unwrap());
    assert_eq!(encoding.count_total, 0);

    // The first slice of a buffer makes its counter, which is the buffer's.
    let bytes = out.split_off(3).freeze();
    let whole = bytes.clone();
    let mut decoded = None;
    let decoding = measure(|| decoded = Some(Frame::decode(bytes)));
    assert_eq!(decoding.count_total, 0);
    assert_eq!(decoded.unwrap().unwrap(), frame);
    assert_eq!(whole.len(), frame.encoded_len());
}

/// What arrives is read into a buffer that is never larger than the frame, nor than twice what has arrived.
#[test]
fn a_long_frame_is_read_into_little_more_than_itself() {
    const READ: usize = 64 * 1024;
    let whole = 3 + 5_000_000;
    let mut wire = vec![0x4c, 0x4b, 0x40];
    wire.resize(whole, b'x');
    let mut frame = None;
    let reading = measure(|| {
        let mut input = BytesMut::new();
        wire.chunks(READ).for_each(|chunk| append(&mut input, chunk));
        frame = split_frame(&mut input, MAX_RECEIVED_FRAME).unwrap();
    });
    assert_eq!(frame.as_ref().map(Bytes::len), Some(whole - 3));
    // By doubling alone it would be 8 MiB that are kept. The slice has a counter.
    let held = usize::try_from(reading.bytes_current).unwrap();
    assert!(held <= whole + 100, "{held} bytes are kept");
    let most = usize::try_from(reading.bytes_max).unwrap();
    assert!(most <= 2 * whole, "{most} bytes at once");
    assert!(reading.count_total <= 20, "{} allocations", reading.count_total);
}

#[test]
fn a_frame_that_is_announced_and_does_not_come_takes_no_memory() {
    for arrived in [3, 4, 1_000, 100_000] {
        let mut wire = vec![0xff; 3];
        wire.resize(arrived, b'x');
        let mut input = BytesMut::new();
        let reading = measure(|| wire.chunks(1_000).for_each(|chunk| append(&mut input, chunk)));
        let held = usize::try_from(reading.bytes_current).unwrap();
        assert!(held <= 2 * arrived, "{held} bytes are held for {arrived}");
    }
}

/// What `Config` says of memory, as a number.
fn bound(config: &Config) -> usize {
    let longest = config.max_payload_len.max(config.max_frame_len);
    let stored = config.resume.as_ref().map_or(0, |resume| resume.max_stored);
    let streams = 2 * config.max_open_streams;
    let events = config.max_events + streams + 2;
    let frames = config.max_queued_frames + streams + 2;
    // Queues and buffers grow by doubling, and are copied then.
    let grown = 3;
    config.max_event_bytes
        + config.max_queued_output
        + grown * (config.max_unfinished + longest + stored)
        + events * (grown * size_of::<Event>() + KEPT_ALIVE)
        + frames * (grown * size_of::<Frame>() + TABLES)
        + streams * TABLES
}

/// A peer's SETUP and then its flood: as many bytes, or as many frames as would take as much.
fn wire(config: &Config, flood: fn(u32) -> Vec<Frame>, len: usize) -> Bytes {
    let mut wire = BytesMut::new();
    encode_prefixed(&Frame::on_connection(Body::Setup(Box::new(setup(config)))), &mut wire)
        .unwrap();
    for n in 0..(len / 64) as u32 {
        if wire.len() > len {
            break;
        }
        flood(n).iter().for_each(|frame| encode_prefixed(frame, &mut wire).unwrap());
    }
    wire.freeze()
}

/// The most that was allocated while a server was flooded, what its driver reads with included.
fn held(config: &Config, wire: &[u8], owner: Owner, is_read: bool) -> usize {
    let now = epoch();
    let payload = Payload::from_data(vec![b'p'; 300]);
    let info = measure(|| {
        let mut connection = Connection::server(config.clone(), now);
        let mut input = BytesMut::new();
        for chunk in wire.chunks(CHUNK) {
            input.extend_from_slice(chunk);
            connection.handle_input(now, &mut input);
            while owner != Owner::Asleep
                && let Some(event) = connection.poll_event()
            {
                if owner == Owner::Busy {
                    serve(&mut connection, &event, &payload);
                }
            }
            let mut output = BytesMut::new();
            while is_read && connection.poll_transmit(now, &mut output) {
                output.clear();
            }
            connection.handle_input(now, &mut input);
            if !connection.wants_input() {
                break;
            }
        }
        // All streams are told of at once.
        connection.handle_eof(now);
    });
    usize::try_from(info.bytes_max).unwrap()
}

fn serve(connection: &mut Connection, event: &Event, payload: &Payload) {
    match event {
        Event::RequestResponse { stream_id, .. } => {
            _ = connection.respond(*stream_id, payload.clone());
        }
        Event::RequestStream { stream_id, .. } => {
            while connection.send(*stream_id, payload.clone()).is_ok() {}
        }
        Event::RequestChannel { stream_id, .. } => {
            _ = connection.request_n(*stream_id, Credit::UNBOUNDED);
            while connection.send(*stream_id, payload.clone()).is_ok() {}
        }
        _ => {}
    }
}

fn config(scale: usize) -> Config {
    let mut config = Config::default();
    config.mtu = Some(64);
    config.max_frame_len = 32 * 1024;
    config.max_payload_len = 32 * 1024 * scale;
    config.max_unfinished = 16 * 1024 * scale;
    config.serve_leases = false;
    config.serve_extensions = true;
    let mut resume = ResumeConfig::default();
    resume.max_stored = 16 * 1024 * scale;
    config.resume = Some(resume);
    config.max_open_streams = 24 * scale;
    config.max_queued_output = 16 * 1024 * scale;
    config.max_queued_frames = 16 * scale;
    config.max_events = 20 * scale;
    config.max_event_bytes = 16 * 1024 * scale;
    // A pause would end a flood of KEEPALIVEs early.
    config.keepalive_burst = u32::MAX;
    config
}

/// A stream of the client's.
fn odd(n: u32) -> u32 {
    2 * n + 1
}

/// EXT that may be ignored, as it is where it is not served; METADATA_PUSH on a stream always is.
fn ignored(len: usize) -> Frame {
    Frame::new(id(1), Body::MetadataPush { metadata: vec![b'i'; len].into() })
}

const LONG_TEXT: &str =
    "an error text that is as long as many error texts are, and then some more for good measure";

/// How much is read at once.
const CHUNK: usize = 256;

/// What an event keeps alive beside its own payload, as its payload is a slice of what it was read with.
const KEPT_ALIVE: usize = 2 * (1024 + CHUNK);

/// What tables have for each stream or frame: nodes that are half empty, and queues that begin with room for four.
const TABLES: usize = 800;
