//! Resumption: the transport is cut while something is under way, and nothing is lost or comes twice.

use super::streams::{begin, completes, credit, takes};
use super::{Check, Outcome, ask, describe, payload};
use crate::handle::Handle;
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{Credit, Event};
use prometheus_rsocket_protocol::rsocket::frame::StreamId;

pub(super) fn all() -> Vec<Check> {
    vec![
        Check::new("idle", idle),
        Check::new("in-a-stream-that-waits-for-credit", in_a_waiting_stream),
        Check::new("in-a-stream-under-way", in_a_stream_under_way),
        Check::new("with-requests-made-meanwhile", with_requests_made_meanwhile),
    ]
}

/// Drops the transport.
async fn cut(handle: &Handle) -> Outcome {
    handle.run(|connection, now| connection.handle_eof(now)).await;
    match handle.event(StreamId::CONNECTION).await {
        Event::Suspended => Ok(()),
        event => Err(format!("instead of being suspended: {}", describe(&event))),
    }
}

async fn resumed(handle: &Handle) -> Outcome {
    match handle.event(StreamId::CONNECTION).await {
        Event::Resumed => Ok(()),
        event => Err(format!("instead of being resumed: {}", describe(&event))),
    }
}

async fn idle(handle: Handle) -> Outcome {
    let asked = payload(10, Some(10));
    handle.expect("the answer before", &ask(&handle, asked.clone()).await?, &asked)?;
    cut(&handle).await?;
    resumed(&handle).await?;
    handle.expect("the answer after", &ask(&handle, asked.clone()).await?, &asked)
}

async fn in_a_waiting_stream(handle: Handle) -> Outcome {
    let wanted = payload(10, Some(3));
    let stream_id = begin(&handle, wanted.clone(), credit(3)).await?;
    takes(&handle, stream_id, &wanted, 3).await?;
    cut(&handle).await?;
    resumed(&handle).await?;
    let granted =
        handle.run(move |connection, _| connection.request_n(stream_id, credit(100))).await;
    granted.map_err(|error| error.to_string())?;
    takes(&handle, stream_id, &wanted, 7).await?;
    completes(&handle, stream_id).await
}

/// What was on its way comes again.
async fn in_a_stream_under_way(handle: Handle) -> Outcome {
    let wanted = payload(50_000, None);
    let stream_id = begin(&handle, wanted.clone(), Credit::UNBOUNDED).await?;
    takes(&handle, stream_id, &wanted, 2).await?;
    cut(&handle).await?;
    resumed(&handle).await?;
    takes(&handle, stream_id, &wanted, 8).await?;
    completes(&handle, stream_id).await
}

async fn with_requests_made_meanwhile(handle: Handle) -> Outcome {
    handle.run(|connection, now| connection.handle_eof(now)).await;
    let mut asked = Vec::new();
    for len in [5, 50_000] {
        let request = payload(len, None);
        let stream_id = handle.run(move |connection, _| connection.request_response(request)).await;
        asked.push((stream_id.map_err(|error| error.to_string())?, len));
    }
    for (stream_id, len) in asked {
        match handle.event(stream_id).await {
            Event::Response { payload: Some(answer), .. } => {
                handle.expect("an answer", &answer, &payload(len, None))?;
            }
            event => return Err(describe(&event)),
        }
    }
    handle.forget();
    Ok(())
}
