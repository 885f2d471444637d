//! The format of a push on disk.
//!
//! | part | bytes |
//! |---|---|
//! | `PRSPUSH` and the version, 1 | 8 |
//! | when it expires, in milliseconds since 1970 | 8 |
//! | digest, by which a push that arrives twice is recognised | 32 |
//! | flags: 1, the application declared the labels itself; 2, its credentials grant some of them | 1 |
//! | number of labels; for each, the lengths of name and value, then both | 1; 1 and 2 |
//! | length of the text as a Snappy block, then the block | 4 |
//! | SHA-256 of everything before | 32 |
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

/// A push in the form in which it survives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushRecord {
    /// The application's identity; empty if only its connection was known.
    pub labels: Labels,
    /// Whether the application declared the labels, so that its text was read with them. Otherwise they were learnt from the text.
    pub is_said: bool,
    /// Whether its credentials grant some of them.
    pub is_proven: bool,
    /// SHA-256 of the sealed payload or, in version 2 of the envelope, of the idempotency key and `block`.
    pub digest: [u8; 32],
    /// The text, as a Snappy block.
    pub block: Bytes,
}

/// A push that an earlier process stored, read again.
#[derive(Debug)]
pub struct RestoredPush {
    pub(super) labels: Labels,
    pub(super) source: IdentitySource,
    pub(super) answer: Answer,
    pub(super) sealed: Sealed,
}

/// Why bytes are not a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// They have another format.
    #[error("not a push")]
    Foreign,
    /// They are a push of another version.
    #[error("a push of version {version}; {VERSION} is known")]
    Version {
        /// That version.
        version: u8,
    },
    /// They are incomplete or damaged.
    #[error("a push that is torn or damaged ({len} bytes)")]
    Torn {
        /// Their length in bytes.
        len: usize,
    },
}

const MAGIC: &[u8] = b"PRSPUSH";
const VERSION: u8 = 1;
const DIGEST_LEN: usize = 32;

impl PushRecord {
    /// Encodes the push. `expires_at` is its time of expiry in milliseconds since 1970.
    pub fn encode(&self, expires_at: u64) -> Bytes {
        let mut out = BytesMut::with_capacity(256 + self.block.len());
        out.put_slice(MAGIC);
        out.put_u8(VERSION);
        out.put_u64(expires_at);
        out.put_slice(&self.digest);
        out.put_u8(u8::from(self.is_said) | (u8::from(self.is_proven) << 1));
        // The limits of labels are far below what these lengths can express.
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

    /// Decodes a push. Returns its time of expiry in milliseconds since 1970, and the push.
    ///
    /// # Errors
    ///
    /// If the bytes are of another format or version, incomplete, damaged, or too many.
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

    /// Reads the text again, for [`Collector::restore_push`](super::Collector::restore_push). CPU-heavy, like a [`Job`](super::Job).
    ///
    /// # Errors
    ///
    /// If the block cannot be expanded, or the text is not within the current limits.
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

/// What comes before the checksum; `None` if the labels are invalid.
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
