//! How connections begin, and begin again.

use crate::talk::Talk;
use bytes::BytesMut;
use prometheus_rsocket_protocol::agent::{self, Action, Agent};
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Config, Event, Violation};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use prometheus_rsocket_protocol::{Machine, Payload};
use prometheus_rsocket_testkit::world::epoch;
use std::time::{Duration, Instant};

/// rsocket-java #686, #311, #464, #1121; rsocket-js #95, #126.
#[test]
fn row_14_a_rejected_setup_is_told_and_the_connection_closed() {
    // By the server, or by its owner: the ERROR goes out before the connection is over.
    let unwanted = Setup { lease: true, ..Setup::default() };
    let mut rejected = Talk::listening(&Config::default());
    rejected.hears([Frame::on_connection(Body::Setup(unwanted))]);
    let mut turned_away = Talk::server(&Config::default());
    let now = turned_away.now;
    turned_away.connection.close(now, ErrorCode::REJECTED_SETUP, "not you");
    let expected = [
        (ErrorCode::UNSUPPORTED_SETUP, Violation::LeaseUnsupported.to_string()),
        (ErrorCode::REJECTED_SETUP, "not you".to_owned()),
    ];
    for (mut server, (code, message)) in [rejected, turned_away].into_iter().zip(expected) {
        assert!(!server.connection.is_closed(), "the ERROR waits");
        let said = server.says();
        assert_eq!(said, [Frame::error(StreamId::CONNECTION, code, message.clone())]);
        assert!(server.connection.is_closed(), "the server closes the transport");

        // Its client's owner learns code and text, and closes as well.
        let mut client = Talk::client(&Config::default());
        client.hears(said.clone());
        let reason = CloseReason::PeerError { code, message: message.clone() };
        assert_eq!(client.told(), [Event::Closed { reason: reason.clone() }]);
        assert!(client.connection.is_closed());

        // So does an application's.
        let now = epoch();
        let mut agent = Agent::new(agent::Config::default(), 1, now);
        assert_eq!(agent.poll_action(now), Action::Connect);
        agent.handle_connected(now);
        hear(&mut agent, now, &said[0]);
        let Some(agent::Event::Disconnected { reason: told, .. }) = agent.poll_event() else {
            panic!("it is disconnected")
        };
        assert_eq!(told, agent::DisconnectReason::Closed(reason));
        assert_eq!(told.to_string(), format!("the peer sent {code}: {message}"));
    }
}

/// rsocket-kotlin #312; the original client connects again at once.
#[test]
fn row_15_who_is_closed_on_waits_before_it_connects_again() {
    type Ending = fn(&mut Agent, Instant);
    let endings: [Ending; 4] = [
        |agent, now| agent.handle_eof(now),
        |agent, now| hear(agent, now, &error(ErrorCode::CONNECTION_CLOSE)),
        |agent, now| hear(agent, now, &error(ErrorCode::REJECTED_SETUP)),
        // Also when it was given a key, and seemed welcome.
        |agent, now| {
            let payload = Payload::from_data("plaintext");
            hear(
                agent,
                now,
                &Frame::new(StreamId::new(2), Body::RequestFnf { follows: false, payload }),
            );
            agent.handle_eof(now);
        },
    ];
    for end in endings {
        let config = agent::Config::default();
        let (min, max) = (config.backoff.min, config.backoff.max);
        let mut now = epoch();
        let mut agent = Agent::new(config, 1, now);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert_eq!(agent.poll_action(now), Action::Connect);
            agent.handle_connected(now);
            while agent.poll_transmit(now, &mut BytesMut::new()) {}
            end(&mut agent, now);
            let Action::Wait(until) = agent.poll_action(now) else { panic!("at once") };
            pauses.push(until - now);
            now = until;
        }
        assert!(pauses.iter().all(|pause| (min..=max).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().sum::<Duration>() > 100 * min, "they grow: {pauses:?}");
    }
}

fn hear(agent: &mut Agent, now: Instant, frame: &Frame) {
    let mut input = BytesMut::new();
    encode_prefixed(frame, &mut input).unwrap();
    agent.handle_input(now, &mut input);
}

fn error(code: ErrorCode) -> Frame {
    Frame::error(StreamId::CONNECTION, code, "bye")
}
