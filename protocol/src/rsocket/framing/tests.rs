use super::*;
use crate::rsocket::Payload;
use crate::rsocket::frame::{Body, StreamId, strategy};
use bytes::BufMut;
use proptest::collection::vec;
use proptest::prelude::*;

/// A frame of `len` bytes.
fn frame_of(len: usize) -> Frame {
    let payload = Payload::from_data(vec![7; len - 6]);
    Frame::new(StreamId::new(1), Body::RequestFnf { follows: false, payload })
}

/// `len` as a prefix, and nothing after it.
fn prefix(len: usize) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_uint(len as u64, PREFIX_LEN);
    out
}

/// Takes all whole frames off the front of `input`.
fn split_all(input: &mut BytesMut) -> Vec<Bytes> {
    std::iter::from_fn(|| {
        split_frame(input, MAX_RECEIVED_FRAME).expect("the limit is the prefix's own")
    })
    .collect()
}

proptest! {
    /// The same frames come out, however the stream is cut into reads.
    #[test]
    fn any_split_gives_the_same_frames(
        frames in vec(strategy::frame(), 0..6),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut wire = BytesMut::new();
        for frame in &frames {
            encode_prefixed(frame, &mut wire).expect("every field fits");
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.push(wire.len());
        cuts.sort_unstable();

        let mut input = BytesMut::new();
        let mut decoded = Vec::new();
        let mut from = 0;
        for cut in cuts {
            input.extend_from_slice(&wire[from..cut]);
            from = cut;
            for bytes in split_all(&mut input) {
                decoded.push(Frame::decode(bytes).expect("it was encoded"));
            }
        }
        prop_assert!(input.is_empty());
        prop_assert_eq!(decoded, frames);
    }

    /// One step yields the same as two, even if a byte is wrong or bytes are missing.
    #[test]
    fn taking_is_splitting_and_decoding(
        frames in vec(strategy::frame(), 1..5),
        wrong in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        missing in 0_usize..20,
    ) {
        let mut wire = BytesMut::new();
        for frame in &frames {
            encode_prefixed(frame, &mut wire).expect("every field fits");
        }
        if let Some((at, byte)) = wrong {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        wire.truncate(wire.len().saturating_sub(missing));
        let mut other = wire.clone();
        let limit = wire.len();
        loop {
            let taken = take_frame(&mut wire, limit);
            let split = split_frame(&mut other, limit).map(|bytes| bytes.map(Frame::decode));
            prop_assert_eq!(&taken, &split);
            prop_assert_eq!(&wire, &other);
            if !matches!(taken, Ok(Some(_))) {
                break;
            }
        }
    }

    /// Reading exactly the missing bytes completes a frame after at most two reads.
    #[test]
    fn missing_is_what_a_frame_lacks(
        frame in strategy::frame(),
        have in any::<prop::sample::Index>(),
    ) {
        let mut wire = BytesMut::new();
        encode_prefixed(&frame, &mut wire).expect("every field fits");
        let mut input = BytesMut::from(&wire[..have.index(wire.len())]);
        for _ in 0..2 {
            let len = input.len();
            input.extend_from_slice(&wire[len..len + missing(&input)]);
        }
        prop_assert_eq!(&input, &wire);
        prop_assert_eq!(missing(&input), 0);
        prop_assert_eq!(split_all(&mut input), [wire.split_off(PREFIX_LEN).freeze()]);
    }

    /// For any bytes, the frames and the rest together are the input, and `missing` agrees with `split_frame`.
    #[test]
    fn no_byte_is_lost(bytes in vec(any::<u8>(), 0..400), limit in 0_usize..300) {
        let mut input = BytesMut::from(&bytes[..]);
        let mut taken = Vec::new();
        loop {
            let before = input.clone();
            match split_frame(&mut input, limit) {
                Ok(Some(frame)) => {
                    prop_assert!(frame.len() <= limit);
                    prop_assert_eq!(missing(&before), 0);
                    taken.extend_from_slice(&before[..PREFIX_LEN]);
                    taken.extend_from_slice(&frame);
                }
                Ok(None) => {
                    prop_assert!((1..=PREFIX_LEN + limit).contains(&missing(&input)));
                    break;
                }
                Err(error) => {
                    prop_assert!(error.announced > limit && error.limit == limit);
                    prop_assert_eq!(&input, &before);
                    break;
                }
            }
        }
        taken.extend_from_slice(&input);
        prop_assert_eq!(taken, bytes);
    }
}

#[test]
fn a_limit_holds_to_the_byte() {
    let limit = 64;
    for len in [limit - 1, limit] {
        let mut input = BytesMut::new();
        encode_prefixed(&frame_of(len), &mut input).unwrap();
        assert_eq!(split_frame(&mut input, limit).unwrap().unwrap().len(), len);
        assert!(input.is_empty());
    }
    let mut input = prefix(limit + 1);
    let error = split_frame(&mut input, limit).unwrap_err();
    assert_eq!(error, FrameTooLong { announced: limit + 1, limit });
    assert_eq!(error.to_string(), "frame of 65 bytes is over the limit of 64");
    assert_eq!(input, prefix(limit + 1));
}

/// This holds for the longest frame that the prefix can announce, too.
#[test]
fn the_longest_frame_comes_in_whole() {
    for len in [MAX_RECEIVED_FRAME - 1, MAX_RECEIVED_FRAME] {
        let mut input = prefix(len);
        assert_eq!(split_frame(&mut input, MAX_RECEIVED_FRAME), Ok(None));
        assert_eq!(missing(&input), len);
        input.resize(PREFIX_LEN + len - 1, 0);
        assert_eq!(split_frame(&mut input, MAX_RECEIVED_FRAME), Ok(None));
        assert_eq!(missing(&input), 1);
        input.put_u8(0);
        assert_eq!(split_all(&mut input), [Bytes::from(vec![0; len])]);
    }
    let error = FrameTooLong { announced: MAX_RECEIVED_FRAME, limit: MAX_RECEIVED_FRAME - 1 };
    assert_eq!(split_frame(&mut prefix(MAX_RECEIVED_FRAME), error.limit), Err(error));
}

#[test]
fn nothing_longer_than_java_accepts_is_sent() {
    for len in [MAX_SENT_FRAME - 1, MAX_SENT_FRAME] {
        let mut out = BytesMut::new();
        encode_prefixed(&frame_of(len), &mut out).unwrap();
        assert_eq!(out.len(), PREFIX_LEN + len);
        assert_eq!(out[..PREFIX_LEN], prefix(len));
    }
    let mut out = BytesMut::from("before");
    let error = EncodeError { field: "frame", len: 16_777_213, limit: 16_777_212 };
    assert_eq!(encode_prefixed(&frame_of(MAX_SENT_FRAME + 1), &mut out), Err(error));
    assert_eq!(out, "before");
}

#[test]
fn an_empty_frame_is_taken_and_does_not_decode() {
    let mut input = prefix(0);
    let frame = split_frame(&mut input, MAX_RECEIVED_FRAME).unwrap().unwrap();
    assert!(frame.is_empty() && input.is_empty());
    assert!(Frame::decode(frame).is_err());
}

#[test]
fn frames_share_the_input_buffer() {
    let mut input = BytesMut::new();
    encode_prefixed(&frame_of(32), &mut input).unwrap();
    let range = input.as_ptr_range();
    let frame = split_frame(&mut input, MAX_RECEIVED_FRAME).unwrap().unwrap();
    assert!(range.contains(&frame.as_ptr()));
}
