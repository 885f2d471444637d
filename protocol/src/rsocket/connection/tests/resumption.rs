use super::*;
use crate::rsocket::connection::{
    RequestError, ResumeConfig, ResumeError, ResumeRequest, TimerReason,
};
use crate::rsocket::frame::Version;

const TOKEN: &str = "token";

fn config() -> Config {
    Config { resume: Some(ResumeConfig::default()), ..Config::default() }
}

fn setup() -> Setup {
    Setup { resume_token: Some(TOKEN.into()), ..Setup::default() }
}

fn resume(server_position: u64, client_position: u64) -> Frame {
    Frame::on_connection(Body::Resume {
        version: Version::V1_0,
        token: TOKEN.into(),
        last_received_server_position: server_position,
        first_available_client_position: client_position,
    })
}

fn resume_ok(position: u64) -> Frame {
    Frame::on_connection(Body::ResumeOk { last_received_client_position: position })
}

fn request_of(token: &'static str, server_position: u64, client_position: u64) -> ResumeRequest {
    ResumeRequest {
        token: token.into(),
        last_received_server_position: server_position,
        first_available_client_position: client_position,
    }
}

/// Ends the transport of a client, which is then suspended.
fn suspended_client(talk: &mut Talk) {
    talk.connection.handle_eof(talk.now);
    assert!(talk.connection.is_suspended());
    assert_eq!(talk.events().last(), Some(&Event::Suspended));
}

#[test]
fn a_client_sends_again_what_the_server_has_not_received() {
    let mut talk = Talk::client_with(config(), setup());
    talk.requests("a");
    talk.requests("b");
    talk.says([request(1, "a"), request(3, "b")]);
    talk.hears([answer(1, "A")]);
    talk.tells([answered(1, "A")]);
    suspended_client(&mut talk);
    talk.requests("c");
    talk.says([]);
    assert!(!talk.connection.wants_input());

    talk.connection.resume(talk.now);
    talk.says([resume(7, 0)]);
    talk.hears([resume_ok(7)]);
    talk.tells([Event::Resumed]);
    talk.says([request(3, "b"), request(5, "c")]);
    talk.hears([answer(3, "B"), answer(5, "C")]);
    talk.tells([answered(3, "B"), answered(5, "C")]);
}

#[test]
fn a_server_sends_again_what_the_client_has_not_received() {
    let mut talk = Talk::server_after(config(), setup());
    talk.hears([request(1, "a"), request(3, "b")]);
    talk.events();
    talk.connection.respond(id(1), Payload::from_data("A")).unwrap();
    talk.connection.respond(id(3), Payload::from_data("B")).unwrap();
    talk.says([answer(1, "A"), answer(3, "B")]);
    suspended_client(&mut talk);

    let mut other = Talk::listening(config());
    other.hears([resume(7, 0)]);
    let [Event::ResumeReceived { request: asked }] = &other.events()[..] else { panic!() };
    assert_eq!(asked.token(), TOKEN);
    assert!(!other.connection.wants_input());
    talk.connection.accept_resume(talk.now, asked).unwrap();
    talk.tells([Event::Resumed]);
    talk.says([resume_ok(14), answer(3, "B")]);
}

#[test]
fn positions_count_frames_of_streams_and_nothing_else() {
    let mut talk = Talk::client_with(config(), setup());
    talk.requests("a");
    talk.output();
    talk.connection.metadata_push("m".into()).unwrap();
    talk.hears([keepalive(true, "not counted"), fnf(2, "x"), error(1, ErrorCode::REJECTED, "")]);
    let position = 7 + 10;
    let echo = Body::KeepAlive { respond: false, position, data: "not counted".into() };
    let pushed = Body::MetadataPush { metadata: "m".into() };
    talk.says([pushed, echo].map(Frame::on_connection));
}

#[test]
fn fragments_count_as_they_are_sent() {
    let small = Config { mtu: Some(64), ..config() };
    let mut talk = Talk::client_with(small, setup());
    let data = Bytes::from(vec![b'x'; 100]);
    talk.connection.request_response(Payload::from_data(data)).unwrap();
    let frames = talk.output();
    assert_eq!(frames.iter().map(Frame::encoded_len).collect::<Vec<_>>(), [61, 51]);
    suspended_client(&mut talk);
    talk.connection.resume(talk.now);
    talk.output();
    talk.hears([resume_ok(61)]);
    assert_eq!(talk.output(), frames[1..]);
}

#[test]
fn a_keepalive_tells_what_needs_not_be_kept() {
    let mut talk = Talk::client_with(config(), setup());
    talk.requests("a");
    talk.requests("b");
    talk.output();
    talk.hears([Frame::on_connection(Body::KeepAlive {
        respond: false,
        position: 7,
        data: Bytes::new(),
    })]);
    suspended_client(&mut talk);
    talk.connection.resume(talk.now);
    talk.says([resume(0, 7)]);
    talk.hears([resume_ok(0)]);
    let error = ResumeError::OurPosition { position: 0, first: 7, last: 14 };
    talk.ends_by(Violation::ResumePosition(error), ErrorCode::CONNECTION_ERROR);
}

#[test]
fn only_so_much_is_kept_to_be_sent_again() {
    let resume = Some(ResumeConfig { max_stored: 2 * 64 + 63, ..ResumeConfig::default() });
    let mut talk = Talk::server_after(Config { resume, ..Config::default() }, setup());
    for stream_id in [1, 3, 5] {
        talk.hears([request(stream_id, "a")]);
        talk.connection.respond(id(stream_id), Payload::from_data("A")).unwrap();
        talk.output();
    }
    talk.events();
    suspended_client(&mut talk);
    let refused = talk.connection.accept_resume(talk.now, &request_of(TOKEN, 0, 0));
    let error = ResumeError::OurPosition { position: 0, first: 7, last: 21 };
    assert_eq!(refused, Err(error));
    assert!(talk.connection.is_suspended());
    talk.connection.accept_resume(talk.now, &request_of(TOKEN, 7, 0)).unwrap();
    talk.says([resume_ok(21), answer(3, "A"), answer(5, "A")]);
}

#[test]
fn nothing_is_resumed_that_does_not_fit() {
    let mut talk = Talk::server_after(config(), setup());
    talk.hears([request(1, "a")]);
    talk.connection.respond(id(1), Payload::from_data("A")).unwrap();
    talk.output();
    talk.events();
    suspended_client(&mut talk);
    let now = talk.now;
    for (asked, error) in [
        (request_of("other", 0, 0), ResumeError::NotResumable),
        (request_of(TOKEN, 3, 0), ResumeError::OurPosition { position: 3, first: 0, last: 7 }),
        (request_of(TOKEN, 8, 0), ResumeError::OurPosition { position: 8, first: 0, last: 7 }),
        (request_of(TOKEN, 0, 8), ResumeError::PeerPosition { first: 8, received: 7 }),
    ] {
        assert_eq!(talk.connection.accept_resume(now, &asked), Err(error));
        assert!(talk.connection.is_suspended());
        talk.is_calm();
    }
    let mut client = Talk::client_with(config(), setup());
    let asked = request_of(TOKEN, 0, 0);
    let refused = client.connection.accept_resume(now, &asked);
    assert_eq!(refused, Err(ResumeError::NotResumable), "it is the client's to ask");
}

#[test]
fn a_client_that_came_back_takes_over_from_its_dead_transport() {
    let mut talk = Talk::server_after(config(), setup());
    talk.hears([request(1, "a")]);
    talk.hears_bytes(&[0, 0]);
    talk.events();
    talk.connection.accept_resume(talk.now, &request_of(TOKEN, 0, 0)).unwrap();
    talk.input.clear();
    talk.says([resume_ok(7)]);
    talk.tells([Event::Resumed]);
    talk.hears([request(3, "b")]);
    talk.tells([asked(3, "b")]);
}

#[test]
fn of_transports_that_come_and_go_unheard_only_the_last_is_told() {
    let mut talk = Talk::server_after(config(), setup());
    for _ in 0..100 {
        talk.connection.handle_eof(talk.now);
        talk.connection.accept_resume(talk.now, &request_of(TOKEN, 0, 0)).unwrap();
        talk.connection.accept_resume(talk.now, &request_of(TOKEN, 0, 0)).unwrap();
    }
    talk.tells([Event::Suspended, Event::Resumed]);
    for _ in 0..100 {
        talk.connection.accept_resume(talk.now, &request_of(TOKEN, 0, 0)).unwrap();
        talk.connection.handle_eof(talk.now);
    }
    talk.tells([Event::Resumed, Event::Suspended]);
}

#[test]
fn a_suspended_connection_waits_no_longer_than_its_time() {
    let seconds = Duration::from_secs;
    let mut talk = Talk::client_with(config(), setup());
    talk.requests("a");
    talk.output();
    suspended_client(&mut talk);
    let end = talk.now + seconds(120);
    assert_eq!(talk.connection.next_timer(), Some((end, TimerReason::Resume)));
    talk.passes(seconds(60));
    talk.connection.resume(talk.now);
    talk.output();
    // The second transport fails too, and the timeout continues to run.
    talk.connection.handle_eof(talk.now);
    assert!(talk.connection.is_suspended());
    assert_eq!(talk.connection.next_timer(), Some((end, TimerReason::Resume)));
    talk.passes(seconds(60));
    let after = seconds(120);
    talk.tells([failed(1, StreamFailure::Closed), closed(CloseReason::ResumeTimeout { after })]);
    assert!(talk.connection.is_closed());
    talk.connection.resume(talk.now);
    talk.says([]);
}

#[test]
fn a_client_hears_why_it_is_not_resumed() {
    let mut talk = Talk::client_with(config(), setup());
    suspended_client(&mut talk);
    talk.connection.resume(talk.now);
    talk.output();
    talk.hears([error(0, ErrorCode::REJECTED_RESUME, "who are you")]);
    let (code, message) = (ErrorCode::REJECTED_RESUME, "who are you".to_owned());
    talk.tells([closed(CloseReason::PeerError { code, message })]);
}

#[test]
fn anything_else_in_answer_to_resume_ends_the_connection() {
    let mut talk = Talk::client_with(config(), setup());
    talk.requests("a");
    talk.output();
    suspended_client(&mut talk);
    talk.connection.resume(talk.now);
    talk.output();
    talk.hears([answer(1, "A")]);
    let violation = Violation::NotResumed(FrameType::Payload);
    let events = talk.ends_by(violation, ErrorCode::CONNECTION_ERROR);
    assert_eq!(events, [failed(1, StreamFailure::Closed)]);
}

#[test]
fn a_server_turns_away_whom_it_does_not_know() {
    let mut talk = Talk::listening(config());
    talk.hears([resume(0, 0)]);
    talk.events();
    talk.connection.reject_resume(talk.now, "unknown token");
    talk.says([error(0, ErrorCode::REJECTED_RESUME, "unknown token")]);
    assert!(talk.connection.is_closed());

    let mut talk = Talk::listening(config());
    talk.hears([resume(0, 0)]);
    talk.events();
    talk.passes(Duration::from_secs(60));
    let frames = talk.output();
    let [Frame { body: Body::Error { code, .. }, .. }] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(*code, ErrorCode::REJECTED_RESUME);

    let mut talk = Talk::listening(Config::default());
    talk.hears([resume(0, 0)]);
    talk.ends_by(Violation::ResumeUnsupported, ErrorCode::REJECTED_RESUME);
}

#[test]
fn a_silent_peer_suspends_the_connection() {
    let mut talk = Talk::client_with(config(), setup());
    for _ in 0..10 {
        talk.passes(Duration::from_secs(10));
    }
    assert!(talk.connection.is_suspended());
    talk.says([]);
    talk.tells([Event::Suspended]);
}

#[test]
fn what_is_about_the_connection_alone_does_not_wait_to_be_resumed() {
    let mut talk = Talk::client_with(config(), setup());
    suspended_client(&mut talk);
    let refused = talk.connection.metadata_push("m".into());
    assert_eq!(refused, Err(RequestError::Suspended));
    talk.connection.close(talk.now, ErrorCode::CONNECTION_CLOSE, "enough");
    let (code, message) = (ErrorCode::CONNECTION_CLOSE, "enough".to_owned());
    talk.tells([closed(CloseReason::Local { code, message })]);
}

#[test]
fn leases_begin_again_with_the_transport() {
    let setup = Setup { lease: true, ..setup() };
    let mut talk = Talk::client_with(config(), setup);
    talk.hears([Frame::on_connection(Body::Lease { ttl_ms: 9000, requests: 5, metadata: None })]);
    assert_eq!(talk.connection.lease(), Some(5));
    talk.events();
    suspended_client(&mut talk);
    talk.connection.resume(talk.now);
    talk.output();
    talk.hears([resume_ok(0)]);
    assert_eq!(talk.connection.lease(), Some(0));
}

#[test]
fn a_connection_that_is_closing_is_not_suspended() {
    let mut talk = Talk::client_with(config(), setup());
    talk.hears([error(0, ErrorCode::CONNECTION_CLOSE, "bye")]);
    talk.connection.handle_eof(talk.now);
    assert!(talk.connection.is_closed());
    let mut talk = Talk::client_with(config(), setup());
    talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "bye");
    talk.connection.handle_eof(talk.now);
    assert!(talk.connection.is_closed());
}

#[test]
fn a_full_queue_does_not_keep_the_answer_to_resume_away() {
    let mut talk = Talk::client_with(Config { max_queued_output: 10, ..config() }, setup());
    suspended_client(&mut talk);
    talk.requests("long enough");
    talk.connection.resume(talk.now);
    talk.says([resume(0, 0)]);
    assert!(talk.connection.wants_input());
    talk.hears([resume_ok(0)]);
    talk.says([request(1, "long enough")]);
}

#[test]
fn what_was_lost_is_sent_again_before_the_end() {
    let mut talk = Talk::client_with(config(), setup());
    talk.connection.fire_and_forget(Payload::from_data("a")).unwrap();
    talk.output();
    suspended_client(&mut talk);
    talk.connection.fire_and_forget(Payload::from_data("b")).unwrap();
    talk.connection.resume(talk.now);
    talk.output();
    talk.hears([resume_ok(0)]);
    talk.connection.close(talk.now, ErrorCode::CONNECTION_ERROR, "bye");
    talk.says([fnf(1, "a"), fnf(3, "b"), error(0, ErrorCode::CONNECTION_ERROR, "bye")]);
}

#[test]
fn who_breaks_the_rules_is_not_sent_again_what_was_lost() {
    let mut talk = Talk::client_with(config(), setup());
    talk.requests("a");
    talk.output();
    suspended_client(&mut talk);
    talk.connection.resume(talk.now);
    talk.output();
    talk.hears([resume_ok(0), answer(9, "A")]);
    talk.events();
    let frames = talk.output();
    assert!(matches!(&frames[..], [Frame { body: Body::Error { .. }, .. }]), "{frames:?}");
}

#[test]
fn a_peer_that_is_closing_gets_the_answer_that_was_lost() {
    let mut talk = Talk::server_after(config(), setup());
    talk.hears([request(1, "a")]);
    talk.connection.respond(id(1), Payload::from_data("A")).unwrap();
    talk.output();
    suspended_client(&mut talk);
    talk.connection.accept_resume(talk.now, &request_of(TOKEN, 0, 0)).unwrap();
    talk.hears([error(0, ErrorCode::CONNECTION_CLOSE, "when you are done")]);
    talk.says([resume_ok(7), answer(1, "A")]);
    assert!(talk.connection.is_closed());
}

#[test]
fn requests_that_were_lost_are_within_the_lease_that_was_lost_with_them() {
    let now_and_later = Config { serve_leases: true, ..config() };
    let mut talk = Talk::server_after(now_and_later, Setup { lease: true, ..setup() });
    let grant = |talk: &mut Talk, requests| {
        talk.connection.grant_lease(talk.now, Duration::from_secs(1), requests, None).unwrap();
    };
    grant(&mut talk, 3);
    talk.hears([fnf(1, "a")]);
    talk.events();
    talk.passes(Duration::from_secs(2));
    // Two more requests may be under way.
    for (first, second) in [(3, 5), (7, 9)] {
        suspended_client(&mut talk);
        let received = talk.connection.resumption.as_ref().unwrap().received();
        talk.connection.accept_resume(talk.now, &request_of(TOKEN, 0, received)).unwrap();
        talk.hears([fnf(first, "b")]);
        grant(&mut talk, 1);
        talk.hears([fnf(second, "c")]);
        talk.tells([Event::Resumed, told(first, "b"), told(second, "c")]);
        talk.output();
    }
    talk.hears([fnf(11, "d")]);
    talk.tells([refused(11, Refusal::NoLease)]);
}

#[test]
fn a_lease_does_not_outlive_its_transport() {
    let mut talk = Talk::client_with(config(), Setup { lease: true, ..setup() });
    talk.hears([Frame::on_connection(Body::Lease { ttl_ms: 9000, requests: 5, metadata: None })]);
    suspended_client(&mut talk);
    let refused = talk.connection.fire_and_forget(Payload::default());
    assert_eq!(refused, Err(RequestError::NoLease));
}

/// rsocket-js 1.0 swaps the two numbers of the version, in RESUME alone.
#[test]
fn resume_of_a_version_written_backwards_is_taken_and_of_another_is_refused() {
    let resume_of = |major, minor| {
        let Body::Resume {
            token,
            last_received_server_position,
            first_available_client_position,
            ..
        } = resume(7, 0).body
        else {
            panic!()
        };
        Frame::on_connection(Body::Resume {
            version: Version { major, minor },
            token,
            last_received_server_position,
            first_available_client_position,
        })
    };
    let mut talk = Talk::listening(config());
    talk.hears([resume_of(0, 1)]);
    talk.tells([Event::ResumeReceived { request: request_of(TOKEN, 7, 0) }]);

    for (major, minor) in [(1, 1), (0, 2), (2, 0)] {
        let mut talk = Talk::listening(config());
        talk.hears([resume_of(major, minor)]);
        let version = Version { major, minor };
        talk.ends_by(Violation::UnsupportedVersion(version), ErrorCode::INVALID_SETUP);
    }
}

#[test]
fn a_suspended_connection_wants_no_transport_until_it_is_to_be_resumed() {
    let mut talk = Talk::client_with(config(), setup());
    assert!(talk.connection.wants_transport());
    suspended_client(&mut talk);
    assert!(!talk.connection.wants_transport() && !talk.connection.is_closed());
    talk.connection.resume(talk.now);
    assert!(talk.connection.wants_transport());
}
