//! An application: a real client on a host of its own, whose metrics are sometimes late, broken, or missing.

use crate::ledger::{AppRecord, Call, Came, PushDone, PushRecord};
use crate::scenario::{Scenario, Terms};
use crate::text::{self, Ending, Shape, TEXT_MAX};
use crate::world::World;
use fastrand::Rng;
use prometheus_rsocket_client::{Client, MetricsError, PushMode, Status, from_async};
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_sim::{LinkConfig, Sim, SimHost};
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct App {
    number: usize,
    pub(crate) host: SimHost,
    temper: Temper,
    rng: Rng,
    client: Option<Client>,
    mode: PushMode,
}

/// How an application behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    /// Sometimes its text is large, and sometimes too large.
    Large,
    /// Sometimes it is slow, fails, panics, or returns an unreadable text.
    Moody,
    Steady,
}

/// What one call for the metrics will result in.
struct Plan {
    delay: Duration,
    result: Planned,
}

enum Planned {
    Error,
    Malformed,
    Oversized,
    Panic,
    Text(Shape),
}

type Metrics = Pin<Box<dyn Future<Output = Result<String, MetricsError>> + Send>>;

impl App {
    pub(crate) fn new(
        sim: &Sim,
        scenario: &Scenario,
        terms: &Terms,
        number: usize,
        mut rng: Rng,
    ) -> (Self, AppRecord) {
        let host = sim.host(&format!("app-{number}"));
        let temper = match number % 8 {
            _ if scenario.calm => Temper::Steady,
            3 => Temper::Large,
            2 | 5 | 7 => Temper::Moody,
            _ => Temper::Steady,
        };
        let link = if scenario.calm { LinkConfig::default() } else { link(&mut rng, temper) };
        sim.set_link(&host, link.clone());
        sim.set_job_time(&host, terms.job_time);
        let text_max = if temper == Temper::Large { TEXT_MAX + 20_000 } else { 4_000 };
        let mut record = AppRecord::new(&link, text_max, terms.job_time);
        record.instance = scenario.instance(number);
        let is_same = |other: usize| scenario.instance(other) == record.instance;
        record.is_learnt = record.instance.is_none() && scenario.reads_identity();
        record.is_twin = record.instance.is_some()
            && (0..scenario.apps).filter(|other| is_same(*other)).count() > 1;
        let mode = PushMode::Acknowledged;
        (Self { number, host, temper, rng, client: None, mode }, record)
    }

    /// Begins a life. The previous one has to be over.
    pub(crate) fn start(&mut self, world: &Arc<World>) {
        self.mode =
            if self.rng.u8(..3) > 0 { PushMode::Acknowledged } else { PushMode::FireAndForget };
        let instance = world.scenario.instance(self.number);
        let config = world.terms.client(self.mode, instance);
        let metrics = self.metrics(world);
        let (client, running) = Client::new(self.host.clone(), config, from_async(metrics));
        self.client = Some(client);
        self.host.spawn(running);
        let now = world.now();
        let mut ledger = world.ledger();
        let record = &mut ledger.apps[self.number];
        record.downs.begin(now);
        record.downs.end(now);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_ready)
    }

    /// Returns whether its life is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.status() == Status::Closed)
    }

    pub(crate) fn status(&self) -> Option<Status> {
        self.client.as_ref().map(Client::status)
    }

    /// Ends its life by closing the client.
    pub(crate) fn close(&self, world: &World) {
        self.on_down(world);
        let Some(client) = self.client.clone() else { return };
        self.host.spawn(async move { client.close().await });
    }

    /// Ends its life by a last push. Then runs `after`, which is told whether the proxy has acknowledged the push.
    pub(crate) fn push<F>(&self, world: &Arc<World>, after: impl FnOnce(bool) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.on_down(world);
        let Some(client) = self.client.clone() else { return };
        let (number, mode) = (self.number, self.mode);
        let index = {
            let mut ledger = world.ledger();
            let record = &mut ledger.apps[number];
            let first_call = record.calls.len();
            record.pushes.push(PushRecord { at: world.now(), mode, first_call, done: None });
            record.pushes.len() - 1
        };
        let world = Arc::clone(world);
        self.host.spawn(async move {
            let result = client.push_and_close().await;
            let is_stored = result.is_ok() && mode == PushMode::Acknowledged;
            world.sim.note(&format!("app-{number}: push {result:?}"));
            {
                let mut ledger = world.ledger();
                let record = &mut ledger.apps[number];
                let end_call = record.calls.len();
                record.pushes[index].done = Some(PushDone { at: world.now(), result, end_call });
            }
            after(is_stored).await;
        });
    }

    /// Ends everything that runs on its host.
    pub(crate) fn crash(&self, world: &World) {
        self.on_down(world);
        world.sim.crash(&self.host);
    }

    fn on_down(&self, world: &World) {
        let now = world.now();
        world.ledger().apps[self.number].downs.begin(now);
    }

    fn metrics(&mut self, world: &Arc<World>) -> impl FnMut() -> Metrics + Send + 'static + use<> {
        let (number, temper, mut rng) = (self.number, self.temper, self.rng.fork());
        let instance = world.scenario.instance(number);
        let (world, host) = (Arc::clone(world), self.host.clone());
        move || {
            let mut asked = Asked::begin(&world, number);
            let mut plan = Plan::draw(&mut rng, temper, world.is_calm());
            // Useless last metrics would otherwise be rare, and must never be acknowledged.
            if temper == Temper::Moody && asked.is_last() && rng.u8(..4) == 0 {
                plan = Plan { delay: Duration::ZERO, result: Planned::Malformed };
            }
            if let Planned::Text(shape) = &mut plan.result {
                shape.instance = instance;
            }
            if matches!(plan.result, Planned::Panic) && plan.delay.is_zero() {
                asked.end(Came::Nothing("refused"));
                resume_unwind(Box::new("in the call for the metrics"));
            }
            let (world, host) = (Arc::clone(&world), host.clone());
            Box::pin(async move {
                world.sleep(&host, plan.delay).await;
                asked.end(plan.result.came());
                plan.result.give(number, asked.serial)
            })
        }
    }
}

impl Plan {
    fn draw(rng: &mut Rng, temper: Temper, calm: bool) -> Self {
        let delay = Duration::from_micros(if rng.bool() { 0 } else { rng.u64(..20_000) });
        let ending = rng.choice([Ending::Break, Ending::Eof, Ending::Open]).unwrap_or(Ending::Open);
        let text = |lines| Planned::Text(Shape { lines, ending, instance: None });
        let (few, many) = (rng.u32(1..60), rng.u32(700..2500));
        let chance = if calm { 100 } else { rng.u8(..100) };
        let slow = Duration::from_millis(rng.u64(300..12_000));
        let (delay, result) = match (temper, chance) {
            (Temper::Large, ..3) => (delay, Planned::Oversized),
            (Temper::Large, 3..40) => (delay, text(many)),
            (Temper::Moody, ..5) => (slow, text(few)),
            (Temper::Moody, 5..9) => (delay, Planned::Error),
            (Temper::Moody, 9..13) => (delay, Planned::Malformed),
            (Temper::Moody, 13..16) => (delay, Planned::Panic),
            _ => (delay, text(few)),
        };
        Self { delay, result }
    }
}

impl Planned {
    fn came(&self) -> Came {
        match self {
            Self::Text(shape) => Came::Text(*shape),
            Self::Error | Self::Panic => Came::Nothing("refused"),
            Self::Malformed => Came::Nothing("exposition"),
            Self::Oversized => Came::Nothing("too_large"),
        }
    }

    fn give(self, app: usize, serial: usize) -> Result<String, MetricsError> {
        match self {
            Self::Error => Err("there are no metrics at the moment".into()),
            Self::Malformed => Ok(text::malformed(app, serial)),
            Self::Oversized => Ok(text::oversized(app, serial)),
            Self::Panic => resume_unwind(Box::new("while the metrics were awaited")),
            Self::Text(shape) => Ok(text::given(app, serial, shape)),
        }
    }
}

/// A call for the metrics, from its beginning to its end.
struct Asked {
    world: Arc<World>,
    app: usize,
    /// The number of the text.
    serial: usize,
}

impl Asked {
    fn begin(world: &Arc<World>, app: usize) -> Self {
        let at = world.now();
        let serial = {
            let mut ledger = world.ledger();
            let calls = &mut ledger.apps[app].calls;
            calls.push(Call { at, came: None, dropped: None });
            calls.len() - 1
        };
        Self { world: Arc::clone(world), app, serial }
    }

    /// Whether the application is pushing, so that this may be its last text.
    fn is_last(&self) -> bool {
        let ledger = self.world.ledger();
        ledger.apps[self.app].pushes.last().is_some_and(|push| push.done.is_none())
    }

    fn end(&mut self, came: Came) {
        let now = self.world.now();
        let mut ledger = self.world.ledger();
        ledger.apps[self.app].calls[self.serial].came = Some((now, came));
        match came {
            Came::Nothing(_) => ledger.counts.add("calls in vain", 1),
            Came::Text(_) => ledger.counts.add("texts given", 1),
        }
    }
}

/// Nobody waits for the metrics any more, or the simulation is over.
impl Drop for Asked {
    fn drop(&mut self) {
        let now = self.world.now();
        let mut ledger = self.world.ledger();
        let call = &mut ledger.apps[self.app].calls[self.serial];
        if call.came.is_none() {
            call.dropped = Some(now);
            ledger.counts.add("calls dropped", 1);
        }
    }
}

fn link(rng: &mut Rng, temper: Temper) -> LinkConfig {
    let millis = Duration::from_millis;
    let is_large = temper == Temper::Large;
    let mut link = LinkConfig::default();
    link.latency_min = millis(1);
    // Half of the applications are near.
    let farthest = if rng.bool() {
        4
    } else if is_large {
        10
    } else {
        40
    };
    link.latency_max = millis(rng.u64(2..farthest));
    let slowest = if is_large { 4_000_000 } else { 200_000 };
    link.bandwidth = rng.bool().then(|| rng.u64(slowest..20_000_000));
    link.capacity = rng.usize(if is_large { 16..128 } else { 1..64 }) * 1024;
    link.pieces = rng.u8(..3) > 0;
    link
}
