use super::*;
use crate::rsocket::connection::{RequestError, StreamError};

#[test]
fn a_stream_brings_as_many_payloads_as_were_asked_for() {
    let mut talk = Talk::client();
    let asked = talk.connection.request_stream(Payload::from_data("a"), credit(2)).unwrap();
    assert_eq!(asked, id(1));
    talk.says([stream(1, 2, "a")]);
    talk.hears([next(1, "b"), next(1, "c")]);
    talk.tells([got(1, "b"), got(1, "c")]);
    talk.connection.request_n(asked, credit(1)).unwrap();
    talk.says([request_n(1, 1)]);
    talk.hears([next(1, "d"), complete(1)]);
    talk.tells([got(1, "d"), completed(1)]);
    assert_eq!(talk.connection.open_streams(), 0);
    assert_eq!(talk.connection.request_n(asked, credit(1)), Err(StreamError::NotOpen(id(1))));
    talk.is_calm();
}

#[test]
fn a_streams_last_payload_may_complete_it() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(1)).unwrap();
    talk.output();
    talk.hears([answer(1, "b")]);
    talk.tells([got(1, "b"), completed(1)]);
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn completing_takes_no_credit() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(1)).unwrap();
    talk.output();
    talk.hears([next(1, "b"), complete(1)]);
    talk.tells([got(1, "b"), completed(1)]);
}

#[test]
fn more_payloads_than_were_asked_for_end_the_stream() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(1)).unwrap();
    talk.output();
    talk.hears([next(1, "b"), next(1, "c"), next(1, "late")]);
    talk.tells([got(1, "b"), failed(1, StreamFailure::Violation(Violation::Overrun))]);
    talk.says([cancel(1)]);
    assert_eq!(talk.connection.open_streams(), 0);
    talk.is_calm();
}

#[test]
fn credit_without_bound_is_not_used_up() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), Credit::UNBOUNDED).unwrap();
    talk.output();
    talk.connection.request_n(id(1), Credit::UNBOUNDED).unwrap();
    for _ in 0..100 {
        talk.hears([next(1, "b")]);
        talk.tells([got(1, "b")]);
    }
}

#[test]
fn payloads_are_sent_as_far_as_the_credit_goes() {
    let mut talk = Talk::server();
    talk.hears([stream(1, 1, "a")]);
    let payload = Payload::from_data("a");
    talk.tells([Event::RequestStream { stream_id: id(1), payload, initial_n: Credit::new(1) }]);
    let send = |talk: &mut Talk, data| talk.connection.send(id(1), Payload::from_data(data));
    assert_eq!(talk.connection.credit(id(1)), 1);
    send(&mut talk, "b").unwrap();
    assert_eq!(send(&mut talk, "c"), Err(StreamError::NoCredit(id(1))));
    assert_eq!(
        talk.connection.respond(id(1), Payload::default()),
        Err(StreamError::NoCredit(id(1)))
    );
    talk.hears([request_n(1, 1), request_n(1, 1)]);
    talk.tells([allowed(1, 1), allowed(1, 1)]);
    send(&mut talk, "c").unwrap();
    talk.connection.respond(id(1), Payload::from_data("d")).unwrap();
    talk.says([next(1, "b"), next(1, "c"), answer(1, "d")]);
    assert_eq!(send(&mut talk, "e"), Err(StreamError::NotOpen(id(1))));
    assert_eq!((talk.connection.open_streams(), talk.connection.credit(id(1))), (0, 0));
    talk.hears([request_n(1, 1), cancel(1)]);
    talk.is_calm();
}

#[test]
fn a_stream_without_payloads_completes_at_once() {
    let mut talk = Talk::server();
    talk.hears([stream(1, 0, "a")]);
    let payload = Payload::from_data("a");
    talk.tells([Event::RequestStream { stream_id: id(1), payload, initial_n: None }]);
    talk.connection.complete(id(1)).unwrap();
    talk.says([complete(1)]);
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn a_request_n_of_nothing_or_on_no_stream_is_ignored() {
    let mut talk = Talk::server();
    talk.hears([stream(1, 1, "a"), request(3, "b")]);
    talk.events();
    talk.hears([request_n(1, 0), request_n(0, 1), request_n(3, 1), request_n(5, 1)]);
    talk.is_calm();
}

#[test]
fn a_peers_stream_is_canceled_and_what_waits_for_it_forgotten() {
    let mut talk = Talk::server();
    talk.hears([stream(1, 5, "a")]);
    talk.events();
    talk.connection.send(id(1), Payload::from_data("b")).unwrap();
    talk.connection.send(id(1), Payload::from_data("c")).unwrap();
    talk.hears([cancel(1)]);
    talk.tells([canceled(1)]);
    talk.is_calm();
    assert_eq!(talk.connection.open_streams(), 0);
}

#[test]
fn a_stream_of_ours_is_given_up_in_the_middle() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(5)).unwrap();
    talk.output();
    talk.hears([next(1, "b")]);
    talk.tells([got(1, "b")]);
    talk.connection.cancel(id(1)).unwrap();
    talk.says([cancel(1)]);
    talk.hears([next(1, "late"), complete(1), error(1, ErrorCode::CANCELED, "late")]);
    talk.is_calm();
}

#[test]
fn a_stream_fails_by_an_error_in_the_middle() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(5)).unwrap();
    talk.output();
    talk.hears([next(1, "b"), error(1, ErrorCode::APPLICATION_ERROR, "no more")]);
    let error = StreamFailure::Error { code: ErrorCode::APPLICATION_ERROR, data: "no more".into() };
    talk.tells([got(1, "b"), failed(1, error)]);
    assert_eq!(talk.connection.open_streams(), 0);
    talk.is_calm();
}

#[test]
fn a_stream_may_be_rejected_before_or_after_payloads() {
    for payloads in [0, 1] {
        let mut talk = Talk::server();
        talk.hears([stream(1, 5, "a")]);
        talk.events();
        for _ in 0..payloads {
            talk.connection.send(id(1), Payload::from_data("b")).unwrap();
        }
        talk.connection.reject(id(1), ErrorCode::REJECTED, "busy").unwrap();
        let mut said = talk.output();
        assert_eq!(said.pop(), Some(error(1, ErrorCode::REJECTED, "busy")));
        assert_eq!(said.len(), payloads);
        assert_eq!(talk.connection.open_streams(), 0);
    }
}

#[test]
fn a_payload_that_says_nothing_ends_its_stream() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(5)).unwrap();
    talk.output();
    talk.hears_hex(["00000001 2800"]);
    talk.tells([failed(1, StreamFailure::Violation(Violation::EmptyPayload))]);
    talk.says([cancel(1)]);
}

#[test]
fn streams_count_as_requests_do() {
    let config = Config { max_open_streams: 1, ..Config::default() };
    let mut talk = Talk::client_with(config, Setup::default());
    talk.connection.request_stream(Payload::from_data("a"), credit(1)).unwrap();
    let refused = talk.connection.request_channel(Payload::from_data("b"), credit(1), false);
    assert_eq!(refused, Err(RequestError::TooManyStreams { limit: 1 }));
    talk.output();
    talk.hears([stream(2, 1, "c"), channel(4, 1, false, "d")]);
    let refusal = Refusal::TooManyStreams { limit: 1 };
    let text = refusal.to_string();
    talk.says([error(4, ErrorCode::REJECTED, &text)]);
    assert_eq!(talk.events().last(), Some(&super::refused(4, refusal)));
}

#[test]
fn all_streams_end_with_the_connection() {
    let mut talk = Talk::client();
    talk.connection.request_stream(Payload::from_data("a"), credit(1)).unwrap();
    talk.connection.request_channel(Payload::from_data("b"), credit(1), true).unwrap();
    talk.hears([stream(2, 1, "c"), channel(4, 1, false, "d")]);
    talk.hears_hex(["00000006 1080 61"]);
    talk.events();
    assert_eq!(talk.connection.open_streams(), 5);
    talk.connection.handle_eof(talk.now);
    talk.tells([
        failed(1, StreamFailure::Closed),
        canceled(2),
        failed(3, StreamFailure::Closed),
        canceled(4),
        closed(CloseReason::Eof { unfinished: 0 }),
    ]);
    assert_eq!(talk.connection.open_streams(), 0);
}
