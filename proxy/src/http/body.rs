use async_channel::{Receiver, Sender};
use bytes::Bytes;
use futures_lite::Stream;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// The metrics of all applications, in pieces as they are assembled.
///
/// A body is complete only if its sender finishes it. Anything else that ends it breaks the HTTP connection off, so that no scraper takes a part for
/// the whole.
#[derive(Debug)]
pub struct ScrapeBody {
    chunks: Pin<Box<Receiver<Chunk>>>,
    /// Notified of the flush, once the end was taken.
    ended: Option<Flushed>,
}

impl ScrapeBody {
    /// Returns a body and its sender, which waits while `capacity` pieces are unread.
    pub fn channel(capacity: usize) -> (BodySender, Self) {
        let (sender, receiver) = async_channel::bounded(capacity);
        (BodySender { chunks: sender }, Self { chunks: Box::pin(receiver), ended: None })
    }
}

/// Sends the pieces of a [`ScrapeBody`].
#[derive(Debug)]
pub struct BodySender {
    chunks: Sender<Chunk>,
}

impl BodySender {
    /// Sends the next piece, once there is room.
    pub async fn send(&self, bytes: Bytes) -> Result<(), ScraperGone> {
        self.chunks.send(Chunk::Data(bytes)).await.map_err(|_| ScraperGone)
    }

    /// Resolves once nobody reads any more.
    pub async fn gone(&self) {
        self.chunks.closed().await;
    }

    /// Returns whether nobody reads any more.
    pub fn is_gone(&self) -> bool {
        self.chunks.is_closed()
    }

    /// Ends the body, and waits until the transport has taken and flushed its last byte. Dropping a sender without this breaks the answer off.
    /// `delivery` learns what becomes of the answer, even if this future is dropped.
    pub async fn finish(self, delivery: Arc<dyn Delivery>) -> Result<(), ScraperGone> {
        let (sender, flushed) = async_channel::bounded(1);
        let flushed_by = Flushed { sender, delivery };
        self.chunks.send(Chunk::End(flushed_by)).await.map_err(|_| ScraperGone)?;
        // The body alone keeps the channel now, and with it the unread end that holds `flushed_by`.
        drop(self);
        flushed.recv().await.map_err(|_| ScraperGone)
    }
}

/// Learns what becomes of an answer. Its methods are called in this order, at most once each, and must not block. If it is dropped, the remaining
/// steps were not reached.
pub trait Delivery: Send + Sync {
    /// The transport has taken and flushed the whole answer.
    fn sent(&self);
    /// The peer has read the whole answer: it has made another request afterwards, or has ended the connection cleanly. This is called before such a
    /// request is answered.
    fn delivered(&self);
}

/// Tells the sender of a body that its last byte was flushed. If it is dropped without that, the sender learns that it never will be.
pub(crate) struct Flushed {
    sender: Sender<()>,
    delivery: Arc<dyn Delivery>,
}

impl fmt::Debug for Flushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flushed").finish_non_exhaustive()
    }
}

impl Flushed {
    /// Tells the sender that the answer was sent. Returns the delivery, which learns what becomes of the answer next.
    pub(crate) fn tell(self) -> Arc<dyn Delivery> {
        self.delivery.sent();
        // There is room for the one message.
        let _ = self.sender.try_send(());
        self.delivery
    }
}

/// Nobody reads the answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScraperGone;

impl fmt::Display for ScraperGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scraper has gone away")
    }
}

impl Error for ScraperGone {}

/// An answer was broken off before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyAborted;

impl fmt::Display for BodyAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer broke off before its end")
    }
}

impl Error for BodyAborted {}

/// The body of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// Known in full.
    Full(Bytes),
    /// In pieces, as they are assembled.
    Scrape(ScrapeBody),
    /// Of unknown length, and not sent: the answer to HEAD.
    Unsent,
}

impl AnswerBody {
    /// Returns what to notify once everything is flushed, if the end was taken.
    pub(crate) fn take_ended(&mut self) -> Option<Flushed> {
        match self {
            Self::Scrape(body) => body.ended.take(),
            Self::Full(_) | Self::Unsent => None,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyAborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyAborted>>> {
        match self.get_mut() {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Scrape(body) => Poll::Ready(match ready!(body.chunks.as_mut().poll_next(cx)) {
                Some(Chunk::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Chunk::End(flushed)) => {
                    body.ended = Some(flushed);
                    None
                }
                None => Some(Err(BodyAborted)),
            }),
            Self::Unsent => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Scrape(_) | Self::Unsent => SizeHint::default(),
        }
    }
}

#[derive(Debug)]
enum Chunk {
    Data(Bytes),
    End(Flushed),
}
