//! Pushes on a disk.

use prometheus_rsocket_protocol::collector::PushRecord;
use sha2::{Digest, Sha256};

/// What can be read is the same when it is written and read again. Also behind a checksum that is right, which no fuzzer finds.
pub fn record(data: &[u8]) {
    read(data);
    let mut summed = [b"PRSPUSH\x01", data].concat();
    let sum = Sha256::digest(&summed);
    summed.extend_from_slice(&sum);
    read(&summed);
}

fn read(bytes: &[u8]) {
    let Ok((expires_at, record)) = PushRecord::decode(bytes) else { return };
    let written = record.encode(expires_at);
    assert!(written.len() <= bytes.len());
    assert_eq!(PushRecord::decode(&written), Ok((expires_at, record)));
}
