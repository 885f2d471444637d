//! What people look at. It is gathered on request, away from the event loop.

use super::backend::Service;
use super::scrape::Ending;
use crate::http::{Backend, Places, Readiness};
use crate::service::admission::PATIENCE_FOR_ONE;
use crate::service::memory::TextMemory;
use crate::status::{
    AppPage, Around, Asked, Certificate, FamilyRow, KeyInfo, ListenerRow, MAX_PUSHES, Overview,
    ProxyInfo, Query, app_page, overview,
};
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{Answer, AppId, Outcome};
use prometheus_rsocket_protocol::envelope;
use prometheus_rsocket_protocol::exposition::{Family, SourceFormat, families};
use prometheus_rsocket_runtime::tls::ServerTls;
use prometheus_rsocket_runtime::{JobLost, Runtime};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an application may take to answer for its page.
const PATIENCE: Duration = Duration::from_secs(3);

/// Data about the proxy for people, in addition to the hub's.
pub(crate) struct Looks {
    pub(crate) started: Instant,
    /// The listeners with TLS.
    pub(crate) tls: Vec<(&'static str, ServerTls)>,
    places: Mutex<Vec<HttpPlaces>>,
    /// Lets one look through at a time: the gathered data may take some kilobytes for each application.
    turn: Arc<TextMemory>,
}

/// The connections of an HTTP listener.
struct HttpPlaces {
    listener: &'static str,
    max: usize,
    places: Arc<Places>,
}

impl Looks {
    pub(crate) fn new(started: Instant, tls: Vec<(&'static str, ServerTls)>) -> Self {
        Self { started, tls, places: Mutex::default(), turn: TextMemory::new(1) }
    }

    /// Includes the connections of an HTTP listener from now on.
    pub(crate) fn add_places(&self, listener: &'static str, max: usize, places: Arc<Places>) {
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(HttpPlaces { listener, max, places });
    }

    /// Returns the certificates of the listeners.
    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        let tls = self.tls.iter();
        tls.map(|(listener, tls)| Certificate { listener, not_after: tls.not_after() }).collect()
    }

    fn http(&self) -> Vec<(&'static str, usize, usize)> {
        let all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|it| (it.listener, it.places.taken(), it.max)).collect()
    }
}

impl<R: Runtime> Service<R> {
    pub(super) async fn make_overview<T: Send + 'static>(
        &self,
        query: Query,
        make: impl FnOnce(&Overview) -> T + Send + 'static,
    ) -> Result<T, JobLost> {
        let turn = self.looks.turn.take(1).await;
        let (hub, around, now) = (Arc::clone(&self.hub), self.around(), self.runtime.now());
        let gather = move || {
            let seen = hub.look(now, MAX_PUSHES);
            let made = make(&overview(seen, around, hub.history(), &query, now));
            // Held until here even if nobody waits for this any more.
            drop(turn);
            made
        };
        self.runtime.unblock(gather).await
    }

    pub(super) async fn make_app_page<T: Send + 'static>(
        &self,
        path: &str,
        peer: IpAddr,
        make: impl FnOnce(&AppPage) -> T + Send + 'static,
    ) -> Result<Option<T>, JobLost> {
        let Some(app) = self.hub.app_at(path, |app| app.id) else { return Ok(None) };
        let asked = self.ask(app, peer).await;
        let hub = Arc::clone(&self.hub);
        let (now, time) = (self.runtime.now(), self.runtime.time_of_day());
        // Enough for the text, and for the list of its families, which takes less than the text.
        let texts = match &asked {
            Ok(Answer { text_len, .. }) => Some(self.context.rendered.take(2 * text_len).await),
            Err(_) => None,
        };
        let gather = move || {
            let seen = hub.look_at(now, app)?;
            let asked = match asked {
                Ok(answer) => served(&answer),
                Err(message) => Asked::Failed { message },
            };
            drop(texts);
            Some(make(&app_page(seen, asked, time, now)))
        };
        self.runtime.unblock(gather).await
    }

    /// Asks an application as a scrape does, but for no scraper. Returns its metrics, or why there are none.
    async fn ask(&self, app: AppId, peer: IpAddr) -> Result<Answer, String> {
        let now = self.runtime.now();
        let admitted = self.admission.admit(now, peer, PATIENCE_FOR_ONE);
        let busy = |_| "it was not asked, as too many scrapes are under way".to_owned();
        let admitted = admitted.map_err(busy)?;
        let started = self.hub.start_look(now, now + PATIENCE, app);
        let (id, news) = started.map_err(|error| format!("it was not asked: {error}"))?;
        let ending = Ending { runtime: self.runtime.clone(), hub: Arc::clone(&self.hub), id };
        let outcome =
            async { ending.only_outcome(&news).await.ok_or_else(|| "it is gone".to_owned()) };
        let evicted = async {
            admitted.evicted().await;
            Err("the request was given up: others needed the room".to_owned())
        };
        let Outcome { result, .. } = or(outcome, evicted).await?;
        result.map_err(|failure| failure.to_string())
    }

    fn around(&self) -> Around {
        let (now, time) = (self.runtime.now(), self.runtime.time_of_day());
        let config = self.config.get();
        let certificates = self.looks.certificates();
        let listeners = self.listeners.iter().map(|(name, address)| {
            let row = ListenerRow { name, address: address.to_string(), ..ListenerRow::default() };
            match certificates.iter().find(|certificate| certificate.listener == *name) {
                Some(certificate) => row.with_certificate(certificate, time),
                None => row,
            }
        });
        let keys = &self.context.keys;
        let age = |at: Instant| now.saturating_duration_since(at).as_secs_f64().round();
        let key = keys.current().map(|key| KeyInfo {
            sha256: key.fingerprint.to_string(),
            bits: key.bits,
            in_use_seconds: keys.in_use_since().map(age).unwrap_or_default(),
            old_sha256: keys.old().map(|old| old.fingerprint.to_string()),
        });
        Around {
            proxy: ProxyInfo {
                verdict: match self.readiness() {
                    Readiness::Draining => "draining",
                    Readiness::Ready => "ready",
                    Readiness::Starting => "starting",
                },
                version: env!("CARGO_PKG_VERSION"),
                runtime: config.runtime.name(),
                rsa_backend: keys.backend_name(),
                uptime_seconds: age(self.looks.started),
                listeners: listeners.collect(),
                demo_applications: config.demo,
                key,
            },
            time,
            http: self.looks.http(),
            max_connections: config.max_connections,
            max_memory: config.max_memory,
        }
    }
}

/// Returns the families of an answer.
fn served(answer: &Answer) -> Asked {
    let text = match envelope::expand(&answer.block, answer.text_len) {
        Ok(text) => text,
        Err(error) => return Asked::Failed { message: error.to_string() },
    };
    let found = families(&text, &answer.facts, &answer.policy);
    let row = |family: Family| FamilyRow {
        name: family.name,
        kind: family.kind,
        help: family.help,
        samples: family.samples,
    };
    Asked::Served {
        is_push: answer.is_push,
        format: match answer.facts.format {
            SourceFormat::OpenMetrics => "OpenMetrics",
            _ => "text 0.0.4",
        },
        bytes: answer.text_len,
        families: found.listed.into_iter().map(row).collect(),
        unlisted_samples: found.unlisted_samples,
    }
}
