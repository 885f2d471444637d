use std::fmt;
use std::time::Duration;

/// What has happened, as a running digest and as readable lines.
#[derive(Default)]
pub(crate) struct Log {
    digest: Digest,
    sink: Option<Sink>,
}

pub(crate) type Sink = Box<dyn FnMut(Duration, &str) + Send>;

impl Log {
    pub(crate) fn set_sink(&mut self, sink: Sink) {
        self.sink = Some(sink);
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.0
    }

    /// Records a step that is too frequent for a line.
    pub(crate) fn step(&mut self, now: Duration, kind: u8, subject: u64) {
        self.digest.number(now.as_nanos() as u64);
        self.digest.byte(kind);
        self.digest.number(subject);
    }

    /// Records an event as a line.
    pub(crate) fn event(&mut self, now: Duration, event: fmt::Arguments<'_>) {
        self.digest.number(now.as_nanos() as u64);
        // Formatting cannot fail, as the digest takes everything.
        let _ = fmt::write(&mut self.digest, event);
        if let Some(sink) = &mut self.sink {
            sink(now, &event.to_string());
        }
    }
}

/// FNV-1a of 64 bits, which distinguishes runs but is not cryptographic.
struct Digest(u64);

impl Digest {
    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }

    fn number(&mut self, number: u64) {
        number.to_le_bytes().into_iter().for_each(|byte| self.byte(byte));
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.byte(byte));
        Ok(())
    }
}
