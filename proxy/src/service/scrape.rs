//! One scrape: from the collector's outcomes to the chunks of the answer.

use crate::gzip::{self, Member, Part};
use crate::http::BodySender;
use crate::service::hub::Hub;
use crate::service::workers::Toolbox;
use bytes::Bytes;
use event_listener::Event;
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{self, Answer, Progress, ScrapeId, Summary};
use prometheus_rsocket_protocol::envelope::{self, OpenError};
use prometheus_rsocket_protocol::exposition::{self, Escaping, Format, Source, Target};
use prometheus_rsocket_runtime::{Runtime, timeout};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after the scrape's deadline the scraper may take to read the answer.
const READ_GRACE: Duration = Duration::from_secs(30);

/// A scrape under way, on its way to one scraper.
pub(crate) struct Scrape<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) hub: Arc<Hub>,
    pub(crate) toolbox: Arc<Toolbox>,
    pub(crate) id: ScrapeId,
    pub(crate) news: Arc<Event>,
    pub(crate) gzip: bool,
    pub(crate) deadline: Instant,
    /// Whether everything reached the scraper.
    pub(crate) delivered: bool,
}

/// However a scrape ends, also by a panic, the collector's part ends with it; scrapes are few.
impl<R: Runtime> Drop for Scrape<R> {
    fn drop(&mut self) {
        self.hub.end_scrape(self.runtime.now(), self.id, self.delivered);
    }
}

/// How a scrape went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything that came was sent; of how many applications.
    Sent(Summary),
    /// The scraper went away, or did not read.
    Aborted,
}

impl<R: Runtime> Scrape<R> {
    /// Sends the answer chunk by chunk. Only what is being sent is ever there as text.
    pub(crate) async fn send(mut self, chunks: BodySender) -> Outcome {
        let give_up = self.deadline + READ_GRACE;
        let sent = timeout(&self.runtime, give_up, self.send_answers(chunks)).await;
        let outcome = sent.unwrap_or(None).map_or(Outcome::Aborted, Outcome::Sent);
        self.delivered = matches!(outcome, Outcome::Sent(_));
        outcome
    }

    async fn send_answers(&self, chunks: BodySender) -> Option<Summary> {
        let mut member = Member::new();
        if self.gzip {
            chunks.send(Member::header()).await.ok()?;
        }
        loop {
            let listener = self.news.listen();
            match self.hub.poll_scrape(self.runtime.now(), self.id) {
                Progress::Outcome(outcome) => {
                    let collector::Outcome { result: Ok(answer), .. } = *outcome else { continue };
                    match self.render(answer).await? {
                        Rendered::Text(text) => chunks.send(text).await.ok()?,
                        Rendered::Part(part) => chunks.send(member.append(&part)).await.ok()?,
                    }
                }
                Progress::Pending => {
                    or(listener, chunks.gone()).await;
                    if chunks.is_gone() {
                        return None;
                    }
                }
                Progress::Finished(summary) => {
                    if self.gzip {
                        chunks.send(member.finish()).await.ok()?;
                    }
                    chunks.finish().await.ok()?;
                    return Some(summary);
                }
            }
        }
    }

    async fn render(&self, answer: Answer) -> Option<Rendered> {
        let (toolbox, gzip) = (Arc::clone(&self.toolbox), self.gzip);
        let rendered = self.runtime.unblock(move || {
            let text = text_of(&answer, &toolbox)?;
            Ok(if gzip { Rendered::Part(gzip::deflate_part(&text)) } else { Rendered::Text(text) })
        });
        match rendered.await {
            Ok(Ok(rendered)) => Some(rendered),
            Ok(Err::<_, OpenError>(error)) => {
                tracing::error!(%error, "a Snappy block that was opened before is broken");
                None
            }
            Err(error) => {
                tracing::error!(%error, "a worker was lost");
                None
            }
        }
    }
}

/// One application's part of an answer.
enum Rendered {
    Part(Part),
    Text(Bytes),
}

/// An application's text, fit to be joined with others.
fn text_of(answer: &Answer, toolbox: &Toolbox) -> Result<Bytes, OpenError> {
    let text = envelope::expand(&answer.block, answer.text_len)?;
    let target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
    if answer.facts.is_verbatim_for(target, &[]) && text.ends_with(b"\n") {
        return Ok(text);
    }
    let source = Source {
        text: &text,
        identity: &answer.injected,
        inject: toolbox.inject,
        seed: toolbox.seed,
    };
    let mut rendered = Vec::with_capacity(text.len() + 1);
    exposition::render(&source, &toolbox.policy, &answer.facts, target, &[], &mut rendered);
    Ok(rendered.into())
}
