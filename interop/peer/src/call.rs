//! The client: goes through the checks, over one connection for each MTU.

use crate::CallArgs;
use crate::checks::{self, Report};
use crate::handle::{Handle, Script};
use crate::transport;
use bytes::Bytes;
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection};
use prometheus_rsocket_protocol::rsocket::frame::Setup;
use prometheus_rsocket_runtime::{DriverConfig, Runtime, drive, timeout};
use std::io;
use std::time::Duration;

/// Says whether all checks passed.
pub(crate) async fn run<R: Runtime>(runtime: R, args: CallArgs) -> io::Result<bool> {
    let mut all = Report::default();
    for &mtu in &args.mtu {
        let prefix = if mtu == 0 { String::new() } else { format!("mtu-{mtu}/") };
        let checks = checks::general();
        let deadline = runtime.now() + LIMIT;
        let called = call(&runtime, &args, mtu, Setup::default(), prefix, checks);
        all += timeout(&runtime, deadline, called).await??;
    }
    if args.lease {
        let setup = Setup { lease: true, ..Setup::default() };
        let deadline = runtime.now() + LIMIT;
        let called = call(&runtime, &args, 0, setup, "lease/".to_owned(), checks::lease());
        all += timeout(&runtime, deadline, called).await??;
    }
    if args.resume {
        // Several, as the server keeps a token for longer than a run takes.
        let mut token = [0; 16];
        runtime.fill_random(&mut token)?;
        let resume_token = Some(Bytes::copy_from_slice(&token));
        let setup = Setup { resume_token, ..Setup::default() };
        let deadline = runtime.now() + LIMIT;
        let called = call(&runtime, &args, 0, setup, "resume/".to_owned(), checks::resume());
        all += timeout(&runtime, deadline, called).await??;
    }
    println!("{} passed, {} failed", all.passed, all.failed);
    Ok(all.failed == 0 && all.passed > 0)
}

/// Goes through checks on one connection, which may take several transports.
async fn call<R: Runtime>(
    runtime: &R,
    args: &CallArgs,
    mtu: usize,
    setup: Setup,
    prefix: String,
    checks: Vec<checks::Check>,
) -> io::Result<Report> {
    let mut config = Config::default();
    config.mtu = Some(mtu).filter(|mtu| *mtu != 0);
    let chosen = checks.into_iter().filter(|check| {
        let begins = |beginning: &String| format!("{prefix}{}", check.name).starts_with(beginning);
        (args.only.is_empty() || args.only.iter().any(begins)) && !args.skip.iter().any(begins)
    });
    let chosen: Vec<_> = chosen.collect();
    if chosen.is_empty() {
        return Ok(Report::default());
    }
    let mut stream = transport::open(runtime, &args.url).await?;
    let connection = Connection::client(config, setup, runtime.now());
    let mut connection = connection.map_err(io::Error::other)?;
    let handle = Handle::new(args.loses_metadata);
    let script = checks::run_all(runtime.clone(), handle.clone(), prefix, chosen);
    let mut script = Script::new(handle, script);
    let driver = DriverConfig::default();
    loop {
        let driven = drive(runtime, stream, &mut connection, &mut script, &driver).await;
        if let Some(report) = script.output {
            return Ok(report);
        }
        if !connection.is_suspended() {
            let text = driven.map_or_else(|error| error.to_string(), |end| format!("{end:?}"));
            return Err(io::Error::other(format!(
                "the connection ended before the checks: {text}"
            )));
        }
        stream = transport::open(runtime, &args.url).await?;
        connection.resume(runtime.now());
        // Its timers have not been looked at since.
        debug_assert!(!connection.is_closed());
    }
}

/// How long the checks of one connection may take.
const LIMIT: Duration = Duration::from_secs(60);
