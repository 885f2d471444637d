use bytes::{Buf, Bytes, BytesMut};
use fastrand::Rng;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::task::{Poll, Waker};
use std::time::Duration;

/// The properties of the connections that a host opens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkConfig {
    /// The shortest travel time of bytes.
    pub latency_min: Duration,
    /// The longest travel time. Each write draws its own, but nothing overtakes.
    pub latency_max: Duration,
    /// The bytes per second that leave in each direction; `None` means no limit.
    pub bandwidth: Option<u64>,
    /// The number of bytes in flight or unread in each direction; at least one.
    pub capacity: usize,
    /// Whether reads and writes move a random part of what they could, and sometimes nothing until another wake-up.
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

/// Both ends and what is between them.
pub(crate) struct Connection {
    pub(crate) link: LinkConfig,
    /// The hosts of the ends: the one that connected, and the one that accepted.
    pub(crate) hosts: [usize; 2],
    /// The requested port.
    port: u16,
    /// What each end sends.
    pub(crate) ways: [Way; 2],
    /// Which ends are dropped.
    pub(crate) dropped: [bool; 2],
    /// When a direction was last cut; `None` if none was.
    pub(crate) cut_since: Option<Duration>,
    /// Nothing arrives before this time.
    pub(crate) stalled_until: Duration,
}

/// One direction of a connection.
#[derive(Default)]
pub(crate) struct Way {
    /// In flight, with the time of arrival.
    flight: VecDeque<(Duration, Packet)>,
    /// When the last byte so far left.
    departed: Duration,
    /// Whether the agenda has an entry for the head of `flight`.
    pub(crate) scheduled: bool,
    /// Arrived and not read.
    arrived: BytesMut,
    /// Bytes in `flight` and `arrived`, and lost ones.
    held: usize,
    /// Whether everything that is sent is lost.
    lost: bool,
    /// Whether the writer has ended this direction.
    closed: bool,
    /// Whether the end has arrived.
    ended: bool,
    /// Why there is no more to read.
    read_error: Option<ErrorKind>,
    /// Why writing fails.
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

    /// Whether it is open to this port of a host.
    pub(crate) fn is_open_to(&self, host: usize, port: u16) -> bool {
        self.hosts[1] == host && self.port == port && self.dropped == [false; 2]
    }

    /// Takes some of `slices` from the end `from`. Stores no waker if pending.
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

    /// Ends a direction, after what was written.
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

    /// Returns some of what has arrived to the end `to`. Stores no waker if pending.
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

    /// Drops an end like a socket: with unread input the connection is reset, otherwise the direction is ended.
    pub(crate) fn drop_end(&mut self, rng: &mut Rng, now: Duration, end: usize) {
        self.dropped[end] = true;
        if !self.ways[1 - end].arrived.is_empty() {
            self.reset_from(rng, now, end);
        } else if self.ways[end].write_error.is_none() {
            // Fails only if there is nothing to end.
            let _ = self.close(rng, now, end);
        }
    }

    /// The end `from` refuses what it was sent, and the other end is notified.
    pub(crate) fn reset_from(&mut self, rng: &mut Rng, now: Duration, from: usize) {
        self.ways[from].flight.clear();
        self.ways[from].closed = true;
        self.send(rng, now, from, Packet::Reset);
    }

    /// Resets the connection for both ends, immediately.
    pub(crate) fn reset(&mut self) {
        for way in &mut self.ways {
            way.flight.clear();
            way.fail();
        }
    }

    /// Loses everything that the end `from` sends from now on, without notifying either end.
    pub(crate) fn cut(&mut self, now: Duration, from: usize) {
        let way = &mut self.ways[from];
        if !std::mem::replace(&mut way.lost, true) {
            self.cut_since = Some(now);
            way.flight.clear();
        }
    }

    /// Returns what has arrived by `now` in the direction from `from`.
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

    /// When the next arrival in a direction is due.
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

    /// The wakers of the tasks that wait for this direction.
    pub(crate) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.reader.take().into_iter().chain(self.writer.take())
    }
}
