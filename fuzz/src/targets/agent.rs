//! The application's side, across its connections, and a proxy that says anything.

use crate::forge;
use crate::input::Input;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::agent::{
    Action, Agent, BackoffConfig, Config, Event, PushId, PushMode, SealJob, Sealed, Ticket,
};
use prometheus_rsocket_protocol::envelope::v2::{Binding, Offer};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use prometheus_rsocket_protocol::{Payload, envelope};
use prometheus_rsocket_testkit::vectors;
use prometheus_rsocket_testkit::world::epoch;
use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// Whatever happens, in any order: the rules of the contract hold, each wanted metric is wanted once, each push is told of once, in the
/// order of asking, and no proxy is tried twice without a pause.
pub fn agent(data: &[u8]) {
    let start = epoch();
    let runs = [(), ()].map(|()| Run::new(&mut Input::new(data), start).finish());
    assert_eq!(runs[0], runs[1], "rule 9");
}

struct Run<'a> {
    input: Input<'a>,
    agent: Agent,
    now: Instant,
    /// What was sent by the proxy and not taken yet.
    up: BytesMut,
    sent: BytesMut,
    jobs: VecDeque<SealJob>,
    tickets: Vec<Ticket>,
    /// Wanted, and neither given nor cancelled.
    wanted: BTreeSet<Ticket>,
    events: Vec<Event>,
    max_scrapes: usize,
    /// Pushes that were asked for while there was time; those who share one have the same id.
    asked: Vec<PushId>,
    proxies: usize,
    /// Proxies that could not be connected to, one after the other.
    failed: usize,
}

impl<'a> Run<'a> {
    fn new(input: &mut Input<'a>, now: Instant) -> Self {
        let mut config = Config::default();
        let flags = input.byte();
        config.push = if flags & 1 == 0 { PushMode::Acknowledged } else { PushMode::FireAndForget };
        config.max_scrapes = usize::from(flags >> 1 & 3);
        if flags & 8 != 0 {
            config.push_timeout = Duration::from_millis(1 << input.below(50));
            config.backoff = BackoffConfig::new(
                Duration::from_millis(input.byte().into()),
                Duration::from_millis(1 << input.below(60)),
            );
            config.connection.close_timeout = Duration::from_millis(input.byte().into());
        }
        if flags & 16 != 0 {
            config.connection.max_queued_frames = 3;
            config.connection.max_queued_output = 60;
        }
        if flags & 32 != 0 {
            config.proxies = NonZeroUsize::MIN.saturating_add(input.below(3));
            config.return_after = Duration::from_millis(1 << input.below(20));
        }
        let (max_scrapes, proxies) = (config.max_scrapes, config.proxies.get());
        Self {
            input: input.clone(),
            agent: Agent::new(config, 5, now),
            now,
            up: BytesMut::new(),
            sent: BytesMut::new(),
            jobs: VecDeque::new(),
            tickets: Vec::new(),
            wanted: BTreeSet::new(),
            events: Vec::new(),
            max_scrapes,
            asked: Vec::new(),
            proxies,
            failed: 0,
        }
    }

    fn finish(mut self) -> (Vec<Event>, BytesMut) {
        for _ in 0..STEPS_MAX {
            if self.input.is_empty() {
                break;
            }
            self.step();
            self.check();
        }
        self.agent.close(self.now);
        self.agent.handle_eof(self.now);
        self.take();
        assert_eq!(self.events.last(), Some(&Event::Stopped), "it is closed, and does not stop");
        self.check();
        let pushed = self.events.iter().filter_map(|event| match event {
            Event::Pushed { push, .. } => Some(*push),
            _ => None,
        });
        self.asked.dedup();
        assert_eq!(pushed.collect::<Vec<_>>(), self.asked, "a push is told of once");
        assert!(self.wanted.is_empty(), "wanted for nobody: {:?}", self.wanted);
        (self.events, self.sent)
    }

    fn step(&mut self) {
        match self.input.below(16) {
            0 => {
                let ms = 1 << self.input.below(40);
                self.time_out(self.now + Duration::from_millis(ms));
            }
            1 => {
                let pause = match self.agent.poll_action(self.now) {
                    Action::Wait(until) => Some(until),
                    _ => self.agent.poll_timeout(),
                };
                self.time_out(pause.unwrap_or(self.now));
            }
            2 | 3 => self.connect(),
            4 => self.connect_failed(),
            5 => self.answer(),
            6 => {
                if let Some(job) = self.jobs.pop_front() {
                    let sealed = match self.input.below(8) {
                        0 => Sealed::lost(job.ticket()),
                        _ => job.run([6; 32]),
                    };
                    self.agent.handle_sealed(self.now, sealed);
                }
            }
            7 => self.take(),
            8 => while self.agent.poll_transmit(self.now, &mut self.sent) {},
            9 => self.agent.handle_eof(self.now),
            10 => match self.input.below(8) {
                0 => self.agent.close(self.now),
                1 | 2 => self.asked.extend(self.agent.push_and_close(self.now)),
                3..6 => self.asked.extend(self.agent.push(self.now)),
                is_open => {
                    let proxy = self.input.below(3);
                    self.agent.handle_probed(self.now, proxy, is_open == 6);
                }
            },
            11 => self.up.extend_from_slice(self.input.bytes()),
            12 => {
                let frame = forge::frame(&mut self.input);
                encode_prefixed(&frame, &mut self.up).expect("a short frame");
            }
            _ => self.hear(),
        }
    }

    fn connect(&mut self) {
        if let Action::Connect { proxy } = self.agent.poll_action(self.now) {
            assert!(proxy < self.proxies, "no such proxy");
            self.failed = 0;
            self.up.clear();
            self.agent.handle_connected(self.now);
        }
    }

    fn connect_failed(&mut self) {
        if let Action::Connect { .. } = self.agent.poll_action(self.now) {
            self.agent.handle_connect_failed(self.now, "refused");
            let action = self.agent.poll_action(self.now);
            let is_paused = matches!(action, Action::Wait(until) if until > self.now);
            self.failed = if is_paused { 0 } else { self.failed + 1 };
            assert!(self.failed < self.proxies, "no pause");
        }
    }

    fn answer(&mut self) {
        let nth = self.input.below(4);
        let Some(ticket) = self.tickets.iter().rev().nth(nth).copied() else { return };
        let text = if self.input.below(4) > 0 { Ok("up 1\n".into()) } else { Err("none".into()) };
        self.wanted.remove(&ticket);
        self.jobs.extend(self.agent.answer(self.now, ticket, text));
    }

    /// What a proxy says, more or less.
    fn hear(&mut self) {
        let data = match self.input.below(4) {
            0 => self.input.owned(),
            1 => Bytes::from_static(vectors::RSA2048_PUBLIC),
            _ => Bytes::from_static(envelope::PLAINTEXT),
        };
        let mut payload = Payload::from_data(data);
        if self.input.below(2) == 0 {
            let binding = Binding::new([self.input.byte(); 16]);
            payload.metadata = Some(Offer { binding, known: None }.encode());
        }
        let id = self.input.below(8) as u32;
        let frame = match self.input.below(6) {
            0 => Frame::new(StreamId::new(2 * id), Body::RequestFnf { follows: false, payload }),
            1 | 2 => {
                Frame::new(StreamId::new(2 * id), Body::RequestResponse { follows: false, payload })
            }
            3 => Frame::new(StreamId::new(2 * id), Body::Cancel),
            4 => {
                let payload = Body::Payload { follows: false, complete: true, next: true, payload };
                Frame::new(StreamId::new(2 * id + 1), payload)
            }
            _ => Frame::error(StreamId::new(2 * id + 1), ErrorCode::REJECTED, "no"),
        };
        encode_prefixed(&frame, &mut self.up).expect("a short frame");
    }

    /// Rule 3.
    fn time_out(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.agent.handle_timeout(self.now);
        assert!(self.agent.poll_timeout().is_none_or(|next| next > self.now), "rule 3");
    }

    fn take(&mut self) {
        let mut count = 0;
        while let Some(event) = self.agent.poll_event() {
            count += 1;
            let is_over = self.events.last() == Some(&Event::Stopped);
            assert!(!is_over, "{event:?} after the last");
            match &event {
                Event::MetricsWanted { ticket } => {
                    assert!(self.tickets.last().is_none_or(|last| last < ticket), "wanted twice");
                    self.tickets.push(*ticket);
                    self.wanted.insert(*ticket);
                }
                Event::SealWanted { ticket } => {
                    self.jobs.extend(self.agent.seal_again(self.now, *ticket));
                }
                Event::Canceled { ticket } => _ = self.wanted.remove(ticket),
                _ => {}
            }
            self.events.push(event);
        }
        assert!(count < 300, "rule 5: {count} events");
    }

    fn check(&mut self) {
        if self.agent.wants_input() {
            self.agent.handle_input(self.now, &mut self.up);
        }
        assert!(self.wanted.len() <= self.max_scrapes + 65, "rule 5");
        if self.agent.poll_action(self.now) == Action::Stop {
            assert!(self.agent.is_closed() && !self.agent.wants_input(), "rule 8");
            assert_eq!(self.agent.poll_timeout(), None, "rule 8");
            assert!(!self.agent.poll_transmit(self.now, &mut BytesMut::new()), "rule 8");
        }
    }
}

const STEPS_MAX: usize = 1_000;
