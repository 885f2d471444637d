use super::*;
use crate::rsocket::connection::{RequestError, TimerReason};

fn leased() -> Setup {
    Setup { lease: true, ..Setup::default() }
}

fn server() -> Talk {
    Talk::server_after(Config { serve_leases: true, ..Config::default() }, leased())
}

fn lease(ttl_ms: u32, requests: u32) -> Frame {
    Frame::on_connection(Body::Lease { ttl_ms, requests, metadata: None })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_client_asks_no_more_than_it_was_allowed() {
    let mut talk = Talk::client_with(Config::default(), leased());
    let ask = |talk: &mut Talk| talk.connection.request_response(Payload::default());
    assert_eq!(ask(&mut talk), Err(RequestError::NoLease));
    assert_eq!(talk.connection.lease(), Some(0));
    talk.hears([lease(5000, 2)]);
    talk.tells([Event::LeaseReceived { ttl: seconds(5), requests: 2, metadata: None }]);
    assert_eq!(ask(&mut talk), Ok(id(1)));
    talk.connection.metadata_push(Bytes::new()).unwrap();
    assert_eq!(talk.connection.lease(), Some(1));
    assert_eq!(talk.connection.fire_and_forget(Payload::default()), Ok(id(3)));
    assert_eq!(ask(&mut talk), Err(RequestError::NoLease));
    let stream = talk.connection.request_stream(Payload::default(), credit(1));
    assert_eq!(stream, Err(RequestError::NoLease));
}

#[test]
fn a_lease_ends_with_its_time() {
    let mut talk = Talk::client_with(Config::default(), leased());
    talk.hears([lease(5000, 2)]);
    talk.events();
    let timer = talk.connection.next_timer();
    assert_eq!(timer, Some((talk.now + seconds(5), TimerReason::LeaseExpiry)));
    talk.passes(seconds(5) - Duration::from_millis(1));
    assert_eq!(talk.connection.lease(), Some(2));
    talk.passes(Duration::from_millis(1));
    assert_eq!(talk.connection.lease(), Some(0));
    let asked = talk.connection.request_response(Payload::default());
    assert_eq!(asked, Err(RequestError::NoLease));
    talk.hears([lease(5000, 1)]);
    assert_eq!(talk.connection.lease(), Some(1));
}

#[test]
fn the_last_lease_counts_alone() {
    let mut talk = Talk::client_with(Config::default(), leased());
    for (frame, left) in [
        (lease(5000, 7), 7),
        (lease(5000, 2), 2),
        (lease(0, 9), 0),
        (lease(9, 4), 4),
        (lease(9, 0), 0),
    ] {
        talk.hears([frame]);
        assert_eq!(talk.connection.lease(), Some(left));
    }
}

#[test]
fn a_server_rejects_what_it_has_not_allowed() {
    let mut talk = server();
    talk.connection.grant_lease(talk.now, seconds(5), 2, None).unwrap();
    talk.says([lease(5000, 2)]);
    talk.hears([fnf(1, "a"), request(3, "b"), request(5, "c")]);
    talk.tells([told(1, "a"), asked(3, "b"), refused(5, Refusal::NoLease)]);
    let text = Refusal::NoLease.to_string();
    talk.says([error(5, ErrorCode::REJECTED, &text)]);
    assert_eq!(talk.connection.open_streams(), 1);

    talk.connection.grant_lease(talk.now, seconds(5), 2, None).unwrap();
    talk.now += seconds(5);
    talk.hears([request(7, "d")]);
    talk.tells([refused(7, Refusal::NoLease)]);
}

#[test]
fn before_its_first_lease_a_server_takes_nothing() {
    let mut talk = server();
    talk.hears([request(1, "a"), stream(3, 1, "b"), channel(5, 1, true, "c"), fnf(7, "d")]);
    talk.tells([1, 3, 5, 7].map(|stream_id| refused(stream_id, Refusal::NoLease)));
}

#[test]
fn a_fragmented_request_takes_one_of_a_lease() {
    let mut talk = server();
    talk.connection.grant_lease(talk.now, seconds(5), 1, None).unwrap();
    talk.hears_hex(["00000001 1080 61", "00000001 28a0 62", "00000001 2820 63"]);
    talk.tells([asked(1, "abc")]);
}

#[test]
fn the_server_needs_a_lease_as_well() {
    let mut talk = server();
    let ask = |talk: &mut Talk| talk.connection.request_response(Payload::default());
    assert_eq!(ask(&mut talk), Err(RequestError::NoLease));
    talk.hears([lease(1, 1)]);
    assert_eq!(ask(&mut talk), Ok(id(2)));
}

#[test]
fn without_flag_l_leases_mean_nothing() {
    let mut talk = Talk::server_with(Config { serve_leases: true, ..Config::default() });
    assert_eq!(talk.connection.lease(), None);
    let refused = talk.connection.grant_lease(talk.now, seconds(1), 1, None);
    assert_eq!(refused, Err(RequestError::LeaseNotAgreed));
    talk.hears([lease(1000, 0), request(1, "a")]);
    talk.tells([asked(1, "a")]);
    talk.requests("b");
}

#[test]
fn what_a_lease_can_say_has_31_bits() {
    let mut talk = server();
    talk.connection.grant_lease(talk.now, Duration::MAX, u32::MAX, Some("m".into())).unwrap();
    let metadata = Some("m".into());
    let body = Body::Lease { ttl_ms: 0x7fff_ffff, requests: 0x7fff_ffff, metadata };
    talk.says([Frame::on_connection(body)]);
}
