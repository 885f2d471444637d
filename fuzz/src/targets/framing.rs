//! The length prefix of byte streams.

use crate::input::Input;
use bytes::BytesMut;
use prometheus_rsocket_protocol::rsocket::frame::Frame;
use prometheus_rsocket_protocol::rsocket::framing::{
    FrameTooLong, MAX_RECEIVED_FRAME, PREFIX_LEN, encode_prefixed, missing, split_frame,
};

/// Bytes cut anywhere give the same frames: those that their prefixes say.
pub fn framing(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = match input.byte() {
        0..128 => MAX_RECEIVED_FRAME,
        byte => usize::from(byte - 128) * 4,
    };
    let cuts = input.bytes();
    let wire = input.rest();
    let expected = reference(wire, limit);
    assert_eq!(split(wire, &[], limit), expected);
    assert_eq!(split(wire, cuts, limit), expected);
    assert_eq!(split(wire, &[1], limit), expected);
    for frame in expected.0 {
        let Ok(frame) = Frame::decode(frame.into()) else { continue };
        let (mut bare, mut prefixed) = (BytesMut::new(), BytesMut::new());
        frame.encode(&mut bare).expect("it was one");
        encode_prefixed(&frame, &mut prefixed).expect("it was one, and short");
        let written = split_frame(&mut prefixed, bare.len());
        assert_eq!((written, prefixed.len()), (Ok(Some(bare.freeze())), 0));
    }
}

/// Frames, what is left, and the length that ended it.
type Frames = (Vec<Vec<u8>>, Vec<u8>, Option<FrameTooLong>);

fn reference(mut wire: &[u8], limit: usize) -> Frames {
    let mut frames = Vec::new();
    while let [high, middle, low, rest @ ..] = wire {
        let announced = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
        if announced > limit {
            return (frames, wire.to_vec(), Some(FrameTooLong { announced, limit }));
        }
        let Some((frame, rest)) = rest.split_at_checked(announced) else { break };
        frames.push(frame.to_vec());
        wire = rest;
    }
    (frames, wire.to_vec(), None)
}

/// `cuts` are the lengths of the pieces, again and again.
fn split(wire: &[u8], cuts: &[u8], limit: usize) -> Frames {
    let (mut frames, mut buffer, mut rest) = (Vec::new(), BytesMut::new(), wire);
    let mut cuts = cuts.iter().filter(|cut| **cut > 0).cycle();
    while !rest.is_empty() {
        let len = cuts.next().map_or(rest.len(), |cut| rest.len().min((*cut).into()));
        let (piece, after) = rest.split_at(len);
        buffer.extend_from_slice(piece);
        rest = after;
        loop {
            let before = buffer.len();
            let needed = missing(&buffer);
            let announced = match buffer[..] {
                [high, middle, low, ..] => u32::from_be_bytes([0, high, middle, low]) as usize,
                _ => 0,
            };
            assert_eq!(needed, (PREFIX_LEN + announced).saturating_sub(before));
            match split_frame(&mut buffer, limit) {
                Ok(Some(frame)) => {
                    assert_eq!((needed, before - buffer.len()), (0, PREFIX_LEN + frame.len()));
                    frames.push(frame.to_vec());
                }
                Ok(None) => {
                    assert!(needed > 0 && before == buffer.len());
                    break;
                }
                Err(error) => {
                    assert_eq!(before, buffer.len());
                    buffer.extend_from_slice(rest);
                    return (frames, buffer.to_vec(), Some(error));
                }
            }
        }
    }
    (frames, buffer.to_vec(), None)
}
