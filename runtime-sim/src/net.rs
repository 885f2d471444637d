use crate::host::SimHost;
use crate::state::{State, address_of};
use crate::world::World;
use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_runtime::{Listener, Runtime, sleep_until};
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// One end of a connection in memory. As with a socket, dropping it with unread input resets the connection.
pub struct SimStream {
    world: Arc<World>,
    connection: u64,
    /// 0 if it connected, 1 if it accepted.
    end: usize,
}

impl SimStream {
    fn write(&self, cx: &mut Context<'_>, slices: &[&[u8]]) -> Poll<io::Result<usize>> {
        let mut guard = self.world.state();
        let State { now, rng, connections, .. } = &mut *guard;
        let Some(connection) = connections.get_mut(&self.connection) else { return gone() };
        if connection.link.pieces && rng.u8(..) < PAUSE {
            drop(guard);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let written = connection.write(rng, *now, self.end, slices);
        if written.is_pending() {
            connection.ways[self.end].writer = Some(cx.waker().clone());
        }
        guard.schedule(self.connection, self.end);
        written
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut guard = self.world.state();
        let State { rng, connections, .. } = &mut *guard;
        let Some(connection) = connections.get_mut(&self.connection) else { return gone() };
        let read = connection.read(rng, self.end, buf);
        let way = &mut connection.ways[1 - self.end];
        match &read {
            Poll::Pending => way.reader = Some(cx.waker().clone()),
            Poll::Ready(_) => {
                if let Some(writer) = way.writer.take() {
                    drop(guard);
                    writer.wake();
                }
            }
        }
        read
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, &[buf])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices: Vec<&[u8]> = bufs.iter().map(|buf| &**buf).collect();
        self.write(cx, &slices)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut guard = self.world.state();
        let State { now, rng, connections, .. } = &mut *guard;
        let Some(connection) = connections.get_mut(&self.connection) else { return gone() };
        let closed = connection.close(rng, *now, self.end);
        guard.schedule(self.connection, self.end);
        Poll::Ready(closed)
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut guard = self.world.state();
        let State { now, rng, connections, log, .. } = &mut *guard;
        let Some(connection) = connections.get_mut(&self.connection) else { return };
        log.event(*now, format_args!("c{}.{} is dropped", self.connection, self.end));
        connection.drop_end(rng, *now, self.end);
        guard.schedule(self.connection, self.end);
        guard.tidy(self.connection);
    }
}

impl std::fmt::Debug for SimStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimStream(c{}.{})", self.connection, self.end)
    }
}

/// A socket that accepts connections in memory.
pub struct SimListener {
    world: Arc<World>,
    backlog: Arc<Backlog>,
    host: usize,
    address: SocketAddr,
}

/// Connections that are not accepted yet.
#[derive(Default)]
pub(crate) struct Backlog {
    queue: Mutex<Queue>,
    /// Whether it is reachable from its own host only.
    local: bool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(SimStream, SocketAddr)>,
    acceptors: Vec<Waker>,
}

impl Backlog {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimListener {
    pub(crate) fn bind(host: &SimHost, address: SocketAddr) -> io::Result<Self> {
        let ip = address.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && ip != address_of(host.id) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let mut state = host.world.state();
        let port = if address.port() == 0 { state.free_port(host.id) } else { address.port() };
        if state.listeners.contains_key(&(host.id, port)) {
            return Err(ErrorKind::AddrInUse.into());
        }
        let backlog = Arc::new(Backlog { queue: Mutex::default(), local: ip.is_loopback() });
        state.listeners.insert((host.id, port), Arc::clone(&backlog));
        drop(state);
        let address = SocketAddr::new(ip, port);
        Ok(Self { world: Arc::clone(&host.world), backlog, host: host.id, address })
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    async fn accept(&self) -> io::Result<(SimStream, SocketAddr)> {
        poll_fn(|cx| {
            let mut queue = self.backlog.queue();
            match queue.waiting.pop_front() {
                Some(accepted) => Poll::Ready(Ok(accepted)),
                None => {
                    queue.acceptors.retain(|acceptor| !acceptor.will_wake(cx.waker()));
                    queue.acceptors.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.world.state().listeners.remove(&(self.host, self.address.port()));
        let waiting = std::mem::take(&mut self.backlog.queue().waiting);
        drop(waiting);
    }
}

impl std::fmt::Debug for SimListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimListener({})", self.address)
    }
}

/// Opens a connection: one way for the request, and one back for the answer.
pub(crate) async fn connect(host: &SimHost, name: &str, port: u16) -> io::Result<SimStream> {
    let to = host.world.state().resolve(host.id, name, port);
    let Some((to, near_ip)) = to else {
        return Err(io::Error::new(ErrorKind::NotFound, format!("no host {name:?}")));
    };
    travel(host).await;
    let opened = open(host, near_ip, to, port)?;
    travel(host).await;
    match opened {
        Opened::Stream(stream) => Ok(stream),
        Opened::Refused => Err(ErrorKind::ConnectionRefused.into()),
        Opened::Unheard => pending().await,
    }
}

enum Opened {
    Refused,
    Stream(SimStream),
    Unheard,
}

fn open(host: &SimHost, near_ip: IpAddr, to: usize, port: u16) -> io::Result<Opened> {
    let mut guard = host.world.state();
    let state = &mut *guard;
    let now = state.now;
    *state.hosts[to].asked.entry(port).or_default() += 1;
    let (from_name, to_name) = (&state.hosts[host.id].name, &state.hosts[to].name);
    if to != host.id && (state.hosts[host.id].isolated || state.hosts[to].isolated) {
        state.log.event(now, format_args!("{from_name} does not reach {to_name}:{port}"));
        return Ok(Opened::Unheard);
    }
    let backlog = state.listeners.get(&(to, port)).cloned();
    let Some(backlog) = backlog.filter(|backlog| !backlog.local || to == host.id) else {
        state.log.event(now, format_args!("{from_name} is refused by {to_name}:{port}"));
        return Ok(Opened::Refused);
    };
    if backlog.queue().waiting.len() >= BACKLOG {
        state.log.event(now, format_args!("{to_name}:{port} has no room for {from_name}"));
        return Ok(Opened::Unheard);
    }
    let id = state.connection_ids + 1;
    state.log.event(now, format_args!("c{id}: {from_name} connects to {to_name}:{port}"));
    let connection = state.connect(host.id, to, port);
    let from = &mut state.hosts[host.id];
    from.reached = Some(to);
    from.connected += 1;
    let near_port = state.free_port(host.id);
    let near_address = SocketAddr::new(near_ip, near_port);
    drop(guard);
    let end = |end| SimStream { world: Arc::clone(&host.world), connection, end };
    let mut queue = backlog.queue();
    queue.waiting.push_back((end(1), near_address));
    let acceptors = std::mem::take(&mut queue.acceptors);
    drop(queue);
    acceptors.into_iter().for_each(Waker::wake);
    Ok(Opened::Stream(end(0)))
}

async fn travel(host: &SimHost) {
    let latency = {
        let mut guard = host.world.state();
        let State { hosts, rng, .. } = &mut *guard;
        hosts[host.id].link.latency(rng)
    };
    sleep_until(host, host.now() + latency).await;
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(ErrorKind::NotConnected.into()))
}

/// The maximum number of connections that wait to be accepted; further requests are ignored.
const BACKLOG: usize = 4096;
/// Of 256 writes in pieces, this many take nothing until another wake-up.
const PAUSE: u8 = 32;
