//! Signals to this process.

use super::supervised::Running;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The signals that this process receives. The second one that asks it to end ends it immediately, together with the supervised command.
#[derive(Debug)]
pub(crate) struct Signals {
    received: async_channel::Receiver<Signal>,
    control: Arc<Control>,
    #[cfg(unix)]
    handle: signal_hook::iterator::Handle,
}

/// A signal, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Hangup,
    Interrupt,
    Quit,
    Terminate,
    User1,
    User2,
}

/// What the thread that receives signals shares with the rest.
#[derive(Debug, Default)]
struct Control {
    is_ending: AtomicBool,
    command: Mutex<Option<Arc<Running>>>,
}

impl Signals {
    /// Handles signals that ask the process to end, from now on.
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let (sender, received) = async_channel::bounded(MAX_WAITING);
        let control = Arc::new(Control::default());
        let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let by = Arc::clone(&control);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever().filter_map(Signal::of_raw) {
                by.on_signal(signal, &sender);
            }
        })?;
        Ok(Self { received, control, handle })
    }

    /// Handles Ctrl-C from now on.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> io::Result<Self> {
        let (sender, received) = async_channel::bounded(MAX_WAITING);
        let control = Arc::new(Control::default());
        let by = Arc::clone(&control);
        let set = ctrlc::set_handler(move || by.on_signal(Signal::Interrupt, &sender));
        set.map_err(io::Error::other)?;
        Ok(Self { received, control })
    }

    /// Handles all signals that can be passed on, for a command that is about to start.
    pub(super) fn listen_for_command(&self) -> io::Result<()> {
        #[cfg(unix)]
        for signal in [signal_hook::consts::SIGQUIT, signal_hook::consts::SIGUSR1] {
            self.handle.add_signal(signal)?;
        }
        #[cfg(unix)]
        self.handle.add_signal(signal_hook::consts::SIGUSR2)?;
        Ok(())
    }

    /// From now on, the command ends with this process.
    pub(super) fn supervise(&self, command: Arc<Running>) {
        *self.control.command.lock().unwrap_or_else(PoisonError::into_inner) = Some(command);
    }

    /// Returns the next signal. At most 16 wait; further ones are dropped.
    pub(crate) async fn next(&self) -> Signal {
        match self.received.recv().await {
            Ok(signal) => signal,
            // The thread that receives signals lives as long as the process.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Control {
    fn on_signal(&self, signal: Signal, sender: &async_channel::Sender<Signal>) {
        let command = self.command.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asks_to_end = signal.asks_to_end(command.is_some());
        if asks_to_end && self.is_ending.swap(true, Ordering::Relaxed) {
            // A second signal means an immediate end.
            std::process::exit(command.map_or(1, |command| i32::from(command.kill())));
        }
        let _ = sender.try_send(signal);
    }
}

impl Signal {
    #[cfg(unix)]
    fn of_raw(signal: i32) -> Option<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
        Some(match signal {
            SIGHUP => Self::Hangup,
            SIGINT => Self::Interrupt,
            SIGQUIT => Self::Quit,
            SIGTERM => Self::Terminate,
            SIGUSR1 => Self::User1,
            SIGUSR2 => Self::User2,
            _ => return None,
        })
    }

    /// Whether a program is expected to end by the signal. Many services read their configuration again on SIGHUP.
    pub(super) fn asks_to_end(self, is_for_command: bool) -> bool {
        match self {
            Self::Interrupt | Self::Quit | Self::Terminate => true,
            Self::Hangup => !is_for_command,
            Self::User1 | Self::User2 => false,
        }
    }
}

/// Signals that wait to be passed on.
const MAX_WAITING: usize = 16;
