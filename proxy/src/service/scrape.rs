//! One scrape: from the collector's outcomes to the chunks of the HTTP body.

use crate::gzip::Inflating;
use crate::http::{BodySender, Delivery};
use crate::observe::telemetry::ScrapeGivenUp;
use crate::service::admission::Admitted;
use crate::service::app_metrics::AppMetrics;
use crate::service::collisions::Collisions;
use crate::service::hub::Hub;
use crate::service::memory::{BodyMemory, Texts};
use crate::service::render::{Body, Piece, Renderer, Served};
use crate::status::Round;
use bytes::Bytes;
use event_listener::Event;
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{Answer, AppId, Outcome, Progress, ScrapeId, Summary};
use prometheus_rsocket_protocol::envelope::OpenError;
use prometheus_rsocket_runtime::{JobLost, Runtime};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A scrape on its way to one scraper.
pub(crate) struct Scrape<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) hub: Arc<Hub>,
    pub(crate) id: ScrapeId,
    /// Notified when the collector has something new.
    pub(crate) news: Arc<Event>,
    pub(crate) renderer: Renderer,
    pub(crate) format: BodyFormat,
    /// The memory that all bodies share.
    pub(crate) bodies: Arc<BodyMemory>,
    /// The outcomes of applications so far, for the status page.
    pub(crate) round: Arc<Round>,
    pub(crate) ending: Arc<Ending<R>>,
}

/// The parts of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyFormat {
    /// Whether families are grouped over all applications.
    pub(crate) grouped: bool,
    /// Whether the applications' states follow their metrics.
    pub(crate) app_metrics: bool,
    /// Whether the body is OpenMetrics, and so ends with `# EOF`.
    pub(crate) open_metrics: bool,
}

/// Ends a scrape in the collector. It ends as delivered once it was read. Otherwise it ends, also after a panic, when neither the scrape nor its
/// connection can reach that any more.
pub(crate) struct Ending<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) hub: Arc<Hub>,
    pub(crate) id: ScrapeId,
}

impl<R: Runtime> Ending<R> {
    /// Waits for the outcome of a scrape of one application; `None` if the application no longer exists. `news` is the scrape's event.
    pub(super) async fn only_outcome(&self, news: &Event) -> Option<Outcome> {
        loop {
            let listener = news.listen();
            match self.hub.poll_scrape(self.runtime.now(), self.id) {
                Progress::Outcome(outcome) => return Some(*outcome),
                Progress::Pending => listener.await,
                Progress::Finished(_) => return None,
            }
        }
    }
}

impl<R: Runtime> Delivery for Ending<R> {
    fn sent(&self) {
        self.hub.scrape_sent(self.runtime.now(), self.id);
    }

    fn delivered(&self) {
        self.hub.end_scrape(self.runtime.now(), self.id, true);
    }
}

impl<R: Runtime> Drop for Ending<R> {
    fn drop(&mut self) {
        // Does nothing if the scrape has ended already.
        self.hub.end_scrape(self.runtime.now(), self.id, false);
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
    /// Sends the body chunk by chunk: for all applications, or for a `single` one whose outcome is there. Only what is being rendered and sent exists
    /// as text.
    ///
    /// There is no time limit here: applications are waited for until the deadline, and a scraper that does not read loses its connection.
    pub(crate) async fn send(
        self,
        single: Option<Outcome>,
        admitted: Admitted,
        chunks: BodySender,
    ) -> Ended {
        let body = Body::new(self.renderer.gzip);
        let out = Output { scrape: &self, admitted: &admitted, chunks, body };
        let sent = async {
            match single {
                None => self.run(out).await,
                Some(outcome) => self.run_one(outcome, out).await,
            }
            .map_err(|Broken| Ended::Aborted)
        };
        let evicted = async { Err(Ended::GivenUp(admitted.evicted().await)) };
        match or(sent, evicted).await {
            Ok(summary) => Ended::Sent(summary),
            Err(ended) => ended,
        }
    }

    async fn run_one(&self, outcome: Outcome, mut out: Output<'_, R>) -> Result<Summary, Broken> {
        let (mut collisions, mut metrics) = Default::default();
        let all = self.on_outcome(outcome, &mut collisions, &mut metrics);
        let Progress::Finished(summary) = self.hub.poll_scrape(self.runtime.now(), self.id) else {
            return Err(Broken);
        };
        out.send(out.body.head()).await?;
        for served in all {
            self.append_alone(served, &mut out).await?;
        }
        if self.format.open_metrics {
            out.append(self.renderer.pack(EOF.into())).await?;
        }
        out.finish().await?;
        Ok(summary)
    }

    async fn run(&self, mut out: Output<'_, R>) -> Result<Summary, Broken> {
        out.send(out.body.head()).await?;
        let mut metrics = AppMetrics::default();
        let summary = if self.format.grouped {
            self.grouped(&mut out, &mut metrics).await?
        } else {
            self.joined(&mut out, &mut metrics).await?
        };
        let mut last = if self.format.app_metrics { metrics.render() } else { String::new() };
        if self.format.open_metrics {
            last.push_str(EOF);
        }
        let renderer = self.renderer.clone();
        out.take_place().await?;
        let last = self.work(move || Ok(renderer.pack(last.into()))).await?;
        out.append(last).await?;
        out.finish().await?;
        Ok(summary)
    }

    /// Renders and sends one application by itself. A large one waits until there is memory for it.
    pub(super) async fn append_alone(
        &self,
        served: Served,
        out: &mut Output<'_, R>,
    ) -> Result<(), Broken> {
        out.take_place().await?;
        if served.answer.text_len <= LARGE {
            let renderer = self.renderer.clone();
            let (piece, broken) = self.work(move || Ok(renderer.texts(&[served]))).await?;
            return if broken.is_empty() { out.append(piece).await } else { Err(Broken) };
        }
        let mut texts = self.large_text(&served).await;
        let renderer = self.renderer.clone();
        let part = self.work(move || renderer.deflated(&served)).await?;
        // However slowly the scraper reads, others need not wait for the rest of the memory.
        texts.shrink(part.bytes().len());
        if self.renderer.gzip {
            return out.append(Piece::Deflated(part)).await;
        }
        let mut inflating = Inflating::new(part);
        loop {
            let (rest, text) = self
                .work(move || {
                    let text = inflating.next(LARGE / 4);
                    Ok((inflating, text))
                })
                .await?;
            if text.is_empty() {
                return Ok(());
            }
            inflating = rest;
            out.append(Piece::Plain(text)).await?;
        }
    }

    /// Takes the memory for working on a text, and for the result.
    pub(super) async fn large_text(&self, served: &Served) -> Texts {
        self.renderer.context.rendered.take(2 * served.answer.text_len).await
    }

    /// Notes that an application's text is not in the body.
    pub(super) fn on_left_out(&self, app: AppId, reason: &'static str, metrics: &mut AppMetrics) {
        self.hub.leave_out(self.id, app);
        self.round.on_left_out(&self.hub.path_of(app), reason);
        metrics.on_left_out(app, reason);
    }

    /// Notes the outcome of an application. Returns what is to be rendered: its answer, or its pushes in the order of arrival. Of a series that
    /// several of these have, the latest sample counts.
    pub(super) fn on_outcome(
        &self,
        outcome: Outcome,
        collisions: &mut Collisions,
        metrics: &mut AppMetrics,
    ) -> Vec<Served> {
        self.round.add(&outcome);
        let latest_first =
            outcome.result.as_ref().ok().into_iter().chain(outcome.earlier.iter().rev());
        let mut all: Vec<Served> = latest_first
            .map(|answer| {
                self.count(answer);
                let omit = collisions.add(&answer.facts.fingerprints);
                Served { app: outcome.app.id, answer: answer.clone(), omit: omit.into() }
            })
            .collect();
        all.reverse();
        if self.format.app_metrics {
            metrics.add(&outcome, all.iter().map(Served::samples).sum());
        }
        all
    }

    fn count(&self, answer: &Answer) {
        if answer.facts.reduced.is_some() {
            self.hub.count_reduced();
        }
    }

    /// Returns how many applications are worked on at once.
    pub(super) fn look_ahead(&self) -> usize {
        (self.runtime.parallelism() * 2).min(MAX_AHEAD)
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

/// The most applications that are rendered ahead, however many cores there are.
const MAX_AHEAD: usize = 32;

/// A text longer than this is worked on alone.
pub(super) const LARGE: usize = 1024 * 1024;

/// The way to the scraper.
pub(super) struct Output<'a, R: Runtime> {
    scrape: &'a Scrape<R>,
    admitted: &'a Admitted,
    chunks: BodySender,
    body: Body,
}

impl<R: Runtime> Output<'_, R> {
    /// Waits for a place to work in, unless the scrape has one, or until nobody reads any more. A scraper that keeps the proxy waiting may lose the
    /// place again.
    pub(super) async fn take_place(&self) -> Result<(), Broken> {
        self.unless_gone(self.admitted.place(&self.scrape.runtime)).await
    }

    async fn unless_gone(&self, future: impl Future<Output = ()>) -> Result<(), Broken> {
        or(future, self.chunks.gone()).await;
        if self.chunks.is_gone() { Err(Broken) } else { Ok(()) }
    }

    pub(super) async fn append(&mut self, piece: Piece) -> Result<(), Broken> {
        let bytes = self.body.append(piece);
        self.send(bytes).await
    }

    /// Sends bytes, a little at a time, so that little waits for the scraper.
    async fn send(&self, mut bytes: Bytes) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK));
            self.admitted.begin_send(self.scrape.runtime.now());
            self.chunks.send(chunk).await.map_err(|_| Broken)?;
            self.admitted.end_send();
        }
        Ok(())
    }

    /// Waits for news, or until nobody reads any more. Another scrape may have the place meanwhile.
    pub(super) async fn wait(&self, news: impl Future<Output = ()>) -> Result<(), Broken> {
        self.admitted.leave_place();
        self.unless_gone(news).await
    }

    /// Gives up another scrape that stalls or waits for longer than usual. Returns whether there was one.
    pub(super) fn evict_other(&self) -> bool {
        self.admitted.evict_other(self.scrape.runtime.now())
    }

    /// Sends the last bytes, and waits until the transport has taken everything.
    async fn finish(mut self) -> Result<(), Broken> {
        let tail = std::mem::replace(&mut self.body, Body::new(false)).tail();
        self.send(tail).await?;
        self.admitted.leave_place();
        self.admitted.begin_send(self.scrape.runtime.now());
        let ending = Arc::clone(&self.scrape.ending);
        self.chunks.finish(ending).await.map_err(|_| Broken)
    }
}

/// Bytes that are passed on at a time.
const CHUNK: usize = 64 * 1024;

/// The end of an OpenMetrics body.
const EOF: &str = "# EOF\n";
