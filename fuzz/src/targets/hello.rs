//! What an application says of itself in SETUP, and what it is told later.

use crate::input::Input;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::hello::{self, Hello};
use prometheus_rsocket_protocol::report::{self, Report};
use prometheus_rsocket_protocol::rsocket::frame::Setup;
use prometheus_rsocket_protocol::rsocket::metadata::{Entry, MimeId, MimeType};
use prometheus_rsocket_protocol::{Payload, fields};

/// What can be read keeps its limits, and is the same when it is written and read again.
pub fn hello(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.below(4);
    let rest = Bytes::copy_from_slice(input.rest());
    match kind {
        0 => read_hello(rest),
        1 => read_hello(entry(hello::MIME, rest)),
        2 => read_report(rest),
        _ => read_report(entry(report::MIME, rest)),
    }
}

fn read_hello(metadata: Bytes) {
    let Ok(hello) = Hello::of_setup(&setup(metadata)) else { return };
    assert!(hello.program.len() <= Hello::MAX_PROGRAM);
    let written = hello.encode();
    assert!(written.len() <= fields::MAX_LEN + hello::MIME.len() + 4);
    assert_eq!(Hello::of_setup(&setup(written)), Ok(hello));
}

fn read_report(metadata: Bytes) {
    let Some(report) = Report::decode(metadata) else { return };
    assert!(report.message.len() <= Report::MAX_MESSAGE);
    assert_eq!(Report::decode(report.encode()), Some(report));
}

fn entry(mime_type: &'static str, content: Bytes) -> Bytes {
    let mut metadata = BytesMut::new();
    let mime_type = MimeType::named(mime_type).expect("a name");
    Entry::new(mime_type, content).encode(&mut metadata).expect("no long content");
    metadata.freeze()
}

fn setup(metadata: Bytes) -> Setup {
    let composite = MimeId::COMPOSITE_METADATA.name().expect("a known type");
    let payload = Payload::new(metadata, Bytes::new());
    Setup { metadata_mime: composite.into(), payload, ..Setup::default() }
}
