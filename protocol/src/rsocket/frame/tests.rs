use super::*;
use crate::rsocket::Payload;
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

fn encode(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.encode(&mut out).expect("every field fits");
    out.freeze()
}

fn decode(bytes: &[u8]) -> Result<Frame, DecodeError> {
    Frame::decode(Bytes::copy_from_slice(bytes))
}

fn zeros(len: usize) -> Bytes {
    vec![0; len].into()
}

fn truncated(bytes: &[u8]) -> (&'static str, usize, usize) {
    match decode(bytes).expect_err("truncated").kind {
        DecodeErrorKind::Truncated { field, needed, available } => (field, needed, available),
        kind => panic!("another error: {kind}"),
    }
}

proptest! {
    #[test]
    fn decoding_inverts_encoding(frame in strategy::frame()) {
        let bytes = encode(&frame);
        prop_assert_eq!(bytes.len(), frame.encoded_len());
        prop_assert_eq!(Frame::decode(bytes), Ok(frame));
    }

    #[test]
    fn encoding_appends(frame in strategy::frame(), before in vec(any::<u8>(), 0..9)) {
        let mut out = BytesMut::from(&before[..]);
        frame.encode(&mut out).expect("every field fits");
        prop_assert_eq!(&out[..before.len()], &before[..]);
        prop_assert_eq!(&out[before.len()..], &encode(&frame)[..]);
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    /// The type is a known one, so that most inputs get past the header. What was decoded survives another round, whatever
    /// reserved bits, undefined flags and trailing bytes the first decoding dropped.
    #[test]
    fn what_decodes_encodes_again(
        mut bytes in vec(any::<u8>(), 6..300),
        code in (0_u8..64).prop_filter("known", |code| FrameType::from_code(*code).is_some()),
        // Lengths are rarely short enough by chance.
        zeroed in prop::option::of(6_usize..40),
    ) {
        bytes[4] = code << 2 | bytes[4] & 3;
        if let Some(end) = zeroed {
            let end = end.min(bytes.len());
            bytes[6..end].fill(0);
        }
        if let Ok(frame) = decode(&bytes) {
            let again = encode(&frame);
            prop_assert!(again.len() <= bytes.len());
            prop_assert_eq!(Frame::decode(again), Ok(frame));
        }
    }

    /// A truncated frame either lacks a field, or decodes as the same frame with less at its end.
    #[test]
    fn truncations_fail_or_are_shorter(frame in strategy::frame()) {
        let bytes = encode(&frame);
        for len in 0..bytes.len() {
            match Frame::decode(bytes.slice(..len)) {
                Ok(shorter) => prop_assert_eq!(encode(&shorter), bytes.slice(..len)),
                Err(error) => match error.kind {
                    DecodeErrorKind::Truncated { needed, available, .. } => {
                        prop_assert!(available < needed && available <= len);
                    }
                    kind => prop_assert!(false, "{}", kind),
                },
            }
        }
    }

    #[test]
    fn reserved_top_bits_are_masked(id: u32, n: u32, position: u64) {
        let request_n = |n| Frame::new(StreamId::new(id), Body::RequestN { n });
        let mut bytes = encode(&request_n(n)).to_vec();
        prop_assert_eq!((bytes[0] | bytes[6]) & 0x80, 0);
        bytes[0] |= 0x80;
        bytes[6] |= 0x80;
        prop_assert_eq!(decode(&bytes), Ok(request_n(n & 0x7fff_ffff)));

        let resume_ok = |last_received_client_position| {
            Frame::on_connection(Body::ResumeOk { last_received_client_position })
        };
        let mut bytes = encode(&resume_ok(position)).to_vec();
        prop_assert_eq!(bytes[6] & 0x80, 0);
        bytes[0] |= 0x80;
        bytes[6] |= 0x80;
        prop_assert_eq!(decode(&bytes), Ok(resume_ok(position & 0x7fff_ffff_ffff_ffff)));
    }
}

#[test]
fn absent_and_empty_metadata_differ() {
    let absent = decode(&[0, 0, 0, 1, 0x28, 0x60, b'd']).unwrap();
    let empty = decode(&[0, 0, 0, 1, 0x29, 0x60, 0, 0, 0, b'd']).unwrap();
    let payload = |payload| Body::Payload { follows: false, complete: true, next: true, payload };
    assert_eq!(absent.body, payload(Payload::from_data("d")));
    assert_eq!(empty.body, payload(Payload::new("", "d")));
    assert_eq!(encode(&empty)[..], [0, 0, 0, 1, 0x29, 0x60, 0, 0, 0, b'd']);

    let lease = |metadata| Frame::on_connection(Body::Lease { ttl_ms: 1, requests: 2, metadata });
    assert_ne!(encode(&lease(None)), encode(&lease(Some(Bytes::new()))));
}

#[test]
fn payloads_are_slices_of_the_input() {
    let payload = Payload::new("metadata", "data");
    let input = encode(&Frame::new(
        StreamId::new(2),
        Body::RequestResponse { follows: false, payload: payload.clone() },
    ));
    let range = input.as_ptr_range();
    let Body::RequestResponse { payload: decoded, .. } = Frame::decode(input).unwrap().body else {
        panic!("another type");
    };
    assert_eq!(decoded, payload);
    assert!(range.contains(&decoded.metadata.unwrap().as_ptr()));
    assert!(range.contains(&decoded.data.as_ptr()));
}

#[test]
fn truncated_fields_are_named() {
    assert_eq!(truncated(&[]), ("frame header", 6, 0));
    assert_eq!(truncated(&[0; 5]), ("frame header", 6, 5));
    assert_eq!(truncated(&[0, 0, 0, 1, 0x20, 0, 0, 0, 1]), ("request n", 4, 3));
    assert_eq!(truncated(&[0, 0, 0, 1, 0x11, 0, 0, 0]), ("metadata length", 3, 2));
    assert_eq!(truncated(&[0, 0, 0, 1, 0x11, 0, 0, 0, 2, b'm']), ("metadata", 2, 1));
    assert_eq!(
        truncated(&[0, 0, 0, 1, 0x11, 0, 0xff, 0xff, 0xff, b'm']),
        ("metadata", 16_777_215, 1)
    );
}

/// A SETUP with every field, truncated at each byte in turn, fails at one field after the other, in wire order.
#[test]
fn setup_fields_fail_in_wire_order() {
    let setup = Setup {
        resume_token: Some(Bytes::from_static(b"token")),
        payload: Payload::new("metadata", ""),
        ..Setup::default()
    };
    let bytes = encode(&Frame::on_connection(Body::Setup(Box::new(setup))));
    let mut fields: Vec<_> = (0..bytes.len()).map(|len| truncated(&bytes[..len]).0).collect();
    fields.dedup();
    assert_eq!(
        fields,
        [
            "frame header",
            "version",
            "time between keepalives",
            "max lifetime",
            "resume token length",
            "resume token",
            "metadata MIME type length",
            "metadata MIME type",
            "data MIME type length",
            "data MIME type",
            "metadata length",
            "metadata",
        ]
    );
}

#[test]
fn errors_name_frame_stream_and_field() {
    let message = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert_eq!(message(&[0; 5]), "frame: frame header takes 6 bytes, 5 left");
    assert_eq!(
        message(&[0, 0, 0, 3, 0x11, 0, 0, 0, 2, b'm']),
        "REQUEST_RESPONSE on stream 3: metadata takes 2 bytes, 1 left"
    );
    assert_eq!(
        message(&[0, 0, 0, 3, 0x80, 0]),
        "frame on stream 3: unknown frame type 0x20 that may not be ignored"
    );
    assert_eq!(
        message(&[0, 0, 0, 0, 0x02, 0]),
        "frame on stream 0: unknown frame type 0x00 that may be ignored"
    );
}

#[test]
fn every_code_is_a_type_or_unknown() {
    let known = (0..64).filter_map(FrameType::from_code).collect::<Vec<_>>();
    assert_eq!(known.len(), 15);
    for code in 0..64 {
        let error = decode(&[0, 0, 0, 1, code << 2, 0]).err();
        match FrameType::from_code(code) {
            Some(frame_type) => {
                assert_eq!(frame_type as u8, code);
                assert!(error.is_none_or(|error| error.frame_type == Some(frame_type)));
            }
            None => {
                let kind = DecodeErrorKind::UnknownType { code, can_ignore: false };
                assert_eq!(error.map(|error| error.kind), Some(kind));
            }
        }
    }
}

#[test]
fn undefined_flags_and_trailing_bytes_are_passed_over() {
    let cancel = Frame::new(StreamId::new(1), Body::Cancel);
    assert_eq!(decode(&[0, 0, 0, 1, 0x25, 0xff, 1, 2, 3]), Ok(cancel));
}

#[test]
fn metadata_push_is_read_without_flag_m_and_written_with_it() {
    let push = decode(&[0, 0, 0, 1, 0x30, 0, b'm']).unwrap();
    assert_eq!(push.body, Body::MetadataPush { metadata: Bytes::from_static(b"m") });
    assert_eq!(encode(&push)[..], [0, 0, 0, 1, 0x31, 0, b'm']);
}

#[test]
fn each_field_has_its_limit() {
    let setup = |setup| Frame::on_connection(Body::Setup(Box::new(setup)));
    let token = |len| setup(Setup { resume_token: Some(zeros(len)), ..Setup::default() });
    let metadata_mime = |len| setup(Setup { metadata_mime: zeros(len), ..Setup::default() });
    let data_mime = |len| setup(Setup { data_mime: zeros(len), ..Setup::default() });
    let resume = |len| {
        Frame::on_connection(Body::Resume {
            version: Version::V1_0,
            token: zeros(len),
            last_received_server_position: 0,
            first_available_client_position: 0,
        })
    };
    let data = |len| {
        let payload = Payload::from_data(zeros(len));
        Frame::new(StreamId::new(1), Body::RequestFnf { follows: false, payload })
    };
    for (field, limit, frame) in [
        ("resume token", 0xffff, &token as &dyn Fn(usize) -> Frame),
        ("resume token", 0xffff, &resume),
        ("metadata MIME type", 0xff, &metadata_mime),
        ("data MIME type", 0xff, &data_mime),
    ] {
        let whole = frame(limit);
        assert_eq!(Frame::decode(encode(&whole)), Ok(whole));
        assert_refused(&frame(limit + 1), EncodeError { field, len: limit + 1, limit });
    }
    let whole = data(Frame::MAX_LEN - 6);
    assert_eq!(encode(&whole).len(), Frame::MAX_LEN);
    let error = EncodeError { field: "frame", len: Frame::MAX_LEN + 1, limit: Frame::MAX_LEN };
    assert_refused(&data(Frame::MAX_LEN - 5), error);
}

#[test]
fn metadata_over_its_length_field_is_refused() {
    let payload = Payload::new(zeros(0x100_0000), "");
    let frame = Frame::new(StreamId::new(1), Body::RequestResponse { follows: false, payload });
    let error = EncodeError { field: "metadata", len: 0x100_0000, limit: 0xff_ffff };
    assert_refused(&frame, error);
    assert_eq!(error.to_string(), "metadata of 16777216 bytes is over its limit of 16777215");
}

fn assert_refused(frame: &Frame, error: EncodeError) {
    let mut out = BytesMut::from("before");
    assert_eq!(frame.encode(&mut out), Err(error));
    assert_eq!(out, "before");
}

#[test]
fn error_codes_and_types_go_by_their_names() {
    let names = [1, 2, 3, 4, 0x101, 0x102, 0x201, 0x202, 0x203, 0x204, 0x300]
        .map(|code| format!("{:?}", ErrorCode(code)));
    assert_eq!(
        names.join(" "),
        "INVALID_SETUP UNSUPPORTED_SETUP REJECTED_SETUP REJECTED_RESUME CONNECTION_ERROR CONNECTION_CLOSE \
         APPLICATION_ERROR REJECTED CANCELED INVALID 0x300"
    );
    let types: Vec<_> = (0..64).filter_map(FrameType::from_code).map(FrameType::name).collect();
    assert_eq!(
        types.join(" "),
        "SETUP LEASE KEEPALIVE REQUEST_RESPONSE REQUEST_FNF REQUEST_STREAM REQUEST_CHANNEL REQUEST_N CANCEL \
         PAYLOAD ERROR METADATA_PUSH RESUME RESUME_OK EXT"
    );
}
