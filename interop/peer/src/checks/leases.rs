//! Leases: no more requests than the server allows, whatever their kind.

use super::{Check, Outcome, ask, describe};
use crate::handle::Handle;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Event, RequestError};
use prometheus_rsocket_protocol::rsocket::frame::StreamId;

pub(super) fn all() -> Vec<Check> {
    vec![
        Check::new("none-before-the-first", none_before_the_first),
        Check::new("used-up-and-renewed", used_up_and_renewed),
    ]
}

async fn left(handle: &Handle) -> u32 {
    handle.run(|connection, _| connection.lease()).await.unwrap_or(0)
}

/// Waits for the next lease, and says how many requests it allows.
async fn lease(handle: &Handle) -> Result<u32, String> {
    match handle.event(StreamId::CONNECTION).await {
        Event::LeaseReceived { requests, ttl, .. } if requests < 20 && !ttl.is_zero() => {
            Ok(requests)
        }
        Event::LeaseReceived { requests, ttl, .. } => {
            Err(format!("a lease of {requests} requests for {ttl:?}"))
        }
        event => Err(format!("instead of a lease: {}", describe(&event))),
    }
}

async fn none_before_the_first(handle: Handle) -> Outcome {
    let early = handle.run(|connection, _| {
        connection.lease().unwrap_or(0) == 0
            && connection.request_response(Payload::from_data("early"))
                != Err(RequestError::NoLease)
    });
    if early.await {
        return Err("a request was taken before there was a lease".to_owned());
    }
    lease(&handle).await.map(drop)
}

/// Until three leases were used up, each by as many requests as it allows.
async fn used_up_and_renewed(handle: Handle) -> Outcome {
    for _ in 0..3 {
        while left(&handle).await == 0 {
            lease(&handle).await?;
        }
        let mut asked = 0;
        loop {
            let payload = Payload::from_data("within the lease");
            match ask(&handle, payload.clone()).await {
                Ok(answer) => handle.expect("the answer", &answer, &payload)?,
                Err(error) if error == RequestError::NoLease.to_string() => break,
                Err(error) => return Err(format!("request {asked} under a lease: {error}")),
            }
            asked += 1;
            if asked == 60 || left(&handle).await == 0 {
                break;
            }
        }
    }
    Ok(())
}
