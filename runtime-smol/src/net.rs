use futures_io::{AsyncRead, AsyncWrite};
use prometheus_rsocket_runtime::Listener;
use smol::Async;
use std::{
    io::{self, IoSlice},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    pin::Pin,
    task::{Context, Poll},
};
#[cfg(unix)]
use std::{os::unix::net::UnixStream, path::Path};

/// A TCP or Unix socket connection.
#[derive(Debug)]
pub struct SmolStream(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(Async<TcpStream>),
    #[cfg(unix)]
    Unix(Async<UnixStream>),
}

/// Applies an expression to a socket of either kind.
macro_rules! with {
    ($socket:expr, $of_kind:ident => $done:expr) => {
        match $socket {
            Socket::Tcp($of_kind) => $done,
            #[cfg(unix)]
            Socket::Unix($of_kind) => $done,
        }
    };
}

impl SmolStream {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(Async::<TcpStream>::connect(address).await?)
    }

    fn new(stream: Async<TcpStream>) -> io::Result<Self> {
        stream.get_ref().set_nodelay(true)?;
        Ok(Self(Socket::Tcp(stream)))
    }

    #[cfg(unix)]
    pub(crate) async fn connect_unix(path: &Path) -> io::Result<Self> {
        let stream = Async::<UnixStream>::connect(path).await;
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Ok(Self(Socket::Unix(stream.map_err(named)?)))
    }
}

#[cfg(test)]
impl SmolStream {
    pub(crate) fn tcp(&self) -> &Async<TcpStream> {
        match &self.0 {
            Socket::Tcp(stream) => stream,
            #[cfg(unix)]
            Socket::Unix(_) => panic!("it is no connection of TCP"),
        }
    }
}

/// The addresses of a host.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(literal) = host.parse::<IpAddr>() {
        return Ok(vec![(literal, port).into()]);
    }
    let host = host.to_owned();
    smol::unblock(move || Ok((host, port).to_socket_addrs()?.collect())).await
}

impl AsyncRead for SmolStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        with!(&mut self.0, socket => Pin::new(socket).poll_read(cx, buf))
    }
}

impl AsyncWrite for SmolStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        with!(&mut self.0, socket => Pin::new(socket).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with!(&mut self.0, socket => Pin::new(socket).poll_write_vectored(cx, bufs))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(&mut self.0, socket => Pin::new(socket).poll_flush(cx))
    }

    /// smol's own `poll_close` only flushes.
    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(with!(&self.0, socket => socket.get_ref().shutdown(Shutdown::Write)))
    }
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct SmolListener(Async<TcpListener>);

impl SmolListener {
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Self> {
        // std sets SO_REUSEADDR, except on Windows, where the option means something else.
        let listener = Async::<TcpListener>::bind(addr)?;
        // Listening again on a listening socket changes the length of its queue.
        rustix::net::listen(listener.get_ref(), BACKLOG)?;
        Ok(Self(listener))
    }
}

impl Listener for SmolListener {
    type Stream = SmolStream;

    async fn accept(&self) -> io::Result<(SmolStream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((SmolStream::new(stream)?, peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

/// The queue of connections not yet accepted; thousands arrive at once after a restart. The system may cap it.
const BACKLOG: i32 = 4096;
