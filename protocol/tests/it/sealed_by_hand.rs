//! Version 2 of the envelope as the proxy takes it from an application that seals by hand.

use crate::sealed::{SECOND, agent_config, collector_config};
use bytes::BytesMut;
use prometheus_rsocket_protocol::collector::{
    Collector, ConnectionId, JobError, Notice, Peer, Progress, PushError, ScrapeId, Scraper,
    Session, Targets, Tools, Transport,
};
use prometheus_rsocket_protocol::envelope::v2::{
    self, Binding, ContentKey, IdempotencyKey, Message, Offer, Purpose,
};
use prometheus_rsocket_protocol::envelope::{OpenLimits, PeerKey, RsaKeyPair, Scratch};
use prometheus_rsocket_protocol::exposition::Inject;
use prometheus_rsocket_protocol::rsocket::connection::{self, Event};
use prometheus_rsocket_protocol::rsocket::frame::StreamId;
use prometheus_rsocket_protocol::{Connection, Machine, Payload};
use prometheus_rsocket_testkit::vectors;
use std::sync::Arc;
use std::time::Instant;

/// An application that seals by hand.
struct Raw {
    now: Instant,
    collector: Collector,
    session: Session,
    id: ConnectionId,
    app: Connection,
    keys: RsaKeyPair,
    notices: Vec<Notice>,
    /// What pushes are bound to.
    number: Option<Binding>,
    /// Requests, and their offers.
    asked: Vec<(StreamId, Offer)>,
    /// What became of pushes.
    said: Vec<Event>,
}

impl Raw {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
        let now = Instant::now();
        let mut collector = Collector::new(collector_config());
        let peer =
            Peer { address: "192.0.2.1:4711".to_owned(), transport: Transport::Tcp, tls: None };
        let id = collector.accept(now, peer).unwrap();
        let session = Session::new(id, connection::Config::default(), [1; 32], now);
        let app = Connection::client(connection::Config::default(), agent_config(true).setup, now);
        let mut raw = Self {
            now,
            collector,
            session,
            id,
            app: app.unwrap(),
            keys: RsaKeyPair::from_pkcs8_der(vectors::RSA2048).unwrap(),
            notices: Vec::new(),
            number: None,
            asked: Vec::new(),
            said: Vec::new(),
        };
        raw.run();
        raw
    }

    fn run(&mut self) {
        for _ in 0..10 {
            let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
            while self.app.poll_transmit(self.now, &mut up) {}
            self.session.handle_input(self.now, &mut up);
            while let Some(event) = self.session.poll_event() {
                self.collector.handle_session(self.now, self.id, event);
            }
            while let Some(job) = self.collector.poll_job() {
                let (open, policy) = (OpenLimits::default(), Arc::default());
                let (keys, inject) = (&self.keys, Inject::default());
                let tools = Tools { keys, open: &open, policy: &policy, inject, seed: 1 };
                let done = job.run(&tools, &mut Scratch::default(), [9; 32]);
                self.collector.handle_job(self.now, done);
            }
            while let Some((_, command)) = self.collector.poll_command() {
                self.session.handle_command(self.now, command);
            }
            self.notices.extend(std::iter::from_fn(|| self.collector.poll_notice()));
            while self.session.poll_transmit(self.now, &mut down) {}
            self.app.handle_input(self.now, &mut down);
            while let Some(event) = self.app.poll_event() {
                match event {
                    Event::FireAndForget { payload, .. } => {
                        let offer = Offer::decode(payload.metadata.unwrap()).unwrap();
                        self.number = offer.map(|offer| offer.binding);
                    }
                    Event::RequestResponse { stream_id, payload } => {
                        let offer = Offer::decode(payload.metadata.unwrap()).unwrap().unwrap();
                        self.asked.push((stream_id, offer));
                    }
                    other => self.said.push(other),
                }
            }
        }
    }

    fn start(&mut self) -> ScrapeId {
        let scraper = Scraper::named("prometheus", "192.0.2.2");
        let deadline = self.now + 10 * SECOND;
        let scrape = self.collector.start_scrape(self.now, deadline, Targets::All, &scraper);
        self.run();
        scrape.unwrap()
    }

    fn answer(&mut self, key: &ContentKey, counter: u64, attach_key: bool) {
        let (stream_id, Offer { binding, .. }) = self.asked.pop().unwrap();
        let (text, purpose) = (b"a 1\n", Purpose::Scrape);
        let sealed = v2::seal(key, &Message { text, purpose, binding, counter, attach_key });
        self.app.respond(stream_id, sealed.unwrap()).unwrap();
        self.run();
    }

    fn push(&mut self, payload: Payload) -> Event {
        self.app.request_response(payload).unwrap();
        self.run();
        self.said.pop().unwrap()
    }

    fn outcome(&mut self, scrape: ScrapeId) -> Option<Result<(), &'static str>> {
        match self.collector.poll_scrape(scrape) {
            Progress::Outcome(outcome) => {
                Some(outcome.result.map(drop).map_err(|failure| failure.reason()))
            }
            _ => None,
        }
    }
}

fn content_key(seed: u8) -> ContentKey {
    ContentKey::generate(&PeerKey::parse(vectors::RSA2048_PUBLIC).unwrap(), [seed; 32]).unwrap()
}

#[test]
fn a_content_key_that_the_proxy_does_not_have_is_asked_for_within_the_scrape() {
    let mut app = Raw::new();
    let (first, second) = (content_key(1), content_key(2));
    let scrape = app.start();
    assert_eq!(app.asked[0].1.known, None);
    app.answer(&first, 0, true);
    assert_eq!(app.outcome(scrape), Some(Ok(())));
    let scrape = app.start();
    assert_eq!(app.asked[0].1.known, Some(first.id()));
    app.answer(&second, 0, false);
    assert_eq!(app.asked[0].1.known, None, "it is asked again");
    app.answer(&second, 1, true);
    assert_eq!(app.outcome(scrape), Some(Ok(())));
    // Not for ever.
    let scrape = app.start();
    app.answer(&content_key(3), 0, false);
    app.answer(&content_key(3), 1, false);
    assert_eq!((app.asked.len(), app.outcome(scrape)), (0, Some(Err("decrypt"))));
    // Nor where the tag does not hold.
    let scrape = app.start();
    app.asked[0].1.binding = Binding::new([0; 16]);
    app.answer(&second, 2, true);
    assert_eq!((app.asked.len(), app.outcome(scrape)), (0, Some(Err("decrypt"))));
}

#[test]
fn a_push_is_taken_once_and_on_its_own_connection_alone() {
    let mut app = Raw::new();
    let (key, number) = (content_key(1), app.number.unwrap());
    let push = |binding, counter, purpose| {
        v2::seal(&key, &Message { text: b"a 1\n", purpose, binding, counter, attach_key: true })
    };
    let named = |id: u8| Purpose::Push(IdempotencyKey::new([id; 16]));
    let first = push(number, 0, named(1)).unwrap();
    let is_stored = |event: &Event| matches!(event, Event::Response { .. });
    assert!(is_stored(&app.push(first.clone())));
    let refusals = [
        (first, "replayed"),
        (push(number, 0, named(2)).unwrap(), "replayed"),
        (push(number, 1, Purpose::Scrape).unwrap(), "tampered"),
        (push(Binding::new([7; 16]), 2, named(3)).unwrap(), "tampered"),
    ];
    let mut texts = Vec::new();
    for (payload, reason) in refusals {
        let told = app.push(payload);
        let Event::RequestFailed { error, .. } = told else { panic!("{told:?}") };
        texts.push(error.to_string());
        let refused = app.notices.iter().rev().find_map(|notice| match notice {
            Notice::PushRejected { error: PushError::Job(JobError::Open(error)), .. } => {
                Some(error.reason())
            }
            _ => None,
        });
        assert_eq!(refused, Some(reason));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "which it was is not told: {texts:?}");
    assert!(is_stored(&app.push(push(number, 3, named(4)).unwrap())));
}
