//! Request-stream.

use super::{Check, Outcome, describe, nothing_came, payload, rejected};
use crate::handle::Handle;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Credit, Event};
use prometheus_rsocket_protocol::rsocket::frame::StreamId;

pub(super) fn all() -> Vec<Check> {
    vec![
        Check::new("stream/one-at-a-time", one_at_a_time),
        Check::new("stream/all-at-once", |handle| all_at_once(handle, payload(5, None))),
        Check::new("stream/metadata-empty", |handle| all_at_once(handle, payload(5, Some(0)))),
        Check::new("stream/data-10000-metadata-300", |handle| {
            all_at_once(handle, payload(10_000, Some(300)))
        }),
        Check::new("stream/data-1000000", |handle| all_at_once(handle, payload(1_000_000, None))),
        Check::new("stream/cancel", |handle| cancel(handle, Credit::UNBOUNDED)),
        Check::new("stream/cancel-without-credit", |handle| cancel(handle, credit(3))),
        Check::new("stream/reject", reject),
    ]
}

pub(super) async fn begin(
    handle: &Handle,
    payload: Payload,
    initial_n: Credit,
) -> Result<StreamId, String> {
    let begun =
        handle.run(move |connection, _| connection.request_stream(payload, initial_n)).await;
    begun.map_err(|error| error.to_string())
}

/// The next `count` payloads are these.
pub(super) async fn takes(
    handle: &Handle,
    stream_id: StreamId,
    wanted: &Payload,
    count: usize,
) -> Outcome {
    for number in 1..=count {
        match handle.event(stream_id).await {
            Event::Payload { payload, .. } => handle.expect("a payload", &payload, wanted)?,
            event => return Err(format!("instead of payload {number}: {}", describe(&event))),
        }
    }
    Ok(())
}

pub(super) async fn completes(handle: &Handle, stream_id: StreamId) -> Outcome {
    match handle.event(stream_id).await {
        Event::Completed { .. } => Ok(()),
        event => Err(format!("instead of its completion: {}", describe(&event))),
    }
}

/// Without credit nothing comes. The completion may come with the last payload, or after it.
async fn one_at_a_time(handle: Handle) -> Outcome {
    let wanted = payload(5, Some(5));
    let stream_id = begin(&handle, wanted.clone(), credit(1)).await?;
    for number in 1..=10 {
        takes(&handle, stream_id, &wanted, 1).await?;
        if number == 10 {
            break;
        }
        nothing_came(&handle, stream_id).await?;
        let granted = handle.run(move |connection, _| connection.request_n(stream_id, credit(1)));
        granted.await.map_err(|error| error.to_string())?;
    }
    completes(&handle, stream_id).await
}

async fn all_at_once(handle: Handle, wanted: Payload) -> Outcome {
    let stream_id = begin(&handle, wanted.clone(), Credit::UNBOUNDED).await?;
    takes(&handle, stream_id, &wanted, 10).await?;
    completes(&handle, stream_id).await
}

/// After three payloads; without a limit on the credit the others may be on their way.
async fn cancel(handle: Handle, initial_n: Credit) -> Outcome {
    let wanted = payload(2000, None);
    let stream_id = begin(&handle, wanted.clone(), initial_n).await?;
    takes(&handle, stream_id, &wanted, 3).await?;
    let canceled = handle.run(move |connection, _| connection.cancel(stream_id)).await;
    if initial_n == Credit::UNBOUNDED {
        // What came together with the third was told already; it may even be over.
        while handle.try_event(stream_id).is_some() {}
    } else {
        canceled.map_err(|error| error.to_string())?;
    }
    nothing_came(&handle, stream_id).await
}

async fn reject(handle: Handle) -> Outcome {
    let stream_id = begin(&handle, Payload::from_data("reject"), Credit::UNBOUNDED).await?;
    rejected(&handle, stream_id).await
}

pub(super) fn credit(payloads: u32) -> Credit {
    Credit::new(payloads).unwrap_or(Credit::UNBOUNDED)
}
