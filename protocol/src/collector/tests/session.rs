use super::*;
use crate::rsocket::connection::{Config, Credit, Framing};
use crate::rsocket::frame::{Body, Frame};

fn session(framing: Framing) -> (Session, Instant) {
    let World { now, mut collector, .. } = World::new(super::Config::default());
    let config = Config { framing, ..Config::default() };
    (Session::new(collector.accept(now, peer()).unwrap(), config, [4; 32], now), now)
}

fn key() -> SessionCommand {
    SessionCommand::Key { key: "the key".into(), offers_v2: false }
}

fn message(body: Body) -> Bytes {
    let mut bytes = BytesMut::new();
    Frame::on_connection(body).encode(&mut bytes).unwrap();
    bytes.freeze()
}

fn says(session: &mut Session, now: Instant) -> Option<Frame> {
    let mut output = BytesMut::new();
    session.poll_transmit(now, &mut output).then(|| Frame::decode(output.freeze()).unwrap())
}

#[test]
fn a_session_runs_over_messages_as_well() {
    let (mut session, now) = session(Framing::Messages);
    session.handle_frame(now, message(Body::Setup(Box::<Setup>::default())));
    assert!(matches!(session.poll_event(), Some(SessionEvent::Connected { .. })));
    assert_eq!(says(&mut session, now), None, "it is not admitted yet");
    session.handle_command(now, key());
    let key = Payload::from_data("the key");
    let body = Body::RequestFnf { follows: false, payload: key };
    assert_eq!(says(&mut session, now), Some(Frame::new(StreamId::new(2), body)));
}

#[test]
fn a_session_is_over_if_no_setup_comes() {
    let (mut session, now) = session(Framing::LengthPrefixed);
    let late = now + Config::default().setup_timeout;
    assert_eq!(session.poll_timeout(), Some(late));
    session.handle_timeout(late);
    while session.poll_transmit(late, &mut BytesMut::new()) {}
    assert!(session.is_closed());
    assert!(matches!(session.poll_event(), Some(SessionEvent::Closed { .. })));
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn a_session_is_closed_by_command_and_then_cannot_be_asked() {
    let (mut session, now) = session(Framing::Messages);
    session.handle_frame(now, message(Body::Setup(Box::<Setup>::default())));
    session.poll_event();
    session.handle_command(now, key());
    says(&mut session, now);
    let (code, message) = (ErrorCode::CONNECTION_ERROR, "enough".to_owned());
    session.handle_command(now, SessionCommand::Close { code, message });
    let request = RequestId(0);
    session.handle_command(now, SessionCommand::Scrape { request, known: None });
    let Some(SessionEvent::NotAsked { request: asked, error }) = session.poll_event() else {
        panic!("it was asked")
    };
    assert_eq!((asked, &*error), (request, "the connection is closed"));
    let last = says(&mut session, now).unwrap();
    assert_eq!(last, Frame::error(StreamId::CONNECTION, code, "enough"));
    assert!(session.is_closed());
}

#[test]
fn who_asks_for_what_is_not_served_breaks_no_rule_and_is_served_on() {
    let mut world = World::new(super::Config::default());
    let id = world.connect();
    let peer = world.peers.get_mut(&id).unwrap();
    peer.app.request_stream(Payload::default(), Credit::UNBOUNDED).unwrap();
    world.run();
    let blamed = |notice: &Notice| matches!(notice, Notice::Violation { .. });
    assert!(!world.has_notice(blamed), "{:?}", world.notices);
    let scrape = world.start();
    assert_eq!(world.peers[&id].asked.len(), 1);
    // A scrape that has ended yields nothing.
    world.collector.end_scrape(scrape, true);
    assert!(matches!(world.collector.poll_scrape(scrape), Progress::Finished(_)));
}

#[test]
fn an_acknowledgement_waits_for_a_peer_that_does_not_read() {
    let World { now, mut collector, .. } = World::new(super::Config::default());
    let config = Config { framing: Framing::Messages, max_queued_frames: 1, ..Config::default() };
    let connection = collector.accept(now, peer()).unwrap();
    let mut session = Session::new(connection, config, [4; 32], now);
    session.handle_frame(now, message(Body::Setup(Box::<Setup>::default())));
    session.handle_command(now, key());
    says(&mut session, now);
    let streams = [1, 3, 5].map(StreamId::new);
    for stream_id in streams {
        let mut bytes = BytesMut::new();
        let payload = Payload::from_data("pushed 1\n");
        let body = Body::RequestResponse { follows: false, payload };
        Frame::new(stream_id, body).encode(&mut bytes).unwrap();
        session.handle_frame(now, bytes.freeze());
    }
    for stream_id in streams {
        session.handle_command(now, SessionCommand::AcknowledgePush { stream_id });
    }
    for stream_id in streams {
        assert_eq!(says(&mut session, now).map(|frame| frame.stream_id), Some(stream_id));
    }
    assert_eq!(says(&mut session, now), None);
}
