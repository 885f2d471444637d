use super::*;
use crate::rsocket::connection::TimerReason;

const TICK: &str = "00000000 0c80 0000000000000000";

fn setup(keepalive_ms: u32, max_lifetime_ms: u32) -> Setup {
    Setup { keepalive_ms, max_lifetime_ms, ..Setup::default() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn expired(talk: &mut Talk, after: Duration) {
    let text = format!("no keep-alive acks for {after:?}");
    talk.says([error(0, ErrorCode::CONNECTION_ERROR, &text)]);
    talk.tells([closed(CloseReason::KeepAliveTimeout { after })]);
}

#[test]
fn an_answer_carries_the_same_data_and_overtakes_payloads() {
    let mut talk = Talk::server();
    talk.hears([request(1, "a")]);
    talk.events();
    talk.connection.respond(id(1), Payload::from_data("A")).unwrap();
    talk.requests("b");
    talk.hears_hex([
        "00000000 0c80 8000000000000007 64617461",
        TICK,
        "00000000 0c00 0000000000000000",
    ]);
    talk.says_hex([
        "00000000 0c00 0000000000000000 64617461",
        "00000000 0c00 0000000000000000",
        "00000001 2860 41",
        "00000002 1000 62",
    ]);
    talk.is_calm();
}

#[test]
fn an_echo_longer_than_any_frame_to_be_sent_is_cut() {
    let mut talk = Talk::server();
    for len in framing::MAX_SENT_FRAME - 1..=MAX_RECEIVED_FRAME {
        let mut frame = (len as u32).to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&unhex(TICK));
        frame.resize(3 + len, 7);
        talk.hears_bytes(&frame);
        let echo = talk.output_bytes();
        assert_eq!(echo.len(), 3 + len.min(framing::MAX_SENT_FRAME));
        assert_eq!(echo[17..], frame[17..echo.len()]);
    }
    talk.is_calm();
}

#[test]
fn both_sides_tick_at_the_interval() {
    for mut talk in [Talk::server(), Talk::client()] {
        assert_eq!(
            talk.connection.next_timer(),
            Some((talk.now + seconds(20), TimerReason::KeepAliveTick))
        );
        talk.passes(Duration::from_millis(19_999));
        talk.is_calm();
        talk.passes(Duration::from_millis(1));
        talk.says_hex([TICK]);
        talk.passes(seconds(20));
        talk.says_hex([TICK]);
    }
}

#[test]
fn a_server_need_not_tick_but_answers() {
    let config = Config { keepalive_as_server: false, ..Config::default() };
    let mut talk = Talk::server_with(config);
    talk.passes(seconds(30));
    talk.is_calm();
    talk.hears([keepalive(true, "")]);
    talk.says([keepalive(false, "")]);
    talk.passes(seconds(90));
    expired(&mut talk, seconds(90));
}

#[test]
fn one_tick_waits_at_most() {
    let mut talk = Talk::client();
    for _ in 0..4 {
        talk.passes(seconds(20));
    }
    talk.says_hex([TICK]);
    talk.passes(seconds(5));
    talk.says([]);
    talk.passes(seconds(4));
    talk.says([]);
}

#[test]
fn after_a_long_sleep_one_tick_makes_up_for_all() {
    let mut talk = Talk::client_with(Config::default(), setup(1_000, 0x7fff_ffff));
    talk.passes(seconds(3_600));
    talk.says_hex([TICK]);
    assert_eq!(talk.connection.poll_timeout(), Some(talk.now + seconds(1)));
}

#[test]
fn silence_for_the_lifetime_closes() {
    for mut talk in [Talk::server(), Talk::client()] {
        talk.passes(Duration::from_millis(89_999));
        talk.output();
        assert_eq!(
            talk.connection.next_timer(),
            Some((talk.now + Duration::from_millis(1), TimerReason::KeepAliveExpiry))
        );
        talk.passes(Duration::from_millis(1));
        expired(&mut talk, seconds(90));
    }
}

#[test]
fn any_frame_and_any_part_of_one_is_a_sign_of_life() {
    let mut talk = Talk::server();
    let mut long = unhex("0003e8 00000001 1400").to_vec();
    long.resize(3 + 1000, b'x');
    let (first, rest) = long.split_at(500);
    let (second, third) = rest.split_at(1);
    for bytes in [first, second, third, &unhex("000006 00000063 2400")] {
        talk.passes(seconds(89));
        talk.hears_bytes(bytes);
    }
    talk.output();
    assert_eq!(talk.events().len(), 1);
    // The same bytes seen again are no new sign.
    talk.hears_bytes(first);
    talk.passes(seconds(89));
    talk.reads();
    talk.output();
    talk.passes(seconds(1));
    expired(&mut talk, seconds(90));
}

#[test]
fn silence_while_our_owner_is_busy_is_not_the_peers() {
    let mut talk = Talk::server_with(Config { max_events: 2, ..Config::default() });
    talk.hears([fnf(1, "a"), fnf(3, "b"), fnf(5, "c")]);
    assert!(!talk.connection.wants_input());
    for _ in 0..3 {
        talk.passes(seconds(100));
        assert_eq!(talk.output(), [keepalive(true, "")]);
    }
    // It was busy until just now: the peer gets one lifetime from the next look at the clock.
    talk.passes(seconds(80));
    talk.tells([told(1, "a"), told(3, "b")]);
    assert!(talk.connection.wants_input());
    talk.passes(seconds(20));
    talk.output();
    talk.is_calm();
    // What had waited is heard; then silence counts again.
    talk.reads();
    talk.tells([told(5, "c")]);
    talk.passes(seconds(90));
    expired(&mut talk, seconds(90));
}

#[test]
fn a_clients_wishes_are_bounded() {
    for (asked, interval, lifetime) in [
        ((1, 1), 100, 200),
        ((20_000, 90_000), 20_000, 90_000),
        // An hour's interval within a lifetime that is cut to ten minutes: we ask for a sign in time.
        ((3_600_000, 7_200_000), 300_000, 600_000),
        ((0x7fff_ffff, 0x7fff_ffff), 300_000, 600_000),
        ((1_000, 0), 1_000, 600_000),
    ] {
        let config = Config::default();
        let mut talk = Talk::server_after(config, setup(asked.0, asked.1));
        let tick = Some((talk.now + Duration::from_millis(interval), TimerReason::KeepAliveTick));
        assert_eq!(talk.connection.next_timer(), tick, "{asked:?}");
        talk.passes(Duration::from_millis(lifetime));
        expired(&mut talk, Duration::from_millis(lifetime));
    }
}

#[test]
fn an_interval_of_zero_stops_the_ticks_alone() {
    let config = Config::default();
    for mut talk in [
        Talk::server_after(config.clone(), setup(0, 90_000)),
        Talk::client_with(config.clone(), setup(0, 90_000)),
        Talk::client_with(config, setup(0, 0)),
    ] {
        talk.passes(seconds(89));
        talk.is_calm();
        talk.hears([keepalive(true, "x")]);
        talk.says([keepalive(false, "x")]);
        let (_, reason) = talk.connection.next_timer().unwrap();
        assert_eq!(reason, TimerReason::KeepAliveExpiry);
    }
}

#[test]
fn a_flood_stays_in_the_callers_buffer() {
    let mut talk = Talk::server_with(Config { max_queued_frames: 10, ..Config::default() });
    let mut flood = BytesMut::new();
    for _ in 0..100 {
        framing::encode_prefixed(&keepalive(true, "flood"), &mut flood).unwrap();
    }
    talk.hears_bytes(&flood);
    assert_eq!(talk.input.len(), flood.len() / 10 * 9);
    assert!(!talk.connection.wants_input());
    let mut echoes = 0;
    while !talk.input.is_empty() {
        let output = talk.output();
        assert_eq!(output.len(), 10);
        echoes += output.len();
        talk.reads();
    }
    assert_eq!(echoes + talk.output().len(), 100);

    let bytes = 3 * keepalive(true, "flood").encoded_len();
    let mut talk = Talk::server_with(Config { max_queued_output: bytes, ..Config::default() });
    talk.hears_bytes(&flood);
    assert_eq!(talk.output().len(), 3);
}
