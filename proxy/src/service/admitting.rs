//! Admits applications by their credentials.

use crate::auth::applications::{Applications, Found};
use crate::auth::failures::Failures;
use crate::auth::live::{AuthFileError, LiveFile};
use crate::config::Config;
use crate::current::Current;
use crate::service::hub::Hub;
use async_channel::{Receiver, Sender};
use event_listener::Event;
use futures_lite::future::{or, yield_now};
use prometheus_rsocket_protocol::collector::{
    AdmissionRequest, ConnectionId, GrantId, Peer, TurnedAway,
};
use prometheus_rsocket_protocol::token::Token;
use prometheus_rsocket_runtime::{Runtime, watch_when};
use std::sync::Arc;
use std::time::Duration;

/// Checks applications' credentials against a file: tokens with fast hashes and certificates immediately, and tokens with slow hashes one after the
/// other, away from the event loop.
pub(crate) struct Admitting<R> {
    runtime: R,
    hub: Arc<Hub>,
    file: Arc<LiveFile<Applications>>,
    /// Says whether an application without credentials is turned away.
    config: Current<Config>,
    failures: Failures,
    slow: (Sender<Slow>, Receiver<Slow>),
}

/// An application whose token has to be checked against slow hashes.
struct Slow {
    connection: ConnectionId,
    token: Token,
    peer: Arc<Peer>,
}

type Admitted = Result<Option<GrantId>, TurnedAway>;

impl<R: Runtime> Admitting<R> {
    pub(crate) fn new(
        runtime: R,
        hub: Arc<Hub>,
        file: Arc<LiveFile<Applications>>,
        config: Current<Config>,
    ) -> Self {
        let slow = async_channel::bounded(MAX_SLOW);
        let admitting = Self { runtime, hub, file, config, failures: Failures::default(), slow };
        admitting.grant();
        admitting
    }

    /// Passes the present grants to the collector.
    fn grant(&self) {
        self.hub.set_grants(self.runtime.now(), self.file.current().grants());
    }

    /// Reads the file again, at intervals and when asked to. Never returns.
    pub(crate) async fn watch(self: Arc<Self>, every: Duration, asked: Arc<Event>) {
        let file = Arc::clone(&self.file);
        let on_reload = |reloaded| match reloaded {
            Ok(true) => {
                self.grant();
                tracing::info!("--auth-file has changed and is in use");
            }
            Ok(false) => {}
            Err(error) => {
                let error: AuthFileError = error;
                tracing::error!(%error, "a changed --auth-file cannot be used; what it said before counts");
            }
        };
        let reload = move || file.reload();
        watch_when(self.runtime.clone(), reload, every, || asked.listen(), on_reload).await;
    }

    /// Admits applications. Never returns.
    pub(crate) async fn run(&self) {
        or(self.look(), self.look_slowly()).await;
    }

    async fn look(&self) {
        loop {
            match self.hub.next_admission() {
                Ok(request) => {
                    if let Some((connection, admitted)) = self.check(request) {
                        self.hub.handle_admission(self.runtime.now(), connection, admitted);
                    }
                    // Each check takes a while if there are many tokens.
                    yield_now().await;
                }
                Err(listener) => listener.await,
            }
        }
    }

    /// Returns the result of checking an application's credentials, if it is known immediately.
    fn check(&self, request: AdmissionRequest) -> Option<(ConnectionId, Admitted)> {
        let AdmissionRequest { connection, token, peer, .. } = request;
        let applications = self.file.current();
        let token = match token {
            Ok(Some(token)) => token,
            Err(_) => return Some((connection, self.fail(&peer))),
            Ok(None) => {
                let found = applications.by_certificate(&peer);
                let stranger = match self.config.get().require_identity {
                    true => Err(TurnedAway::Identity),
                    false => Ok(None),
                };
                return Some((connection, found.map_or(stranger, admitted)));
            }
        };
        if self.failures.are_too_many(self.runtime.now(), &peer.address) {
            return Some((connection, Err(TurnedAway::Throttled)));
        }
        if let Some(found) = applications.by_token(&token, &peer) {
            return Some((connection, admitted(found)));
        }
        if !applications.has_slow() {
            return Some((connection, self.fail(&peer)));
        }
        let slow = Slow { connection, token, peer };
        self.slow.0.try_send(slow).err().map(|_| (connection, Err(TurnedAway::Overloaded)))
    }

    async fn look_slowly(&self) {
        while let Ok(Slow { connection, token, peer }) = self.slow.1.recv().await {
            let file = Arc::clone(&self.file);
            let of_peer = Arc::clone(&peer);
            let admitted = if self.failures.are_too_many(self.runtime.now(), &peer.address) {
                // Others from its address have failed since it arrived.
                Err(TurnedAway::Throttled)
            } else {
                let look = move || file.current().by_slow_token(&token, &of_peer);
                match self.runtime.unblock(look).await {
                    Ok(Some(found)) => admitted(found),
                    Ok(None) => self.fail(&peer),
                    Err(lost) => {
                        tracing::error!(error = %lost, "a worker was lost");
                        Err(TurnedAway::Overloaded)
                    }
                }
            };
            self.hub.handle_admission(self.runtime.now(), connection, admitted);
        }
    }

    fn fail(&self, peer: &Peer) -> Admitted {
        self.failures.add(self.runtime.now(), &peer.address);
        Err(TurnedAway::Credentials)
    }
}

fn admitted(found: Found) -> Admitted {
    match found {
        Found::Grant(id) => Ok(Some(id)),
        Found::OtherTransport(entry) => Err(TurnedAway::Transport { entry }),
    }
}

/// Applications that wait for a slow hash; as many as may wait for admission in the collector.
const MAX_SLOW: usize = 1024;
