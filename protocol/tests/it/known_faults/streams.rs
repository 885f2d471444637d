//! How streams begin, go on and end.

use crate::talk::{
    Talk, answer, cancel, channel, chat, credit, error, fragment, id, next, opening, request,
    request_n, stream,
};
use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::connection::{
    CloseReason, Config, Credit, Event, RequestError, StreamFailure,
};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, StreamId, Version};
use prometheus_rsocket_protocol::rsocket::framing::MAX_SENT_FRAME;
use prometheus_rsocket_protocol::{Machine, Payload};
use prometheus_rsocket_testkit::world::{everything, setup};
use std::time::Duration;

/// rsocket-java #742.
#[test]
fn row_07_a_payload_over_16_mb_passes_or_fails_at_once() {
    let long = Payload::new("m", Bytes::from(vec![b'x'; 17_000_000]));
    let mut config = Config::default();
    let (mut client, mut server) = (Talk::client(&config), Talk::server(&config));
    client.connection.request_response(long.clone()).unwrap();
    let request = client.says();
    assert!(request.len() > 1 && request.iter().all(|frame| frame.encoded_len() <= MAX_SENT_FRAME));
    server.hears(request);
    let stream_id = id(1);
    assert_eq!(server.told(), [Event::RequestResponse { stream_id, payload: long.clone() }]);
    server.connection.respond(stream_id, long.clone()).unwrap();
    client.hears(server.says());
    assert_eq!(client.told(), [Event::Response { stream_id, payload: Some(long.clone()) }]);

    // Whoever does not take as much says so, instead of nothing.
    config.max_payload_len = 1_000_000;
    let mut server = Talk::server(&config);
    client.connection.request_response(long.clone()).unwrap();
    chat(&mut client, &mut server);
    let [Event::RequestFailed { error: StreamFailure::Error { code, .. }, .. }] = client.told()[..]
    else {
        panic!("the request hangs")
    };
    assert_eq!(code, ErrorCode::INVALID);

    // What cannot go in fragments is refused before it is queued.
    let refused = client.connection.metadata_push(long.data);
    assert!(matches!(refused, Err(RequestError::TooLong(_))), "{refused:?}");
    assert_eq!(client.says(), []);
}

/// rsocket-java #1009, #779, #733, #491.
#[test]
fn row_08_nothing_is_left_of_streams_that_ended() {
    let mut config = limits();
    config.mtu = Some(64);
    let (mut client, mut server) = (Talk::client(&config), Talk::server(&config));
    let mut cycle = || {
        for from in [0, 1, 2] {
            let [ours, theirs] = [&mut client, &mut server];
            let (ours, theirs) = if from == 1 { (theirs, ours) } else { (ours, theirs) };
            end_streams_in_every_way(ours, theirs);
            assert_eq!((ours.connection.open_streams(), theirs.connection.open_streams()), (0, 0));
        }
    };
    cycle();
    let info = measure(|| (0..20).for_each(|_| cycle()));
    assert_eq!(info.bytes_current, 0, "something is held");

    // What waits for a stream that is cancelled is not sent any more.
    let mut talk = Talk::server(&config);
    talk.hears([stream(1, 9), channel(3, 9), request(5, "")]);
    for stream_id in [1, 3, 5] {
        _ = talk.connection.send(id(stream_id), Payload::from_data(vec![b'x'; 1_000]));
    }
    talk.says_one().unwrap();
    talk.hears([cancel(1), cancel(3), cancel(5)]);
    assert_eq!((talk.says(), talk.connection.open_streams()), (vec![], 0));

    // Nor is anything left of those that end with their connection.
    let mut talk = Talk::server(&config);
    talk.hears([opening(1, "part"), request(3, ""), stream(5, 9), channel(7, 9)]);
    talk.connection.send(id(5), Payload::from_data(vec![b'x'; 1_000])).unwrap();
    talk.connection.request_response(Payload::default()).unwrap();
    talk.connection.handle_eof(talk.now);
    assert_eq!((talk.connection.open_streams(), talk.says()), (0, vec![]));
    assert_eq!(
        talk.told().len(),
        3 + 3 + 1 + 1,
        "requests, their ends, our own's, the connection's"
    );
}

fn end_streams_in_every_way(ours: &mut Talk, theirs: &mut Talk) {
    let long = || Payload::from_data(vec![b'x'; 200]);
    let open = |ours: &mut Talk| {
        let connection = &mut ours.connection;
        [
            connection.request_response(long()).unwrap(),
            connection.request_stream(long(), credit(5)).unwrap(),
            connection.request_channel(long(), credit(5), false).unwrap(),
        ]
    };
    // Given up: before anything is sent; after a part of each request; after all of it; with payloads on their way.
    for sent in [0, 3, usize::MAX] {
        let ids = open(ours);
        let said: Vec<_> = std::iter::from_fn(|| ours.says_one()).take(sent).collect();
        theirs.hears(said);
        for id in ids {
            _ = theirs.connection.send(id, long());
            theirs.says_one().into_iter().for_each(|frame| ours.hears([frame]));
            _ = ours.connection.cancel(id);
        }
        settle(ours, theirs);
    }
    // Rejected, completed, or answered.
    for end in 0..3 {
        let ids = open(ours);
        settle(ours, theirs);
        for id in ids {
            _ = match end {
                0 => theirs.connection.reject(id, ErrorCode::REJECTED, "no"),
                1 => theirs.connection.complete(id),
                _ => theirs.connection.respond(id, long()),
            };
        }
        _ = ours.connection.complete(ids[2]);
        settle(ours, theirs);
    }
    // A channel's requester fails; its responder has enough; it sends too much.
    for end in 0..3 {
        let id = ours.connection.request_channel(long(), credit(1), false).unwrap();
        settle(ours, theirs);
        theirs.connection.request_n(id, credit(1)).unwrap();
        settle(ours, theirs);
        match end {
            0 => ours.connection.reject(id, ErrorCode::APPLICATION_ERROR, "failed").unwrap(),
            1 => {
                ours.connection.send(id, long()).unwrap();
                ours.says_one();
                theirs.connection.cancel(id).unwrap();
                theirs.connection.complete(id).unwrap();
            }
            _ => theirs.hears([next(id.get(), ""), next(id.get(), ""), fragment(id.get(), "")]),
        }
        settle(ours, theirs);
    }
}

fn settle(ours: &mut Talk, theirs: &mut Talk) {
    chat(ours, theirs);
    ours.told();
    theirs.told();
}

fn limits() -> Config {
    let mut config = Config::default();
    config.max_open_streams = 20;
    config
}

/// rsocket-java #666, #667; rsocket-js #40. How ours wrap is tested beside the code: it takes a thousand million requests.
#[test]
fn row_12_a_peer_may_use_its_ids_again() {
    let mut talk = Talk::server(&Config::default());
    for stream_id in [1, 3, 0x7fff_fffd, 0x7fff_ffff, 1, 5] {
        talk.hears([request(stream_id, "")]);
        let payload = Payload::default();
        let stream_id = id(stream_id);
        // Stream 3 stays open: it is not to be opened twice.
        assert_eq!(talk.told(), [Event::RequestResponse { stream_id, payload: payload.clone() }]);
        if stream_id != id(3) {
            talk.connection.respond(stream_id, payload).unwrap();
            assert_eq!(talk.says().len(), 1);
        }
    }
    talk.hears([request(3, "again")]);
    assert_eq!((talk.says(), talk.told()), (vec![], vec![]));
}

/// rsocket-kotlin #213.
#[test]
fn row_13_credit_is_added_up_without_overflow() {
    let max = 0x7fff_ffff;
    for (initial, more) in [(max, max), (max - 1, 2), (1, max), (max, u32::MAX)] {
        let mut talk = Talk::server(&Config::default());
        talk.hears([stream(1, initial), request_n(1, more), request_n(1, more)]);
        assert_eq!(talk.connection.credit(id(1)), max);
        for _ in 0..10 {
            talk.connection.send(id(1), Payload::default()).unwrap();
        }
        assert_eq!(talk.connection.credit(id(1)), max, "it stands for any number");
    }
    // And what we give: the peer may send.
    let mut talk = Talk::client(&Config::default());
    let stream_id = talk.connection.request_stream(Payload::default(), Credit::UNBOUNDED).unwrap();
    talk.connection.request_n(stream_id, Credit::UNBOUNDED).unwrap();
    talk.says();
    talk.hears((0..10).map(|_| next(1, "")));
    assert_eq!(talk.told().len(), 10);
    assert_eq!(talk.says(), []);
}

type Ending = fn(&mut Talk);

/// rsocket-rust PR#65, #48, #32; rsocket-js #22; rsocket-go #150.
#[test]
fn row_20_every_stream_ends_with_its_connection_and_no_bytes_panic() {
    let endings: [(&str, Ending); 5] = [
        ("the transport's end", |talk| talk.connection.handle_eof(talk.now)),
        ("an error", |talk| talk.hears([error(0, ErrorCode::CONNECTION_ERROR, "bye")])),
        ("a violation", |talk| talk.hears([next(100, "")])),
        ("silence", |talk| talk.passes(Duration::from_secs(90))),
        ("our own will", |talk| {
            talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "enough");
        }),
    ];
    for (name, end) in endings {
        let mut talk = Talk::server(&Config::default());
        let ours = [
            talk.connection.request_response(Payload::default()).unwrap(),
            talk.connection.request_stream(Payload::default(), credit(1)).unwrap(),
            talk.connection.request_channel(Payload::default(), credit(1), false).unwrap(),
        ];
        talk.hears([request(1, ""), stream(3, 1), channel(5, 1), opening(7, "")]);
        talk.drains();
        end(&mut talk);
        talk.says();
        let mut told = talk.told();
        assert!(matches!(told.pop(), Some(Event::Closed { .. })), "{name}");
        let canceled = [1, 3, 5].map(|theirs| Event::Canceled { stream_id: id(theirs) });
        let failed =
            ours.map(|stream_id| Event::RequestFailed { stream_id, error: StreamFailure::Closed });
        let mut expected: Vec<_> = canceled.into_iter().chain(failed).collect();
        let key = |event: &Event| format!("{event:?}");
        told.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(told, expected, "{name}");
        assert!(talk.connection.is_closed(), "{name}");
    }
    every_frame_torn_or_changed_is_survived();
}

fn every_frame_torn_or_changed_is_survived() {
    let config = everything(limits());
    for frame in one_of_each() {
        let mut whole = BytesMut::new();
        frame.encode(&mut whole).unwrap();
        let torn = (0..whole.len()).map(|len| whole[..len].to_vec());
        let changed = (0..whole.len()).flat_map(|at| {
            [0x00, 0x7f, 0x80, 0xff].map(|byte| {
                let mut bytes = whole.to_vec();
                bytes[at] = byte;
                bytes
            })
        });
        for bytes in torn.chain(changed) {
            for mut talk in [Talk::server(&config), Talk::client(&config), Talk::listening(&config)]
            {
                talk.hears([stream(1, 1), channel(3, 1), stream(2, 1)]);
                let mut input = (bytes.len() as u32).to_be_bytes()[1..].to_vec();
                input.extend(&bytes);
                talk.hears_bytes(&input);
                talk.drains();
                talk.connection.handle_eof(talk.now);
                let reason = talk.told().pop();
                let is_eof =
                    matches!(reason, Some(Event::Closed { reason: CloseReason::Eof { .. } }));
                assert!(is_eof || talk.connection.is_closed() || talk.connection.is_suspended());
            }
        }
    }
}

fn one_of_each() -> Vec<Frame> {
    let payload = Payload::new("meta", "data");
    let request = |body| Frame::new(id(5), body);
    let bodies = [
        Body::RequestResponse { follows: false, payload: payload.clone() },
        Body::RequestFnf { follows: false, payload: payload.clone() },
        Body::RequestStream { follows: false, initial_n: 1, payload: payload.clone() },
        Body::RequestChannel {
            follows: true,
            complete: true,
            initial_n: 1,
            payload: payload.clone(),
        },
        Body::Ext { extended_type: 1, payload },
    ];
    let connections = [
        Body::Setup(Box::new(setup(&everything(limits())))),
        Body::Lease { ttl_ms: 1, requests: 1, metadata: Some("meta".into()) },
        Body::KeepAlive { respond: true, position: 1, data: "data".into() },
        Body::MetadataPush { metadata: "meta".into() },
        Body::ResumeOk { last_received_client_position: 1 },
        Body::Resume {
            version: Version::V1_0,
            token: "token".into(),
            last_received_server_position: 1,
            first_available_client_position: 1,
        },
    ];
    let rest = [
        answer(1, "data"),
        fragment(3, "data"),
        request_n(3, 1),
        cancel(1),
        error(3, ErrorCode::INVALID, "no"),
        error(StreamId::CONNECTION.get(), ErrorCode::CONNECTION_CLOSE, "bye"),
    ];
    bodies
        .map(request)
        .into_iter()
        .chain(connections.map(Frame::on_connection))
        .chain(rest)
        .collect()
}
