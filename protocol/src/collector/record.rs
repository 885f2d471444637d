//! A push as bytes, for a disk.
//!
//! | part | bytes |
//! |---|---|
//! | `PRSPUSH` and the version, 1 | 8 |
//! | when its time is over, in milliseconds since 1970 | 8 |
//! | digest of the sealed payload, by which one that arrives twice is known | 32 |
//! | 1 if its application said the labels itself, 0 if they were learnt from its text | 1 |
//! | labels: how many; of each, the lengths of name and value, then both | 1; 1 and 2 |
//! | the text as a Snappy block: its length, then the block | 4 |
//! | SHA-256 of all that is before | 32 |
//!
//! Numbers are big-endian.

use super::identity::IdentitySource;
use super::job::{Sealed, Tools};
use super::{Answer, Injected, JobError};
use crate::Labels;
use crate::envelope;
use crate::exposition::{self, Source};
use bytes::{BufMut, Bytes, BytesMut};
use nom::bytes::complete::{tag, take};
use nom::multi::{length_count, length_data};
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};
use nom::{IResult, Parser};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A push in the form in which it outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushRecord {
    /// The identity of whoever pushed; empty if nothing was known but its connection.
    pub labels: Labels,
    /// Whether it said the labels itself, so that its text was read with them.
    pub is_said: bool,
    /// Whether its credentials gave it some of them.
    pub is_proven: bool,
    /// SHA-256 of the sealed payload.
    pub digest: [u8; 32],
    /// The text, as a Snappy block.
    pub block: Bytes,
}

/// A push that was stored by an earlier process, and read again.
#[derive(Debug)]
pub struct RestoredPush {
    pub(super) labels: Labels,
    pub(super) source: IdentitySource,
    pub(super) answer: Answer,
    pub(super) sealed: Sealed,
}

/// Why bytes are no push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// They do not begin like one.
    #[error("not a push")]
    Foreign,
    /// One of another version.
    #[error("a push of version {version}; {VERSION} is known")]
    Version {
        /// Its version.
        version: u8,
    },
    /// The end is missing, or something is damaged.
    #[error("a push that is torn or damaged ({len} bytes)")]
    Torn {
        /// Bytes that there are.
        len: usize,
    },
}

const MAGIC: &[u8] = b"PRSPUSH";
const VERSION: u8 = 1;
const DIGEST_LEN: usize = 32;

impl PushRecord {
    /// Writes it, with the time of day at which its time is over, in milliseconds since 1970.
    pub fn encode(&self, expires_at: u64) -> Bytes {
        let mut out = BytesMut::with_capacity(256 + self.block.len());
        out.put_slice(MAGIC);
        out.put_u8(VERSION);
        out.put_u64(expires_at);
        out.put_slice(&self.digest);
        out.put_u8(u8::from(self.is_said) | (u8::from(self.is_proven) << 1));
        // Labels have bounds of their own, far below what these lengths can say.
        out.put_u8(self.labels.len() as u8);
        for (name, value) in self.labels.iter() {
            out.put_u8(name.len() as u8);
            out.put_u16(value.len() as u16);
            out.put_slice(name.as_bytes());
            out.put_slice(value.as_bytes());
        }
        out.put_u32(self.block.len() as u32);
        out.put_slice(&self.block);
        let sum = Sha256::digest(&out);
        out.put_slice(&sum);
        out.freeze()
    }

    /// Reads one, and when its time is over.
    ///
    /// # Errors
    ///
    /// If a byte is missing, too many, or not what was written.
    pub fn decode(bytes: &[u8]) -> Result<(u64, Self), RecordError> {
        let torn = RecordError::Torn { len: bytes.len() };
        match bytes.strip_prefix(MAGIC) {
            Some([VERSION, ..]) => {}
            Some([version, ..]) => return Err(RecordError::Version { version: *version }),
            Some([]) => return Err(torn),
            None if MAGIC.starts_with(bytes) => return Err(torn),
            None => return Err(RecordError::Foreign),
        }
        let (content, sum) = bytes.split_last_chunk::<DIGEST_LEN>().ok_or(torn)?;
        if Sha256::digest(content).as_slice() != sum {
            return Err(torn);
        }
        match fields(content) {
            Ok(([], record)) => record.ok_or(torn),
            _ => Err(torn),
        }
    }

    /// Reads its text again, for [`Collector::restore_push`](super::Collector::restore_push). CPU-heavy, as a
    /// [`Job`](super::Job) is.
    ///
    /// # Errors
    ///
    /// If the text is not within the limits that hold now.
    pub fn read(self, tools: &Tools<'_>) -> Result<RestoredPush, JobError> {
        let text = envelope::expand(&self.block, tools.open.max_text_len)?;
        let (labels, source) = match (self.is_said, self.is_proven) {
            (true, true) => (self.labels.clone(), IdentitySource::Credentials),
            (true, false) => (self.labels.clone(), IdentitySource::Hello),
            (false, _) => (Labels::default(), IdentitySource::Text),
        };
        let injected = Injected { labels, is_proven: source.is_proven() };
        let (identity, inject) = (&injected.labels, injected.inject(tools.inject));
        let source_text = Source { text: &text, identity, inject, seed: tools.seed };
        let facts = exposition::read(&source_text, tools.policy)?;
        let sealed = Sealed::new(self.digest, true, &facts);
        let (block, text_len) = (self.block, text.len());
        let (facts, policy) = (Arc::new(facts), Arc::clone(tools.policy));
        let answer = Answer { block, text_len, facts, injected, inject, policy, is_push: true };
        Ok(RestoredPush { labels: self.labels, source, answer, sealed })
    }
}

/// What is before the checksum; `None` if the labels are none.
fn fields(content: &[u8]) -> IResult<&[u8], Option<(u64, PushRecord)>> {
    let head = (tag(MAGIC), be_u8, be_u64, take(DIGEST_LEN), be_u8);
    let block = length_data(be_u32);
    let (rest, ((_, _, expires_at, digest, flags), labels, block)) =
        (head, length_count(be_u8, label), block).parse(content)?;
    let record = || {
        let labels: Option<Vec<_>> = labels.into_iter().collect();
        let (labels, digest) = (Labels::new(labels?).ok()?, digest.try_into().ok()?);
        let (is_said, is_proven) = (flags & 1 != 0, flags & 2 != 0);
        let block = Bytes::copy_from_slice(block);
        Some((expires_at, PushRecord { labels, is_said, is_proven, digest, block }))
    };
    Ok((rest, record()))
}

/// Name and value of a label; `None` if they are not UTF-8.
fn label(input: &[u8]) -> IResult<&[u8], Option<(&str, &str)>> {
    let (rest, (name_len, value_len)) = (be_u8, be_u16).parse(input)?;
    let (rest, (name, value)) = (take(name_len), take(value_len)).parse(rest)?;
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Ok((rest, text(name).zip(text(value))))
}

#[cfg(test)]
mod tests {
    use super::{PushRecord, RecordError, VERSION};
    use crate::Labels;
    use bytes::Bytes;
    use proptest::prelude::*;

    const EXPIRES_AT: u64 = 1_700_000_300_123;

    fn record() -> PushRecord {
        PushRecord {
            labels: Labels::new([("application", "nightly \"job\""), ("instance", "a1")]).unwrap(),
            is_said: true,
            is_proven: true,
            digest: [7; 32],
            block: Bytes::from_static(b"\x06\x14up 1\n\n"),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let without_labels = PushRecord { labels: Labels::default(), ..record() };
        let without_text =
            PushRecord { block: Bytes::from_static(&[0]), is_said: false, ..record() };
        for record in [record(), without_labels, without_text] {
            assert_eq!(PushRecord::decode(&record.encode(EXPIRES_AT)), Ok((EXPIRES_AT, record)));
        }
    }

    #[test]
    fn other_bytes_are_told_apart() {
        assert_eq!(PushRecord::decode(b"# HELP up\n"), Err(RecordError::Foreign));
        assert_eq!(PushRecord::decode(b""), Err(RecordError::Torn { len: 0 }));
        let mut bytes = record().encode(EXPIRES_AT).to_vec();
        bytes[7] = VERSION + 1;
        assert_eq!(PushRecord::decode(&bytes), Err(RecordError::Version { version: VERSION + 1 }));
    }

    proptest! {
        #[test]
        fn nothing_that_is_damaged_is_read(at in 0_usize..10_000, bit in 0_u8..8, cut: bool) {
            let mut bytes = record().encode(EXPIRES_AT).to_vec();
            let at = at % bytes.len();
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << bit;
            }
            prop_assert!(PushRecord::decode(&bytes).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = PushRecord::decode(&bytes);
            let mut begun = b"PRSPUSH\x01".to_vec();
            begun.extend(bytes);
            let _ = PushRecord::decode(&begun);
        }
    }
}
