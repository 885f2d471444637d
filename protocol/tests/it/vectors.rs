//! Every row of `vectors/frames.tsv`: bytes of other implementations' frames, with what they mean.
//!
//! The columns are source, hex, and `kind | fields | note`. Kinds: `frame`, one frame without a length prefix;
//! `tcp`, one with it; `invalid`, bytes that must fail; `metadata`, the inside of a metadata field, which
//! `metadata.rs` checks.

use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::frame::{
    Body, DecodeErrorKind, ErrorCode, Frame, Setup, StreamId, Version,
};
use prometheus_rsocket_protocol::rsocket::framing::{self, MAX_RECEIVED_FRAME, split_frame};
use prometheus_rsocket_testkit::vectors::{FRAMES, unhex};
use std::collections::BTreeMap;

/// Rows whose frame is written differently from how it was read, and how.
const WRITTEN_DIFFERENTLY: [(&str, &str); 5] = [
    // LEASE with metadata but without flag M: what follows the fields is not metadata.
    ("0000000008000a0b0c0d010203040a0b0c", "0000000008000a0b0c0d01020304"),
    // METADATA_PUSH without flag M.
    ("0000000030003c6d657461646174613e", "0000000031003c6d657461646174613e"),
    ("000000003000", "000000003100"),
    ("0000000130006d64", "0000000131006d64"),
    // KEEPALIVE with the reserved bit of its position.
    ("000000000c808000000000000001", "000000000c800000000000000001"),
];

/// What rsocket-java prints for a REQUEST_N of 0x7FFFFFFF.
const JAVA_UNBOUNDED: &str = "9223372036854775807";

pub(crate) struct Row {
    pub(crate) line: usize,
    hex: &'static str,
    kind: &'static str,
    /// Fields and note.
    meaning: &'static str,
}

impl Row {
    pub(crate) fn bytes(&self) -> Bytes {
        unhex(self.hex)
    }

    fn fields(&self) -> Fields {
        Fields::parse(self.meaning.split(" | ").next().unwrap())
    }
}

fn rows() -> Vec<Row> {
    let row = |(index, text): (usize, &'static str)| {
        let [_source, hex, meaning] = text.split('\t').collect::<Vec<_>>()[..] else {
            panic!("line {}: not three columns", index + 1);
        };
        let (kind, meaning) = meaning.split_once(" | ").expect("a kind");
        Row { line: index + 1, hex, kind, meaning }
    };
    FRAMES.lines().enumerate().skip(1).map(row).collect()
}

pub(crate) fn rows_of(kind: &str) -> impl Iterator<Item = Row> {
    rows().into_iter().filter(move |row| row.kind.split(' ').next() == Some(kind))
}

/// `KIND key=value key=value`: each value is taken once, so that what is left was not compared.
struct Fields {
    kind: &'static str,
    values: BTreeMap<&'static str, &'static str>,
}

impl Fields {
    fn parse(text: &'static str) -> Self {
        let mut words = text.split(' ');
        let kind = words.next().unwrap();
        let values = words.map(|word| word.split_once('=').expect("key=value")).collect();
        Self { kind, values }
    }

    fn take(&mut self, key: &str) -> &'static str {
        self.values.remove(key).unwrap_or_else(|| panic!("{} without {key}", self.kind))
    }

    fn number<T: TryFrom<u64>>(&mut self, key: &str) -> T {
        let value = self.take(key).parse().unwrap();
        T::try_from(value).unwrap_or_else(|_| panic!("{key}={value} is out of range"))
    }

    fn n(&mut self) -> u32 {
        if self.values.get("n") == Some(&JAVA_UNBOUNDED) {
            self.take("n");
            return 0x7fff_ffff;
        }
        self.number("n")
    }

    fn hex_number(&mut self, key: &str) -> u32 {
        u32::from_str_radix(self.take(key), 16).unwrap()
    }

    fn bytes(&mut self, key: &str) -> Bytes {
        unhex(self.take(key))
    }

    /// `-` is absent, nothing is empty.
    fn optional_bytes(&mut self, key: &str) -> Option<Bytes> {
        Some(self.take(key)).filter(|value| *value != "-").map(unhex)
    }

    fn text(&mut self, key: &str) -> Bytes {
        self.take(key).into()
    }

    fn version(&mut self) -> Version {
        let (major, minor) = self.take("ver").split_once('.').unwrap();
        Version { major: major.parse().unwrap(), minor: minor.parse().unwrap() }
    }

    fn payload(&mut self) -> Payload {
        Payload { metadata: self.optional_bytes("m"), data: self.bytes("d") }
    }

    /// The frame that the row means, and its flags as the row gives them.
    fn into_frame(mut self) -> (Frame, u16) {
        let stream_id = StreamId::new(self.number("sid"));
        let flags = u16::from_str_radix(self.take("fl"), 16).unwrap();
        let body = self.body(flags);
        assert_eq!(self.values, BTreeMap::new(), "{}: fields not compared", self.kind);
        (Frame { stream_id, can_ignore: flags & 0x200 != 0, body }, flags)
    }

    fn body(&mut self, flags: u16) -> Body {
        let follows = flags & 0x80 != 0;
        let complete = flags & 0x40 != 0;
        match self.kind {
            "SETUP" => Body::Setup(Box::new(Setup {
                version: self.version(),
                lease: flags & 0x40 != 0,
                keepalive_ms: self.number("ka"),
                max_lifetime_ms: self.number("life"),
                resume_token: self.optional_bytes("tok"),
                metadata_mime: self.text("mm"),
                data_mime: self.text("dm"),
                payload: self.payload(),
            })),
            "LEASE" => Body::Lease {
                ttl_ms: self.number("ttl"),
                requests: self.n(),
                metadata: self.optional_bytes("m"),
            },
            "KEEPALIVE" => Body::KeepAlive {
                respond: flags & 0x80 != 0,
                position: self.number("pos"),
                data: self.bytes("d"),
            },
            "REQUEST_RESPONSE" => Body::RequestResponse { follows, payload: self.payload() },
            "REQUEST_FNF" => Body::RequestFnf { follows, payload: self.payload() },
            "REQUEST_STREAM" => {
                Body::RequestStream { follows, initial_n: self.n(), payload: self.payload() }
            }
            "REQUEST_CHANNEL" => Body::RequestChannel {
                follows,
                complete,
                initial_n: self.n(),
                payload: self.payload(),
            },
            "REQUEST_N" => Body::RequestN { n: self.n() },
            "CANCEL" => Body::Cancel,
            "PAYLOAD" => Body::Payload {
                follows,
                complete,
                next: flags & 0x20 != 0,
                payload: self.payload(),
            },
            "ERROR" => {
                Body::Error { code: ErrorCode(self.hex_number("code")), data: self.bytes("d") }
            }
            "METADATA_PUSH" => Body::MetadataPush { metadata: self.bytes("m") },
            "RESUME" => Body::Resume {
                version: self.version(),
                token: self.bytes("tok"),
                last_received_server_position: self.number("lrsp"),
                first_available_client_position: self.number("facp"),
            },
            "RESUME_OK" => Body::ResumeOk { last_received_client_position: self.number("lrcp") },
            "EXT" => Body::Ext { extended_type: self.hex_number("ext"), payload: self.payload() },
            kind => panic!("unknown kind of frame {kind}"),
        }
    }
}

/// Decodes one row's frame and compares all of it.
fn check_decoding(line: usize, bytes: &Bytes, fields: Fields) -> Frame {
    let (expected, flags) = fields.into_frame();
    assert_eq!(u16::from_be_bytes([bytes[4], bytes[5]]) & 0x3ff, flags, "line {line}");
    assert_eq!(Frame::decode(bytes.clone()), Ok(expected.clone()), "line {line}");
    expected
}

fn encode(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.encode(&mut out).unwrap();
    assert_eq!(out.len(), frame.encoded_len());
    out.freeze()
}

#[test]
fn every_row_is_of_a_known_kind() {
    let mut counts = BTreeMap::new();
    for row in rows() {
        *counts.entry(row.kind.split(' ').next().unwrap()).or_insert(0) += 1;
    }
    let expected = [("frame", 77), ("invalid", 8), ("metadata", 14), ("tcp", 26)];
    assert_eq!(counts, expected.into());
    assert_eq!(counts.values().sum::<usize>(), 125);
}

#[test]
fn frames_decode_and_encode() {
    let mut written_differently = BTreeMap::from(WRITTEN_DIFFERENTLY);
    let mut count = 0;
    for row in rows_of("frame") {
        let frame = check_decoding(row.line, &row.bytes(), row.fields());
        let written = written_differently.remove(row.hex).unwrap_or(row.hex);
        assert_eq!(encode(&frame), unhex(written), "line {}", row.line);
        count += 1;
    }
    assert_eq!(count, 77);
    assert_eq!(written_differently, BTreeMap::new(), "exceptions that no row needs");
}

#[test]
fn prefixed_frames_decode_and_encode() {
    let mut count = 0;
    for row in rows_of("tcp") {
        let mut input = BytesMut::from(row.bytes());
        let bytes = split_frame(&mut input, MAX_RECEIVED_FRAME).unwrap().expect("a whole frame");
        assert!(input.is_empty(), "line {}", row.line);
        assert_eq!(row.kind, format!("tcp (3-byte length prefix {})", bytes.len()));
        let frame = check_decoding(row.line, &bytes, row.fields());
        let mut out = BytesMut::new();
        framing::encode_prefixed(&frame, &mut out).unwrap();
        assert_eq!(out, row.bytes(), "line {}", row.line);
        count += 1;
    }
    assert_eq!(count, 26);
}

#[test]
fn frames_in_one_read_all_come_out() {
    let mut input: BytesMut = rows_of("tcp").flat_map(|row| row.bytes()).collect();
    for row in rows_of("tcp") {
        let bytes = split_frame(&mut input, MAX_RECEIVED_FRAME).unwrap().expect("a whole frame");
        check_decoding(row.line, &bytes, row.fields());
    }
    assert!(input.is_empty());
}

/// `INVALID(truncated: need NEEDED at OFFSET of LENGTH)` or `INVALID(unknown type CODE)`.
#[test]
fn invalid_frames_fail_with_their_error() {
    // The fields that the truncated rows end in, in the file's order.
    let mut truncated = [
        "frame header",
        "frame header",
        "error code",
        "last received position",
        "metadata MIME type",
        "resume token",
    ]
    .into_iter();
    let mut count = 0;
    for row in rows_of("invalid").filter(|row| row.meaning.starts_with("INVALID(")) {
        let expected = match row.meaning.split([' ', ')']).collect::<Vec<_>>()[..] {
            ["INVALID(truncated:", "need", needed, "at", offset, "of", length, ..] => {
                let [needed, offset, length] =
                    [needed, offset, length].map(|number| number.parse::<usize>().unwrap());
                let field = truncated.next().unwrap();
                DecodeErrorKind::Truncated { field, needed, available: length - offset }
            }
            ["INVALID(unknown", "type", "0x20", ..] => {
                DecodeErrorKind::UnknownType { code: 0x20, can_ignore: true }
            }
            _ => panic!("line {}: unknown error", row.line),
        };
        let error = Frame::decode(row.bytes()).expect_err(row.meaning);
        assert_eq!(error.kind, expected, "line {}", row.line);
        count += 1;
    }
    assert_eq!(count, 7);
    assert_eq!(truncated.next(), None);
}

/// The one row that is a stream of bytes: an empty frame, and then a long one that does not come.
#[test]
fn the_byte_stream_that_crashed_another_is_survived() {
    let [row] =
        &rows_of("invalid").filter(|row| row.meaning.starts_with("raw")).collect::<Vec<_>>()[..]
    else {
        panic!("not one raw row");
    };
    let mut input = BytesMut::from(row.bytes());
    let empty = split_frame(&mut input, MAX_RECEIVED_FRAME).unwrap().expect("an empty frame");
    let field = "frame header";
    let kind = DecodeErrorKind::Truncated { field, needed: 6, available: 0 };
    assert_eq!(Frame::decode(empty).unwrap_err().kind, kind);
    assert_eq!(split_frame(&mut input, MAX_RECEIVED_FRAME), Ok(None));
    assert_eq!(framing::missing(&input) + input.len(), 3 + 0x14_000e);
    assert_eq!(split_frame(&mut input, 0x14_000d).unwrap_err().announced, 0x14_000e);

    // As a frame by itself it is none either.
    assert!(Frame::decode(row.bytes()).is_err());
}
