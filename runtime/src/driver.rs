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

/// Runs `machine` over `stream` until the connection is over, on the clock and the timers of `runtime`.
///
/// The future works in passes. One pass:
///
/// 1. reads the clock, once;
/// 2. lets the machine handle its timeout, if that has expired by this clock (a timer only wakes, the clock decides), but
///    reads once before: after a stall of this process, a live peer's bytes wait in the socket and may put the timeout off;
/// 3. polls the owner, which hands in commands and takes events;
/// 4. takes frames from the machine until [`high_water`](DriverConfig::high_water) bytes are waiting, and writes once;
///    flushes when all is written. While the machine [is pipelined](Machine::is_pipelined), others run once before each write:
///    otherwise a runtime that runs this future as soon as the first of many requests is handed in makes one system call for each;
/// 5. reads once, at most [`read_chunk`](DriverConfig::read_chunk) bytes, and lets the machine handle them, but only
///    while it wants input and the owner [has room](Owner::poll_room): what is not read is the peer's to hold back.
///
/// Passes follow each other while they make progress. After [`budget`](DriverConfig::budget) of them the future lets
/// others run first; when there is no progress, it arms the timer for the next deadline and waits. Both directions are
/// polled in every pass, so that neither can starve the other, nor two peers that only write wait for each other.
///
/// When the machine [is closed](Machine::is_closed), the owner is polled a last time. Then what remains is written, the
/// stream is ended in our direction, and input is read and forgotten until the peer ends its own: to drop a socket
/// with unread input makes the kernel reset the connection, and the peer would lose the final frame. All of this takes
/// no longer than [`linger`](DriverConfig::linger).
///
/// When the machine [has no more use](Machine::wants_transport) for this stream but is not closed, the owner is polled a last time
/// as well, and the stream is dropped as it is.
///
/// # Errors
///
/// The first error of the transport, unless it came after the machine was closed and everything was written. The
/// machine has been told by [`handle_eof`](Machine::handle_eof), and the owner was polled after that. Where writing
/// fails, what the peer sent before it went away is still read, for the reason is likely in it. A peer that takes
/// nothing for [`write_timeout`](DriverConfig::write_timeout) while there is something to take counts as failed, with
/// [`TimedOut`](io::ErrorKind::TimedOut).
///
/// # Cancellation
///
/// Dropping the future drops the stream. `machine` and `owner` remain as they were, and are not notified.
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

/// The program's side of a machine that is being driven.
///
/// A closure is enough if the state needs no name.
pub trait Owner<M> {
    /// Called in every pass, and a last time when the connection is over.
    ///
    /// Passes in the commands that are waiting, then takes events until there are none. It registers the waker of `cx` with its source of new
    /// commands; what the machine itself causes needs no waker. An owner that stops before it has finished wakes `cx` itself.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant, machine: &mut M);

    /// Called before each read with the bytes that this connection holds: those that the machine [holds](Machine::held_bytes), output that is not
    /// written, and input up to the end of the frame that has begun, whether that has arrived or not. Returns how many bytes to read at most, in
    /// addition to [`read_chunk`](DriverConfig::read_chunk). While it is pending, nothing is read; the owner wakes `cx` when there is room. By
    /// default there always is.
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

/// How a connection ended whose machine was closed before its transport failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveEnd {
    /// Everything was written, and both directions have ended.
    Closed,
    /// The peer did not take what was left, or did not end its direction, within the bounds.
    LingerExpired,
    /// The machine waits for another transport: to go on, [`drive`] it over that. Nothing was written or waited for on this one.
    Suspended,
}

/// The bounds of one driver. In counts, 0 is taken as 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverConfig {
    /// How many passes to make before other futures get their turn.
    pub budget: usize,
    /// How many bytes of output may wait before no more frames are taken from the machine. The last frame taken may
    /// exceed it.
    pub high_water: usize,
    /// How long a closed connection may take to write what is left and to see the peer's end.
    pub linger: Duration,
    /// How many bytes may arrive on a closed connection. It should exceed the longest frame, since that may be on its
    /// way.
    pub linger_bytes: usize,
    /// How many bytes to read at most at once.
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
    /// Others had their turn since the last write.
    paused: bool,
    alarm: Alarm<R::Timer>,
    /// The peer has ended its direction.
    eof: bool,
    /// What went wrong with writing, while we still read what the peer sent before.
    failure: Option<io::Error>,
    /// When to give up on output that does not move, or on input after a failure.
    give_up: Option<Instant>,
    closing: Option<Closing>,
}

/// The end of a connection whose machine is closed.
struct Closing {
    /// When to leave it at that; `None` is beyond the end of time.
    deadline: Option<Instant>,
    /// How many bytes were read and forgotten.
    discarded: usize,
    /// Our direction has ended.
    shut: bool,
}

/// What a pass came to.
enum Pass {
    End(io::Result<DriveEnd>),
    Idle,
    /// Others should run before the next pass.
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

    /// Takes frames from the machine; says whether there were any.
    fn refill(&mut self, now: Instant) -> bool {
        self.failure.is_none() && self.pipe.refill(now, self.machine, self.config.high_water.max(1))
    }

    /// Says whether there was progress.
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

    /// Says whether there was progress, or what ended the connection.
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
            // What came before the end says more than that writing failed after it.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(error),
            Poll::Ready(Err(error)) => Err(self.failure.take().unwrap_or(error)),
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<usize> {
        let held = self.pipe.held_bytes() + self.machine.held_bytes();
        self.owner.poll_room(cx, now, held)
    }

    /// The transport is gone.
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
        // To say that it is less; nothing more is kept of what comes.
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
        // Also before our end is sent: the peer may have to write before it reads.
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

/// A timer, and what it is armed for.
struct Alarm<T> {
    timer: T,
    armed: Option<Instant>,
}

impl<T: Timer> Alarm<T> {
    /// Sees to it that the task is woken by `deadline`, or says that it has passed.
    ///
    /// A timer that is armed for an earlier time is left alone, as deadlines mostly move away: with every frame that
    /// arrives, the keepalive's does. To be woken once in vain is cheaper than to arm it with every frame.
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

/// The peer was faster to leave than we were to close, after it was sent everything.
fn gone(error: &io::Error) -> Pass {
    tracing::debug!(%error, "the peer went away while closing");
    Pass::End(Ok(DriveEnd::Closed))
}
