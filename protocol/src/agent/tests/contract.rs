//! The rules of the contract that an agent could break itself, numbered as in `Connection`.

use super::*;
use crate::rsocket::frame::{Body, Frame};
use crate::rsocket::framing::encode_prefixed;
use proptest::collection::vec;
use std::num::NonZeroUsize;

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold(ops in ops(), waits: bool, proxies in 1_usize..4) {
        let push = if waits { PushMode::Acknowledged } else { PushMode::FireAndForget };
        let start = World::new(Config::default()).now;
        let (events, output) = play(&ops, push, proxies, start);
        prop_assert_eq!(&(&events, &output), &(&play(&ops, push, proxies, start).0, &output), "rule 9");

        let stopped = events.iter().position(|event| *event == Event::Stopped);
        prop_assert!(stopped.is_none_or(|at| at + 1 == events.len()), "the last: {:?}", events);
        let last = events.iter().position(|event| matches!(event, Event::Pushed { is_last: true, .. }));
        let after = last.map_or(0, |last| {
            events[last + 1..].iter().filter(|event| matches!(event, Event::Pushed { .. })).count()
        });
        prop_assert_eq!(after, 0, "a push after the last: {:?}", events);
    }

    #[test]
    fn rule_3_holds_for_any_configured_time(
        times in vec(any::<Duration>(), 6),
        proxies in 1_usize..4,
        ops in ops(),
    ) {
        let mut config = Config { push_timeout: times[0], ..Config::default() };
        config.backoff = BackoffConfig { min: times[1], max: times[2], stable_after: times[3] };
        config.connection.close_timeout = times[4];
        config.return_after = times[5];
        config.proxies = NonZeroUsize::new(proxies).unwrap();
        let start = World::new(Config::default()).now;
        play_with(&ops, config, start);
    }
}

#[test]
fn frames_wait_in_the_buffer_while_events_wait() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let mut input = BytesMut::new();
    let rubbish = Body::RequestFnf { follows: false, payload: Payload::from_data("rubbish") };
    for number in 2..10_000 {
        let frame = Frame::new(StreamId::new(2 * number), rubbish.clone());
        encode_prefixed(&frame, &mut input).unwrap();
    }
    let mut events = 0;
    while !input.is_empty() {
        world.agent.handle_input(world.now, &mut input);
        let waiting = std::iter::from_fn(|| world.agent.poll_event()).count();
        assert!((1..200).contains(&waiting), "{waiting} events at once");
        events += waiting;
    }
    assert_eq!(events, 9_998, "none is lost");
}

/// Anything that can happen to an agent.
#[derive(Clone, Debug)]
enum Op {
    Advance(Duration),
    Answer(u64, bool),
    Close,
    Connect,
    ConnectFailed,
    Eof,
    Input(Vec<u8>),
    Poll,
    Probed(usize, bool),
    Push { is_last: bool },
    Sealed,
    Transmit,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (0_u64..100_000_000_000).prop_map(|nanos| Op::Advance(Duration::from_nanos(nanos))),
        4 => (0_u64..6, prop::bool::weighted(0.8)).prop_map(|(ticket, good)| Op::Answer(ticket, good)),
        1 => Just(Op::Close),
        8 => Just(Op::Connect),
        1 => Just(Op::ConnectFailed),
        1 => Just(Op::Eof),
        8 => input().prop_map(Op::Input),
        4 => Just(Op::Poll),
        2 => (0_usize..3, any::<bool>()).prop_map(|(proxy, is_open)| Op::Probed(proxy, is_open)),
        3 => prop::bool::weighted(0.3).prop_map(|is_last| Op::Push { is_last }),
        4 => Just(Op::Sealed),
        4 => Just(Op::Transmit),
    ];
    vec(op, 0..60)
}

/// Frames of a proxy, and now and then bytes that are not a frame.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let data = prop_oneof![3 => Just("plaintext"), 1 => Just("rubbish"), 1 => Just("")];
    let frame = (0_u32..5, 0..6, data).prop_map(|(id, kind, data)| {
        let payload = Payload::from_data(data);
        let body = match kind {
            0 => Body::RequestFnf { follows: false, payload },
            1 | 2 => Body::RequestResponse { follows: false, payload },
            3 => Body::Cancel,
            // Most likely the answer to a push.
            4 => {
                let payload = Body::Payload { follows: false, complete: true, next: true, payload };
                return Frame::new(StreamId::new(1), payload);
            }
            _ => return Frame::error(StreamId::new(id), ErrorCode::CONNECTION_ERROR, "gone"),
        };
        Frame::new(StreamId::new(2 * id), body)
    });
    let frames = vec(frame, 1..30).prop_map(|frames| {
        let mut bytes = BytesMut::new();
        for frame in frames {
            encode_prefixed(&frame, &mut bytes).unwrap();
        }
        bytes.to_vec()
    });
    prop_oneof![9 => frames, 1 => vec(any::<u8>(), 0..50)]
}

fn play(ops: &[Op], push: PushMode, proxies: usize, start: Instant) -> (Vec<Event>, Vec<u8>) {
    let proxies = NonZeroUsize::new(proxies).unwrap();
    play_with(ops, Config { push, proxies, max_scrapes: 3, ..Config::default() }, start)
}

/// Applies everything, checks the invariants, and returns the output.
fn play_with(ops: &[Op], config: Config, start: Instant) -> (Vec<Event>, Vec<u8>) {
    let (most_wanted, proxies) = (config.max_scrapes + 1, config.proxies.get());
    let (mut asked, mut failed) = (Vec::new(), 0);
    let mut agent = Agent::new(config, 5, start);
    let (mut now, mut input, mut output) = (start, BytesMut::new(), BytesMut::new());
    let (mut events, mut jobs) = (Vec::new(), VecDeque::new());
    for op in ops {
        match op {
            Op::Advance(by) => {
                now += *by;
                agent.handle_timeout(now);
                assert!(agent.poll_timeout().is_none_or(|next| next > now), "rule 3");
            }
            Op::Answer(ticket, is_good) => {
                let text = if *is_good { Ok("up 1\n".into()) } else { Err("broken".to_owned()) };
                jobs.extend(agent.answer(now, Ticket(*ticket), text));
            }
            Op::Close => agent.close(now),
            Op::Connect => {
                if let Action::Connect { proxy } = agent.poll_action(now) {
                    assert!(proxy < proxies);
                    input.clear();
                    agent.handle_connected(now);
                    failed = 0;
                }
            }
            Op::ConnectFailed => {
                if let Action::Connect { .. } = agent.poll_action(now) {
                    agent.handle_connect_failed(now, "refused");
                    failed += 1;
                    if matches!(agent.poll_action(now), Action::Wait(until) if until > now) {
                        failed = 0;
                    }
                    assert!(failed < proxies, "no hot loop");
                }
            }
            Op::Eof => agent.handle_eof(now),
            Op::Input(bytes) => input.extend_from_slice(bytes),
            Op::Poll => events.extend(std::iter::from_fn(|| agent.poll_event())),
            Op::Probed(proxy, is_open) => agent.handle_probed(now, *proxy, *is_open),
            Op::Push { is_last: false } => asked.extend(agent.push(now)),
            Op::Push { is_last: true } => asked.extend(agent.push_and_close(now)),
            Op::Sealed => {
                if let Some(job) = jobs.pop_front() {
                    agent.handle_sealed(now, SealJob::run(job, [6; 32]));
                }
            }
            Op::Transmit => while agent.poll_transmit(now, &mut output) {},
        }
        if agent.wants_input() {
            agent.handle_input(now, &mut input);
        }
        assert!(agent.wanted.len() <= most_wanted, "rule 5");
        assert!(agent.events.len() < 300, "rule 5: {} events", agent.events.len());
        if agent.poll_action(now) == Action::Stop {
            assert_still(&mut agent, now);
        }
    }
    events.extend(std::iter::from_fn(|| agent.poll_event()));
    assert_eq!(events.contains(&Event::Stopped), agent.poll_action(now) == Action::Stop);
    agent.close(now);
    events.extend(std::iter::from_fn(|| agent.poll_event()));
    // Calls that share a push have the same id.
    asked.dedup();
    let pushed: Vec<PushId> = events.iter().filter_map(pushed).collect();
    assert_eq!(pushed, asked, "each push is told of once, in their order");
    (events, output.to_vec())
}

fn pushed(event: &Event) -> Option<PushId> {
    match event {
        Event::Pushed { push, .. } => Some(*push),
        _ => None,
    }
}

/// Rule 8: no input has any effect now.
#[track_caller]
fn assert_still(agent: &mut Agent, now: Instant) {
    let events = agent.events.clone();
    agent.handle_input(now, &mut BytesMut::from(&b"\0\0\0"[..]));
    agent.handle_eof(now);
    agent.handle_timeout(now + 1000 * SECOND);
    agent.handle_connected(now);
    agent.handle_connect_failed(now, "late");
    agent.handle_probed(now, 0, true);
    assert_eq!((agent.push(now), agent.push_and_close(now)), (None, None), "rule 8");
    agent.close(now);
    assert!(!agent.poll_transmit(now, &mut BytesMut::new()), "rule 8");
    assert!(!agent.wants_input() && agent.poll_timeout().is_none(), "rule 8");
    assert_eq!(agent.events, events, "rule 8");
}

#[test]
fn a_report_of_the_proxy_is_told() {
    let mut world = World::new(Config::default());
    world.connect_with_key();
    let report = Report::new(crate::report::ReportKind::Refused, "line 3");
    world.proxy().metadata_push(report.encode()).unwrap();
    world.proxy().metadata_push(Bytes::from_static(b"nonsense")).unwrap();
    world.run();
    assert_eq!(world.agent.poll_event(), Some(Event::Reported { report }));
    assert_eq!(world.agent.poll_event(), None);
}
