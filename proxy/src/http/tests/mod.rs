mod body;
mod discovery;
mod format;
mod negotiate;
mod router;

#[path = "."]
mod smol {
    use super::*;
    use prometheus_rsocket_smol::{Smol as Leaf, SmolStream as Stream};

    mod delivered;
    mod serve;
}

#[path = "."]
mod tokio {
    use super::*;
    use prometheus_rsocket_tokio::{Tokio as Leaf, TokioStream as Stream};

    #[expect(clippy::duplicate_mod, reason = "each case is compiled for each runtime")]
    mod delivered;
    #[expect(clippy::duplicate_mod, reason = "each case is compiled for each runtime")]
    mod serve;
}

use super::*;
use crate::observe::telemetry::Telemetry;
use crate::status::{AppPage, AppRow, Overview, Query};
use async_channel::{Receiver, Sender};
use prometheus_rsocket_runtime::JobLost;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

/// Counts what is reported of an answer.
#[derive(Default)]
struct Told {
    sent: AtomicUsize,
    delivered: AtomicUsize,
}

impl Delivery for Told {
    fn sent(&self) {
        self.sent.fetch_add(1, Ordering::SeqCst);
    }

    fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::SeqCst);
    }
}

impl Told {
    fn counts(&self) -> (usize, usize) {
        (self.sent.load(Ordering::SeqCst), self.delivered.load(Ordering::SeqCst))
    }
}

/// A delivery whose counts nobody reads.
fn nobody() -> Arc<dyn Delivery> {
    Arc::new(Told::default())
}

/// A core whose answers the test supplies.
struct Fake {
    telemetry: Arc<Telemetry>,
    readiness: Mutex<Readiness>,
    refusal: Mutex<Option<ScrapeRefused>>,
    overview: Mutex<Overview>,
    apps: Mutex<BTreeMap<&'static str, AppPage>>,
    /// How scrapes of single applications fail, by path. Others are served.
    failures: Mutex<BTreeMap<&'static str, AppFailure>>,
    listed: Mutex<Vec<Listed>>,
    scrapes: Sender<(ScrapeRequest, BodySender)>,
}

impl Backend for Fake {
    async fn scrape(&self, request: ScrapeRequest) -> Result<ScrapeBody, ScrapeRefused> {
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let (sender, body) = ScrapeBody::channel(2);
        self.scrapes.send((request, sender)).await.expect("the test listens");
        Ok(body)
    }

    async fn scrape_app(
        &self,
        path: &str,
        request: ScrapeRequest,
    ) -> Result<ScrapeBody, AppFailure> {
        let failure = self.failures.lock().unwrap().get(path).cloned();
        match failure {
            Some(failure) => Err(failure),
            None => self.scrape(request).await.map_err(AppFailure::Refused),
        }
    }

    fn listed(&self) -> Vec<Listed> {
        self.listed.lock().unwrap().clone()
    }

    fn own_metrics(&self) -> String {
        self.telemetry.encode(Instant::now())
    }

    fn timeouts(&self) -> ScrapeTimeouts {
        TIMEOUTS
    }

    fn readiness(&self) -> Readiness {
        *self.readiness.lock().unwrap()
    }

    async fn overview<T: Send + 'static>(
        &self,
        _: Query,
        make: impl FnOnce(&Overview) -> T + Send + 'static,
    ) -> Result<T, JobLost> {
        Ok(make(&self.overview.lock().unwrap()))
    }

    async fn app_page<T: Send + 'static>(
        &self,
        path: &str,
        _: IpAddr,
        make: impl FnOnce(&AppPage) -> T + Send + 'static,
    ) -> Result<Option<T>, JobLost> {
        Ok(self.apps.lock().unwrap().get(path).map(make))
    }
}

/// A router to a fake core, and the scrapes that reach the core.
struct Setup {
    fake: Arc<Fake>,
    telemetry: Arc<Telemetry>,
    router: Arc<Router<Fake>>,
    scrapes: Receiver<(ScrapeRequest, BodySender)>,
}

fn setup() -> Setup {
    let telemetry = Arc::new(Telemetry::new("test", "rust", SystemTime::now()));
    let (sender, scrapes) = async_channel::unbounded();
    let fake = Arc::new(Fake {
        telemetry: Arc::clone(&telemetry),
        readiness: Mutex::new(Readiness::Ready),
        refusal: Mutex::default(),
        overview: Mutex::default(),
        apps: Mutex::default(),
        failures: Mutex::default(),
        listed: Mutex::default(),
        scrapes: sender,
    });
    let router =
        Arc::new(Router::new(Arc::clone(&fake), Arc::clone(&telemetry), TargetAddress::default()));
    Setup { fake, telemetry, router, scrapes }
}

impl Setup {
    #[track_caller]
    fn assert_metric(&self, line: &str) {
        let text = self.telemetry.encode(Instant::now());
        assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
    }
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes);
    std::io::Read::read_to_string(&mut decoder, &mut text).expect("one complete gzip member");
    text
}

/// The address of the scraper.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const CLIENT: Client = Client { address: PEER, connection: 7 };

const TIMEOUTS: ScrapeTimeouts = ScrapeTimeouts {
    default: Duration::from_secs(10),
    max: Duration::from_secs(60),
    offset: Duration::from_millis(500),
};
