use crate::config::Config;
use crate::current::Current;
use crate::http::{
    AppFailure, Backend, Listed, Negotiated, Readiness, ScrapeBody, ScrapeRefused, ScrapeRequest,
    ScrapeTimeouts,
};
use crate::observe::telemetry::{Label, LogCause, RoundOutcome, ScrapeGivenUp, Telemetry};
use crate::service::admission::{Admission, Admitted, PATIENCE, PATIENCE_FOR_ONE};
use crate::service::hub::Hub;
use crate::service::looks::Looks;
use crate::service::memory::BodyMemory;
use crate::service::render::Renderer;
use crate::service::scrape::{BodyFormat, Ended, Ending, Scrape};
use crate::service::workers::WorkerContext;
use crate::status::{AppPage, Overview, Query, Round};
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{Outcome, Targets};
use prometheus_rsocket_runtime::{JobLost, Runtime};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Answers HTTP requests: starts scrapes, and reports the proxy's state.
pub(crate) struct Service<R> {
    pub(crate) runtime: R,
    pub(crate) hub: Arc<Hub>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) context: Arc<WorkerContext>,
    pub(crate) admission: Arc<Admission>,
    /// The memory that all bodies share.
    pub(crate) bodies: Arc<BodyMemory>,
    pub(crate) config: Current<Config>,
    /// The name and the real address of each listener.
    pub(crate) listeners: Vec<(&'static str, SocketAddr)>,
    pub(crate) running: AtomicBool,
    /// What the status page needs in addition.
    pub(crate) looks: Looks,
}

/// Chunks of a body that wait for a scraper, of at most 64 KiB each.
pub(crate) const CHUNKS: usize = 2;

impl<R: Runtime> Service<R> {
    /// Scrapes are accepted from now on.
    pub(crate) fn set_running(&self) {
        self.running.store(true, Ordering::Relaxed);
    }

    /// Begins a scrape.
    fn start(
        &self,
        request: &ScrapeRequest,
        targets: Targets,
        format: BodyFormat,
    ) -> Result<Scrape<R>, ScrapeRefused> {
        let started =
            self.hub.start_scrape(self.runtime.now(), request.deadline, targets, &request.scraper);
        let (id, news) = started.map_err(|_| self.refuse(ScrapeGivenUp::RefusedFull, request))?;
        let (context, target) = (Arc::clone(&self.context), request.format.target);
        Ok(Scrape {
            runtime: self.runtime.clone(),
            hub: Arc::clone(&self.hub),
            id,
            news,
            ending: Arc::new(Ending {
                runtime: self.runtime.clone(),
                hub: Arc::clone(&self.hub),
                id,
            }),
            renderer: Renderer { context, target, gzip: request.gzip },
            format,
            bodies: Arc::clone(&self.bodies),
            round: Arc::default(),
        })
    }

    pub(super) fn admit(
        &self,
        request: &ScrapeRequest,
        patience: Duration,
    ) -> Result<Admitted, ScrapeRefused> {
        let admitted = self.admission.admit(self.runtime.now(), request.peer, patience);
        admitted.map_err(|refused| self.refuse(refused, request))
    }

    fn refuse(&self, refused: ScrapeGivenUp, request: &ScrapeRequest) -> ScrapeRefused {
        on_given_up(&self.telemetry, self.runtime.now(), refused, request.peer);
        refusal(refused)
    }

    /// Sends a scrape's body in the background.
    fn send(
        &self,
        scrape: Scrape<R>,
        admitted: Admitted,
        single: Option<Outcome>,
        request: &ScrapeRequest,
    ) -> ScrapeBody {
        let started = self.runtime.now();
        let (sender, body) = ScrapeBody::channel(CHUNKS);
        let (telemetry, runtime) = (Arc::clone(&self.telemetry), self.runtime.clone());
        let is_round = single.is_none();
        let (peer, scraper) = (request.peer, request.scraper.clone());
        let (hub, round): (_, Arc<Round>) = (Arc::clone(&self.hub), Arc::clone(&scrape.round));
        self.runtime.spawn(async move {
            let ended = scrape.send(single, admitted, sender).await;
            let took = runtime.now().saturating_duration_since(started);
            tracing::debug!(?ended, ?took, "scrape");
            if let Ended::GivenUp(reason) = ended {
                on_given_up(&telemetry, runtime.now(), reason, peer);
            }
            if !is_round {
                return;
            }
            let outcome = match ended {
                Ended::Sent(summary) if summary.is_complete() => RoundOutcome::Complete,
                Ended::Sent(_) => RoundOutcome::Partial,
                Ended::Aborted | Ended::GivenUp(_) => RoundOutcome::Aborted,
            };
            telemetry.round_ended(outcome, took);
            let whose = (scraper.name(), peer.to_string());
            hub.history().on_round(runtime.now(), took, whose, outcome.value(), &round);
        });
        body
    }

    fn body_format(&self, format: Negotiated) -> BodyFormat {
        let config = self.config.get();
        BodyFormat {
            grouped: config.group_families || format.is_open_metrics(),
            app_metrics: config.app_metrics,
            open_metrics: format.is_open_metrics(),
        }
    }
}

impl<R: Runtime> Backend for Service<R> {
    async fn scrape(&self, request: ScrapeRequest) -> Result<ScrapeBody, ScrapeRefused> {
        let admitted = self.admit(&request, PATIENCE)?;
        let scrape = self.start(&request, Targets::All, self.body_format(request.format))?;
        Ok(self.send(scrape, admitted, None, &request))
    }

    async fn scrape_app(
        &self,
        path: &str,
        request: ScrapeRequest,
    ) -> Result<ScrapeBody, AppFailure> {
        let id = self.hub.app_at(path, |app| app.id).ok_or(AppFailure::Unknown)?;
        let admitted = self.admit(&request, PATIENCE_FOR_ONE).map_err(AppFailure::Refused)?;
        let format =
            BodyFormat { app_metrics: false, grouped: false, ..self.body_format(request.format) };
        let scrape =
            self.start(&request, Targets::Some(vec![id]), format).map_err(AppFailure::Refused)?;
        let outcome =
            async { scrape.ending.only_outcome(&scrape.news).await.ok_or(AppFailure::Unknown) };
        let evicted = async {
            let reason = admitted.evicted().await;
            Err(AppFailure::Refused(self.refuse(reason, &request)))
        };
        let outcome = or(outcome, evicted).await?;
        if let Err(failure) = &outcome.result {
            let (reason, message) = (failure.reason(), failure.to_string());
            return Err(AppFailure::Down { reason, message });
        }
        Ok(self.send(scrape, admitted, Some(outcome), &request))
    }

    fn listed(&self) -> Vec<Listed> {
        self.hub.targets(self.runtime.now(), |app| Listed {
            path: Arc::clone(&app.path),
            labels: app.labels.clone(),
            transport: app.peer.transport.name(),
            source: app.source.name(),
            is_up: app.is_up(),
        })
    }

    fn own_metrics(&self) -> String {
        self.hub.count_apps();
        for certificate in self.looks.certificates() {
            self.telemetry.certificate_expires(certificate.listener, certificate.not_after);
        }
        self.telemetry.encode(self.runtime.now())
    }

    fn timeouts(&self) -> ScrapeTimeouts {
        self.config.get().scrape_timeouts()
    }

    fn readiness(&self) -> Readiness {
        if self.hub.is_leaving() {
            Readiness::Draining
        } else if self.running.load(Ordering::Relaxed) {
            Readiness::Ready
        } else {
            Readiness::Starting
        }
    }

    async fn overview<T: Send + 'static>(
        &self,
        query: Query,
        make: impl FnOnce(&Overview) -> T + Send + 'static,
    ) -> Result<T, JobLost> {
        self.make_overview(query, make).await
    }

    async fn app_page<T: Send + 'static>(
        &self,
        path: &str,
        peer: IpAddr,
        make: impl FnOnce(&AppPage) -> T + Send + 'static,
    ) -> Result<Option<T>, JobLost> {
        self.make_app_page(path, peer, make).await
    }
}

fn on_given_up(telemetry: &Telemetry, now: Instant, reason: ScrapeGivenUp, peer: IpAddr) {
    telemetry.scrape_given_up(reason);
    let address = SocketAddr::new(peer, 0).to_string();
    if let Some(suppressed) = telemetry.may_log(now, LogCause::ScrapeGivenUp, &address) {
        tracing::warn!(%peer, reason = reason.value(), suppressed, "scrape refused or given up");
    }
}

fn refusal(refused: ScrapeGivenUp) -> ScrapeRefused {
    let reason = match refused {
        ScrapeGivenUp::RefusedFull => {
            "too many scrapes are under way (half of --max-http-connections)"
        }
        ScrapeGivenUp::RefusedShare => {
            "this address has half of all scrapes under way already, which is its share"
        }
        ScrapeGivenUp::Replaced | ScrapeGivenUp::Stalled => {
            "the scrape was given up: it took long, and others needed the room"
        }
    };
    ScrapeRefused { reason, retry_after: Duration::from_secs(1) }
}
