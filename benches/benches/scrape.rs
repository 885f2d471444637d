//! A whole scrape in memory, without sockets: every application is asked, seals nothing (its answer is made before), and the proxy
//! opens, checks, deflates and stitches all answers on one thread.

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prometheus_rsocket_benches::metrics;
use prometheus_rsocket_protocol::collector::{
    AppId, Collector, Config, Form, Progress, Session, Tools,
};
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, KeyUnwrap, OpenLimits, PeerKey, RsaKeyPair,
};
use prometheus_rsocket_protocol::rsocket::connection::{self, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::Setup;
use prometheus_rsocket_protocol::{Machine, Payload, exposition};
use prometheus_rsocket_proxy::gzip::{self, Member, Part};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

struct World {
    now: Instant,
    keys: RsaKeyPair,
    collector: Collector,
    apps: BTreeMap<AppId, (Session, Connection)>,
    answer: Payload,
}

#[expect(clippy::unwrap_used, reason = "a bench that cannot start has nothing to measure")]
impl World {
    fn new(apps: usize) -> Self {
        let keys = RsaKeyPair::generate(2048, [1; 32]).unwrap();
        let peer = PeerKey::parse(&keys.public_key()).unwrap();
        let text = metrics("orders-1", 1000);
        let answer = envelope::seal(&peer, text.as_bytes(), AesKeySize::Aes128, [2; 32]).unwrap();
        let collector = Collector::new(Config::default());
        let now = Instant::now();
        let mut world = Self { now, keys, collector, apps: BTreeMap::new(), answer };
        for _ in 0..apps {
            let id = world.collector.add_app().unwrap();
            let config = connection::Config::default();
            let session = Session::new(id, config.clone(), world.keys.public_key(), now);
            let app = Connection::client(config, Setup::default(), now).unwrap();
            world.apps.insert(id, (session, app));
        }
        world.exchange();
        world
    }

    /// Carries bytes both ways, and answers scrapes.
    fn exchange(&mut self) {
        for (id, (session, app)) in &mut self.apps {
            for _ in 0..2 {
                let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
                while session.poll_transmit(self.now, &mut down) {}
                app.handle_input(self.now, &mut down);
                while let Some(event) = app.poll_event() {
                    if let Event::RequestResponse { stream_id, .. } = event {
                        app.respond(stream_id, self.answer.clone()).unwrap();
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

    /// One scrape; gives the bytes of the gzip member.
    fn scrape(&mut self) -> usize {
        let deadline = self.now + Duration::from_secs(10);
        let round = self.collector.start_round(self.now, deadline, Form::Deflate).unwrap();
        while let Some((app, command)) = self.collector.poll_command() {
            let (session, _) = self.apps.get_mut(&app).unwrap();
            session.handle_command(self.now, command);
        }
        self.exchange();
        let tools = Tools {
            keys: &self.keys,
            open: &OpenLimits::default(),
            text: &exposition::Limits::default(),
            deflate: &|text| {
                let part = gzip::deflate_part(text);
                (part.bytes().clone(), part.crc())
            },
        };
        while let Some(job) = self.collector.poll_job() {
            self.collector.handle_job(self.now, job.run(&tools, [3; 32]));
        }
        let mut member = Member::new();
        let mut sent = Member::header().len();
        while let Progress::Section(section) = self.collector.poll_round(round) {
            let text_len = section.text_len as u64;
            let part = Part::from_deflated(section.bytes, section.crc32, text_len);
            sent += black_box::<Bytes>(member.append(&part)).len();
        }
        self.collector.end_round(round, true);
        while self.collector.poll_notice().is_some() {}
        sent + member.finish().len()
    }
}

fn scrapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("scrape_1000_series_each");
    group.sample_size(10);
    for apps in [10, 100, 1000] {
        let mut world = World::new(apps);
        group.throughput(Throughput::Elements(apps as u64));
        group.bench_function(BenchmarkId::from_parameter(apps), |b| b.iter(|| world.scrape()));
    }
    group.finish();
}

criterion_group!(benches, scrapes);
criterion_main!(benches);
