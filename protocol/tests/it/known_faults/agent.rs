//! How an application's connections begin, and begin again.

use bytes::BytesMut;
use prometheus_rsocket_protocol::agent::{self, Action, Agent};
use prometheus_rsocket_protocol::rsocket::connection::CloseReason;
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use prometheus_rsocket_protocol::{Machine, Payload};
use prometheus_rsocket_testkit::world::epoch;
use std::time::{Duration, Instant};

/// As `setup` has it of a connection.
#[test]
fn row_14_an_application_learns_why_it_was_rejected() {
    let now = epoch();
    let mut agent = Agent::new(agent::Config::default(), 1, now);
    assert_eq!(agent.poll_action(now), Action::Connect { proxy: 0 });
    agent.handle_connected(now);
    hear(&mut agent, now, &error(ErrorCode::REJECTED_SETUP));
    let Some(agent::Event::Disconnected { reason, .. }) = agent.poll_event() else {
        panic!("it is disconnected")
    };
    let code = ErrorCode::REJECTED_SETUP;
    let expected = CloseReason::PeerError { code, message: "bye".to_owned() };
    assert_eq!(reason, agent::DisconnectReason::Closed(expected));
    assert_eq!(reason.to_string(), format!("the peer sent {code}: bye"));
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
            assert_eq!(agent.poll_action(now), Action::Connect { proxy: 0 });
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
