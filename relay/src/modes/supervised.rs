//! A command that the relay runs and relays.

use super::Signals;
use super::signals::Signal;
use crate::targets::Fleet;
use futures_lite::future::or;
use prometheus_rsocket_runtime::{Line, Runtime, sleep_until};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A command to run.
#[derive(Debug)]
pub(crate) struct Supervised {
    program: OsString,
    args: Vec<OsString>,
}

/// A command that was started.
#[derive(Debug)]
pub(super) struct Running {
    state: Mutex<State>,
    ended: async_channel::Receiver<u8>,
}

#[derive(Debug)]
enum State {
    Runs(Child),
    /// It was reaped, so its process ID may belong to another process by now.
    Ended(u8),
}

impl Supervised {
    /// Returns a command with its arguments; `None` if there is none.
    pub(crate) fn new(command: &[OsString]) -> Option<Self> {
        let (program, args) = command.split_first()?;
        Some(Self { program: program.clone(), args: args.to_vec() })
    }

    /// Starts the command, in the process group of this process, and without the variables that hold secrets of the relay.
    ///
    /// # Errors
    ///
    /// Returns the exit code, as shells have it: 127 if there is no such command, 126 if it cannot be run. The reason is logged.
    pub(super) fn start(self, signals: &Signals) -> Result<Arc<Running>, ExitCode> {
        let started = signals.listen_for_command().and_then(|()| {
            let mut command = Command::new(&self.program);
            command.args(&self.args);
            for variable in SECRET_VARIABLES {
                command.env_remove(variable);
            }
            let child = command.spawn()?;
            Running::watch(child)
        });
        match started {
            Ok(running) => {
                signals.supervise(Arc::clone(&running));
                Ok(running)
            }
            Err(error) => {
                let command = Line(self.program.display());
                tracing::error!(%command, %error, "the command cannot be run");
                Err(ExitCode::from(if error.kind() == ErrorKind::NotFound { 127 } else { 126 }))
            }
        }
    }
}

impl Running {
    /// Waits for the child in a thread of its own. No other child is reaped: not those that a process 1 inherits.
    fn watch(child: Child) -> io::Result<Arc<Self>> {
        let (tell, ended) = async_channel::bounded(1);
        let id = child.id();
        let running = Arc::new(Self { state: Mutex::new(State::Runs(child)), ended });
        let watched = Arc::clone(&running);
        let waiting = move || {
            watched.wait(id);
            let code = watched.reap();
            // There is room for the one message.
            let _ = tell.try_send(code);
        };
        if let Err(error) = thread::Builder::new().name("command".to_owned()).spawn(waiting) {
            running.kill();
            return Err(error);
        }
        Ok(running)
    }

    /// Relays until the command has ended, and pushes its last metrics.
    pub(super) async fn run<R: Runtime>(
        &self,
        runtime: &R,
        fleet: &Fleet<R>,
        signals: &Signals,
        fetch_every: Duration,
    ) -> ExitCode {
        let ended = async { self.ended.recv().await.unwrap_or(FAILED) };
        let code = or(ended, async {
            let passing = async {
                loop {
                    self.pass_on(signals.next().await, fleet).await;
                }
            };
            or(passing, keep_fetching(runtime, fleet, fetch_every)).await
        });
        let code = code.await;
        tracing::info!(status = code, "the command has ended: pushing its last metrics");
        // The result of the push is logged. The exit code is the command's own in any case.
        fleet.push_and_close().await;
        ExitCode::from(code)
    }

    async fn pass_on<R: Runtime>(&self, signal: Signal, fleet: &Fleet<R>) {
        // The terminal has sent it to the command as well, which is in the same process group.
        if is_from_terminal(signal) {
            tracing::debug!(?signal, "the command has the signal from the terminal");
            return;
        }
        if signal.asks_to_end(true)
            && let Err(error) = fleet.refresh(true).await
        {
            tracing::warn!(error = %Line(error), "cannot fetch the command's metrics before its end");
        }
        tracing::info!(?signal, "passing a signal on to the command");
        if let Err(error) = self.signal(signal) {
            tracing::warn!(?signal, %error, "cannot pass the signal on to the command");
        }
    }

    #[cfg(unix)]
    fn signal(&self, signal: Signal) -> io::Result<()> {
        use rustix::process::{Pid, Signal as Raw, kill_process};
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // It is not reaped while the lock is held, so the ID is still its own.
        let State::Runs(child) = &*state else { return Ok(()) };
        let signal = match signal {
            Signal::Hangup => Raw::HUP,
            Signal::Interrupt => Raw::INT,
            Signal::Quit => Raw::QUIT,
            Signal::Terminate => Raw::TERM,
            Signal::User1 => Raw::USR1,
            Signal::User2 => Raw::USR2,
        };
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    #[cfg(not(unix))]
    fn signal(&self, _: Signal) -> io::Result<()> {
        // Ctrl-C goes to all processes of a console.
        Ok(())
    }

    /// Waits until the child has ended, without reaping it. The lock is free meanwhile.
    #[cfg(unix)]
    fn wait(&self, id: u32) {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // Any other error means that there is no such child any more.
        while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
    }

    #[cfg(not(unix))]
    fn wait(&self, _: u32) {
        let is_running = || {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            matches!(&mut *state, State::Runs(child) if matches!(child.try_wait(), Ok(None)))
        };
        while is_running() {
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the command immediately, unless it has ended. Returns its exit code.
    pub(super) fn kill(&self) -> u8 {
        if let State::Runs(child) = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner)
        {
            // Fails only if the command has ended, which is as good.
            let _ = child.kill();
        }
        self.reap()
    }

    /// Waits for the end of the child. Returns its exit code.
    fn reap(&self) -> u8 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let code = match &mut *state {
            State::Runs(child) => child.wait().map_or(FAILED, exit_code),
            State::Ended(code) => *code,
        };
        *state = State::Ended(code);
        code
    }
}

/// Fetches the command's metrics again and again, and keeps them for its end.
async fn keep_fetching<R: Runtime>(runtime: &R, fleet: &Fleet<R>, every: Duration) -> u8 {
    loop {
        match runtime.now().checked_add(every) {
            Some(next) => sleep_until(runtime, next).await,
            None => std::future::pending().await,
        }
        // The command may not serve them yet, or be busy.
        if let Err(error) = fleet.refresh(false).await {
            tracing::debug!(error = %Line(error), "no metrics to keep");
        }
    }
}

/// Whether Ctrl-C or Ctrl-\ on our terminal has sent the signal, which then reaches all processes in the foreground. A signal that somebody sends
/// only to this process, while it is in the foreground of a terminal, is taken for that too.
#[cfg(unix)]
fn is_from_terminal(signal: Signal) -> bool {
    if !matches!(signal, Signal::Interrupt | Signal::Quit) {
        return false;
    }
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(&terminal) == Ok(rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn is_from_terminal(_: Signal) -> bool {
    true
}

#[cfg(unix)]
fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

#[cfg(not(unix))]
fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

/// The exit code of a command whose own is unknown.
const FAILED: u8 = 1;

/// Variables that are withheld from the command.
const SECRET_VARIABLES: [&str; 2] = [crate::cli::TOKEN_VARIABLE, "PROMETHEUS_RSOCKET_CLIENT_VIA"];
