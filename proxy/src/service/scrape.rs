//! One scrape: from the collector's round to the chunks of the answer.

use crate::gzip::{Member, Part};
use crate::http::BodySender;
use crate::service::hub::Hub;
use bytes::Bytes;
use event_listener::Event;
use futures_lite::future::or;
use prometheus_rsocket_protocol::collector::{Form, Progress, RoundId, Section, Summary};
use prometheus_rsocket_protocol::envelope;
use prometheus_rsocket_runtime::{Runtime, timeout};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after the round's deadline the scraper may take to read the answer.
const READ_GRACE: Duration = Duration::from_secs(30);

/// A round under way, on its way to one scraper.
pub(crate) struct Scrape<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) hub: Arc<Hub>,
    pub(crate) round: RoundId,
    pub(crate) news: Arc<Event>,
    pub(crate) form: Form,
    pub(crate) deadline: Instant,
    pub(crate) max_text_len: usize,
    /// Whether everything reached the scraper.
    pub(crate) delivered: bool,
}

/// However a scrape ends, also by a panic, its round ends with it; rounds are few.
impl<R: Runtime> Drop for Scrape<R> {
    fn drop(&mut self) {
        self.hub.end_round(self.runtime.now(), self.round, self.delivered);
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
        let sent = timeout(&self.runtime, give_up, self.send_sections(chunks)).await;
        let outcome = sent.unwrap_or(None).map_or(Outcome::Aborted, Outcome::Sent);
        self.delivered = matches!(outcome, Outcome::Sent(_));
        outcome
    }

    async fn send_sections(&self, chunks: BodySender) -> Option<Summary> {
        let mut member = Member::new();
        if self.form == Form::Deflate {
            chunks.send(Member::header()).await.ok()?;
        }
        loop {
            let listener = self.news.listen();
            match self.hub.poll_round(self.runtime.now(), self.round) {
                Progress::Section(section) => {
                    let chunk = self.chunk(section, &mut member).await?;
                    chunks.send(chunk).await.ok()?;
                }
                Progress::Pending => {
                    or(listener, chunks.gone()).await;
                    if chunks.is_gone() {
                        return None;
                    }
                }
                Progress::Finished(summary) => {
                    if self.form == Form::Deflate {
                        chunks.send(member.finish()).await.ok()?;
                    }
                    chunks.finish().await.ok()?;
                    return Some(summary);
                }
            }
        }
    }

    async fn chunk(&self, section: Section, member: &mut Member) -> Option<Bytes> {
        match section.form {
            Form::Deflate => {
                let text_len = section.text_len as u64;
                Some(member.append(&Part::from_deflated(section.bytes, section.crc32, text_len)))
            }
            Form::Snappy => {
                let (block, max_text_len) = (section.bytes, self.max_text_len);
                let expanded =
                    self.runtime.unblock(move || envelope::expand(&block, max_text_len)).await;
                match expanded {
                    Ok(Ok(text)) => Some(text),
                    Ok(Err(error)) => {
                        tracing::error!(app = %section.app, %error, "our own Snappy block is broken");
                        None
                    }
                    Err(error) => {
                        tracing::error!(app = %section.app, %error, "a worker was lost");
                        None
                    }
                }
            }
        }
    }
}
