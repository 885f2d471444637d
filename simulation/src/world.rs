use crate::app::App;
use crate::ledger::{At, Ledger};
use crate::neighbours;
use crate::report::Kind;
use crate::scenario::{Scenario, Terms};
use fastrand::Rng;
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use prometheus_rsocket_sim::{LinkConfig, Sim, SimHost};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What all parts of a simulation share.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) scenario: Scenario,
    pub(crate) terms: Terms,
    /// The host of what steers the simulation.
    pub(crate) driver: SimHost,
    pub(crate) proxy: SimHost,
    pub(crate) scrapers: Vec<SimHost>,
    /// The host of strangers.
    pub(crate) stranger: SimHost,
    /// The hosts of the bad applications.
    pub(crate) neighbours: Vec<SimHost>,
    apps: Mutex<Vec<App>>,
    ledger: Mutex<Ledger>,
    calm: AtomicBool,
    over: AtomicBool,
}

impl World {
    pub(crate) fn new(scenario: Scenario) -> Arc<Self> {
        let sim = Sim::new(scenario.seed);
        let terms = scenario.terms();
        let mut rng = Rng::with_seed(scenario.seed ^ 0x77_6f72_6c64);
        let proxy = sim.host("proxy");
        let driver = sim.host("driver");
        sim.set_job_time(&proxy, terms.job_time);
        let scrapers: Vec<SimHost> =
            (0..SCRAPERS).map(|number| sim.host(&format!("prometheus-{number}"))).collect();
        let stranger = sim.host("stranger");
        let neighbours = neighbours::hosts(&sim);
        let mut ledger = Ledger::default();
        ledger.scrapers.resize_with(SCRAPERS, Default::default);
        if !scenario.calm {
            scrapers.iter().for_each(|host| sim.set_link(host, scraper_link(&mut rng)));
            let mut link = scraper_link(&mut rng);
            sim.set_link(&stranger, link.clone());
            // Little data fits on the link to the ill-mannered scraper, or the proxy would hardly notice how it reads.
            link.capacity = 4096;
            sim.set_link(&scrapers[ILL_MANNERED], link);
        }
        let mut apps = Vec::new();
        for number in 0..scenario.apps {
            let (app, record) = App::new(&sim, &scenario, &terms, number, rng.fork());
            apps.push(app);
            ledger.apps.push(record);
        }
        let (calm, over) = (AtomicBool::new(scenario.calm), AtomicBool::new(false));
        let (apps, ledger) = (Mutex::new(apps), Mutex::new(ledger));
        Arc::new(Self {
            sim,
            scenario,
            terms,
            driver,
            proxy,
            scrapers,
            stranger,
            neighbours,
            apps,
            ledger,
            calm,
            over,
        })
    }

    pub(crate) fn now(&self) -> At {
        self.sim.elapsed()
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn apps(&self) -> MutexGuard<'_, Vec<App>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass on a host.
    pub(crate) async fn sleep(&self, host: &SimHost, time: Duration) {
        sleep_until(host, host.now() + time).await;
    }

    /// Returns whether applications behave.
    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(crate) fn calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.sim.note("it is calm from now on");
    }

    /// Returns whether scrapers and watchers have to end.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, name: &'static str) {
        self.ledger().counts.add(name, 1);
    }

    pub(crate) fn violation(&self, kind: Kind, what: impl Into<String>) {
        let (at, what) = (self.now(), what.into());
        self.sim.note(&format!("VIOLATION {kind:?}: {what}"));
        self.ledger().violation(at, kind, what);
    }

    /// Something is done to an application for a time.
    pub(crate) fn on_app_fault(&self, app: usize, time: Duration) {
        let now = self.now();
        self.ledger().apps[app].faults.add(now, now + time);
    }

    /// Something is done to the proxy, and so to everybody, for a time.
    pub(crate) fn on_proxy_fault(&self, time: Duration) {
        let now = self.now();
        self.ledger().proxy.add(now, now + time);
    }

    /// Returns which applications report that they are connected.
    pub(crate) fn ready(&self) -> Vec<bool> {
        self.apps().iter().map(App::is_ready).collect()
    }

    /// Ends all tasks, since they and this world hold each other.
    pub(crate) fn dissolve(&self) {
        let apps: Vec<SimHost> = self.apps().iter().map(|app| app.host.clone()).collect();
        let others = [&self.proxy, &self.stranger, &self.driver];
        let hosts = apps.iter().chain(&self.scrapers).chain(&self.neighbours);
        for host in hosts.chain(others) {
            self.sim.crash(host);
        }
        self.apps().clear();
    }
}

/// Scrapers are near the proxy, as in practice: what they see is what the proxy does.
fn scraper_link(rng: &mut Rng) -> LinkConfig {
    let mut link = LinkConfig::default();
    link.latency_min = Duration::from_micros(100);
    link.latency_max = SCRAPER_LATENCY;
    link.bandwidth = rng.bool().then(|| rng.u64(8_000_000..80_000_000));
    link.capacity = rng.usize(24..256) * 1024;
    link.pieces = rng.bool();
    link
}

/// Two that scrape at intervals, and three more.
const SCRAPERS: usize = 5;
/// The scraper for scrapes right after a push.
pub(crate) const AFTER_PUSH: usize = 2;
/// The scraper that leaves, or reads slowly.
pub(crate) const ILL_MANNERED: usize = 3;
/// The scraper that scrapes one application after the other.
pub(crate) const OF_TARGETS: usize = 4;
/// The longest time that scrapers' bytes travel. Applications are farther away: none answers a scrape before the proxy has noticed that its scraper
/// left immediately.
pub(crate) const SCRAPER_LATENCY: Duration = Duration::from_millis(1);
