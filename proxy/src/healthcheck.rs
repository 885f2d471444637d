//! `prometheus-rsocket-proxy healthcheck`: asks the proxy beside it whether it is ready, for containers without a shell.

use prometheus_rsocket_proxy::config::{Config, ListenAddr};
use prometheus_rsocket_runtime::logging;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

/// The first argument that selects this.
pub(crate) const NAME: &str = "healthcheck";

/// How long each of connecting, sending and receiving may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The beginning of a status line, up to the status.
const STATUS: &str = "HTTP/1.1 200";

/// Returns exit status 0 if the proxy with the same options and environment is ready, 1 if it is not, and 2 for an invalid option.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let config = match Config::from_args(args, std::env::vars_os()) {
        Ok(config) => config,
        Err(error) => {
            let exit_code = error.exit_code();
            logging::tell(move || error.print());
            return ExitCode::from(exit_code);
        }
    };
    match ask(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::tell_error(&format_args!("not ready: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Requests `/-/ready`. To a listener with TLS it only connects, since it could not verify the certificate.
fn ask(config: &Config) -> io::Result<()> {
    let ListenAddr::On { host, port } = &config.listen_http else {
        return Err(io::Error::other("--listen-http is off"));
    };
    let address = local(host, *port)?;
    let status = status(address, config.http_tls.is_some()).map_err(|error| {
        io::Error::other(format!("{address} (--listen-http): {}", told(&error)))
    })?;
    match status {
        Some(status) if status != STATUS => {
            Err(io::Error::other(format!("{address} answers {status:?}")))
        }
        _ => Ok(()),
    }
}

/// Returns the beginning of the answer, or nothing if there is TLS.
fn status(address: SocketAddr, has_tls: bool) -> io::Result<Option<String>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    if has_tls {
        return Ok(None);
    }
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET /-/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut status = [0; STATUS.len()];
    stream.read_exact(&mut status)?;
    Ok(Some(String::from_utf8_lossy(&status).into_owned()))
}

/// Names a timeout, which the system reports as "Resource temporarily unavailable".
fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer within {} s", TIMEOUT.as_secs())
        }
        _ => error.to_string(),
    }
}

/// Returns the address at which this machine reaches a listener: loopback, if it listens on every address.
fn local(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::other(format!("{host} has no address")))?;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    Ok(address)
}
