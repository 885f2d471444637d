//! Connecting to a name with several addresses, for leaves.

#[cfg(test)]
mod tests;

use crate::{Runtime, Timer};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long an attempt may take before the next address is tried in parallel (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// The maximum number of failed attempts that an error lists.
const MAX_LISTED: usize = 4;

/// Connects to the first of a host's addresses that answers. A leaf's [`Runtime::connect`] uses it.
///
/// The address families alternate, starting with that of the first address. Within a family the order is random, by the
/// runtime's randomness, so that many clients spread over the addresses of one name. The next address is tried once the
/// previous one has failed, or after 250 ms in parallel. The first connection that opens is returned, and all other attempts
/// are dropped. There is no time limit.
///
/// # Errors
///
/// The host cannot be resolved, or every address failed. The text names host, port, address and reason; the kind is that of the first
/// address's failure.
pub async fn dial<R, S, F>(
    runtime: &R,
    (host, port): (&str, u16),
    resolving: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<S>
where
    R: Runtime,
    F: Future<Output = io::Result<S>>,
{
    let addresses = match resolving.await {
        Ok(addresses) if addresses.is_empty() => {
            let text = format!("the name {host:?} has no address");
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(addresses) => interleave(addresses, |address| shuffle(runtime, address)),
        Err(error) => {
            let text = format!("the name {host:?} cannot be resolved: {error}");
            return Err(io::Error::new(error.kind(), text));
        }
    };
    let mut race = Race { waiting: addresses, running: Vec::new(), failed: Vec::new(), connect };
    let mut timer = runtime.timer();
    let mut is_armed = false;
    let opened = poll_fn(|cx| {
        loop {
            match race.poll(cx) {
                Step::Opened(stream) => return Poll::Ready(Some(stream)),
                Step::AllFailed => return Poll::Ready(None),
                Step::Started => is_armed = false,
                Step::Pending if race.waiting.is_empty() => return Poll::Pending,
                Step::Pending => {
                    if !is_armed {
                        let Some(next) = runtime.now().checked_add(ATTEMPT_DELAY) else {
                            return Poll::Pending;
                        };
                        timer.reset(next);
                        is_armed = true;
                    }
                    if timer.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    race.start_next();
                    is_armed = false;
                }
            }
        }
    });
    match opened.await {
        Some(stream) => Ok(stream),
        None => Err(failure(host, port, &race.failed)),
    }
}

/// The attempts to connect to one host.
struct Race<C, F> {
    waiting: VecDeque<SocketAddr>,
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    failed: Vec<(SocketAddr, io::Error)>,
    connect: C,
}

enum Step<S> {
    AllFailed,
    Opened(S),
    Pending,
    Started,
}

impl<C, F, S> Race<C, F>
where
    C: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<S>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Step<S> {
        let mut has_failed = false;
        let mut index = 0;
        while let Some((address, attempt)) = self.running.get_mut(index) {
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => return Step::Opened(stream),
                Poll::Ready(Err(error)) => {
                    let address = *address;
                    drop(self.running.remove(index));
                    self.failed.push((address, error));
                    has_failed = true;
                }
                Poll::Pending => index += 1,
            }
        }
        if (has_failed || self.running.is_empty()) && self.start_next() {
            return Step::Started;
        }
        if self.running.is_empty() { Step::AllFailed } else { Step::Pending }
    }

    /// Starts the next attempt. Returns whether there is one.
    fn start_next(&mut self) -> bool {
        let Some(address) = self.waiting.pop_front() else { return false };
        let attempt = (self.connect)(address);
        self.running.push((address, Box::pin(attempt)));
        true
    }
}

/// Alternates the addresses of both families (RFC 8305, section 4), each family in the order that `spread` gives it.
fn interleave(
    addresses: Vec<SocketAddr>,
    spread: impl Fn(&mut [SocketAddr]),
) -> VecDeque<SocketAddr> {
    let Some(first) = addresses.first() else { return VecDeque::new() };
    let is_first_family = first.is_ipv6();
    let (mut one, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_first_family);
    spread(&mut one);
    spread(&mut other);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut turns = VecDeque::new();
    loop {
        let pair = (one.next(), other.next());
        if pair == (None, None) {
            return turns;
        }
        turns.extend(pair.0.into_iter().chain(pair.1));
    }
}

/// Shuffles addresses uniformly (Fisher-Yates). Without randomness the order stays.
fn shuffle<R: Runtime>(runtime: &R, addresses: &mut [SocketAddr]) {
    for place in (1..addresses.len()).rev() {
        let mut random = [0; 8];
        if runtime.fill_random(&mut random).is_err() {
            return;
        }
        let other = u64::from_le_bytes(random) % (place as u64 + 1);
        addresses.swap(place, other as usize);
    }
}

fn failure(host: &str, port: u16, failed: &[(SocketAddr, io::Error)]) -> io::Error {
    let kind = failed.first().map_or(io::ErrorKind::Other, |(_, error)| error.kind());
    let mut text = String::new();
    let is_literal = failed.iter().all(|(address, _)| address.ip().to_string() == host);
    // Writing to a string does not fail.
    if !is_literal {
        let _ = write!(text, "{host}:{port}: ");
    }
    for (number, (address, error)) in failed.iter().take(MAX_LISTED).enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{address}: {error}");
    }
    if failed.len() > MAX_LISTED {
        let _ = write!(text, ", and {} more", failed.len() - MAX_LISTED);
    }
    io::Error::new(kind, text)
}
