use super::Fleet;
use super::app::App;
use super::disk::SimDisk;
use super::ledger::{AppRecord, Ledger, Life};
use crate::ledger::At;
use crate::report::{Kind, Violation};
use crate::scenario::{HTTP_PORT, RSOCKET_PORT};
use fastrand::Rng;
use prometheus_rsocket_proxy::config::{Config, Envelope, ListenAddr};
use prometheus_rsocket_proxy::{Proxy, SharedDisk, shutdown};
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use prometheus_rsocket_sim::{Sim, SimHost};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What all parts of a fleet's simulation share.
pub(super) struct World {
    pub(super) sim: Sim,
    pub(super) fleet: Fleet,
    pub(super) driver: SimHost,
    /// The host from which readiness is checked.
    pub(super) balancer: SimHost,
    pub(super) scrapers: Vec<SimHost>,
    proxies: Mutex<Vec<Slot>>,
    apps: Mutex<Vec<App>>,
    ledger: Mutex<Ledger>,
    over: AtomicBool,
}

/// A proxy, and its present state.
pub(super) struct Slot {
    pub(super) host: SimHost,
    disk: Option<SimDisk>,
    /// How often it was started.
    lives: u32,
    running: Option<Running>,
}

#[derive(Clone)]
pub(super) struct Running {
    pub(super) stop: Arc<shutdown::ShutdownTrigger>,
    pub(super) stopped: shutdown::Shutdown,
}

impl World {
    pub(super) fn new(fleet: Fleet) -> Arc<Self> {
        let sim = Sim::new(fleet.seed);
        let mut rng = Rng::with_seed(fleet.seed ^ 0x66_6c65_6574);
        let scrapers: Vec<SimHost> =
            (0..SCRAPERS).map(|number| sim.host(&format!("prometheus-{number}"))).collect();
        let apps = (0..fleet.apps).map(|number| App::new(&sim, number, rng.fork())).collect();
        let mut ledger = Ledger { scrapers: SCRAPERS, ..Ledger::default() };
        ledger.apps.resize_with(fleet.apps, AppRecord::default);
        sim.balance(NAME, fleet.balance, &[]);
        Arc::new(Self {
            driver: sim.host("driver"),
            balancer: sim.host("balancer"),
            scrapers,
            proxies: Mutex::default(),
            apps: Mutex::new(apps),
            ledger: Mutex::new(ledger),
            over: AtomicBool::new(false),
            sim,
            fleet,
        })
    }

    pub(super) fn now(&self) -> At {
        self.sim.elapsed()
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn apps(&self) -> MutexGuard<'_, Vec<App>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the hosts of all proxies that have ever existed.
    pub(super) fn hosts(&self) -> Vec<SimHost> {
        self.slots().iter().map(|slot| slot.host.clone()).collect()
    }

    /// Returns the life of a proxy that runs.
    pub(super) fn life(&self, proxy: usize) -> Option<Life> {
        let slots = self.slots();
        let slot = slots.get(proxy).filter(|slot| slot.running.is_some())?;
        Some(Life { proxy, number: slot.lives })
    }

    /// Returns the life of the proxy that runs on a host.
    pub(super) fn life_of(&self, host: &SimHost) -> Option<Life> {
        let proxy = self.hosts().iter().position(|other| other.name() == host.name())?;
        self.life(proxy)
    }

    pub(super) fn running(&self, proxy: usize) -> Option<Running> {
        self.slots().get(proxy)?.running.clone()
    }

    /// Returns the proxies that run.
    pub(super) fn live(&self) -> Vec<usize> {
        let slots = self.slots();
        (0..slots.len()).filter(|proxy| slots[*proxy].running.is_some()).collect()
    }

    /// Starts a proxy again, or a new one.
    pub(super) async fn start_proxy(&self, proxy: usize) {
        let host = self.sim.host(&format!("proxy-{proxy}"));
        let disk = {
            let mut slots = self.slots();
            if slots.len() == proxy {
                let rng = Rng::with_seed(self.fleet.seed ^ 0x6469_736b ^ proxy as u64);
                let disk = SimDisk::new(self.fleet.disks, rng);
                // Pushes on a disk expire at a time of day.
                self.sim.set_calendar(&host);
                slots.push(Slot { host: host.clone(), disk, lives: 0, running: None });
            }
            slots[proxy].disk.clone().map(SharedDisk::new)
        };
        let (stop, stopping) = shutdown::channel();
        let (is_stopped, stopped) = shutdown::channel();
        let (is_bound, bound) = shutdown::channel();
        let (runtime, config) = (host.clone(), self.config());
        host.spawn(async move {
            let proxy = Proxy::bind_with(runtime, config, disk).await;
            let proxy = proxy.expect("nothing is in the proxy's way");
            is_bound.trigger();
            proxy.run(stopping).await;
            is_stopped.trigger();
        });
        bound.wait().await;
        let mut slots = self.slots();
        slots[proxy].lives += 1;
        slots[proxy].running = Some(Running { stop: Arc::new(stop), stopped });
    }

    /// Returns a proxy's disk, if it has one.
    pub(super) fn disk(&self, proxy: usize) -> Option<SimDisk> {
        self.slots().get(proxy)?.disk.clone()
    }

    /// A proxy has stopped, or was killed.
    pub(super) fn on_stopped(&self, proxy: usize) {
        self.slots()[proxy].running = None;
    }

    fn config(&self) -> Config {
        Config {
            listen_tcp: ListenAddr::any(RSOCKET_PORT),
            listen_websocket: ListenAddr::Off,
            listen_http: ListenAddr::any(HTTP_PORT),
            envelope: Envelope::Plaintext,
            push_ttl: PUSH_TTL,
            max_connection_age: self.fleet.max_connection_age,
            drain_delay: Duration::from_secs(3),
            drain_spread: self.fleet.drain_spread,
            push_linger: self.fleet.push_linger,
            ..Config::default()
        }
    }

    /// Lets time pass for the driver.
    pub(super) async fn sleep(&self, time: Duration) {
        sleep_until(&self.driver, self.driver.now() + time).await;
    }

    /// Returns whether scrapers and probes have to end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn count(&self, name: &'static str) {
        self.ledger().counts.add(name, 1);
    }

    pub(super) fn violation(&self, kind: Kind, what: impl Into<String>) {
        let (at, what) = (self.now(), what.into());
        self.sim.note(&format!("VIOLATION {kind:?}: {what}"));
        self.ledger().violations.push(Violation { at, kind, what });
    }

    /// Ends all tasks, since they and this world hold each other.
    pub(super) fn dissolve(&self) {
        let apps: Vec<SimHost> = self.apps().iter().map(|app| app.host.clone()).collect();
        let hosts = self.hosts();
        let others = self.scrapers.iter().chain([&self.balancer, &self.driver]);
        hosts.iter().chain(&apps).chain(others).for_each(|host| self.sim.crash(host));
        self.apps().clear();
    }
}

/// The scrapers of every proxy.
const SCRAPERS: usize = 2;
/// The name to which applications connect.
pub(super) const NAME: &str = "proxies";
/// How long proxies keep pushes.
pub(super) const PUSH_TTL: Duration = Duration::from_secs(300);
