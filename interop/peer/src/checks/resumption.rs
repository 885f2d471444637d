//! Resumption: the transport is cut while something is under way, and nothing is lost or comes twice.

use super::streams::{begin, completes, credit, takes};
use super::{Check, Outcome, ask, describe, payload};
use crate::desk::Desk;
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
async fn cut(desk: &Desk) -> Outcome {
    desk.run(|connection, now| connection.handle_eof(now)).await;
    match desk.event(StreamId::CONNECTION).await {
        Event::Suspended => Ok(()),
        event => Err(format!("instead of being suspended: {}", describe(&event))),
    }
}

async fn resumed(desk: &Desk) -> Outcome {
    match desk.event(StreamId::CONNECTION).await {
        Event::Resumed => Ok(()),
        event => Err(format!("instead of being resumed: {}", describe(&event))),
    }
}

async fn idle(desk: Desk) -> Outcome {
    let asked = payload(10, Some(10));
    desk.expect("the answer before", &ask(&desk, asked.clone()).await?, &asked)?;
    cut(&desk).await?;
    resumed(&desk).await?;
    desk.expect("the answer after", &ask(&desk, asked.clone()).await?, &asked)
}

async fn in_a_waiting_stream(desk: Desk) -> Outcome {
    let wanted = payload(10, Some(3));
    let stream_id = begin(&desk, wanted.clone(), credit(3)).await?;
    takes(&desk, stream_id, &wanted, 3).await?;
    cut(&desk).await?;
    resumed(&desk).await?;
    let granted = desk.run(move |connection, _| connection.request_n(stream_id, credit(100))).await;
    granted.map_err(|error| error.to_string())?;
    takes(&desk, stream_id, &wanted, 7).await?;
    completes(&desk, stream_id).await
}

/// What was on its way comes again.
async fn in_a_stream_under_way(desk: Desk) -> Outcome {
    let wanted = payload(50_000, None);
    let stream_id = begin(&desk, wanted.clone(), Credit::UNBOUNDED).await?;
    takes(&desk, stream_id, &wanted, 2).await?;
    cut(&desk).await?;
    resumed(&desk).await?;
    takes(&desk, stream_id, &wanted, 8).await?;
    completes(&desk, stream_id).await
}

async fn with_requests_made_meanwhile(desk: Desk) -> Outcome {
    desk.run(|connection, now| connection.handle_eof(now)).await;
    let mut asked = Vec::new();
    for len in [5, 50_000] {
        let request = payload(len, None);
        let stream_id = desk.run(move |connection, _| connection.request_response(request)).await;
        asked.push((stream_id.map_err(|error| error.to_string())?, len));
    }
    for (stream_id, len) in asked {
        match desk.event(stream_id).await {
            Event::Response { payload: Some(answer), .. } => {
                desk.expect("an answer", &answer, &payload(len, None))?;
            }
            event => return Err(describe(&event)),
        }
    }
    desk.forget();
    Ok(())
}
