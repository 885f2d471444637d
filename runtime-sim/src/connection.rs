use bytes::{Buf, Bytes, BytesMut};
use fastrand::Rng;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::task::{Poll, Waker};
use std::time::Duration;

/// How the connections behave that a host opens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkConfig {
    /// The shortest time that bytes travel.
    pub latency_min: Duration,
    /// The longest; each write draws its own, but nothing overtakes.
    pub latency_max: Duration,
    /// How many bytes per second leave, in each direction; `None` is without limit.
    pub bandwidth: Option<u64>,
    /// How many bytes may be on their way and unread, in each direction; at least one.
    pub capacity: usize,
    /// Whether reads and writes move a random part of what they could, and sometimes nothing before another wake-up.
    pub pieces: bool,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            latency_min: Duration::from_micros(100),
            latency_max: Duration::from_millis(1),
            bandwidth: None,
            capacity: 64 * 1024,
            pieces: false,
        }
    }
}

impl LinkConfig {
    pub(crate) fn latency(&self, rng: &mut Rng) -> Duration {
        let (min, max) = (self.latency_min.as_nanos() as u64, self.latency_max.as_nanos() as u64);
        Duration::from_nanos(rng.u64(min..=max.max(min)))
    }
}

/// Two ends and what is between them.
pub(crate) struct Connection {
    pub(crate) link: LinkConfig,
    /// Which host each end is on: who connected, and who accepted.
    pub(crate) hosts: [usize; 2],
    /// The port that was asked for.
    port: u16,
    /// What each end sends.
    pub(crate) ways: [Way; 2],
    /// Ends that are dropped.
    pub(crate) dropped: [bool; 2],
    /// Since when no more of it arrives than now, where that is not all.
    pub(crate) cut_since: Option<Duration>,
    /// Nothing arrives before then.
    pub(crate) stalled_until: Duration,
}

/// One direction of a connection.
#[derive(Default)]
pub(crate) struct Way {
    /// On its way, with the time of arrival.
    flight: VecDeque<(Duration, Packet)>,
    /// When the last byte so far has left.
    departed: Duration,
    /// There is an entry in the agenda for the head of `flight`.
    pub(crate) scheduled: bool,
    /// Arrived and not read.
    arrived: BytesMut,
    /// Bytes in `flight` and in `arrived`, and those that were lost.
    held: usize,
    /// Whatever is sent is lost.
    lost: bool,
    /// The writer has ended this direction.
    closed: bool,
    /// The end has arrived.
    ended: bool,
    /// Why there is no more to read.
    read_error: Option<ErrorKind>,
    /// Why there is no more writing.
    write_error: Option<ErrorKind>,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

enum Packet {
    Data(Bytes),
    End,
    Reset,
}

/// What has arrived.
pub(crate) enum Arrival {
    Data(usize),
    End,
    Reset,
}

impl Connection {
    pub(crate) fn new(link: LinkConfig, hosts: [usize; 2], port: u16) -> Self {
        Self {
            link,
            hosts,
            port,
            ways: Default::default(),
            dropped: [false; 2],
            cut_since: None,
            stalled_until: Duration::ZERO,
        }
    }

    /// Whether it is open, to that port of a host.
    pub(crate) fn is_open_to(&self, host: usize, port: u16) -> bool {
        self.hosts[1] == host && self.port == port && self.dropped == [false; 2]
    }

    /// Takes some of `slices` from the end `from`; pending stores no waker.
    pub(crate) fn write(
        &mut self,
        rng: &mut Rng,
        now: Duration,
        from: usize,
        slices: &[&[u8]],
    ) -> Poll<io::Result<usize>> {
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let way = &mut self.ways[from];
        if let Some(kind) = way.write_error {
            return Poll::Ready(Err(kind.into()));
        }
        if way.closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = self.link.capacity.max(1).saturating_sub(way.held).min(len);
        if len > 0 && room == 0 {
            return Poll::Pending;
        }
        let taken = if self.link.pieces && room > 1 { rng.usize(1..=room) } else { room };
        let mut data = BytesMut::with_capacity(taken);
        for slice in slices {
            let rest = taken - data.len();
            data.extend_from_slice(&slice[..rest.min(slice.len())]);
        }
        way.held += taken;
        if taken > 0 {
            self.send(rng, now, from, Packet::Data(data.freeze()));
        }
        Poll::Ready(Ok(taken))
    }

    /// Ends a direction, behind what was written.
    pub(crate) fn close(&mut self, rng: &mut Rng, now: Duration, from: usize) -> io::Result<()> {
        let way = &mut self.ways[from];
        if way.write_error == Some(ErrorKind::ConnectionReset) {
            return Err(ErrorKind::NotConnected.into());
        }
        if !way.closed {
            way.closed = true;
            self.send(rng, now, from, Packet::End);
        }
        Ok(())
    }

    /// Gives the end `to` some of what has arrived; pending stores no waker.
    pub(crate) fn read(
        &mut self,
        rng: &mut Rng,
        to: usize,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let way = &mut self.ways[1 - to];
        let len = way.arrived.len().min(buf.len());
        if len > 0 {
            let taken = if self.link.pieces && len > 1 { rng.usize(1..=len) } else { len };
            way.arrived.copy_to_slice(&mut buf[..taken]);
            if way.arrived.is_empty() {
                way.arrived = BytesMut::new();
            }
            way.held -= taken;
            return Poll::Ready(Ok(taken));
        }
        match way.read_error {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None if way.ended || buf.is_empty() => Poll::Ready(Ok(0)),
            None => Poll::Pending,
        }
    }

    /// The end is dropped as a socket is: with input unread the connection is reset, otherwise the direction is ended.
    pub(crate) fn drop_end(&mut self, rng: &mut Rng, now: Duration, end: usize) {
        self.dropped[end] = true;
        if !self.ways[1 - end].arrived.is_empty() {
            self.reset_from(rng, now, end);
        } else if self.ways[end].write_error.is_none() {
            // Fails only where there is nothing to end.
            let _ = self.close(rng, now, end);
        }
    }

    /// The end `from` refuses what it was sent: the other one is told.
    pub(crate) fn reset_from(&mut self, rng: &mut Rng, now: Duration, from: usize) {
        self.ways[from].flight.clear();
        self.ways[from].closed = true;
        self.send(rng, now, from, Packet::Reset);
    }

    /// Both ends find the connection reset, at once.
    pub(crate) fn reset(&mut self) {
        for way in &mut self.ways {
            way.flight.clear();
            way.fail();
        }
    }

    /// Nothing that the end `from` sends arrives any more, and neither end is told.
    pub(crate) fn cut(&mut self, now: Duration, from: usize) {
        let way = &mut self.ways[from];
        if !std::mem::replace(&mut way.lost, true) {
            self.cut_since = Some(now);
            way.flight.clear();
        }
    }

    /// Takes what has arrived at `now` in the direction from `from`.
    pub(crate) fn arrive(&mut self, now: Duration, from: usize) -> Option<Arrival> {
        let way = &mut self.ways[from];
        if way.flight.front().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, packet) = way.flight.pop_front()?;
        match packet {
            Packet::Data(data) => {
                way.arrived.extend_from_slice(&data);
                Some(Arrival::Data(data.len()))
            }
            Packet::End => {
                way.ended = true;
                Some(Arrival::End)
            }
            Packet::Reset => {
                way.fail();
                // What the end has sent so far is refused, too.
                let back = &mut self.ways[1 - from];
                back.flight.clear();
                back.fail();
                Some(Arrival::Reset)
            }
        }
    }

    /// When the next of a direction is due.
    pub(crate) fn next_arrival(&self, from: usize) -> Option<Duration> {
        let (at, _) = self.ways[from].flight.front()?;
        Some((*at).max(self.stalled_until))
    }

    fn send(&mut self, rng: &mut Rng, now: Duration, from: usize, packet: Packet) {
        if self.ways[from].lost {
            return;
        }
        let latency = self.link.latency(rng);
        let way = &mut self.ways[from];
        let len = if let Packet::Data(data) = &packet { data.len() } else { 0 };
        let sending = match self.link.bandwidth {
            Some(rate) => {
                Duration::from_nanos((len as u64).saturating_mul(1_000_000_000) / rate.max(1))
            }
            None => Duration::ZERO,
        };
        way.departed = way.departed.max(now) + sending;
        let before = way.flight.back().map_or(Duration::ZERO, |(at, _)| *at);
        way.flight.push_back(((way.departed + latency).max(before), packet));
    }
}

impl Way {
    fn fail(&mut self) {
        self.arrived = BytesMut::new();
        self.read_error.get_or_insert(ErrorKind::ConnectionReset);
        self.write_error.get_or_insert(ErrorKind::ConnectionReset);
    }

    /// Who waits for this direction, to be woken.
    pub(crate) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.reader.take().into_iter().chain(self.writer.take())
    }
}
