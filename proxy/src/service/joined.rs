//! A body in which one application follows another.

use crate::service::app_metrics::AppMetrics;
use crate::service::collisions::Collisions;
use crate::service::render::{Piece, Served};
use crate::service::scrape::{Broken, LARGE, Output, Scrape, Working};
use prometheus_rsocket_protocol::collector::{AppId, Progress, Summary};
use prometheus_rsocket_runtime::Runtime;
use std::collections::VecDeque;

/// The state of the applications whose turn has come.
struct Queue<'a> {
    collisions: Collisions,
    metrics: &'a mut AppMetrics,
    collided: Vec<(AppId, usize)>,
    /// Answers of an application that are not rendered yet.
    waiting: VecDeque<Served>,
    /// Set once there are no more applications.
    summary: Option<Summary>,
}

/// Applications whose texts are rendered as one piece.
struct Batch {
    apps: Vec<AppId>,
    /// Bytes of the texts.
    len: usize,
    working: Working<(Piece, Vec<AppId>)>,
}

impl<R: Runtime> Scrape<R> {
    /// Sends one application after the other. Some are rendered while those before them are being sent. Answers that are there at that time are
    /// rendered together, since a handover to a thread costs as much as a short text. A large one is rendered in its turn, and alone.
    pub(super) async fn joined(
        &self,
        out: &mut Output<'_, R>,
        metrics: &mut AppMetrics,
    ) -> Result<Summary, Broken> {
        let (collisions, collided) = (Collisions::within(&self.bodies), Vec::new());
        let (waiting, summary) = (VecDeque::new(), None);
        let mut queue = Queue { collisions, metrics, collided, waiting, summary };
        let (mut rendering, mut ahead) = (VecDeque::<Batch>::new(), 0);
        loop {
            let listener = self.news.listen();
            while rendering.len() < self.look_ahead()
                && ahead < self.ahead_bytes()
                && let Some(batch) = self.next_batch(&mut queue, out).await?
            {
                ahead += batch.len;
                rendering.push_back(batch);
            }
            if let Some(Batch { apps, len, working }) = rendering.pop_front() {
                let (piece, broken) = match working.await {
                    Ok((piece, broken)) => (Some(piece), broken),
                    Err(Broken) => (None, apps),
                };
                for app in broken {
                    self.on_left_out(app, "worker", queue.metrics);
                }
                if let Some(piece) = piece {
                    out.append(piece).await?;
                }
                ahead -= len;
            } else if let Some(large) = queue.waiting.pop_front() {
                self.append_alone(large, out).await?;
            } else if let Some(summary) = queue.summary {
                self.hub.report_collisions(self.runtime.now(), &queue.collided);
                return Ok(summary);
            } else {
                out.wait(listener).await?;
            }
        }
    }

    /// Begins to render the answers that are there; `None` if there are none, or a large text is next.
    async fn next_batch(
        &self,
        queue: &mut Queue<'_>,
        out: &Output<'_, R>,
    ) -> Result<Option<Batch>, Broken> {
        let (mut batch, mut len) = (Vec::new(), 0);
        while len < BATCH_BYTES
            && let Some(served) = self.next(queue)
        {
            if served.answer.text_len > LARGE {
                queue.waiting.push_front(served);
                break;
            }
            len += served.answer.text_len.max(LEAST_BYTES);
            batch.push(served);
        }
        if batch.is_empty() {
            return Ok(None);
        }
        out.take_place().await?;
        let apps = batch.iter().map(|served| served.app).collect();
        let renderer = self.renderer.clone();
        let working = self.work(move || Ok(renderer.texts(&batch)));
        Ok(Some(Batch { apps, len, working }))
    }

    /// Returns the next text of the body, if it is there.
    fn next(&self, queue: &mut Queue<'_>) -> Option<Served> {
        while queue.waiting.is_empty() && queue.summary.is_none() {
            match self.hub.poll_scrape(self.runtime.now(), self.id) {
                Progress::Pending => return None,
                Progress::Finished(summary) => queue.summary = Some(summary),
                Progress::Outcome(outcome) => {
                    let all = self.on_outcome(*outcome, &mut queue.collisions, queue.metrics);
                    queue.collided.extend(all.last().map(|it| (it.app, it.omit.len())));
                    queue.waiting.extend(all);
                }
            }
        }
        queue.waiting.pop_front()
    }

    /// Returns how many bytes of text may be rendered ahead of what is being sent. Deflated, they take a tenth.
    fn ahead_bytes(&self) -> usize {
        if self.renderer.gzip { AHEAD_BYTES } else { AHEAD_BYTES / 4 }
    }
}

/// Bytes of text that are rendered ahead of what is being sent, if they are deflated; otherwise a quarter of this. So a scraper that does not read
/// holds about 1 MiB: these, the text that is being sent, and [`CHUNKS`](crate::service::backend::CHUNKS).
const AHEAD_BYTES: usize = 2 * 1024 * 1024;

/// A batch is full once it has this many bytes of text. That is a few milliseconds of work, far more than the handover costs.
const BATCH_BYTES: usize = 512 * 1024;

/// What a short text counts as, so that a batch has at most 256 texts.
const LEAST_BYTES: usize = 1024;
