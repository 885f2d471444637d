//! Replacing keys: at a certain age, or when their file has changed.

use crate::config::Config;
use crate::observe::telemetry::Telemetry;
use crate::service::hub::Hub;
use crate::store::key_file::{self, KeyFileError};
use crate::store::keys::Backend;
use crate::store::ring::{Key, KeyRing};
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Replaces the key of a proxy.
pub(crate) struct Rotation<R> {
    runtime: R,
    hub: Arc<Hub>,
    ring: Arc<KeyRing>,
    telemetry: Arc<Telemetry>,
    backend: Backend,
    bits: usize,
    file: Option<PathBuf>,
    /// How often the file is checked.
    poll_interval: Duration,
    every: Option<Duration>,
    /// The last fault of the file that was logged.
    told: Option<String>,
}

/// When the next steps are due.
struct Due {
    poll: Option<Instant>,
    rotation: Option<Instant>,
    /// Since when nobody has needed the old key.
    unneeded_since: Option<Instant>,
}

impl<R: Runtime> Rotation<R> {
    /// Returns `None` if the key is never replaced.
    pub(crate) fn new(
        runtime: &R,
        hub: &Arc<Hub>,
        ring: &Arc<KeyRing>,
        telemetry: &Arc<Telemetry>,
        config: &Config,
    ) -> Option<Self> {
        let backend = ring.backend()?;
        let is_needed = config.key_file.is_some() || config.key_rotation.is_some();
        is_needed.then(|| Self {
            runtime: runtime.clone(),
            hub: Arc::clone(hub),
            ring: Arc::clone(ring),
            telemetry: Arc::clone(telemetry),
            backend,
            bits: config.key_bits,
            file: config.key_file.clone(),
            poll_interval: config.tls_reload_interval,
            every: config.key_rotation,
            told: None,
        })
    }

    /// Replaces keys until it is dropped.
    pub(crate) async fn run(mut self) {
        let now = self.runtime.now();
        let after = |time: Duration| now.checked_add(time);
        let mut due = Due {
            poll: self.file.as_ref().and_then(|_| after(self.poll_interval)),
            rotation: self.every.and_then(after),
            unneeded_since: None,
        };
        loop {
            let now = self.runtime.now();
            let look = self.ring.old().and_then(|_| now.checked_add(TICK));
            match [due.poll, due.rotation, look].into_iter().flatten().min() {
                Some(next) => sleep_until(&self.runtime, next).await,
                None => return std::future::pending().await,
            }
            let now = self.runtime.now();
            if due.poll.is_some_and(|poll| poll <= now) {
                due.poll = now.checked_add(self.poll_interval);
                self.look_at_file().await;
            }
            if due.rotation.is_some_and(|rotation| rotation <= now) {
                due.rotation = self.every.and_then(|every| now.checked_add(every));
                self.rotate().await;
            }
            self.drop_old_if_unneeded(&mut due.unneeded_since).await;
        }
    }

    /// Uses the file's key if it has changed.
    async fn look_at_file(&mut self) {
        let (Some(path), Some(current)) = (self.file.clone(), self.ring.current()) else { return };
        let backend = self.backend;
        let looked = self.runtime.unblock(move || {
            let file = key_file::read(&path)?;
            let file = file.ok_or_else(|| KeyFileError::new(&path, &"it is gone"))?;
            let known = current.file.as_ref();
            if known.is_some_and(|known| known.as_der() == file.as_der()) {
                return Ok(None);
            }
            let key = backend.load_at(&path, file)?;
            // The same key, written differently.
            if key.fingerprint == current.fingerprint {
                return Ok(None);
            }
            if let Some(file) = &current.file {
                key_file::write(&key_file::old_path(&path), file)?;
            }
            Ok::<_, KeyFileError>(Some(key))
        });
        match looked.await {
            Ok(Ok(None)) => self.told = None,
            Ok(Ok(Some(key))) => {
                self.told = None;
                self.adopt(key).await;
            }
            Ok(Err(error)) => self.tell(&error),
            Err(error) => self.tell(&error),
        }
    }

    /// Logs a fault once.
    fn tell(&mut self, error: &dyn fmt::Display) {
        let error = error.to_string();
        if self.told.as_ref() != Some(&error) {
            tracing::error!(error, "the key stays as it is");
            self.told = Some(error);
        }
    }

    /// Makes a new key, writes it to the file if there is one, and uses it.
    async fn rotate(&mut self) {
        let (backend, bits, source) = (self.backend, self.bits, self.runtime.clone());
        let (path, current) = (self.file.clone(), self.ring.current());
        let made = self.runtime.unblock(move || {
            let mut seed = [0; 32];
            source.fill_random(&mut seed).map_err(|error| error.to_string())?;
            let Some(path) = path else {
                return backend.generate(bits, seed).map_err(|error| error.to_string());
            };
            if let Some(file) = current.and_then(|current| current.file) {
                key_file::write(&key_file::old_path(&path), &file)
                    .map_err(|error| error.to_string())?;
            }
            backend.generate_at(&path, bits, seed).map_err(|error| error.to_string())
        });
        match made.await {
            Ok(Ok(key)) => self.adopt(key).await,
            Ok(Err(error)) => self.tell(&error),
            Err(error) => self.tell(&error),
        }
    }

    /// Uses another key, and sends it to all applications, a few at a time.
    async fn adopt(&self, key: Key) {
        let unmoved = self.hub.unmoved();
        if self.ring.old().is_some() && unmoved > 0 {
            tracing::warn!(
                applications = unmoved,
                "a key is dropped though not every application has moved from it to the next one"
            );
        }
        let (sha256, bits) = (key.fingerprint, key.bits);
        let public = key.pair.public_key();
        self.ring.replace(key, self.runtime.now());
        self.hub.rekey(self.runtime.now(), public);
        self.telemetry.key_rotated();
        self.telemetry.keys(&self.ring);
        tracing::info!(%sha256, bits, "applications seal with another key from now on");
        while self.hub.tell_key(self.runtime.now(), STEP) {
            sleep_until(&self.runtime, self.runtime.now() + PAUSE).await;
        }
    }

    /// Drops the old key when nobody has needed it for a while. Data that was sealed under it may still wait to be opened.
    async fn drop_old_if_unneeded(&mut self, since: &mut Option<Instant>) {
        let now = self.runtime.now();
        let Some(old) = self.ring.old().filter(|_| self.hub.unmoved() == 0) else {
            *since = None;
            return;
        };
        if now.saturating_duration_since(*since.get_or_insert(now)) < LINGER {
            return;
        }
        *since = None;
        self.ring.drop_old();
        self.telemetry.keys(&self.ring);
        tracing::info!(sha256 = %old.fingerprint, "the old key is dropped: every application has moved");
        if let Some(path) = self.file.clone() {
            match self.runtime.unblock(move || key_file::remove_old(&path)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.tell(&error),
                Err(error) => self.tell(&error),
            }
        }
    }
}

/// How often it is checked whether the old key is needed.
const TICK: Duration = Duration::from_secs(1);

/// How long the old key is kept after nobody seals under it.
const LINGER: Duration = Duration::from_secs(30);

/// Applications that are sent a key while the lock is held once.
const STEP: usize = 100;

/// The pause in between: 10,000 applications have the key after a second.
const PAUSE: Duration = Duration::from_millis(10);
