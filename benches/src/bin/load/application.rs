//! One application: it connects, answers, pushes, and comes back.

use crate::fleet::{App, Command, Fault, Fleet, Habit};
use crate::transport::{Dialer, Transport};
use bytes::Bytes;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::v2::{Offer, Purpose};
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::metadata::MimeId;
use prometheus_rsocket_runtime::{DriverConfig, Owner, Runtime, drive, sleep_until};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The pause of an application that reconnects because it was told to.
const BACK_AFTER: Duration = Duration::from_millis(100);

/// Connects an application again and again, as long as the process lives.
pub(crate) async fn run<R: Runtime>(
    runtime: &R,
    fleet: &Arc<Fleet>,
    dialer: &Dialer,
    number: usize,
) {
    let app = &fleet.apps[number];
    loop {
        let pause = match connect_once(runtime, fleet, dialer, app, number).await {
            Ok(()) => BACK_AFTER,
            Err((fault, cause)) => {
                fleet.on_fault(fault, cause);
                fleet.reconnect_after
            }
        };
        fleet.on_gone(app);
        sleep_until(runtime, runtime.now() + pause).await;
    }
}

/// One connection. It ends well if the application ended it.
async fn connect_once<R: Runtime>(
    runtime: &R,
    fleet: &Arc<Fleet>,
    dialer: &Dialer,
    app: &Arc<App>,
    number: usize,
) -> Result<(), (Fault, String)> {
    let stream = dialer.open(runtime, number).await;
    let stream = stream.map_err(|error| (Fault::NotConnected, error.to_string()))?;
    let connection = Connection::client(Config::default(), setup(fleet.seals_v2), runtime.now());
    let mut connection = connection.map_err(|error| (Fault::NotConnected, error.to_string()))?;
    let is_cut = AtomicBool::new(false);
    let mut owner = Application {
        runtime: runtime.clone(),
        fleet: Arc::clone(fleet),
        app: Arc::clone(app),
        is_cut: &is_cut,
        reason: None,
    };
    let config = DriverConfig::default();
    match stream {
        Transport::Bytes(stream) => {
            until_cut(&is_cut, drive(runtime, stream, &mut connection, &mut owner, &config)).await;
        }
        Transport::Messages(stream) => {
            until_cut(&is_cut, drive(runtime, *stream, &mut connection, &mut owner, &config)).await;
        }
    }
    match owner.reason {
        None | Some(CloseReason::Local { .. }) => Ok(()),
        Some(CloseReason::PeerError { code: ErrorCode::REJECTED_SETUP, message }) => {
            Err((Fault::Refused, message))
        }
        Some(reason) => Err((Fault::Ended, reason.to_string())),
    }
}

/// That of rsocket-java, or one that says that version 2 of the envelope is understood.
fn setup(seals_v2: bool) -> Setup {
    let mut setup = Setup::default();
    if seals_v2 {
        let composite = MimeId::COMPOSITE_METADATA.name().unwrap_or_default();
        setup.metadata_mime = Bytes::from_static(composite.as_bytes());
        let mut hello = Hello::default();
        hello.seals_v2 = true;
        setup.payload.metadata = Some(hello.encode());
    }
    setup
}

/// Drives a connection to its end, or drops it as it is.
async fn until_cut<F: Future>(is_cut: &AtomicBool, driving: F) {
    let mut driving = pin!(driving);
    poll_fn(|cx| {
        let ended = driving.as_mut().poll(cx).is_ready();
        if ended || is_cut.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// The offer of version 2 that comes with a key.
fn offer(payload: &Payload) -> Option<Offer> {
    Offer::decode(payload.metadata.clone()?).ok().flatten()
}

struct Application<'a, R> {
    runtime: R,
    fleet: Arc<Fleet>,
    app: Arc<App>,
    /// The transport is to be dropped.
    is_cut: &'a AtomicBool,
    reason: Option<CloseReason>,
}

impl<R: Runtime> Owner<Connection> for Application<'_, R> {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, connection: &mut Connection) {
        while let Some(event) = connection.poll_event() {
            match event {
                Event::FireAndForget { payload, .. } => {
                    let pushes = offer(&payload).map(|offer| offer.binding);
                    self.fleet.on_key(&self.app, &payload.data, pushes);
                }
                Event::RequestResponse { stream_id, payload } => {
                    let offer = offer(&payload);
                    match self.app.habit {
                        Habit::Prompt => self.answer(now, connection, stream_id, offer),
                        Habit::Slow(by) => self.answer_later(now + by, stream_id, offer),
                        Habit::Hung => {}
                    }
                }
                Event::Closed { reason } => self.reason = Some(reason),
                _ => {}
            }
        }
        while let Some(command) = self.app.next_command(cx.waker()) {
            match command {
                Command::Answer(stream_id, offer) => {
                    self.answer(now, connection, stream_id, offer);
                }
                Command::Push => self.push(now, connection),
                Command::Close => connection.close(now, ErrorCode::CONNECTION_CLOSE, "churn"),
                Command::PushAndClose => {
                    self.push(now, connection);
                    connection.close(now, ErrorCode::CONNECTION_CLOSE, "churn");
                }
                Command::Cut => self.is_cut.store(true, Ordering::Relaxed),
            }
        }
    }
}

impl<R: Runtime> Application<'_, R> {
    fn answer(
        &self,
        now: Instant,
        connection: &mut Connection,
        stream_id: StreamId,
        offer: Option<Offer>,
    ) {
        let answer = match &offer {
            Some(offer) => self.app.seal(offer, Purpose::Scrape),
            None => self.app.answer(),
        };
        match answer {
            // An error here means that the proxy has given up its request meanwhile.
            Ok(answer) => drop(connection.respond(stream_id, answer)),
            Err(error) => connection.close(now, ErrorCode::CONNECTION_ERROR, &error.to_string()),
        }
    }

    fn answer_later(&self, at: Instant, stream_id: StreamId, offer: Option<Offer>) {
        let (runtime, app) = (self.runtime.clone(), Arc::clone(&self.app));
        self.runtime.spawn(async move {
            sleep_until(&runtime, at).await;
            app.tell(Command::Answer(stream_id, offer));
        });
    }

    fn push(&self, now: Instant, connection: &mut Connection) {
        // Without a key there is nothing to push yet.
        let Ok(payload) = self.app.push() else { return };
        match connection.fire_and_forget(payload) {
            Ok(_) => self.fleet.on_pushed(),
            Err(error) => connection.close(now, ErrorCode::CONNECTION_ERROR, &error.to_string()),
        }
    }
}
