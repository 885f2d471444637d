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
fn a_keepalive_whose_echo_would_be_too_long_ends_the_connection() {
    let config = Config { max_keepalive_data: 4, ..Config::default() };
    let mut talk = Talk::server_with(config.clone());
    talk.hears([keepalive(true, "four"), keepalive(false, "this need not be echoed")]);
    talk.says([keepalive(false, "four")]);
    talk.hears([keepalive(true, "fives")]);
    let text = "KEEPALIVE with data of 5 bytes, of which at most 4 are echoed";
    talk.says([error(0, ErrorCode::CONNECTION_ERROR, text)]);
    let violation = Violation::KeepAliveTooLong { len: 5, limit: 4 };
    talk.tells([closed(CloseReason::Violation(violation))]);

    // An echo never exceeds the longest frame, whatever is configured.
    let config = Config { max_keepalive_data: usize::MAX, ..config };
    let mut talk = Talk::server_with(config);
    for len in framing::MAX_SENT_FRAME..=framing::MAX_SENT_FRAME + 1 {
        let mut frame = (len as u32).to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&unhex(TICK));
        frame.resize(3 + len, 7);
        talk.hears_bytes(&frame);
        let echo = talk.output_bytes();
        assert_eq!(echo.len() == 3 + len, len == framing::MAX_SENT_FRAME);
    }
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
fn any_whole_frame_is_a_sign_of_life() {
    let mut talk = Talk::server();
    for bytes in ["000007 00000001 1400 61", "000006 00000063 2400", "000000"] {
        talk.passes(seconds(89));
        talk.hears_bytes(&unhex(bytes));
        talk.output();
    }
    // The last frame, which is empty, does not decode and ends the connection.
    talk.events();
    assert!(!talk.connection.wants_input());
}

#[test]
fn a_long_frame_byte_by_byte_is_no_sign_of_life() {
    let mut talk = Talk::server();
    let mut long = unhex("0003e8 00000001 1400").to_vec();
    long.resize(3 + 1000, b'x');
    for byte in long.iter().take(89) {
        talk.passes(seconds(1));
        talk.hears_bytes(&[*byte]);
    }
    talk.output();
    talk.is_calm();
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
    // The owner was busy until now. The peer gets one more lifetime from the next timeout on.
    talk.passes(seconds(80));
    talk.tells([told(1, "a"), told(3, "b")]);
    assert!(talk.connection.wants_input());
    talk.passes(seconds(20));
    talk.output();
    talk.is_calm();
    // The frame that had waited is read; then silence counts again.
    talk.reads();
    talk.tells([told(5, "c")]);
    talk.passes(seconds(90));
    expired(&mut talk, seconds(90));
}

#[test]
fn a_clients_wishes_are_bounded() {
    for (asked, interval, lifetime) in [
        ((1, 2_500), 1_000, 2_500),
        ((1, 1), 1_000, 200),
        ((20_000, 90_000), 20_000, 90_000),
        // An interval of an hour, with a lifetime that is cut to ten minutes: we ask for a sign of life in time.
        ((3_600_000, 7_200_000), 300_000, 600_000),
        ((0x7fff_ffff, 0x7fff_ffff), 300_000, 600_000),
        ((1_000, 0), 1_000, 600_000),
    ] {
        let config = Config::default();
        let mut talk = Talk::server_after(config, setup(asked.0, asked.1));
        let next = match interval < lifetime {
            true => (talk.now + Duration::from_millis(interval), TimerReason::KeepAliveTick),
            false => (talk.now + Duration::from_millis(lifetime), TimerReason::KeepAliveExpiry),
        };
        assert_eq!(talk.connection.next_timer(), Some(next), "{asked:?}");
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

/// `count` KEEPALIVEs with these five bytes each.
fn flood(count: usize) -> BytesMut {
    let mut flood = BytesMut::new();
    for _ in 0..count {
        framing::encode_prefixed(&keepalive(true, "flood"), &mut flood).unwrap();
    }
    flood
}

#[test]
fn a_flood_stays_in_the_callers_buffer() {
    let echo = keepalive(true, "flood").encoded_len();
    let paced = Config { keepalive_burst: u32::MAX, ..Config::default() };
    for (config, at_once) in [
        (Config { max_queued_frames: 10, ..paced.clone() }, 10),
        (Config { max_queued_output: 3 * echo, ..paced.clone() }, 3),
        (Config { max_keepalive_data: 4 * echo, ..paced }, 4),
    ] {
        let mut talk = Talk::server_with(config);
        talk.hears_bytes(&flood(120));
        assert_eq!(talk.input.len(), (120 - at_once) * (3 + echo));
        assert!(!talk.connection.wants_input());
        let mut echoes = 0;
        while !talk.input.is_empty() {
            let output = talk.output();
            assert_eq!(output.len(), at_once);
            echoes += output.len();
            talk.reads();
        }
        assert_eq!(echoes + talk.output().len(), 120);
    }
}

#[test]
fn after_a_burst_echoes_are_paced_by_reading() {
    let ms = Duration::from_millis;
    let mut talk = Talk::server();
    talk.hears_bytes(&flood(50));
    for count in [20, 1, 1] {
        assert_eq!(talk.output().len(), count);
        assert!(!talk.connection.wants_input());
        let until = talk.now + ms(50);
        assert_eq!(talk.connection.next_timer(), Some((until, TimerReason::KeepAlivePause)));
        talk.passes(ms(49));
        talk.reads();
        talk.is_calm();
        talk.passes(ms(1));
        talk.reads();
    }
    // Time that was not used allows a burst again.
    talk.output();
    talk.passes(ms(400));
    talk.reads();
    assert_eq!(talk.output().len(), 8);
    // Nothing is lost even if the clock stands still between frames.
    while !talk.input.is_empty() {
        talk.passes(ms(50));
        talk.reads();
    }
    talk.output();
    talk.passes(seconds(2));
    talk.hears_bytes(&flood(20));
    assert_eq!(talk.output().len(), 20);
}

#[test]
fn a_peer_that_sends_every_50_ms_is_never_paused() {
    let mut talk = Talk::server();
    for _ in 0..1_000 {
        talk.passes(Duration::from_millis(50));
        talk.hears([keepalive(true, "x")]);
        assert!(talk.output().contains(&keepalive(false, "x")));
        assert!(talk.connection.wants_input());
    }
}

#[test]
fn a_pause_is_not_the_peers_silence() {
    let config = Config { keepalive_burst: 1, keepalive_pause: seconds(1), ..Config::default() };
    let mut talk = Talk::server_after(config, setup(0, 200));
    // The lifetime is shorter than the pause. Our process sleeps, and then finds both over.
    talk.hears([keepalive(true, "x"), keepalive(true, "y")]);
    talk.passes(Duration::from_millis(900));
    talk.says([keepalive(false, "x")]);
    talk.passes(seconds(10));
    talk.reads();
    talk.says([keepalive(false, "y")]);
    talk.passes(seconds(1));
    talk.is_calm();
    talk.passes(Duration::from_millis(200));
    expired(&mut talk, Duration::from_millis(200));
}
