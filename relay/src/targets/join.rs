//! Several targets as one application.

use super::Loaded;
use crate::fetch::FetchError;
use crate::relay::Relay;
use prometheus_rsocket_client::Labels;
use prometheus_rsocket_protocol::exposition::group::{Part, merged};
use prometheus_rsocket_protocol::exposition::{
    Escaping, Facts, Format, Inject, Policy, ReservedNames, Source, Target, read,
};
use prometheus_rsocket_protocol::labels::Escaped;
use prometheus_rsocket_runtime::{JobLost, Line, Runtime};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

/// Fetches that are under way at the same time.
pub(super) const AT_ONCE: usize = 64;

/// The most bytes of texts that are joined. Targets that do not fit any more are left out.
const MAX_TEXTS: usize = 256 << 20;

/// Several targets that form one application.
pub(super) struct Joined<R> {
    runtime: R,
    relays: Mutex<Arc<[Arc<Relay<R>>]>>,
    /// The names of targets that failed last time, so that each change is logged once.
    down: Mutex<BTreeSet<String>>,
}

impl<R: Runtime> Joined<R> {
    pub(super) fn new(runtime: R) -> Self {
        let relays = Mutex::new(Vec::new().into());
        Self { runtime, relays, down: Mutex::default() }
    }

    /// Replaces the targets. Targets that did not change continue.
    pub(super) fn apply(&self, loaded: Vec<Loaded>, make: impl Fn(Loaded) -> Arc<Relay<R>>) {
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        let known: BTreeMap<&str, &Arc<Relay<R>>> =
            relays.iter().map(|relay| (&*relay.target().name, relay)).collect();
        let relay_of = |loaded: Loaded| match known.get(&*loaded.target.name) {
            Some(relay) if *relay.target() == loaded.target => Arc::clone(relay),
            _ => make(loaded),
        };
        let applied = loaded.into_iter().map(relay_of).collect();
        drop(known);
        *relays = applied;
    }

    pub(super) fn stop(&self) {
        self.relays().iter().for_each(|relay| relay.stop());
    }

    /// Returns how many targets there are.
    pub(super) fn len(&self) -> usize {
        self.relays().len()
    }

    pub(super) fn relays(&self) -> Arc<[Arc<Relay<R>>]> {
        Arc::clone(&self.relays.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the metrics, and keeps them for the last push.
    pub(super) async fn refresh(&self, is_end_near: bool) -> Result<(), FetchError> {
        let relays = self.relays();
        let fetches = relays.iter().map(|relay| relay.refresh(is_end_near));
        gather(fetches, AT_ONCE).await.into_iter().collect()
    }

    /// Returns the metrics of all targets that have some, and for each target whether it has.
    pub(super) async fn metrics(&self) -> Result<String, JobLost> {
        let relays = self.relays();
        let began = self.runtime.now();
        let fetches = relays.iter().map(|relay| async move {
            let fetched = relay.metrics(began, self.runtime.now()).await;
            Fetched {
                name: relay.target().name.clone(),
                labels: relay.target().labels.clone(),
                text: fetched.map_err(|error: FetchError| error.to_string()),
            }
        });
        let parts = gather(fetches, AT_ONCE).await;
        let mut seed = [0; 8];
        // Without randomness, somebody who chooses labels could make two series look like one. But then nothing can be sealed either.
        let _ = self.runtime.fill_random(&mut seed);
        let joining = self.runtime.unblock(move || join(parts, u64::from_ne_bytes(seed)));
        let (text, failed) = joining.await?;
        self.tell(failed);
        Ok(text)
    }

    /// Logs which targets went up or down since the last scrape.
    fn tell(&self, failed: BTreeMap<String, String>) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        for (target, error) in failed.iter().filter(|(target, _)| !down.contains(*target)) {
            tracing::warn!(target, error = %Line(error), "the target is left out");
        }
        for target in down.iter().filter(|target| !failed.contains_key(*target)) {
            tracing::info!(target, "the target can be fetched again");
        }
        *down = failed.into_keys().collect();
    }
}

/// What was fetched from a target.
pub(super) struct Fetched {
    pub(super) name: String,
    pub(super) labels: Labels,
    pub(super) text: Result<String, String>,
}

/// Returns the joined text, and why targets are not in it.
pub(super) fn join(parts: Vec<Fetched>, seed: u64) -> (String, BTreeMap<String, String>) {
    // A target may itself be joined from others.
    let reserved = ReservedNames::new([UP]).unwrap_or_else(|_| ReservedNames::none());
    let policy = Policy { reserved, ..Policy::default() };
    let mut failed = BTreeMap::new();
    let mut seen: HashSet<u64> = HashSet::new();
    let mut all: Vec<Part<'_>> = Vec::new();
    let mut len = 0;
    for part in &parts {
        let text = match &part.text {
            Ok(text) if len + text.len() <= MAX_TEXTS => text,
            Ok(_) => {
                let error =
                    format!("the targets' texts are longer than {MAX_TEXTS} bytes together");
                failed.insert(part.name.clone(), error);
                continue;
            }
            Err(error) => {
                failed.insert(part.name.clone(), error.clone());
                continue;
            }
        };
        let (identity, inject) = (&part.labels, Inject::Missing);
        let source = Source { text: text.as_bytes(), identity, inject, seed };
        match read(&source, &policy) {
            Ok(facts) => {
                len += text.len();
                let omit = taken(&facts, &mut seen);
                if !omit.is_empty() {
                    let (target, samples) = (&part.name, omit.len());
                    tracing::debug!(
                        target,
                        samples,
                        "left out, as targets before have these series"
                    );
                }
                all.push(Part { source, policy: &policy, facts, omit });
            }
            Err(error) => drop(failed.insert(part.name.clone(), error.to_string())),
        }
    }
    let up = up(&parts, &failed);
    let (nobody, any) =
        (Labels::default(), Policy { reserved: ReservedNames::none(), ..Policy::default() });
    let source = Source { text: up.as_bytes(), identity: &nobody, inject: Inject::Never, seed };
    if let Ok(facts) = read(&source, &any) {
        all.push(Part { source, policy: &any, facts, omit: Vec::new() });
    }
    (text_of(&all), failed)
}

/// Returns the samples whose series were seen in other texts.
fn taken(facts: &Facts, seen: &mut HashSet<u64>) -> Vec<u32> {
    let is_taken = |(_, print): &(u32, &u64)| seen.contains(*print);
    let omit = (0..).zip(&facts.fingerprints).filter(is_taken).map(|(index, _)| index).collect();
    seen.extend(&facts.fingerprints);
    omit
}

fn text_of(parts: &[Part<'_>]) -> String {
    let target = Target { format: Format::Text004, escaping: Escaping::AllowUtf8 };
    String::from_utf8(merged(parts, target))
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Joins texts of our own into one, each with its labels.
pub(super) fn labelled(texts: &[(Labels, String)]) -> String {
    let policy = Policy { reserved: ReservedNames::none(), ..Policy::default() };
    let parts = texts.iter().filter_map(|(identity, text)| {
        let source = Source { text: text.as_bytes(), identity, inject: Inject::Always, seed: 0 };
        // They are always readable.
        let facts = read(&source, &policy).ok()?;
        Some(Part { source, policy: &policy, facts, omit: Vec::new() })
    });
    text_of(&parts.collect::<Vec<_>>())
}

/// Returns series that say of each target whether it is in the text.
fn up(parts: &[Fetched], failed: &BTreeMap<String, String>) -> String {
    let mut text = format!("# HELP {UP} {UP_HELP}\n# TYPE {UP} gauge\n");
    for Fetched { name, .. } in parts {
        let value = u8::from(!failed.contains_key(name));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{UP}{{target=\"{}\"}} {value}", Escaped(name));
    }
    text
}

const UP: &str = "prometheus_rsocket_client_target_up";
const UP_HELP: &str = "Whether the target's metrics are in this answer.";

/// Runs futures within this one, at most `at_once` at a time. Returns their outputs in order.
pub(super) async fn gather<F: Future>(
    futures: impl Iterator<Item = F>,
    at_once: usize,
) -> Vec<F::Output> {
    let mut waiting = futures.enumerate();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut outputs = Vec::new();
    poll_fn(|cx| {
        loop {
            let free = at_once.saturating_sub(running.len());
            running.extend(waiting.by_ref().take(free).map(|(at, it)| (at, Box::pin(it))));
            let before = outputs.len();
            running.retain_mut(|(at, future)| match future.as_mut().poll(cx) {
                Poll::Ready(output) => {
                    outputs.push((*at, output));
                    false
                }
                Poll::Pending => true,
            });
            if running.is_empty() && outputs.len() == before {
                return Poll::Ready(());
            }
            if outputs.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    outputs.sort_by_key(|(at, _)| *at);
    outputs.into_iter().map(|(_, output)| output).collect()
}
