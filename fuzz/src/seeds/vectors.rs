//! The golden vectors, as bytes.

use prometheus_rsocket_testkit::vectors::{self, FRAMES, METADATA, SCRAPE, SEALED, rows};

fn unhex(hex: &str) -> Vec<u8> {
    vectors::unhex(hex).into()
}

fn frames_of(kind: &str) -> Vec<Vec<u8>> {
    let rows = rows(FRAMES).skip(1).filter(|row| row[2].split(' ').next() == Some(kind));
    rows.map(|row| unhex(row[1])).collect()
}

/// Frames without prefix, good and bad.
pub(super) fn frames() -> Vec<Vec<u8>> {
    let tcp = frames_of("tcp").into_iter().map(|frame| frame[3..].to_vec());
    [frames_of("frame"), frames_of("invalid"), tcp.collect()].concat()
}

/// The same with prefix, none above 255 bytes.
pub(super) fn prefixed() -> Vec<Vec<u8>> {
    let short = frames().into_iter().filter(|frame| frame.len() <= 252);
    short.map(|frame| [&[0, 0, frame.len() as u8], &frame[..]].concat()).collect()
}

/// Metadata, each behind the number of its kind.
pub(super) fn metadata() -> Vec<Vec<u8>> {
    let kinds =
        ["composite", "routing", "authentication", "mime-type", "accept-mime-types", "tracing"];
    let row = |row: Vec<&str>| {
        let kind = kinds.iter().position(|kind| *kind == row[1]).expect("a kind of metadata");
        [&[kind as u8], &unhex(row[2])[..]].concat()
    };
    let composite = frames_of("metadata").into_iter().map(|bytes| [&[0], &bytes[..]].concat());
    rows(METADATA).map(row).chain(composite).collect()
}

/// A part of the scrape that a JDK has sealed.
pub(super) fn scrape(name: &str) -> Vec<u8> {
    let row = rows(SCRAPE).find(|row| row[0] == name).expect("a part of the scrape");
    unhex(row[1])
}

/// Metadata and data under the key `rsa2048.pkcs8.der`.
pub(super) fn sealed() -> (Vec<u8>, Vec<u8>) {
    let row = rows(SEALED).next().expect("a row");
    (unhex(row[0]), unhex(row[1]))
}
