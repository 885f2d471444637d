//! The log of a program: lines on standard error, which never block or end the program.
//!
//! A separate thread writes. At most 4,096 lines of at most 4 KiB each wait for it, 16 MiB in all. Further lines are dropped
//! and [counted](dropped_lines), as are lines that cannot be written because the reader has gone or the disk is full. Logging
//! never waits and never fails, not even in a panic.

use crate::Line;
use std::any::Any;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload::Handle;

/// The maximum number of lines that wait to be written.
const MAX_LINES: usize = 4096;

/// The maximum length of a line in bytes; the rest is cut off.
const MAX_LINE: usize = 4096;

/// How long the end of the program waits for a reader of standard error.
const PATIENCE: Duration = Duration::from_secs(1);

/// Dropped at the end of the program, which writes the lines that still wait.
static WORKER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static NO_ROOM: OnceLock<ErrorCounter> = OnceLock::new();
static SET_FILTER: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();
static NOT_WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Starts logging to standard error, including panics, as JSON with one object per line or as text. `filter` selects the lines.
///
/// # Panics
///
/// If it is called twice, or the system cannot start a thread.
pub fn start(filter: EnvFilter, json: bool) {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(MAX_LINES).lossy(true);
    let (lines, worker) = builder.finish(StandardError::open());
    NO_ROOM.get_or_init(|| lines.error_counter());
    *WORKER.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
    let builder = tracing_subscriber::fmt()
        .with_writer(Bounded(lines))
        .with_target(false)
        // Otherwise it would print them to standard error itself, and panic if that fails.
        .log_internal_errors(false)
        .with_env_filter(filter);
    if json {
        let log = builder.json().flatten_event(true).with_current_span(false);
        let log = log.with_filter_reloading();
        set_by(log.reload_handle());
        log.init();
    } else {
        let log = builder.with_ansi(io::stderr().is_terminal()).with_filter_reloading();
        set_by(log.reload_handle());
        log.init();
    }
    panic::set_hook(Box::new(on_panic));
}

/// Replaces the filter that selects the lines. Does nothing without [`start`].
pub fn set_filter(filter: EnvFilter) {
    if let Some(set) = SET_FILTER.get() {
        set(filter);
    }
}

fn set_by<S: 'static>(handle: Handle<EnvFilter, S>) {
    // Fails only if the log is gone, which ends with the process.
    let _ = SET_FILTER.set(Box::new(move |filter| drop(handle.reload(filter))));
}

/// Returns the number of lines that this process has lost because there was no room for them or they could not be written.
pub fn dropped_lines() -> u64 {
    let no_room = NO_ROOM.get().map_or(0, |counter| counter.dropped_lines() as u64);
    no_room + NOT_WRITTEN.load(Ordering::Relaxed)
}

/// Writes the lines that still wait, for at most a second. Later lines are lost.
pub fn finish() {
    let worker = WORKER.lock().unwrap_or_else(PoisonError::into_inner).take();
    // In a separate thread: tracing-appender prints, in vain or for ever, if it finds no room.
    within_patience(move || drop(worker));
}

/// Ends the process, after [`finish`].
pub fn exit(code: i32) -> ! {
    finish();
    std::process::exit(code)
}

/// Prints an error that ends the program before there is a log. Never fails, and takes at most a second.
pub fn tell_error(error: &dyn Display) {
    let text = format!("error: {error}\n");
    tell(move || drop(io::stderr().write_all(text.as_bytes())));
}

/// Runs a function that prints and may wait for a reader, but must not panic. Gives up on it after a second.
pub fn tell(print: impl FnOnce() + Send + 'static) {
    within_patience(print);
}

fn within_patience(act: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let acting = move || {
        act();
        // Fails only if the wait is already over.
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(acting).is_ok() {
        let _ = wait.recv_timeout(PATIENCE);
    }
}

fn on_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(tracing::field::display);
    let reason = Line(text_of(panic.payload()));
    tracing::error!(location, %reason, "a thread panicked");
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// Cuts lines that are too long.
struct Bounded(NonBlocking);

impl<'a> MakeWriter<'a> for Bounded {
    type Writer = BoundedWriter;

    fn make_writer(&'a self) -> BoundedWriter {
        BoundedWriter(self.0.clone())
    }
}

struct BoundedWriter(NonBlocking);

impl Write for BoundedWriter {
    /// Takes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = match cut(line) {
            None => self.0.write(line),
            Some(start) => self.0.write(&[start, "…\n".as_bytes()].concat()),
        };
        written.map(|_| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The part of a line that fits; `None` if all of it does.
fn cut(line: &[u8]) -> Option<&[u8]> {
    if line.len() <= MAX_LINE {
        return None;
    }
    let room = MAX_LINE - "…\n".len();
    // No character is split: the first omitted byte begins one.
    let end = (0..=room).rev().find(|end| line[*end] & 0xc0 != 0x80);
    Some(&line[..end.unwrap_or(room)])
}

/// Standard error without the standard library's lock, so that a write that waits for a reader blocks no other.
struct StandardError(Option<File>);

impl StandardError {
    fn open() -> Self {
        #[cfg(unix)]
        let handle = std::os::fd::AsFd::as_fd(&io::stderr()).try_clone_to_owned();
        #[cfg(windows)]
        let handle = std::os::windows::io::AsHandle::as_handle(&io::stderr()).try_clone_to_owned();
        Self(handle.ok().map(File::from))
    }
}

impl Write for StandardError {
    /// Takes a whole line, and counts it if it cannot be written.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = match &mut self.0 {
            Some(file) => file.write_all(line),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        if written.is_err() {
            NOT_WRITTEN.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINE, cut};

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(cut(&[b'x'; MAX_LINE]), None);
        for shift in 0..4 {
            let line = format!("{}{}", "x".repeat(shift), "€".repeat(MAX_LINE));
            let start = std::str::from_utf8(cut(line.as_bytes()).unwrap()).unwrap();
            assert!(start.len() + "…\n".len() <= MAX_LINE && start.len() > MAX_LINE - 10);
        }
        assert!(cut(&[0x80; 2 * MAX_LINE]).is_some());
    }
}
