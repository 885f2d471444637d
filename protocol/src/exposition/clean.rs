use bytes::Bytes;
use std::ops::Range;

/// Takes lines out of a text and ends it in a line break, copying only what it must.
#[derive(Default)]
pub(super) struct Cleaner {
    /// What is kept of the text up to `kept_to`; nothing is copied before a second cut.
    kept: Vec<u8>,
    kept_to: usize,
    /// The latest cut, not yet taken out: at the end of the text that needs no copy.
    pending: Option<Range<usize>>,
}

impl Cleaner {
    /// Cuts whole lines out. Cuts come in order.
    pub(super) fn cut(&mut self, text: &[u8], lines: Range<usize>) {
        match &mut self.pending {
            Some(pending) if pending.end == lines.start => pending.end = lines.end,
            Some(_) => {
                self.flush(text);
                self.pending = Some(lines);
            }
            None => self.pending = Some(lines),
        }
    }

    pub(super) fn finish(mut self, text: Bytes) -> Bytes {
        let text = match &self.pending {
            Some(pending) if pending.end == text.len() => text.slice(..pending.start),
            _ => {
                self.flush(&text);
                text
            }
        };
        if self.kept_to == 0 && text.last().is_none_or(|&last| last == b'\n') {
            return text;
        }
        let tail = text.get(self.kept_to..).unwrap_or_default();
        self.kept.reserve_exact(tail.len() + 1);
        self.kept.extend_from_slice(tail);
        if self.kept.last().is_some_and(|&last| last != b'\n') {
            self.kept.push(b'\n');
        }
        Bytes::from(self.kept)
    }

    /// Copies what stands before the pending cut, and passes over the cut.
    fn flush(&mut self, text: &[u8]) {
        if let Some(cut) = self.pending.take() {
            self.kept.extend_from_slice(text.get(self.kept_to..cut.start).unwrap_or_default());
            self.kept_to = cut.end;
        }
    }
}
