//! The application's side, without IO: answers scrapes, pushes metrics, and decides when to reconnect and to which proxy.
//!
//! An [`Agent`] lives as long as its application, across all its connections:
//!
//! ```text
//!   poll_action ──▶ Connect ── handle_connected ──▶ Drive (as a Machine, until is_closed)
//!        ▲             └────── handle_connect_failed ──┐        │
//!        └──────────────── Wait(until) ◀───────────────┴────────┘
//!
//!   MetricsWanted(ticket) ──▶ answer(ticket, text) ──▶ SealJob, run elsewhere ──▶ handle_sealed
//! ```
//!
//! Several proxies are tried in their order. If one cannot be reached, refuses the connection, or ends it, the next one is tried immediately;
//! after the whole list there is a pause, and the first is tried again. While connected to a later proxy, the agent has the earlier ones probed
//! from time to time (`ProbeWanted`, `handle_probed`), and returns to the first one that can be reached.

mod backoff;
mod config;
mod event;
mod key;
mod machine;
mod pins;
mod proxies;
mod push;
mod seal;

#[cfg(test)]
mod tests;

pub use config::{BackoffConfig, Config, PushMode};
pub use event::{DisconnectReason, Event, ProxyRefusal, PushFailure, PushId, Ticket};
pub use pins::{KeyNotPinned, Pins};
pub use seal::{SealJob, Sealed};

use crate::Payload;
use crate::envelope::v2::Binding;
use crate::envelope::{Fingerprint, PeerKey};
use crate::report::Report;
use crate::rsocket::connection::{self, CloseReason, Connection, StreamError, StreamFailure};
use crate::rsocket::frame::{ErrorCode, StreamId};
use backoff::Backoff;
use bytes::Bytes;
use proxies::Proxies;
use push::Pushes;
use seal::{Sealing, Seals, Version};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The application's side of the protocol. See the [module](self).
///
/// As a [`Machine`](crate::Machine) it stands for its current connection. Between connections it [is
/// closed](crate::Machine::is_closed), but its [timeout](crate::Machine::poll_timeout) still counts.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    backoff: Backoff,
    /// Failed attempts to connect since the last key. One attempt tries each proxy.
    failures: u64,
    state: State,
    key: Option<Key>,
    /// Metrics that are wanted, and what for.
    wanted: BTreeMap<Ticket, Target>,
    next_ticket: u64,
    pushes: Pushes,
    proxies: Proxies,
    is_stopping: bool,
    /// Why there is no connection, if a reason is known.
    unconnected: Option<String>,
    /// The error of the current connection's transport.
    transport_error: Option<String>,
    events: VecDeque<Event>,
}

/// What the shell has to do. Every shell has to support each action, so the enum is exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a transport, then call [`Agent::handle_connected`] or [`Agent::handle_connect_failed`]. Returned by each call until then.
    Connect {
        /// The proxy's place in the list, from 0.
        proxy: usize,
    },
    /// Drive the connection until [`Machine::is_closed`](crate::Machine::is_closed).
    Drive,
    /// Stop: nothing is left to do.
    Stop,
    /// Wait until this time or until a command, and keep calling [`handle_timeout`](crate::Machine::handle_timeout) when it is due.
    Wait(Instant),
}

#[derive(Debug)]
enum State {
    /// `pause` counts from the moment when the transport is gone.
    Waiting {
        until: Instant,
        pause: Duration,
    },
    Connecting,
    Connected {
        connection: Box<Connection>,
        since: Instant,
        has_key: bool,
        seals: Seals,
    },
    Stopped,
}

/// The latest key, as received and as parsed.
#[derive(Clone, Debug)]
struct Key {
    bytes: Bytes,
    parsed: Arc<PeerKey>,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

#[derive(Clone, Debug)]
enum Target {
    /// To be sealed under the key that the request carried, and bound to the request if that came with an offer.
    Scrape { stream_id: StreamId, key: Arc<PeerKey>, binding: Option<Binding> },
    /// To be sealed under the latest key.
    Push,
}

impl Agent {
    /// An agent that connects immediately. `seed` randomises its pauses; it need not be secret.
    pub fn new(config: Config, seed: u64, now: Instant) -> Self {
        let backoff = Backoff::new(config.backoff, seed);
        let proxies = Proxies::new(config.proxies);
        Self {
            config,
            backoff,
            failures: 0,
            state: State::Waiting { until: now, pause: Duration::ZERO },
            key: None,
            wanted: BTreeMap::new(),
            next_ticket: 0,
            pushes: Pushes::default(),
            proxies,
            is_stopping: false,
            unconnected: None,
            transport_error: None,
            events: VecDeque::new(),
        }
    }

    /// Returns what the shell has to do now.
    pub fn poll_action(&mut self, now: Instant) -> Action {
        let proxy = self.proxies.current();
        match self.state {
            State::Waiting { until, .. } if until <= now => {
                self.state = State::Connecting;
                Action::Connect { proxy }
            }
            State::Waiting { until, .. } => Action::Wait(until),
            State::Connecting => Action::Connect { proxy },
            State::Connected { .. } => Action::Drive,
            State::Stopped => Action::Stop,
        }
    }

    /// The shell has opened a transport. Ignored unless the action was [`Action::Connect`].
    pub fn handle_connected(&mut self, now: Instant) {
        if !matches!(self.state, State::Connecting) {
            return;
        }
        let (mut config, mut setup) = (self.config.connection.clone(), self.config.setup.clone());
        config.serve_streams = false;
        if let Some(token) = &self.config.token {
            token.add_to(&mut setup);
        }
        match Connection::client(config, setup, now) {
            Ok(connection) => {
                let connection = Box::new(connection);
                let seals = Seals::default();
                self.state = State::Connected { connection, since: now, has_key: false, seals };
            }
            // A SETUP that cannot be encoded: no later connection will succeed either.
            Err(error) => {
                self.on_disconnected(now, DisconnectReason::NotConnected(error.to_string()))
            }
        }
    }

    /// The transport of an ended connection is gone as well. The pause before the next connection starts now: otherwise slow
    /// closing could use up the pauses, and all applications whose connections were cut together would reconnect together.
    pub fn handle_transport_gone(&mut self, now: Instant) {
        if let State::Waiting { until, pause } = &mut self.state {
            *until = now.checked_add(*pause).unwrap_or(now).max(*until);
        }
    }

    /// The shell could not open a transport. Ignored unless the action was [`Action::Connect`].
    pub fn handle_connect_failed(&mut self, now: Instant, error: &str) {
        if matches!(self.state, State::Connecting) {
            self.on_disconnected(now, DisconnectReason::NotConnected(error.to_owned()));
        }
    }

    /// Hands in wanted metrics, or says why there are none. Returns the job that seals them; `None` if nobody waits for them
    /// any more, or if there are none. Without metrics, a scrape is answered with APPLICATION_ERROR, and a push fails with
    /// [`PushFailure::NoMetrics`].
    pub fn answer(
        &mut self,
        now: Instant,
        ticket: Ticket,
        metrics: Result<Bytes, String>,
    ) -> Option<SealJob> {
        let target = self.wanted.get(&ticket)?.clone();
        let job = metrics.and_then(|text| self.job(now, ticket, &target, text));
        match job {
            Ok(job) => Some(job),
            Err(error) => {
                self.wanted.remove(&ticket);
                match target {
                    Target::Scrape { stream_id, .. } => self.reject(stream_id, &error),
                    Target::Push => self.on_pushed(now, Err(PushFailure::NoMetrics(error))),
                }
                self.translate(now);
                None
            }
        }
    }

    /// Returns the job that [`Event::SealWanted`] asks for; `None` if nobody waits for it any more.
    pub fn seal_again(&mut self, now: Instant, ticket: Ticket) -> Option<SealJob> {
        let target = self.wanted.get(&ticket)?.clone();
        let text = self.pushes.text()?;
        self.job(now, ticket, &target, text).ok()
    }

    /// Makes the job that seals metrics as the connection requires.
    fn job(
        &mut self,
        now: Instant,
        ticket: Ticket,
        target: &Target,
        text: Bytes,
    ) -> Result<SealJob, String> {
        let State::Connected { seals, .. } = &mut self.state else {
            return Err("there is no connection".to_owned());
        };
        let (key, binding, push) = match target {
            Target::Scrape { key, binding, .. } => (Arc::clone(key), *binding, None),
            Target::Push => {
                let key = self.key.as_ref().ok_or("there is no key")?;
                let kept = seals.pushes.map(|_| text.clone());
                let idempotency = self.pushes.seal_under(key, kept);
                (Arc::clone(&key.parsed), seals.pushes, Some(idempotency))
            }
        };
        let version = match binding {
            None => Version::V1 { aes: self.config.aes },
            Some(binding) => Version::V2(Sealing { content: seals.take(now, &key), binding, push }),
        };
        Ok(SealJob { ticket, key, version, text })
    }

    /// Sends sealed metrics. Ignored if nobody waits for them any more.
    pub fn handle_sealed(&mut self, now: Instant, sealed: Sealed) {
        let target = self.wanted.remove(&sealed.ticket);
        // A key that was made for metrics nobody waits for may belong to a connection that is gone.
        if target.is_some() {
            self.pushes.on_sealed(sealed.idempotency);
            if let (State::Connected { seals, .. }, Some(key)) = (&mut self.state, sealed.content) {
                seals.on_made(now, key);
            }
        }
        match (target, sealed.result) {
            (None, _) => {}
            (Some(Target::Scrape { stream_id, .. }), Ok(payload)) => {
                self.respond(stream_id, payload);
            }
            (Some(Target::Scrape { stream_id, .. }), Err(error)) => {
                self.reject(stream_id, &error.to_string());
            }
            (Some(Target::Push), Ok(payload)) => self.send_push(now, payload),
            (Some(Target::Push), Err(error)) => self.on_pushed(now, Err(error.into())),
        }
        self.translate(now);
    }

    /// Closes without a push; [`Event::Stopped`] follows. Pushes that are under way or waiting fail with
    /// [`PushFailure::Closed`].
    pub fn close(&mut self, now: Instant) {
        self.end_pushes(now, &PushFailure::Closed);
        self.begin_stop(now);
        self.translate(now);
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether these metrics are wanted for a push. If not, they are for a scrape, or no longer wanted.
    pub fn is_for_push(&self, ticket: Ticket) -> bool {
        matches!(self.wanted.get(&ticket), Some(Target::Push))
    }

    /// The SHA-256 fingerprint of the latest key; `None` without a key, or in plaintext mode.
    pub fn key(&self) -> Option<Fingerprint> {
        self.key.as_ref().and_then(|key| key.parsed.fingerprint())
    }

    /// Whether the application can be scraped and can push: there is a connection, and its key has arrived.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Connected { has_key: true, .. })
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.state {
            State::Connected { connection, .. } => Some(connection),
            State::Connecting | State::Stopped | State::Waiting { .. } => None,
        }
    }

    /// Translates the connection's events into the agent's.
    fn translate(&mut self, now: Instant) {
        self.translate_events(now);
        if self.leave_if_quiet(now) {
            self.translate_events(now);
        }
    }

    fn translate_events(&mut self, now: Instant) {
        while let Some(event) = self.connection().and_then(Connection::poll_event) {
            match event {
                connection::Event::FireAndForget { payload, .. } => {
                    self.on_key(now, &payload, true);
                }
                connection::Event::RequestResponse { stream_id, payload } => {
                    self.on_scrape(now, stream_id, &payload);
                }
                connection::Event::Canceled { stream_id } => self.on_canceled(stream_id),
                connection::Event::Response { stream_id, .. } => {
                    self.on_push_ended(now, stream_id, Ok(()));
                }
                // The end of the connection follows, and the push is sent again on the next one.
                connection::Event::RequestFailed { error: StreamFailure::Closed, .. } => {}
                connection::Event::RequestFailed { stream_id, error } => {
                    let result = Err(PushFailure::Refused(error.to_string()));
                    self.on_push_ended(now, stream_id, result);
                }
                connection::Event::MetadataPush { metadata } => {
                    // A METADATA_PUSH without a report is meant for others.
                    let report = Report::decode(metadata);
                    self.events.extend(report.map(|report| Event::Reported { report }));
                }
                connection::Event::Closed { reason } => self.on_closed(now, reason),
                _ => {}
            }
        }
    }

    fn on_scrape(&mut self, now: Instant, stream_id: StreamId, payload: &Payload) {
        let Some((key, binding)) = self.on_key(now, payload, false) else {
            self.reject(stream_id, "the request carries no key that can be used");
            return;
        };
        if self.wanted.len() < self.config.max_scrapes {
            let ticket = self.want(Target::Scrape { stream_id, key, binding });
            self.events.push_back(Event::MetricsWanted { ticket });
        } else if let Some(connection) = self.connection() {
            let message = "too many scrapes at once";
            // The request just arrived on this connection, so its stream is open.
            let _ = connection.reject(stream_id, ErrorCode::REJECTED, message);
        }
    }

    fn on_canceled(&mut self, canceled: StreamId) {
        let mut scrapes = self.wanted.iter().filter_map(|(ticket, target)| match target {
            Target::Scrape { stream_id, .. } if *stream_id == canceled => Some(*ticket),
            Target::Scrape { .. } | Target::Push => None,
        });
        if let Some(ticket) = scrapes.next() {
            self.wanted.remove(&ticket);
            self.events.push_back(Event::Canceled { ticket });
        }
    }

    fn want(&mut self, target: Target) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.wanted.insert(ticket, target);
        ticket
    }

    fn respond(&mut self, stream_id: StreamId, payload: Payload) {
        let Some(connection) = self.connection() else { return };
        if let Err(StreamError::Unsendable(error)) = connection.respond(stream_id, payload) {
            self.reject(stream_id, &error.to_string());
        }
    }

    fn reject(&mut self, stream_id: StreamId, message: &str) {
        if let Some(connection) = self.connection() {
            // Fails only if the proxy has cancelled the stream meanwhile.
            let _ = connection.reject(stream_id, ErrorCode::APPLICATION_ERROR, message);
        }
    }

    fn begin_stop(&mut self, now: Instant) {
        self.is_stopping = true;
        self.proxies.stay();
        match self.connection() {
            Some(connection) => proxies::close(connection, now),
            None => self.stop(),
        }
    }

    fn stop(&mut self) {
        if !matches!(self.state, State::Stopped) {
            self.state = State::Stopped;
            self.events.push_back(Event::Stopped);
        }
    }

    fn on_closed(&mut self, now: Instant, reason: CloseReason) {
        if let State::Connected { since, has_key: true, .. } = self.state
            && now.saturating_duration_since(since) >= self.config.backoff.stable_after
        {
            self.backoff.reset();
            self.proxies.on_stable();
        }
        for (ticket, _) in std::mem::take(&mut self.wanted) {
            self.events.push_back(Event::Canceled { ticket });
        }
        if self.is_stopping {
            self.stop();
        } else {
            let reason = match (self.transport_error.take(), reason) {
                (Some(error), CloseReason::Eof { .. }) => DisconnectReason::Transport(error),
                (_, reason) => DisconnectReason::Closed(reason),
            };
            self.on_disconnected(now, reason);
        }
    }

    fn on_disconnected(&mut self, now: Instant, reason: DisconnectReason) {
        let proxy = self.proxies.current();
        let is_returning = self.proxies.go_back();
        let reason = if is_returning { DisconnectReason::Returning } else { reason };
        let is_at_once = is_returning || self.proxies.go_on();
        if !is_at_once {
            self.failures = self.failures.saturating_add(1);
            if self.config.max_retries.is_some_and(|limit| self.failures > limit) {
                return self.give_up(now, reason);
            }
        }
        let retry_in = if is_at_once {
            Duration::ZERO
        } else if self.pushes.is_any() {
            self.backoff.short()
        } else {
            self.backoff.next()
        };
        let until = now.checked_add(retry_in).unwrap_or(now);
        self.state = State::Waiting { until, pause: retry_in };
        self.pushes.on_disconnected();
        if !is_returning {
            self.unconnected = Some(reason.to_string());
        }
        self.transport_error = None;
        self.events.push_back(Event::Disconnected { proxy, reason, retry_in });
    }

    fn give_up(&mut self, now: Instant, reason: DisconnectReason) {
        self.is_stopping = true;
        self.state = State::Waiting { until: now, pause: Duration::ZERO };
        let failure = PushFailure::GaveUp { reason: reason.to_string() };
        self.events.push_back(Event::GaveUp { reason });
        self.end_pushes(now, &failure);
        self.stop();
    }
}
