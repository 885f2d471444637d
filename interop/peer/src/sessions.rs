//! Connections that can be resumed, by token.

use bytes::Bytes;
use prometheus_rsocket_protocol::rsocket::connection::Connection;
use prometheus_rsocket_testkit::echo::Echo;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// All of them; at most [`MAX`].
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<BTreeMap<Bytes, Session>>>);

enum Session {
    /// Its task runs it over a transport.
    Driven {
        task: Option<Waker>,
        /// Whoever has come with another transport, which the task has to make way for.
        claimant: Option<Waker>,
    },
    /// It waits for a transport.
    Parked(Box<(Connection, Echo)>),
}

/// What there is for a client that wants to resume.
pub(crate) enum Claim {
    /// The connection.
    Taken(Box<(Connection, Echo)>),
    Unknown,
    /// Its former transport is still to be given up.
    Wait,
}

impl Sessions {
    /// Adds a connection that is being driven; says whether there was room, and no other of that token.
    pub(crate) fn begin(&self, token: &Bytes) -> bool {
        let mut sessions = self.lock();
        if sessions.len() >= MAX || sessions.contains_key(token) {
            return false;
        }
        sessions.insert(token.clone(), Session::Driven { task: None, claimant: None });
        true
    }

    /// Whether somebody has come with another transport for a connection that is being driven. Wakes the task when one comes.
    pub(crate) fn is_claimed(&self, cx: &Context<'_>, token: &Bytes) -> bool {
        match self.lock().get_mut(token) {
            Some(Session::Driven { task, claimant }) => {
                *task = Some(cx.waker().clone());
                claimant.is_some()
            }
            Some(Session::Parked(_)) | None => false,
        }
    }

    /// Takes a connection for another transport.
    pub(crate) fn claim(&self, cx: &Context<'_>, token: &Bytes) -> Claim {
        let mut sessions = self.lock();
        match sessions.get_mut(token) {
            None => return Claim::Unknown,
            Some(Session::Driven { task, claimant }) => {
                *claimant = Some(cx.waker().clone());
                if let Some(task) = task.take() {
                    task.wake();
                }
                return Claim::Wait;
            }
            Some(Session::Parked(_)) => {}
        }
        let driven = Session::Driven { task: None, claimant: None };
        match sessions.insert(token.clone(), driven) {
            Some(Session::Parked(parked)) => Claim::Taken(parked),
            _ => Claim::Unknown,
        }
    }

    /// Keeps a connection that has lost its transport.
    pub(crate) fn park(&self, token: Bytes, connection: Connection, echo: Echo) {
        self.replace(&token.clone(), Some((token, Session::Parked(Box::new((connection, echo))))));
    }

    /// Forgets a connection that is over.
    pub(crate) fn end(&self, token: &Bytes) {
        self.replace(token, None);
    }

    fn replace(&self, token: &Bytes, session: Option<(Bytes, Session)>) {
        let mut sessions = self.lock();
        let former = sessions.remove(token);
        sessions.extend(session);
        if let Some(Session::Driven { claimant: Some(claimant), .. }) = former {
            claimant.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Bytes, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many connections that can be resumed there are at once.
const MAX: usize = 64;
