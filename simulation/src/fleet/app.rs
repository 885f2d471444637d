use super::ledger::Push;
use super::world::{NAME, World};
use crate::ledger::At;
use crate::scenario::RSOCKET_PORT;
use crate::text::{self, Ending, Shape};
use fastrand::Rng;
use prometheus_rsocket_client::{Client, Config, Labels, MetricsError, Status, from_async};
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_sim::{Sim, SimHost};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

/// An application: a real client, which knows the load balancer's name.
pub(super) struct App {
    number: usize,
    pub(super) host: SimHost,
    rng: Rng,
    client: Option<Client>,
    /// The earliest time of its next life.
    back: At,
}

impl App {
    pub(super) fn new(sim: &Sim, number: usize, rng: Rng) -> Self {
        let host = sim.host(&format!("app-{number}"));
        Self { number, host, rng, client: None, back: At::ZERO }
    }

    /// Begins a life. The previous one has to be over.
    pub(super) fn start(&mut self, world: &Arc<World>) {
        let (number, asked) = (self.number, Arc::clone(world));
        let metrics = move || {
            let at = asked.now();
            let serial = {
                let mut ledger = asked.ledger();
                let calls = &mut ledger.apps[number].calls;
                calls.push(at);
                calls.len() - 1
            };
            ready(Ok::<_, MetricsError>(text::given(number, serial, SHAPE)))
        };
        let (client, running) = Client::new(self.host.clone(), config(number), from_async(metrics));
        self.client = Some(client);
        self.host.spawn(running);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_ready)
    }

    fn is_closed(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.status() == Status::Closed)
    }

    /// Begins another life if the last one has been over for long enough.
    pub(super) fn come_back(&mut self, world: &Arc<World>) {
        if self.is_closed() && world.now() >= self.back {
            self.start(world);
        }
    }

    /// Ends its life by a last push, or without one.
    pub(super) fn finish(&mut self, world: &Arc<World>, pushes: bool) {
        let Some(client) = self.client.clone().filter(|_| !self.is_closed()) else { return };
        self.back = world.now() + Duration::from_millis(self.rng.u64(2_000..40_000));
        let (world, number, host) = (Arc::clone(world), self.number, self.host.clone());
        self.host.spawn(async move {
            if !pushes {
                world.count("applications closed");
                client.close().await;
                return;
            }
            let (at, first) = (world.now(), world.ledger().apps[number].calls.len());
            let result = client.push_and_close().await;
            world.sim.note(&format!("app-{number}: push {result:?}"));
            // It is connected to one proxy at a time, and does not reconnect while it closes.
            let by = world.sim.reached(&host).and_then(|by| world.life_of(&by));
            let Some(by) = by.filter(|_| result.is_ok()) else {
                world.count("pushes not acknowledged");
                return;
            };
            let stored = world.now();
            let mut ledger = world.ledger();
            let record = &mut ledger.apps[number];
            let serials = first..record.calls.len();
            record.pushes.push(Push { at, stored, serials, by });
        });
    }

    /// Ends everything that runs on its host.
    pub(super) fn crash(&mut self, world: &World) {
        world.count("applications crashed");
        world.sim.crash(&self.host);
        self.client = None;
        self.back = world.now() + Duration::from_millis(self.rng.u64(2_000..40_000));
    }
}

fn config(number: usize) -> Config {
    let proxy = format!("tcp://{NAME}:{RSOCKET_PORT}").parse().expect("a URL");
    let mut config = Config::new(proxy);
    let labels = Labels::new([("instance", format!("app-{number}"))]);
    config.labels = labels.expect("a label");
    config
}

const SHAPE: Shape = Shape { lines: 2, ending: Ending::Break, instance: None };
