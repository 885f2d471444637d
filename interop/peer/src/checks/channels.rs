//! Request-channel.

use super::streams::credit;
use super::{Check, Outcome, describe, nothing_came, payload, rejected};
use crate::handle::Handle;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Credit, Event, StreamError};
use prometheus_rsocket_protocol::rsocket::frame::StreamId;
use std::collections::VecDeque;

pub(super) fn all() -> Vec<Check> {
    let small = |number: usize| payload(number, number.is_multiple_of(2).then_some(number / 2));
    let long = |number: usize| payload(20_000 + number, Some(number * 100));
    vec![
        Check::new("channel/one-at-a-time", move |handle| {
            exchange(handle, (1..=20).map(small).collect(), 1, End::WithLast)
        }),
        Check::new("channel/all-at-once", move |handle| {
            exchange(handle, (1..=100).map(small).collect(), 1000, End::WithLast)
        }),
        Check::new("channel/long-payloads", move |handle| {
            exchange(handle, (1..=20).map(long).collect(), 3, End::WithLast)
        }),
        Check::new("channel/data-1000000", |handle| {
            exchange(handle, (0..3).map(|_| payload(1_000_000, None)).collect(), 2, End::WithLast)
        }),
        Check::new("channel/one-payload-and-complete", |handle| {
            exchange(handle, VecDeque::from([payload(5, None)]), 10, End::WithLast)
        }),
        Check::new("channel/complete-afterwards", move |handle| {
            exchange(handle, (1..=5).map(small).collect(), 10, End::Afterwards)
        }),
        Check::new("channel/cancel", cancel),
        Check::new("channel/error", error),
        Check::new("channel/reject-first", |handle| reject(handle, VecDeque::new())),
        Check::new("channel/reject-third", move |handle| {
            reject(handle, VecDeque::from([small(1), small(2)]))
        }),
    ]
}

/// How our side ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// By a frame of its own, once everything has come back.
    Afterwards,
    /// With our last payload.
    WithLast,
}

/// A channel of ours.
struct Channel {
    handle: Handle,
    stream_id: StreamId,
    /// What is still to be sent.
    unsent: VecDeque<Payload>,
    /// What is still to come back.
    unechoed: VecDeque<Payload>,
}

impl Channel {
    /// Opens a channel with the first of `payloads`; `complete` if it is the only one.
    async fn open(
        handle: Handle,
        mut payloads: VecDeque<Payload>,
        window: u32,
        complete: bool,
    ) -> Result<Self, String> {
        let unechoed = payloads.clone();
        let first = payloads.pop_front().unwrap_or_default();
        let complete = complete && payloads.is_empty();
        let opened = handle
            .run(move |connection, _| connection.request_channel(first, credit(window), complete));
        let stream_id = opened.await.map_err(|error| error.to_string())?;
        Ok(Self { handle, stream_id, unsent: payloads, unechoed })
    }

    /// Sends as many payloads as the server takes.
    async fn send(&mut self, end: End) -> Outcome {
        while let Some(payload) = self.unsent.front().cloned() {
            let stream_id = self.stream_id;
            let is_last = end == End::WithLast && self.unsent.len() == 1;
            let sent = self.handle.run(move |connection, _| match is_last {
                true => connection.respond(stream_id, payload),
                false => connection.send(stream_id, payload),
            });
            match sent.await {
                Ok(()) => drop(self.unsent.pop_front()),
                Err(StreamError::NoCredit(_) | StreamError::Unsendable(_)) => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// The next payload comes back, in order.
    async fn echoed(&mut self, end: End) -> Outcome {
        let wanted = self.unechoed.pop_front().unwrap_or_default();
        loop {
            self.send(end).await?;
            match self.handle.event(self.stream_id).await {
                Event::CreditReceived { .. } => {}
                Event::Payload { payload, .. } => {
                    return self.handle.expect("a payload", &payload, &wanted);
                }
                event => return Err(format!("instead of a payload: {}", describe(&event))),
            }
        }
    }

    async fn completes(&self) -> Outcome {
        loop {
            match self.handle.event(self.stream_id).await {
                Event::Completed { .. } => return Ok(()),
                // For payloads that it will not get.
                Event::CreditReceived { .. } | Event::SendingCanceled { .. } => {}
                event => return Err(format!("instead of its completion: {}", describe(&event))),
            }
        }
    }
}

/// All payloads come back in order, no more at a time than `window` allows, and then both sides are complete.
async fn exchange(handle: Handle, payloads: VecDeque<Payload>, window: u32, end: End) -> Outcome {
    let count = payloads.len();
    let before = handle.run(|connection, _| connection.open_streams()).await;
    let mut channel = Channel::open(handle.clone(), payloads, window, end == End::WithLast).await?;
    let stream_id = channel.stream_id;
    for number in 1..=count {
        channel.echoed(end).await?;
        let is_over = number == count && end == End::WithLast;
        if !is_over {
            let granted =
                handle.run(move |connection, _| connection.request_n(stream_id, credit(1)));
            // With the last payload the server may have completed already.
            let _ = granted.await;
        }
    }
    if end == End::Afterwards {
        let completed = handle.run(move |connection, _| connection.complete(stream_id)).await;
        completed.map_err(|error| error.to_string())?;
    }
    channel.completes().await?;
    let open = handle.run(|connection, _| connection.open_streams()).await;
    if open == before { Ok(()) } else { Err(format!("{open} streams are open, not {before}")) }
}

/// CANCEL by the requester ends both sides.
async fn cancel(handle: Handle) -> Outcome {
    let payloads = (1..=5).map(|number| payload(number, None)).collect();
    let mut channel = Channel::open(handle.clone(), payloads, 3, false).await?;
    for _ in 0..2 {
        channel.echoed(End::Afterwards).await?;
    }
    let stream_id = channel.stream_id;
    let canceled = handle.run(move |connection, _| connection.cancel(stream_id)).await;
    canceled.map_err(|error| error.to_string())?;
    while handle.try_event(stream_id).is_some() {}
    nothing_came(&handle, stream_id).await
}

/// ERROR by the requester does so, too.
async fn error(handle: Handle) -> Outcome {
    use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
    let payloads = (1..=2).map(|number| payload(number, None)).collect();
    let mut channel = Channel::open(handle.clone(), payloads, 10, false).await?;
    for _ in 0..2 {
        channel.echoed(End::Afterwards).await?;
    }
    let stream_id = channel.stream_id;
    let code = ErrorCode::APPLICATION_ERROR;
    let failed =
        handle.run(move |connection, _| connection.reject(stream_id, code, "given up")).await;
    failed.map_err(|error| error.to_string())?;
    while handle.try_event(stream_id).is_some() {}
    nothing_came(&handle, stream_id).await
}

/// `reject` after some payloads that are echoed.
async fn reject(handle: Handle, mut payloads: VecDeque<Payload>) -> Outcome {
    let before = payloads.len();
    payloads.push_back(Payload::from_data("reject"));
    let window = Credit::UNBOUNDED.get();
    let mut channel = Channel::open(handle.clone(), payloads, window, false).await?;
    for _ in 0..before {
        channel.echoed(End::Afterwards).await?;
    }
    while !channel.unsent.is_empty() {
        channel.send(End::Afterwards).await?;
        if !channel.unsent.is_empty() {
            match handle.event(channel.stream_id).await {
                Event::CreditReceived { .. } => {}
                event => return Err(format!("instead of credit: {}", describe(&event))),
            }
        }
    }
    rejected(&handle, channel.stream_id).await
}
