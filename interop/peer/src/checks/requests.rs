//! Request-response, fire-and-forget and metadata push.

use super::{Check, Outcome, ask, nothing_came, payload, rejected};
use crate::handle::Handle;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::frame::StreamId;

pub(super) fn all() -> Vec<Check> {
    let mut checks = Vec::new();
    for len in [0, 1, 10_000, 1_000_000] {
        checks.push(Check::new(format!("response/data-{len}"), move |handle| {
            echo(handle, len, None)
        }));
    }
    for (data, metadata) in [(4, 0), (0, 0), (0, 5), (10, 10), (5, 100_000), (100_000, 70)] {
        let name = format!("response/data-{data}-metadata-{metadata}");
        checks.push(Check::new(name, move |handle| echo(handle, data, Some(metadata))));
    }
    checks.push(Check::new("response/many-at-once", many_at_once));
    checks.push(Check::new("response/reject", reject));
    checks.push(Check::new("response/cancel", cancel));
    checks.push(Check::new("fire-and-forget/data", |handle| {
        tell(handle, Payload::from_data("told"))
    }));
    checks.push(Check::new("fire-and-forget/data-100000-metadata-0", |handle| {
        tell(handle, payload(100_000, Some(0)))
    }));
    checks.push(Check::new("metadata-push", metadata_push));
    checks
}

async fn echo(handle: Handle, data_len: usize, metadata_len: Option<usize>) -> Outcome {
    let asked = payload(data_len, metadata_len);
    handle.expect("the answer", &ask(&handle, asked.clone()).await?, &asked)
}

/// Large and small, answered in whatever order.
async fn many_at_once(handle: Handle) -> Outcome {
    let mut asked = Vec::new();
    for number in 0..50 {
        let payload = payload(number * 997, (number % 3 == 0).then_some(number + 1));
        let stream_id = handle.run({
            let payload = payload.clone();
            move |connection, _| connection.request_response(payload)
        });
        asked.push((stream_id.await.map_err(|error| error.to_string())?, payload));
    }
    for (stream_id, payload) in asked {
        use prometheus_rsocket_protocol::rsocket::connection::Event;
        match handle.event(stream_id).await {
            Event::Response { payload: Some(answer), .. } => {
                handle.expect("an answer", &answer, &payload)?
            }
            event => return Err(super::describe(&event)),
        }
    }
    Ok(())
}

async fn reject(handle: Handle) -> Outcome {
    let payload = Payload::from_data("reject");
    let stream_id = handle.run(|connection, _| connection.request_response(payload)).await;
    rejected(&handle, stream_id.map_err(|error| error.to_string())?).await
}

/// The answer may be on its way already.
async fn cancel(handle: Handle) -> Outcome {
    let stream_id = handle.run(|connection, _| connection.request_response(payload(10_000, None)));
    let stream_id = stream_id.await.map_err(|error| error.to_string())?;
    // So that the request is sent: one that was not is only dropped.
    ask(&handle, Payload::from_data("ping")).await?;
    if handle.try_event(stream_id).is_some() {
        return Ok(());
    }
    let canceled = handle.run(move |connection, _| connection.cancel(stream_id)).await;
    canceled.map_err(|error| error.to_string())?;
    nothing_came(&handle, stream_id).await
}

async fn tell(handle: Handle, payload: Payload) -> Outcome {
    let told = handle.run(|connection, _| connection.fire_and_forget(payload)).await;
    let stream_id = told.map_err(|error| error.to_string())?;
    nothing_came(&handle, stream_id).await
}

async fn metadata_push(handle: Handle) -> Outcome {
    let pushed = handle.run(|connection, _| connection.metadata_push("pushed".into())).await;
    pushed.map_err(|error| error.to_string())?;
    nothing_came(&handle, StreamId::CONNECTION).await
}
