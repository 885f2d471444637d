use crate::http::{
    AppFailure, Backend, Listed, Negotiated, Readiness, ScrapeBody, ScrapeRefused, ScrapeRequest,
    Status,
};
use crate::observe::telemetry::{RoundOutcome, Telemetry};
use crate::observe::throttle::Throttle;
use crate::service::admission::{Admission, Place, Refused, STALL};
use crate::service::hub::Hub;
use crate::service::memory::BodyMemory;
use crate::service::render::Renderer;
use crate::service::scrape::{Ended, Form, Scrape};
use crate::service::workers::Toolbox;
use prometheus_rsocket_protocol::collector::{Outcome, Progress, Targets};
use prometheus_rsocket_runtime::Runtime;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What HTTP requests are answered from: starts scrapes, and tells how the proxy is.
pub(crate) struct Service<R> {
    pub(crate) runtime: R,
    pub(crate) hub: Arc<Hub>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) toolbox: Arc<Toolbox>,
    pub(crate) admission: Arc<Admission>,
    /// What all bodies keep.
    pub(crate) bodies: Arc<BodyMemory>,
    /// One line about refused scrapes per period.
    pub(crate) refusals: Throttle,
    /// Whether families are grouped where the scraper does not get OpenMetrics.
    pub(crate) group_families: bool,
    pub(crate) app_metrics: bool,
    /// Each listener's name and real address.
    pub(crate) listeners: Vec<(&'static str, SocketAddr)>,
    pub(crate) demo: usize,
    pub(crate) running: AtomicBool,
}

/// Chunks of a body that wait for a scraper, of 64 KiB at most.
const CHUNKS: usize = 4;

impl<R: Runtime> Service<R> {
    /// From now on scrapes are welcome.
    pub(crate) fn set_running(&self) {
        self.running.store(true, Ordering::Relaxed);
    }

    /// Begins a scrape.
    fn start(
        &self,
        request: &ScrapeRequest,
        targets: Targets,
        form: Form,
    ) -> Result<Scrape<R>, ScrapeRefused> {
        let started = self.hub.start_scrape(self.runtime.now(), request.deadline, targets);
        let (id, news) = started.map_err(|_| self.refuse(Refused::Full, request))?;
        let (toolbox, target) = (Arc::clone(&self.toolbox), request.format.target);
        Ok(Scrape {
            runtime: self.runtime.clone(),
            hub: Arc::clone(&self.hub),
            id,
            news,
            deadline: request.deadline,
            renderer: Renderer { toolbox, target, gzip: request.gzip },
            form,
            admission: Arc::clone(&self.admission),
            peer: request.peer,
            bodies: Arc::clone(&self.bodies),
            delivered: false,
        })
    }

    fn refuse(&self, refused: Refused, request: &ScrapeRequest) -> ScrapeRefused {
        let refusal = refusal(refused);
        if let Some(suppressed) = self.refusals.pass(self.runtime.now()) {
            let (peer, reason) = (request.peer, refusal.reason);
            tracing::warn!(%peer, reason, suppressed, "scrape refused");
        }
        refusal
    }

    /// Sends a scrape's body in the background.
    fn send(&self, scrape: Scrape<R>, place: Place, single: Option<Outcome>) -> ScrapeBody {
        let started = self.runtime.now();
        let (sender, body) = ScrapeBody::channel(CHUNKS);
        let (telemetry, runtime) = (Arc::clone(&self.telemetry), self.runtime.clone());
        let is_round = single.is_none();
        self.runtime.spawn(async move {
            let ended = scrape.send(single, place, sender).await;
            let took = runtime.now().saturating_duration_since(started);
            tracing::debug!(?ended, ?took, "scrape");
            if !is_round {
                return;
            }
            let outcome = match ended {
                Ended::Sent(summary) if summary.is_complete() => RoundOutcome::Complete,
                Ended::Sent(_) => RoundOutcome::Partial,
                Ended::Aborted => RoundOutcome::Aborted,
            };
            telemetry.round_ended(outcome, took);
        });
        body
    }

    fn form(&self, format: Negotiated) -> Form {
        Form {
            grouped: self.group_families || format.is_open_metrics(),
            app_metrics: self.app_metrics,
            open_metrics: format.is_open_metrics(),
        }
    }
}

impl<R: Runtime> Backend for Service<R> {
    async fn scrape(&self, request: ScrapeRequest) -> Result<ScrapeBody, ScrapeRefused> {
        // Readers that stall lose their places within that.
        let patience = self.runtime.now() + PATIENCE;
        let (deadline, peer) = (request.deadline.min(patience), request.peer);
        let admitted = self.admission.admit_by(&self.runtime, deadline, peer).await;
        let place = admitted.map_err(|refused| self.refuse(refused, &request))?;
        let scrape = self.start(&request, Targets::All, self.form(request.format))?;
        Ok(self.send(scrape, place, None))
    }

    async fn scrape_app(
        &self,
        path: &str,
        request: ScrapeRequest,
    ) -> Result<ScrapeBody, AppFailure> {
        let id = self.hub.app_at(path, |app| app.id).ok_or(AppFailure::Unknown)?;
        let form = Form { app_metrics: false, grouped: false, ..self.form(request.format) };
        let scrape =
            self.start(&request, Targets::Some(vec![id]), form).map_err(AppFailure::Refused)?;
        let outcome = loop {
            let listener = scrape.news.listen();
            match self.hub.poll_scrape(self.runtime.now(), scrape.id) {
                Progress::Outcome(outcome) => break *outcome,
                Progress::Pending => listener.await,
                Progress::Finished(_) => return Err(AppFailure::Unknown),
            }
        };
        if let Err(failure) = &outcome.result {
            let (reason, message) = (failure.reason(), failure.to_string());
            return Err(AppFailure::Down { reason, message });
        }
        // Only an answer takes a place: applications that hang, of which there may be many, keep nobody from being scraped.
        let (deadline, peer) = (request.deadline + STALL, request.peer);
        let admitted = self.admission.admit_by(&self.runtime, deadline, peer).await;
        let place = admitted.map_err(|refused| AppFailure::Refused(self.refuse(refused, &request)));
        Ok(self.send(scrape, place?, Some(outcome)))
    }

    fn listed(&self) -> Vec<Listed> {
        self.hub.targets(|app| Listed {
            path: Arc::clone(&app.path),
            labels: app.labels.clone(),
            transport: app.peer.transport.name(),
            is_up: app.is_up(),
        })
    }

    fn own_metrics(&self) -> String {
        self.hub.count_apps();
        self.telemetry.encode(self.runtime.now())
    }

    fn readiness(&self) -> Readiness {
        if self.hub.is_draining() {
            Readiness::Draining
        } else if self.running.load(Ordering::Relaxed) {
            Readiness::Ready
        } else {
            Readiness::Starting
        }
    }

    fn status(&self) -> Status {
        let listener = |(name, address): &(&'static str, SocketAddr)| (*name, address.to_string());
        Status {
            listeners: self.listeners.iter().map(listener).collect(),
            connected_applications: self.hub.connected(),
            demo_applications: self.demo,
        }
    }
}

/// How long a scrape waits for a place.
const PATIENCE: Duration = Duration::from_secs(2);

fn refusal(refused: Refused) -> ScrapeRefused {
    let reason = match refused {
        Refused::Full => "too many scrapes are under way (--max-concurrent-scrapes)",
        Refused::Share => {
            "this address has half of all scrapes under way already, which is its share"
        }
    };
    ScrapeRefused { reason, retry_after: Duration::from_secs(1) }
}
