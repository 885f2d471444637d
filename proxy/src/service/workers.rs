use crate::service::hub::Hub;
use crate::service::memory::TextMemory;
use prometheus_rsocket_protocol::collector::Tools;
use prometheus_rsocket_protocol::envelope::{KeyUnwrap, OpenLimits};
use prometheus_rsocket_protocol::exposition::{Inject, Policy};
use prometheus_rsocket_runtime::Runtime;
use std::sync::Arc;

/// What the workers open metrics with; the same for all.
pub(crate) struct Toolbox {
    /// The proxy's key pair.
    pub(crate) keys: Box<dyn KeyUnwrap>,
    /// Limits of opening.
    pub(crate) open: OpenLimits,
    /// What is accepted of a text.
    pub(crate) policy: Policy,
    /// Whether a text gets the labels that its application said.
    pub(crate) inject: Inject,
    /// The key of the series' fingerprints, drawn at start.
    pub(crate) seed: u64,
    /// The level of gzip.
    pub(crate) gzip_level: u32,
    /// What all texts that are being opened take.
    pub(crate) texts: Arc<TextMemory>,
    /// What all large texts that are being rendered take, and what was made of them and is not sent.
    pub(crate) rendered: Arc<TextMemory>,
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
        let _texts = toolbox.texts.take(job.text_estimate(&toolbox.open)).await;
        let ticket = job.ticket();
        let toolbox = Arc::clone(&toolbox);
        let source = runtime.clone();
        let done = runtime.unblock(move || {
            let mut blinding = [0; 32];
            source.fill_random(&mut blinding).map(|()| job.run(&toolbox.tools(), blinding))
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

impl Toolbox {
    pub(crate) fn tools(&self) -> Tools<'_> {
        Tools {
            keys: self.keys.as_ref(),
            open: &self.open,
            policy: &self.policy,
            inject: self.inject,
            seed: self.seed,
        }
    }
}
