use crate::gzip;
use crate::service::hub::Hub;
use prometheus_rsocket_protocol::collector::Tools;
use prometheus_rsocket_protocol::envelope::{KeyUnwrap, OpenLimits};
use prometheus_rsocket_protocol::exposition;
use prometheus_rsocket_runtime::Runtime;
use std::sync::Arc;

/// What the workers open metrics with; the same for all.
pub(crate) struct Toolbox {
    /// The proxy's key pair.
    pub(crate) keys: Box<dyn KeyUnwrap>,
    /// Limits of opening.
    pub(crate) open: OpenLimits,
    /// Limits of the text.
    pub(crate) text: exposition::Limits,
}

/// Does the collector's jobs, one after the other, away from the event loop. As many of these run as there are cores, which
/// bounds the work under way.
pub(crate) async fn work<R: Runtime>(runtime: R, hub: Arc<Hub>, toolbox: Arc<Toolbox>) {
    loop {
        let job = match hub.next_job(runtime.now()) {
            Ok(job) => job,
            Err(listener) => {
                listener.await;
                continue;
            }
        };
        let ticket = job.ticket();
        let toolbox = Arc::clone(&toolbox);
        let source = runtime.clone();
        let done = runtime.unblock(move || {
            let mut seed = [0; 32];
            source.fill_random(&mut seed).map(|()| {
                let tools = Tools {
                    keys: toolbox.keys.as_ref(),
                    open: &toolbox.open,
                    text: &toolbox.text,
                    deflate: &|text| {
                        let part = gzip::deflate_part(text);
                        (part.bytes().clone(), part.crc())
                    },
                };
                job.run(&tools, seed)
            })
        });
        let done = match done.await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => {
                tracing::error!(%error, "the system gives no randomness");
                ticket.lost()
            }
            Err(error) => {
                tracing::error!(%error, "a worker was lost");
                ticket.lost()
            }
        };
        hub.handle_job(runtime.now(), done);
    }
}
