//! What an echo server has to do.

mod channels;
mod leases;
mod requests;
mod resumption;
mod streams;

use crate::handle::{Handle, pattern};
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::{Event, StreamFailure};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, StreamId};
use prometheus_rsocket_runtime::{Runtime, timeout};
use std::future::Future;
use std::ops::AddAssign;
use std::pin::Pin;
use std::time::Duration;

/// One check, by its name. It fails with what was wrong.
pub(crate) struct Check {
    pub(crate) name: String,
    run: Box<dyn FnOnce(Handle) -> Running>,
}

type Running = Pin<Box<dyn Future<Output = Outcome>>>;
type Outcome = Result<(), String>;

impl Check {
    fn new<F: Future<Output = Outcome> + 'static>(
        name: impl Into<String>,
        run: impl FnOnce(Handle) -> F + 'static,
    ) -> Self {
        Self { name: name.into(), run: Box::new(|handle| Box::pin(run(handle))) }
    }
}

/// How many checks went well, and how many did not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Those for any server.
pub(crate) fn general() -> Vec<Check> {
    let mut checks = requests::all();
    checks.extend(streams::all());
    checks.extend(channels::all());
    checks
}

/// Those for a server that grants leases of less than 20 requests.
pub(crate) fn lease() -> Vec<Check> {
    leases::all()
}

/// Those for a server that resumes.
pub(crate) fn resume() -> Vec<Check> {
    resumption::all()
}

/// Runs checks one after the other, and reports each.
pub(crate) async fn run_all<R: Runtime>(
    runtime: R,
    handle: Handle,
    prefix: String,
    checks: Vec<Check>,
) -> Report {
    let mut report = Report::default();
    for check in checks {
        let running = (check.run)(handle.clone());
        let outcome = timeout(&runtime, runtime.now() + LIMIT, running).await;
        let name = check.name;
        match outcome.unwrap_or_else(|_| Err(format!("not done within {LIMIT:?}"))) {
            Ok(()) => {
                println!("ok {prefix}{name}");
                report.passed += 1;
            }
            Err(why) => {
                println!("FAILED {prefix}{name}: {why}");
                report.failed += 1;
                handle.forget();
            }
        }
    }
    report
}

/// Asks, and waits for the answer.
async fn ask(handle: &Handle, payload: Payload) -> Result<Payload, String> {
    let stream_id = handle.run(|connection, _| connection.request_response(payload)).await;
    match handle.event(stream_id.map_err(|error| error.to_string())?).await {
        Event::Response { payload: Some(payload), .. } => Ok(payload),
        event => Err(format!("instead of an answer: {}", describe(&event))),
    }
}

/// Whatever the server had to say to what was sent before has come after this, as it answers in turn. Nothing may have come for
/// `stream_id`.
async fn nothing_came(handle: &Handle, stream_id: StreamId) -> Outcome {
    for _ in 0..2 {
        let answer = ask(handle, Payload::from_data("ping")).await?;
        handle.expect("an answer", &answer, &Payload::from_data("ping"))?;
    }
    match handle.try_event(stream_id) {
        None => Ok(()),
        Some(event) => Err(format!("nothing should have come: {}", describe(&event))),
    }
}

impl Handle {
    /// A payload has come back as it was sent; without metadata where the server is known for that.
    fn expect(&self, what: &str, found: &Payload, wanted: &Payload) -> Outcome {
        let metadata = wanted.metadata.clone().filter(|_| !self.loses_metadata());
        let wanted = Payload { metadata, ..wanted.clone() };
        if *found == wanted {
            return Ok(());
        }
        Err(format!("{what} is {}, not {}", sizes(found), sizes(&wanted)))
    }
}

/// The stream is ended by APPLICATION_ERROR.
async fn rejected(handle: &Handle, stream_id: StreamId) -> Outcome {
    loop {
        match handle.event(stream_id).await {
            Event::RequestFailed { error: StreamFailure::Error { code, .. }, .. }
                if code == ErrorCode::APPLICATION_ERROR =>
            {
                return Ok(());
            }
            // rsocket-java says of a channel first that it takes no more.
            Event::CreditReceived { .. } | Event::SendingCanceled { .. } => {}
            event => return Err(format!("instead of a rejection: {}", describe(&event))),
        }
    }
}

fn sizes(payload: &Payload) -> String {
    let metadata = payload.metadata.as_ref().map(Bytes::len);
    format!("a payload of {} bytes, metadata {metadata:?}", payload.data.len())
}

/// An event, without what it carries where that is long.
fn describe(event: &Event) -> String {
    match event {
        Event::Payload { payload, .. } | Event::Response { payload: Some(payload), .. } => {
            sizes(payload)
        }
        Event::RequestFailed { error, .. } => format!("the request failed: {error}"),
        event => format!("{event:?}"),
    }
}

fn payload(data_len: usize, metadata_len: Option<usize>) -> Payload {
    Payload { metadata: metadata_len.map(pattern), data: pattern(data_len) }
}

/// Of a single check.
const LIMIT: Duration = Duration::from_secs(15);
