//! An RSocket server that echoes, and a client that checks one, to be run against the peers that others wrote.

mod call;
mod checks;
mod handle;
mod serve;
mod sessions;
#[cfg(test)]
mod tests;
mod transport;

use clap::{Parser, ValueEnum};
use prometheus_rsocket_smol::Smol;
use prometheus_rsocket_tokio::Tokio;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use transport::Url;

/// An RSocket peer of either role.
#[derive(Debug, Parser)]
struct Args {
    /// What to run on.
    #[arg(long, value_enum, default_value_t = RuntimeKind::Tokio, global = true)]
    runtime: RuntimeKind,
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Serve an echo: a request is answered by its payload, a stream by ten of it, a channel by each payload as it comes, and
    /// `reject` by APPLICATION_ERROR. Says what it was told by fire-and-forget and metadata push.
    Serve(ServeArgs),
    /// Check an echo server, one line a check; the status is 0 only if all went well.
    Call(CallArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct ServeArgs {
    /// Where to listen; port 0 takes a free one.
    address: SocketAddr,
    /// Over WebSocket, on any path, instead of TCP.
    #[arg(long)]
    websocket: bool,
    /// Send payloads in frames of so many bytes, 64 at least.
    #[arg(long)]
    mtu: Option<usize>,
    /// Allow clients that ask for leases so many requests at a time; the next lease comes when they are used up.
    #[arg(long, default_value_t = 5)]
    lease: u32,
}

#[derive(Clone, Debug, clap::Args)]
struct CallArgs {
    /// `tcp://HOST:PORT` or `ws://HOST:PORT/PATH`.
    url: Url,
    /// Go through the checks with frames of so many bytes; may be repeated, 0 for whole payloads.
    #[arg(long, default_values_t = [0])]
    mtu: Vec<usize>,
    /// Only the checks whose names begin so; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// Leave out the checks whose names begin so; may be repeated.
    #[arg(long)]
    skip: Vec<String>,
    /// The server is one that answers without metadata.
    #[arg(long)]
    loses_metadata: bool,
    /// Check leases, too: the server has to grant less than 20 requests at a time.
    #[arg(long)]
    lease: bool,
    /// Check resumption, too.
    #[arg(long)]
    resume: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RuntimeKind {
    Smol,
    Tokio,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match (args.role, args.runtime) {
        (Role::Serve(args), RuntimeKind::Smol) => {
            Smol::block_on(Some(1), |runtime| serve::run(runtime, args))
        }
        (Role::Serve(args), RuntimeKind::Tokio) => {
            Tokio::block_on(Some(1), |runtime| serve::run(runtime, args))
        }
        (Role::Call(args), RuntimeKind::Smol) => {
            Smol::block_on(Some(1), |runtime| call::run(runtime, args))
        }
        (Role::Call(args), RuntimeKind::Tokio) => {
            Tokio::block_on(Some(1), |runtime| call::run(runtime, args))
        }
    };
    match ended.and_then(|result: io::Result<bool>| result) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
