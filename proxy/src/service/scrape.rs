//! One scrape: from the collector's outcomes to the chunks of the HTTP body.

use crate::http::BodySender;
use crate::observe::telemetry::ScrapeGivenUp;
use crate::service::admission::Admitted;
use crate::service::app_metrics::AppMetrics;
use crate::service::collisions::Collisions;
use crate::service::hub::Hub;
use crate::service::memory::BodyShare;
use crate::service::render::{Body, Piece, Renderer, Served};
use bytes::Bytes;
use event_listener::Event;
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{Answer, Outcome, Progress, ScrapeId, Summary};
use prometheus_rsocket_protocol::envelope::OpenError;
use prometheus_rsocket_runtime::{JobLost, Runtime, sleep_until};
use std::time::Duration;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A scrape under way, on its way to one scraper.
pub(crate) struct Scrape<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) hub: Arc<Hub>,
    pub(crate) id: ScrapeId,
    /// Notified when the collector has something new.
    pub(crate) news: Arc<Event>,
    pub(crate) renderer: Renderer,
    pub(crate) form: Form,
    /// What the body keeps until it is complete.
    pub(crate) share: BodyShare,
    /// Whether everything reached the scraper.
    pub(crate) delivered: bool,
}

/// The form of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Whether families are grouped over all applications.
    pub(crate) grouped: bool,
    /// Whether the applications' states follow their metrics.
    pub(crate) app_metrics: bool,
    /// Whether the body is OpenMetrics, and so ends with `# EOF`.
    pub(crate) open_metrics: bool,
}

/// However a scrape ends, also by a panic, it leaves the collector.
impl<R: Runtime> Drop for Scrape<R> {
    fn drop(&mut self) {
        self.hub.end_scrape(self.runtime.now(), self.id, self.delivered);
    }
}

/// How a scrape ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything that arrived was sent.
    Sent(Summary),
    /// The scraper went away, or did not read.
    Aborted,
    /// Another scrape needed the room.
    GivenUp(ScrapeGivenUp),
}

/// The body cannot be finished.
pub(super) struct Broken;

impl<R: Runtime> Scrape<R> {
    /// Sends the body chunk by chunk: that of all applications, or of a `single` one whose outcome is there. Only what is being rendered
    /// and sent exists as text.
    ///
    /// How long that may take is not for the scrape to judge: applications are waited for until the deadline, a scraper that does not
    /// read loses its connection.
    pub(crate) async fn send(
        mut self,
        single: Option<Outcome>,
        place: Admitted,
        chunks: BodySender,
    ) -> Ended {
        let body = async {
            match single {
                None => self.run(&place, chunks).await,
                Some(outcome) => self.run_one(outcome, &place, chunks).await,
            }
            .map_err(|Broken| Ended::Aborted)
        };
        let evicted = async { Err(Ended::GivenUp(place.evicted().await)) };
        match or(body, evicted).await {
            Ok(summary) => {
                self.delivered = true;
                Ended::Sent(summary)
            }
            Err(ended) => ended,
        }
    }

    async fn run_one(
        &self,
        outcome: Outcome,
        place: &Admitted,
        chunks: BodySender,
    ) -> Result<Summary, Broken> {
        let Ok(answer) = outcome.result else { return Err(Broken) };
        self.count(&answer);
        let mut out = Output { scrape: self, place, chunks, body: Body::new(self.renderer.gzip) };
        out.send(out.body.head()).await?;
        let served = Served { app: outcome.app.id, answer, omit: Arc::default() };
        let renderer = self.renderer.clone();
        out.place().await?;
        out.append(self.work(move || renderer.text(&served)).await?).await?;
        if self.form.open_metrics {
            out.append(self.renderer.pack(EOF.into())).await?;
        }
        out.finish().await?;
        let Progress::Finished(summary) = self.hub.poll_scrape(self.runtime.now(), self.id) else {
            return Err(Broken);
        };
        Ok(summary)
    }

    async fn run(&self, place: &Admitted, chunks: BodySender) -> Result<Summary, Broken> {
        let mut out = Output { scrape: self, place, chunks, body: Body::new(self.renderer.gzip) };
        out.send(out.body.head()).await?;
        let mut metrics = AppMetrics::default();
        let summary = if self.form.grouped {
            self.grouped(&mut out, &mut metrics).await?
        } else {
            self.joined(&mut out, &mut metrics).await?
        };
        let mut last = if self.form.app_metrics { metrics.render() } else { String::new() };
        if self.form.open_metrics {
            last.push_str(EOF);
        }
        let renderer = self.renderer.clone();
        out.place().await?;
        let last = self.work(move || Ok(renderer.pack(last.into()))).await?;
        out.append(last).await?;
        out.finish().await?;
        Ok(summary)
    }

    /// One application after the other, each rendered while those before it are sent.
    async fn joined(
        &self,
        out: &mut Output<'_, R>,
        metrics: &mut AppMetrics,
    ) -> Result<Summary, Broken> {
        let mut collisions = Collisions::within(self.share.clone());
        let mut collided = Vec::new();
        let mut rendering = VecDeque::new();
        // Bytes that are ahead of the scraper.
        let mut ahead = 0;
        let mut summary = None;
        loop {
            let listener = self.news.listen();
            while summary.is_none()
                && rendering.len() < self.look_ahead()
                && ahead < self.runtime.parallelism() * AHEAD_BYTES
            {
                match self.hub.poll_scrape(self.runtime.now(), self.id) {
                    Progress::Pending => break,
                    Progress::Finished(finished) => summary = Some(finished),
                    Progress::Outcome(outcome) => {
                        let Some(served) = self.on_outcome(*outcome, &mut collisions, metrics)
                        else {
                            continue;
                        };
                        let (app, bytes) = (served.app, self.renderer.estimate(&served));
                        collided.push((app, served.omit.len()));
                        ahead += bytes;
                        let renderer = self.renderer.clone();
                        out.place().await?;
                        let working = self.work(move || renderer.text(&served));
                        rendering.push_back((app, bytes, working));
                    }
                }
            }
            match (rendering.pop_front(), summary) {
                (Some((app, bytes, working)), _) => {
                    match working.await {
                        Ok(piece) => out.append(piece).await?,
                        Err(Broken) => metrics.on_left_out(app, "worker"),
                    }
                    ahead -= bytes;
                }
                (None, Some(summary)) => {
                    self.hub.report_collisions(self.runtime.now(), &collided);
                    return Ok(summary);
                }
                (None, None) => out.wait(listener).await?,
            }
        }
    }

    /// Notes what has come of an application. Returns what is to be rendered of it.
    pub(super) fn on_outcome(
        &self,
        outcome: Outcome,
        collisions: &mut Collisions,
        metrics: &mut AppMetrics,
    ) -> Option<Served> {
        let served = outcome.result.as_ref().ok().map(|answer| {
            self.count(answer);
            let omit = collisions.add(&answer.facts.fingerprints);
            Served { app: outcome.app.id, answer: answer.clone(), omit: omit.into() }
        });
        if self.form.app_metrics {
            metrics.add(&outcome, served.as_ref().map_or(0, Served::samples));
        }
        served
    }

    fn count(&self, answer: &Answer) {
        if answer.facts.reduced.is_some() {
            self.hub.count_reduced();
        }
    }

    /// How many applications are worked on at once.
    pub(super) fn look_ahead(&self) -> usize {
        self.runtime.parallelism() * 2
    }

    /// Begins work away from the event loop.
    pub(super) fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
    ) -> Working<T> {
        let working = self.runtime.unblock(job);
        Box::pin(async move {
            match working.await {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(error)) => {
                    tracing::error!(%error, "a Snappy block that was read before is broken");
                    Err(Broken)
                }
                Err(JobLost) => {
                    tracing::error!("a worker was lost");
                    Err(Broken)
                }
            }
        })
    }
}

pub(super) type Working<T> = Pin<Box<dyn Future<Output = Result<T, Broken>> + Send>>;

/// The way to the scraper.
pub(super) struct Output<'a, R: Runtime> {
    scrape: &'a Scrape<R>,
    place: &'a Admitted,
    chunks: BodySender,
    body: Body,
}

impl<R: Runtime> Output<'_, R> {
    pub(super) async fn append(&mut self, piece: Piece) -> Result<(), Broken> {
        let bytes = self.body.append(piece);
        self.send(bytes).await
    }

    async fn send(&self, mut bytes: Bytes) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.place.begin_send(self.scrape.runtime.now());
            self.chunks.send(piece).await.map_err(|_| Broken)?;
            self.place.end_send();
        }
        Ok(())
    }

    /// Waits for a place to work in, or until nobody reads any more. While the scraper keeps the proxy waiting, it may be lost again.
    pub(super) async fn place(&self) -> Result<(), Broken> {
        or(self.place.place(&self.scrape.runtime), self.chunks.gone()).await;
        if self.chunks.is_gone() { Err(Broken) } else { Ok(()) }
    }

    /// Waits for room in the memory of all bodies, which others may have to give up. Returns whether there is any.
    pub(super) async fn keep(&self, bytes: usize) -> bool {
        let runtime = &self.scrape.runtime;
        while !self.scrape.share.grow(bytes) {
            if !self.place.evict_other(runtime.now()) {
                return false;
            }
            // It takes a moment to end.
            sleep_until(runtime, runtime.now() + MOMENT).await;
        }
        true
    }

    /// Waits for news without a place, or until nobody reads any more.
    pub(super) async fn wait(&self, news: impl Future<Output = ()>) -> Result<(), Broken> {
        self.place.leave_place();
        or(news, self.chunks.gone()).await;
        if self.chunks.is_gone() { Err(Broken) } else { Ok(()) }
    }

    /// Sends what comes last, and waits until the transport has taken everything.
    async fn finish(self) -> Result<(), Broken> {
        let Self { scrape, place, chunks, body } = self;
        let tail = body.tail();
        place.begin_send(scrape.runtime.now());
        if !tail.is_empty() {
            chunks.send(tail).await.map_err(|_| Broken)?;
        }
        chunks.finish().await.map_err(|_| Broken)
    }
}

/// How much is handed to HTTP at a time. With [`CHUNKS`](crate::service::backend::CHUNKS) and [`AHEAD_BYTES`] it bounds what a scraper holds
/// that does not read: that, and the one text that is being sent.
const PIECE: usize = 64 * 1024;

/// How many bytes may be ahead of the scraper for each core, beside what is begun before they are reached.
const AHEAD_BYTES: usize = 128 * 1024;

/// How long a scrape that was given up may take to end.
const MOMENT: Duration = Duration::from_millis(10);

/// What ends an OpenMetrics body.
const EOF: &str = "# EOF\n";
