use super::*;
use crate::rsocket::connection::StreamError;

/// A server on which the peer has opened channel 1, with credit for 2.
fn serving() -> Talk {
    let mut talk = Talk::server();
    talk.hears([channel(1, 2, false, "a")]);
    let payload = Payload::from_data("a");
    let initial_n = Credit::new(2);
    let event = Event::RequestChannel { stream_id: id(1), payload, initial_n, complete: false };
    talk.tells([event]);
    talk
}

/// The same server with a tolerance of 0.
fn strict() -> Talk {
    let mut talk = Talk::server_with(Config { channel_tolerance: 0, ..Config::default() });
    talk.hears([channel(1, 2, false, "a")]);
    talk.events();
    talk
}

/// A client that has opened channel 1, granted credit for 2, and received none.
fn asking() -> Talk {
    let mut talk = Talk::client();
    let opened = talk.connection.request_channel(Payload::from_data("a"), credit(2), false);
    assert_eq!(opened, Ok(id(1)));
    talk.says([channel(1, 2, false, "a")]);
    talk
}

fn send(talk: &mut Talk, data: &'static str) -> Result<(), StreamError> {
    talk.connection.send(id(1), Payload::from_data(data))
}

#[test]
fn a_requester_waits_for_credit_before_its_second_payload() {
    let mut talk = asking();
    assert_eq!(send(&mut talk, "b"), Err(StreamError::NoCredit(id(1))));
    talk.hears([request_n(1, 1)]);
    talk.tells([allowed(1, 1)]);
    send(&mut talk, "b").unwrap();
    talk.says([next(1, "b")]);
    assert_eq!(send(&mut talk, "c"), Err(StreamError::NoCredit(id(1))));
}

#[test]
fn a_responder_gets_no_more_than_it_asked_for() {
    let mut talk = strict();
    talk.connection.request_n(id(1), credit(1)).unwrap();
    talk.says([request_n(1, 1)]);
    talk.hears([next(1, "b"), next(1, "c"), next(1, "late")]);
    talk.tells([got(1, "b"), canceled(1), violated(1, Violation::Overrun)]);
    ends_by_overrun(&mut talk);
}

fn ends_by_overrun(talk: &mut Talk) {
    let text = Violation::Overrun.to_string();
    talk.says([error(1, ErrorCode::INVALID, &text)]);
    assert_eq!(talk.connection.open_streams(), 0);
    talk.is_calm();
}

/// rsocket-go and rsocket_rust send one payload before they are granted any, in the same segment as the request.
#[test]
fn a_payload_that_comes_with_its_channel_is_taken() {
    let mut talk = Talk::server();
    talk.hears([channel(1, 2, false, "a"), next(1, "b")]);
    let (payload, initial_n) = (Payload::from_data("a"), Credit::new(2));
    let opened = Event::RequestChannel { stream_id: id(1), payload, initial_n, complete: false };
    talk.tells([opened, got(1, "b")]);
    // Granted credit is added to the tolerance.
    talk.connection.request_n(id(1), credit(2)).unwrap();
    talk.says([request_n(1, 2)]);
    talk.hears([next(1, "c"), next(1, "d")]);
    talk.tells([got(1, "c"), got(1, "d")]);
    talk.hears([next(1, "too many")]);
    talk.tells([canceled(1), violated(1, Violation::Overrun)]);
    ends_by_overrun(&mut talk);
}

#[test]
fn no_more_is_tolerated_than_is_said() {
    for tolerance in 0..3 {
        let config = Config { channel_tolerance: tolerance, ..Config::default() };
        let mut talk = Talk::server_with(config);
        talk.hears([channel(1, 2, false, "a")]);
        talk.events();
        for _ in 0..tolerance {
            talk.hears([next(1, "b")]);
            talk.tells([got(1, "b")]);
        }
        talk.hears([next(1, "too many")]);
        talk.tells([canceled(1), violated(1, Violation::Overrun)]);
        ends_by_overrun(&mut talk);
    }
    // A responder has the credit that the request grants, and no tolerance.
    let mut talk = asking();
    talk.hears([next(1, "b"), next(1, "c"), next(1, "too many")]);
    let overrun = failed(1, StreamFailure::Violation(Violation::Overrun));
    talk.tells([got(1, "b"), got(1, "c"), overrun]);
}

#[test]
fn a_payload_in_fragments_is_tolerated_as_one() {
    let mut talk = Talk::server();
    talk.hears([channel(1, 2, false, "a")]);
    talk.hears_hex(["00000001 28a0 62", "00000001 2820 63"]);
    assert_eq!(talk.events().last(), Some(&got(1, "bc")));
    talk.hears_hex(["00000001 28a0 64"]);
    talk.tells([canceled(1), violated(1, Violation::Overrun)]);
}

#[test]
fn a_channel_is_over_when_both_sides_are_complete() {
    let mut talk = serving();
    talk.connection.request_n(id(1), credit(1)).unwrap();
    talk.connection.respond(id(1), Payload::from_data("last")).unwrap();
    talk.says([request_n(1, 1), answer(1, "last")]);
    assert_eq!(talk.connection.open_streams(), 1);
    assert_eq!(send(&mut talk, "x"), Err(StreamError::NotOpen(id(1))));
    talk.hears([answer(1, "b")]);
    talk.tells([got(1, "b"), completed(1)]);
    assert_eq!(talk.connection.open_streams(), 0);

    let mut talk = asking();
    talk.hears([complete(1)]);
    talk.tells([completed(1)]);
    assert_eq!(talk.connection.open_streams(), 1);
    assert_eq!(talk.connection.request_n(id(1), credit(1)), Err(StreamError::NotOpen(id(1))));
    talk.hears([next(1, "late"), request_n(1, 1)]);
    talk.tells([allowed(1, 1)]);
    send(&mut talk, "b").unwrap();
    talk.connection.complete(id(1)).unwrap();
    talk.says([next(1, "b"), complete(1)]);
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn a_channel_may_be_complete_from_its_first_frame() {
    let mut talk = Talk::client();
    talk.connection.request_channel(Payload::from_data("a"), credit(1), true).unwrap();
    talk.says([channel(1, 1, true, "a")]);
    assert_eq!(send(&mut talk, "b"), Err(StreamError::NotOpen(id(1))));
    talk.hears([answer(1, "b")]);
    talk.tells([got(1, "b"), completed(1)]);
    assert_eq!(talk.connection.open_streams(), 0);

    let mut talk = Talk::server();
    talk.hears([channel(1, 1, true, "a")]);
    let (payload, initial_n) = (Payload::from_data("a"), Credit::new(1));
    let event = Event::RequestChannel { stream_id: id(1), payload, initial_n, complete: true };
    talk.tells([event]);
    assert_eq!(talk.connection.request_n(id(1), credit(1)), Err(StreamError::NotOpen(id(1))));
    talk.connection.complete(id(1)).unwrap();
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn a_requesters_cancel_ends_the_channel_on_both_sides() {
    let mut talk = serving();
    send(&mut talk, "never sent").unwrap();
    talk.hears([cancel(1)]);
    talk.tells([canceled(1)]);
    talk.is_calm();
    assert_eq!(talk.connection.open_streams(), 0);

    let mut talk = asking();
    talk.connection.cancel(id(1)).unwrap();
    talk.says([cancel(1)]);
    talk.hears([next(1, "late"), request_n(1, 1), complete(1)]);
    talk.is_calm();
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn a_responders_cancel_ends_what_the_requester_sends() {
    let mut talk = serving();
    talk.connection.cancel(id(1)).unwrap();
    talk.says([cancel(1)]);
    assert_eq!(talk.connection.cancel(id(1)), Err(StreamError::NotOpen(id(1))));
    talk.hears([next(1, "late")]);
    talk.is_calm();
    talk.connection.respond(id(1), Payload::from_data("b")).unwrap();
    talk.says([answer(1, "b")]);
    assert_eq!(talk.connection.open_streams(), 0);

    let mut talk = asking();
    talk.hears([request_n(1, 2)]);
    talk.events();
    send(&mut talk, "never sent").unwrap();
    talk.connection.request_n(id(1), credit(3)).unwrap();
    talk.hears([cancel(1)]);
    talk.tells([Event::SendingCanceled { stream_id: id(1) }]);
    talk.says([request_n(1, 3)]);
    assert_eq!(send(&mut talk, "x"), Err(StreamError::NotOpen(id(1))));
    talk.hears([next(1, "b"), complete(1)]);
    talk.tells([got(1, "b"), completed(1)]);
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn an_error_ends_the_channel_from_either_side() {
    let mut talk = serving();
    send(&mut talk, "never sent").unwrap();
    talk.hears([error(1, ErrorCode::APPLICATION_ERROR, "gone")]);
    let code = ErrorCode::APPLICATION_ERROR;
    talk.tells([Event::PeerFailed { stream_id: id(1), code, data: "gone".into() }]);
    talk.is_calm();

    let mut talk = asking();
    talk.hears([error(1, ErrorCode::REJECTED, "no")]);
    let code = ErrorCode::REJECTED;
    talk.tells([failed(1, StreamFailure::Error { code, data: "no".into() })]);
    talk.is_calm();

    let mut talk = asking();
    talk.connection.reject(id(1), ErrorCode::APPLICATION_ERROR, "gone").unwrap();
    talk.says([error(1, ErrorCode::APPLICATION_ERROR, "gone")]);
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn only_a_channels_requester_may_end_a_request_by_an_error() {
    let mut talk = Talk::server();
    talk.hears([stream(1, 1, "a"), request(3, "b")]);
    talk.events();
    talk.hears([error(1, ErrorCode::CANCELED, ""), error(3, ErrorCode::CANCELED, "")]);
    talk.is_calm();
    assert_eq!(talk.connection.open_streams(), 2);
}
