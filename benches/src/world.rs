//! Applications and the proxy's machines in one place, without sockets: for the benches of a scrape, and for counting what one costs.

use crate::metrics;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::collector::{
    Collector, Config, ConnectionId, Peer, Progress, Scraper, Session, Targets, Tools, Transport,
};
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, KeyUnwrap, OpenLimits, PLAINTEXT, PeerKey, RsaKeyPair,
};
use prometheus_rsocket_protocol::exposition::Inject;
use prometheus_rsocket_protocol::rsocket::connection::{self, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::Setup;
use prometheus_rsocket_protocol::{Machine, Payload};
use prometheus_rsocket_proxy::Collisions;
use prometheus_rsocket_proxy::gzip::{self, Member};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Applications of 1,000 series each that are connected, and the proxy's side of them, on one thread. The applications seal nothing during
/// a scrape: their answers are made before.
#[expect(missing_debug_implementations, reason = "nobody prints it")]
pub struct World {
    now: Instant,
    keys: RsaKeyPair,
    limits: OpenLimits,
    collector: Collector,
    apps: BTreeMap<ConnectionId, (Session, Connection, Payload)>,
}

#[expect(clippy::unwrap_used, reason = "a bench that cannot start has nothing to measure")]
impl World {
    /// Connects applications, which send their metrics encrypted.
    pub fn encrypted(apps: usize) -> Self {
        let keys = RsaKeyPair::generate(2048, [1; 32]).unwrap();
        let public = keys.public_key();
        Self::new(apps, keys, &public)
    }

    /// Connects applications, which send their metrics in plaintext.
    pub fn plaintext(apps: usize) -> Self {
        let keys = RsaKeyPair::generate(2048, [1; 32]).unwrap();
        Self::new(apps, keys, &Bytes::from_static(PLAINTEXT))
    }

    fn new(apps: usize, keys: RsaKeyPair, told: &Bytes) -> Self {
        let peer = PeerKey::parse(told).unwrap();
        let mut limits = OpenLimits::default();
        limits.allow_plaintext = peer.is_plaintext();
        let mut config = Config::default();
        config.key = told.clone();
        let collector = Collector::new(config);
        let now = Instant::now();
        let mut world = Self { now, keys, limits, collector, apps: BTreeMap::new() };
        for number in 0..apps {
            let text = metrics(&format!("orders-{number}"), 1000);
            let text = text.as_bytes();
            let answer = envelope::seal(&peer, text, AesKeySize::Aes128, [2; 32]).unwrap();
            let address = format!("198.51.100.1:{number}");
            let from = Peer { address, transport: Transport::Tcp, tls: None };
            let id = world.collector.accept(now, from).unwrap();
            let config = connection::Config::default();
            let session = Session::new(id, config.clone(), [4; 32], now);
            let app = Connection::client(config, Setup::default(), now).unwrap();
            world.apps.insert(id, (session, app, answer));
        }
        world.exchange();
        world
    }

    /// Carries bytes both ways, and answers scrapes.
    fn exchange(&mut self) {
        for (id, (session, app, answer)) in &mut self.apps {
            for _ in 0..2 {
                let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
                while session.poll_transmit(self.now, &mut down) {}
                app.handle_input(self.now, &mut down);
                while let Some(event) = app.poll_event() {
                    if let Event::RequestResponse { stream_id, .. } = event {
                        app.respond(stream_id, answer.clone()).unwrap();
                    }
                }
                while app.poll_transmit(self.now, &mut up) {}
                session.handle_input(self.now, &mut up);
            }
            while let Some(event) = session.poll_event() {
                self.collector.handle_session(self.now, *id, event);
            }
        }
    }

    /// Makes one scrape: every application is asked, and the proxy opens and reads all answers, looks for collisions, renders, deflates and
    /// stitches them. Returns how many bytes the gzip member has.
    pub fn scrape(&mut self) -> usize {
        let deadline = self.now + Duration::from_secs(10);
        let scrape = self
            .collector
            .start_scrape(self.now, deadline, Targets::All, &Scraper::named("a", "x"))
            .unwrap();
        while let Some((app, command)) = self.collector.poll_command() {
            let (session, ..) = self.apps.get_mut(&app).unwrap();
            session.handle_command(self.now, command);
        }
        self.exchange();
        let tools = Tools {
            keys: &self.keys,
            open: &self.limits,
            policy: &Arc::default(),
            inject: Inject::Missing,
            seed: 7,
        };
        let mut scratch = envelope::Scratch::default();
        while let Some(job) = self.collector.poll_job() {
            self.collector.handle_job(self.now, job.run(&tools, &mut scratch, [3; 32]));
        }
        let mut member = Member::new();
        let mut sent = Member::header().len();
        let mut collisions = Collisions::default();
        while let Progress::Outcome(outcome) = self.collector.poll_scrape(scrape) {
            let answer = outcome.result.unwrap();
            assert!(collisions.add(&answer.facts.fingerprints).is_empty());
            let text = envelope::expand(&answer.block, answer.text_len).unwrap();
            assert!(answer.facts.is_verbatim);
            sent +=
                black_box::<Bytes>(member.append(&gzip::deflate_part(&text, gzip::LEVEL))).len();
        }
        self.collector.end_scrape(scrape, true);
        while self.collector.poll_notice().is_some() {}
        sent + member.finish().len()
    }
}
