mod pipe;
#[cfg(test)]
mod tests;

use self::pipe::{Input, Pipe, Written};
use crate::{Runtime, Timer};
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_protocol::Machine;
use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Runs `machine` over `stream` until the connection is over, with the clock and timers of `runtime`.
///
/// The future works in passes. One pass:
///
/// 1. Reads the clock, once.
/// 2. Lets the machine handle its timeout if that has expired by this clock (a timer only wakes, the clock decides), but reads
///    once before: after a stall of this process, the bytes of a live peer wait in the socket and may move the timeout.
/// 3. Polls the owner, which passes in commands and takes events.
/// 4. Takes frames from the machine until [`high_water`](DriverConfig::high_water) bytes are waiting, and writes once; flushes
///    when everything is written. While the machine [is pipelined](Machine::is_pipelined), other tasks run once before each
///    write: otherwise, a runtime that runs this future as soon as the first of many requests is passed in would make one
///    system call for each.
/// 5. Reads once, at most [`read_chunk`](DriverConfig::read_chunk) bytes, and lets the machine handle them, but only while the
///    machine wants input and the owner [has room](Owner::poll_room). The peer has to hold back what is not read.
///
/// Passes repeat while they make progress. After [`budget`](DriverConfig::budget) passes, other tasks run first. Without
/// progress, the future arms the timer for the next deadline and waits. Every pass polls both directions, so neither can starve
/// the other, and two peers that only write do not wait for each other.
///
/// When the machine [is closed](Machine::is_closed), the owner is polled a last time. Then the remaining output is written, the
/// outgoing direction is ended, and input is read and discarded until the peer ends its direction: dropping a socket with
/// unread input makes the kernel reset the connection, and the peer would lose the final frame. All of this takes at most
/// [`linger`](DriverConfig::linger).
///
/// When the machine [no longer needs](Machine::wants_transport) this stream but is not closed, the owner is polled a last time
/// as well, and the stream is dropped without ending it.
///
/// # Errors
///
/// The first error of the transport, unless it came after the machine was closed and everything was written. The machine was
/// notified by [`handle_transport_failed`](Machine::handle_transport_failed), and the owner was polled after that. If writing
/// fails, what the peer sent before is still read, for at most [`linger`](DriverConfig::linger), since it is likely to contain
/// the reason. A peer that takes no output for [`write_timeout`](DriverConfig::write_timeout) counts as failed, with
/// [`TimedOut`](io::ErrorKind::TimedOut).
///
/// # Cancellation
///
/// Dropping the future drops the stream. `machine` and `owner` stay as they are and are not notified.
pub async fn drive<R, S, M, O>(
    runtime: &R,
    stream: S,
    machine: &mut M,
    owner: &mut O,
    config: &DriverConfig,
) -> io::Result<DriveEnd>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Unpin,
    M: Machine,
    O: Owner<M>,
{
    let mut driver = Driver {
        runtime,
        machine,
        owner,
        config,
        pipe: Pipe::new(stream),
        paused: false,
        alarm: Alarm { timer: runtime.timer(), armed: None },
        eof: false,
        failure: None,
        give_up: None,
        closing: None,
    };
    poll_fn(|cx| driver.poll(cx)).await
}

/// The program's side of a driven machine.
///
/// A closure implements it.
pub trait Owner<M> {
    /// Called in every pass, and a last time when the connection is over.
    ///
    /// Pass in the waiting commands, then take events until there are none. Register the waker of `cx` with the source of new commands; events
    /// caused by the machine need no waker. An owner that returns before it has finished must wake `cx` itself.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, machine: &mut M);

    /// Called before each read. `held` is the number of bytes that this connection holds: those that the machine
    /// [holds](Machine::held_bytes), unwritten output, and input up to the end of the current frame, whether that has arrived
    /// or not. Returns the maximum number of bytes to read, in addition to [`read_chunk`](DriverConfig::read_chunk). While
    /// pending, nothing is read; the owner wakes `cx` when there is room. By default there is always room.
    fn poll_room(&mut self, cx: &mut Context<'_>, now: Instant, held: usize) -> Poll<usize> {
        let _ = (cx, now, held);
        Poll::Ready(usize::MAX)
    }
}

impl<M, F: FnMut(&mut Context<'_>, Instant, &mut M)> Owner<M> for F {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, machine: &mut M) {
        self(cx, now, machine);
    }
}

/// How a connection ended, if the machine was closed before its transport failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveEnd {
    /// Everything was written, and both directions have ended.
    Closed,
    /// The peer did not take the remaining output, or did not end its direction, within the bounds.
    LingerExpired,
    /// The machine waits for another transport: [`drive`] it over that to continue. Nothing more was written or waited for on this one.
    Suspended,
}

/// The bounds of one driver. Counts of 0 are taken as 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverConfig {
    /// The number of passes before other tasks run.
    pub budget: usize,
    /// The number of waiting output bytes from which no more frames are taken from the machine. The last frame taken may exceed it.
    pub high_water: usize,
    /// How long a closed connection may take to write the remaining output and to see the peer's end.
    pub linger: Duration,
    /// The number of bytes that may arrive on a closed connection. It should exceed the longest frame, since one may be on its way.
    pub linger_bytes: usize,
    /// The maximum number of bytes to read at once.
    pub read_chunk: usize,
    /// How long output may wait without a single byte of it being taken.
    pub write_timeout: Duration,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            budget: 32,
            high_water: 64 * 1024,
            linger: Duration::from_secs(2),
            linger_bytes: 32 * 1024 * 1024,
            read_chunk: 64 * 1024,
            write_timeout: Duration::from_secs(60),
        }
    }
}

struct Driver<'a, R: Runtime, S, M, O> {
    runtime: &'a R,
    machine: &'a mut M,
    owner: &'a mut O,
    config: &'a DriverConfig,
    pipe: Pipe<S>,
    /// Whether other tasks have run since the last write.
    paused: bool,
    alarm: Alarm<R::Timer>,
    /// Whether the peer has ended its direction.
    eof: bool,
    /// The error of writing, while we still read what the peer sent before.
    failure: Option<io::Error>,
    /// When to give up on output that does not move, or on input after a failure.
    give_up: Option<Instant>,
    closing: Option<Closing>,
}

/// The end of a connection whose machine is closed.
struct Closing {
    /// When to stop waiting; `None` if that overflows `Instant`.
    deadline: Option<Instant>,
    /// The number of bytes that were read and discarded.
    discarded: usize,
    /// Whether our direction has ended.
    shut: bool,
}

/// The result of a pass.
enum Pass {
    End(io::Result<DriveEnd>),
    Idle,
    /// Other tasks should run before the next pass.
    Pause,
    Progress,
}

impl<R, S, M, O> Driver<'_, R, S, M, O>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Unpin,
    M: Machine,
    O: Owner<M>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<DriveEnd>> {
        for _ in 0..self.config.budget.max(1) {
            match self.pass(cx) {
                Pass::End(result) => return Poll::Ready(result),
                Pass::Idle if !self.alarm.poll(cx, self.deadline()) => {
                    self.pipe.release();
                    return Poll::Pending;
                }
                Pass::Pause => break,
                Pass::Idle | Pass::Progress => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn pass(&mut self, cx: &mut Context<'_>) -> Pass {
        let now = self.runtime.now();
        if let Some(closing) = self.closing.take() {
            return self.close(cx, now, closing);
        }
        if has_passed(self.give_up, now) {
            let error = self.failure.take().unwrap_or_else(|| io::ErrorKind::TimedOut.into());
            return self.fail(cx, now, error);
        }
        if has_passed(self.machine.poll_timeout(), now) {
            // What has arrived may put the timeout off: after a stall of our own, a live peer's bytes wait in the socket.
            if let Err(error) = self.read(cx, now) {
                return self.fail(cx, now, error);
            }
            if has_passed(self.machine.poll_timeout(), now) {
                self.machine.handle_timeout(now);
            }
        }
        self.owner.poll(cx, now, self.machine);
        let refilled = self.refill(now);
        if refilled && !self.paused && self.machine.is_pipelined() {
            self.paused = true;
            return Pass::Pause;
        }
        let wrote = self.write(cx, now) || refilled;
        let read = match self.read(cx, now) {
            Ok(read) => read,
            Err(error) => return self.fail(cx, now, error),
        };
        if self.machine.is_closed() {
            return self.begin_close(cx, now);
        }
        if !self.machine.wants_transport() {
            self.owner.poll(cx, now, self.machine);
            return Pass::End(self.failure.take().map_or(Ok(DriveEnd::Suspended), Err));
        }
        if wrote || read { Pass::Progress } else { Pass::Idle }
    }

    /// Takes frames from the machine. Returns whether there were any.
    fn refill(&mut self, now: Instant) -> bool {
        self.failure.is_none() && self.pipe.refill(now, self.machine, self.config.high_water.max(1))
    }

    /// Returns whether there was progress.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.failure.is_some() {
            return false;
        }
        match self.pipe.write(cx) {
            Ok(Written::All) => self.give_up = None,
            Ok(Written::Blocked) => {
                if self.give_up.is_none() {
                    self.give_up = now.checked_add(self.config.write_timeout);
                }
            }
            Ok(Written::Some) => {
                self.paused = false;
                self.give_up = None;
                return true;
            }
            Err(error) => {
                tracing::debug!(%error, "cannot write; reading what the peer sent before");
                let patience = if self.eof { Duration::ZERO } else { self.config.linger };
                self.failure = Some(error);
                self.give_up = now.checked_add(patience);
                self.pipe.drop_output();
                return true;
            }
        }
        false
    }

    /// Returns whether there was progress, or the error that ended the connection.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<bool> {
        let room = self.poll_room(cx, now);
        let Poll::Ready(room) = room else { return Ok(false) };
        if self.eof || !self.machine.wants_input() {
            return Ok(false);
        }
        let chunk = self.config.read_chunk.min(room).max(1);
        match self.pipe.read(cx, now, self.machine, chunk) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(Input::Some)) => Ok(true),
            Poll::Ready(Ok(Input::Eof)) => {
                self.eof = true;
                self.pipe.drop_input();
                match self.failure.take() {
                    Some(error) => Err(error),
                    None => {
                        self.machine.handle_eof(now);
                        Ok(true)
                    }
                }
            }
            // Invalid data from before the end explains more than the failed write after it.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(error),
            Poll::Ready(Err(error)) => Err(self.failure.take().unwrap_or(error)),
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<usize> {
        let held = self.pipe.held_bytes() + self.machine.held_bytes();
        self.owner.poll_room(cx, now, held)
    }

    /// The transport has failed.
    fn fail(&mut self, cx: &mut Context<'_>, now: Instant, error: io::Error) -> Pass {
        self.machine.handle_transport_failed(now, &error.to_string());
        self.owner.poll(cx, now, self.machine);
        Pass::End(Err(error))
    }

    fn begin_close(&mut self, cx: &mut Context<'_>, now: Instant) -> Pass {
        self.owner.poll(cx, now, self.machine);
        if let Some(error) = self.failure.take() {
            return Pass::End(Err(error));
        }
        self.pipe.drop_input();
        // Only reports that less is held: nothing that arrives from now on is kept.
        let _ = self.poll_room(cx, now);
        let deadline = now.checked_add(self.config.linger);
        self.closing = Some(Closing { deadline, discarded: 0, shut: false });
        Pass::Progress
    }

    /// One pass of a connection whose machine is closed.
    fn close(&mut self, cx: &mut Context<'_>, now: Instant, mut closing: Closing) -> Pass {
        if has_passed(closing.deadline, now) || closing.discarded > self.config.linger_bytes {
            tracing::debug!(written = closing.shut, "the peer does not close; dropping the stream");
            return Pass::End(Ok(DriveEnd::LingerExpired));
        }
        let mut progress = false;
        match self.pipe.write(cx) {
            Ok(Written::All) if !closing.shut => match self.pipe.close(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => {
                    closing.shut = true;
                    progress = true;
                }
                Poll::Ready(Err(error)) => return gone(&error),
            },
            Ok(Written::All | Written::Blocked) => {}
            Ok(Written::Some) => progress = true,
            Err(error) => return Pass::End(Err(error)),
        }
        if self.eof && closing.shut {
            return Pass::End(Ok(DriveEnd::Closed));
        }
        // Even before our end is sent: the peer may have to write before it reads.
        if !self.eof {
            match self.pipe.discard(cx, self.config.read_chunk.max(1)) {
                Poll::Pending => {}
                Poll::Ready(Ok(len)) => {
                    self.eof = len == 0;
                    closing.discarded += len;
                    progress = true;
                }
                Poll::Ready(Err(error)) if closing.shut => return gone(&error),
                Poll::Ready(Err(error)) => return Pass::End(Err(error)),
            }
        }
        self.closing = Some(closing);
        if progress { Pass::Progress } else { Pass::Idle }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.closing {
            Some(closing) => closing.deadline,
            None => [self.machine.poll_timeout(), self.give_up].into_iter().flatten().min(),
        }
    }
}

/// A timer, and the deadline that it is armed for.
struct Alarm<T> {
    timer: T,
    armed: Option<Instant>,
}

impl<T: Timer> Alarm<T> {
    /// Ensures that the task is woken by `deadline`. Returns whether the timer has fired.
    ///
    /// A timer armed for an earlier time is left alone, since deadlines mostly move away: every frame that arrives moves that
    /// of the keepalive. One useless wake-up costs less than arming the timer for every frame.
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            return false;
        };
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.timer.reset(deadline);
            self.armed = Some(deadline);
        }
        let fired = self.timer.poll(cx).is_ready();
        if fired {
            self.armed = None;
        }
        fired
    }
}

fn has_passed(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

/// The peer left before we had closed, but after it was sent everything.
fn gone(error: &io::Error) -> Pass {
    tracing::debug!(%error, "the peer went away while closing");
    Pass::End(Ok(DriveEnd::Closed))
}
