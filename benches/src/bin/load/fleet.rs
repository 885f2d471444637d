//! All applications: what they have to say, and what became of their connections.

use crate::Failure;
use crate::args::Args;
use bytes::Bytes;
use prometheus_rsocket_benches::metrics;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::v2::{
    self, Binding, ContentKey, IdempotencyKey, Message, Offer, Purpose,
};
use prometheus_rsocket_protocol::envelope::{self, AesKeySize, PeerKey};
use prometheus_rsocket_protocol::rsocket::frame::StreamId;
use prometheus_rsocket_runtime::Runtime;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// How many different causes of a connection's end are told apart.
const MAX_CAUSES: usize = 16;
/// How many commands wait for one application; more are dropped.
const MAX_COMMANDS: usize = 16;

/// What an application is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Answers a request that was left waiting, in version 2 where it came with an offer.
    Answer(StreamId, Option<Offer>),
    /// Pushes its metrics, and stays.
    Push,
    /// Closes the connection, and comes back.
    Close,
    /// Pushes, then closes.
    PushAndClose,
    /// Lets go of the connection without a word.
    Cut,
}

/// How an application answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    Prompt,
    Slow(Duration),
    Hung,
}

/// One application.
pub(crate) struct App {
    number: usize,
    series: usize,
    pub(crate) habit: Habit,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The key of the live connection.
    key: Option<Bytes>,
    /// The text sealed for a key, in version 1.
    answer: Option<(Bytes, Payload)>,
    /// What pushes of the live connection are bound to, in version 2.
    pushes: Option<Binding>,
    /// What the live connection seals under in version 2, and how often it has.
    content: Option<(Arc<ContentKey>, u64)>,
    /// The text, where it is sealed for each request anew.
    text: Option<Arc<str>>,
    commands: VecDeque<Command>,
    waker: Option<Waker>,
}

impl App {
    /// The metrics, sealed in version 2 for one request, or as a push.
    pub(crate) fn seal(&self, offer: &Offer, purpose: Purpose) -> Result<Payload, Failure> {
        let (content, counter, text) = self.content()?;
        let attach_key = offer.known != Some(content.id());
        let (text, binding) = (text.as_bytes(), offer.binding);
        Ok(v2::seal(&content, &Message { text, purpose, binding, counter, attach_key })?)
    }

    /// What the next message in version 2 is sealed under, its counter, and the text. The key is made once for each connection.
    fn content(&self) -> Result<(Arc<ContentKey>, u64, Arc<str>), Failure> {
        let mut state = self.state();
        let key = state.key.clone().ok_or("asked before the key was there")?;
        if state.content.is_none() {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)?;
            let content = ContentKey::generate(&PeerKey::parse(&key)?, seed)?;
            state.content = Some((Arc::new(content), 0));
        }
        let make_text = || metrics(&format!("orders-{}", self.number), self.series).into();
        let text = Arc::clone(state.text.get_or_insert_with(make_text));
        let (content, next) = state.content.as_mut().ok_or("no content key")?;
        let counter = *next;
        *next += 1;
        Ok((Arc::clone(content), counter, text))
    }

    /// The metrics as a push.
    pub(crate) fn push(&self) -> Result<Payload, Failure> {
        let binding = self.state().pushes;
        let Some(binding) = binding else { return self.answer() };
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        self.seal(&Offer { binding, known: None }, Purpose::Push(IdempotencyKey::new(key)))
    }

    /// The metrics, sealed for the key of the connection. That is done once for each key.
    pub(crate) fn answer(&self) -> Result<Payload, Failure> {
        let key = self.state().key.clone().ok_or("asked before the key was there")?;
        if let Some((sealed_for, answer)) = &self.state().answer
            && *sealed_for == key
        {
            return Ok(answer.clone());
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let text = metrics(&format!("orders-{}", self.number), self.series);
        let answer =
            envelope::seal(&PeerKey::parse(&key)?, text.as_bytes(), AesKeySize::Aes128, seed)?;
        self.state().answer = Some((key, answer.clone()));
        Ok(answer)
    }

    /// Gives it a command, which waits until it is connected.
    pub(crate) fn tell(&self, command: Command) {
        let mut state = self.state();
        if state.commands.len() < MAX_COMMANDS {
            state.commands.push_back(command);
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// The next command; without one, `waker` is woken when there is.
    pub(crate) fn next_command(&self, waker: &Waker) -> Option<Command> {
        let mut state = self.state();
        let command = state.commands.pop_front();
        if command.is_none() {
            state.waker = Some(waker.clone());
        }
        command
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Fleet {
    pub(crate) apps: Vec<Arc<App>>,
    pub(crate) reconnect_after: Duration,
    pub(crate) seals_v2: bool,
    keyed: AtomicUsize,
    refused: AtomicU64,
    ended: AtomicU64,
    not_connected: AtomicU64,
    pushed: AtomicU64,
    causes: Mutex<BTreeMap<String, u64>>,
}

impl Fleet {
    pub(crate) fn new(args: &Args) -> Self {
        let (hung, slow) = (args.hung.of(args.apps), args.slow.of(args.apps));
        let apps = (0..args.apps).map(|number| {
            let habit = match number {
                number if number < hung => Habit::Hung,
                number if number < hung + slow => Habit::Slow(args.slow_by),
                _ => Habit::Prompt,
            };
            Arc::new(App { number, series: args.series, habit, state: Mutex::default() })
        });
        Self {
            apps: apps.collect(),
            reconnect_after: args.reconnect_after,
            seals_v2: args.envelope == 2,
            keyed: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            not_connected: AtomicU64::new(0),
            pushed: AtomicU64::new(0),
            causes: Mutex::default(),
        }
    }

    /// The number of applications that have a key and are connected.
    pub(crate) fn keyed(&self) -> usize {
        self.keyed.load(Ordering::Relaxed)
    }

    /// The proxy has sent an application its key.
    pub(crate) fn on_key(&self, app: &App, key: &[u8], pushes: Option<Binding>) {
        let mut state = app.state();
        let old = state.key.replace(Bytes::copy_from_slice(key));
        state.pushes = pushes;
        drop(state);
        if old.is_none() {
            self.keyed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The connection of an application is over. What it was told before concerns that connection alone.
    pub(crate) fn on_gone(&self, app: &App) {
        let mut state = app.state();
        state.commands.clear();
        (state.pushes, state.content) = (None, None);
        if state.key.take().is_some() {
            self.keyed.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn on_pushed(&self) {
        self.pushed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that did not come about, or ended without having been told to.
    pub(crate) fn on_fault(&self, fault: Fault, cause: String) {
        match fault {
            Fault::NotConnected => &self.not_connected,
            Fault::Refused => &self.refused,
            Fault::Ended => &self.ended,
        }
        .fetch_add(1, Ordering::Relaxed);
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = causes.contains_key(&cause) || causes.len() < MAX_CAUSES;
        *causes.entry(if is_known { cause } else { "other causes".to_owned() }).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            refused: self.refused.load(Ordering::Relaxed),
            ended: self.ended.load(Ordering::Relaxed),
            not_connected: self.not_connected.load(Ordering::Relaxed),
            pushed: self.pushed.load(Ordering::Relaxed),
            causes: self.causes.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Seals the metrics of every application that is connected and has not done so, on all cores.
    pub(crate) async fn prepare<R: Runtime>(self: &Arc<Self>, runtime: &R) -> Result<(), Failure> {
        let share = self.apps.len().div_ceil(runtime.parallelism());
        let starts = (0..self.apps.len()).step_by(share);
        let jobs: Vec<_> = starts
            .map(|start| {
                let fleet = Arc::clone(self);
                let range = start..(start + share).min(self.apps.len());
                runtime.unblock(move || fleet.prepare_range(range))
            })
            .collect();
        for job in jobs {
            job.await??;
        }
        Ok(())
    }

    fn prepare_range(&self, range: Range<usize>) -> Result<(), Failure> {
        for app in &self.apps[range] {
            // A hung one answers nothing, and one that is away has no key.
            if app.habit != Habit::Hung && app.state().key.is_some() {
                match self.seals_v2 {
                    true => drop(app.content()?),
                    false => drop(app.answer()?),
                }
            }
        }
        Ok(())
    }
}

/// What went wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The transport did not come about.
    NotConnected,
    /// The proxy refused it by REJECTED_SETUP.
    Refused,
    /// It ended otherwise, and the application had not ended it.
    Ended,
}

/// What became of connections, since the beginning.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) refused: u64,
    pub(crate) ended: u64,
    pub(crate) not_connected: u64,
    pub(crate) pushed: u64,
    pub(crate) causes: BTreeMap<String, u64>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refused, ended, not_connected, pushed, causes } = self;
        write!(
            f,
            "connections: {refused} refused, {ended} ended by the proxy, {not_connected} not made"
        )?;
        if *pushed > 0 {
            write!(f, "; {pushed} pushes")?;
        }
        for (cause, count) in causes {
            write!(f, "\n  {count}: {cause}")?;
        }
        Ok(())
    }
}
