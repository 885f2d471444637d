//! Operations of `World`, at random.

use crate::frames::{frame, stream_frame};
use prometheus_rsocket_protocol::rsocket::frame::Frame;
use prometheus_rsocket_testkit::world::{Ask, Op, Who};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;

/// Operations, few of which end everything.
pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 0..300)
}

/// The same, but nothing ends the connection: the transport is cut, again and again, and replaced.
pub(crate) fn cut_ops() -> impl Strategy<Value = Vec<Op>> {
    let cut = (who(), 0_usize..200).prop_map(|(who, len)| Op::Eof(who, len));
    let ops = vec(prop_oneof![30 => op(), 1 => cut, 1 => Just(Op::Resume)], 0..300);
    ops.prop_map(|mut ops| {
        ops.retain(|op| !matches!(op, Op::Close(_) | Op::Alarm(_) | Op::Advance(_)));
        ops
    })
}

/// The same, beside frames of any kind that neither side sent.
pub(crate) fn hostile_ops() -> impl Strategy<Value = Vec<Op>> {
    vec(prop_oneof![5 => op(), 1 => forged(frame())], 0..300)
}

/// The same, but these frames are of streams, and can be read.
pub(crate) fn hostile_stream_ops() -> impl Strategy<Value = Vec<Op>> {
    vec(prop_oneof![3 => op(), 1 => forged(stream_frame())], 0..300)
}

fn forged(frame: impl Strategy<Value = Frame>) -> impl Strategy<Value = Op> {
    (who(), frame).prop_map(|(who, frame)| Op::Forge(who, frame))
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Client), Just(Who::Server)]
}

fn op() -> impl Strategy<Value = Op> {
    let two = |op: fn(Who, usize) -> Op, numbers: Range<usize>| {
        (who(), numbers).prop_map(move |(who, number)| op(who, number))
    };
    // Of a payload. Fragments have 61 bytes where there are any.
    let len = || prop_oneof![3 => 0_usize..60, 1 => 60_usize..200];
    // Of a frame, so that a cut is likely to be in the middle of one.
    let bytes = || prop_oneof![1 => Just(0), 3 => 0_usize..200];
    let credit = || prop_oneof![6 => 1_u32..5, 1 => Just(0x7fff_ffff)];
    let ask = prop_oneof![
        4 => Just(Ask::Response),
        3 => Just(Ask::Stream),
        4 => any::<bool>().prop_map(|complete| Ask::Channel { complete }),
    ];
    prop_oneof![
        18 => (0_u32..14).prop_map(Op::Advance),
        1 => (14_u32..45).prop_map(Op::Advance),
        12 => who().prop_map(Op::Alarm),
        30 => two(Op::Answer, 0..6),
        50 => (who(), ask, len(), credit()).prop_map(|(who, ask, len, n)| Op::Ask(who, ask, len, n)),
        16 => two(Op::Cancel, 0..6),
        1 => who().prop_map(Op::Close),
        14 => two(Op::Complete, 0..6),
        80 => (who(), bytes()).prop_map(|(who, len)| Op::Deliver(who, len)),
        2 => (who(), bytes()).prop_map(|(who, len)| Op::Eof(who, len)),
        6 => two(Op::Extend, 0..20),
        10 => (who(), 0_u64..20, 0_u32..10).prop_map(|(who, secs, n)| Op::Lease(who, secs, n)),
        30 => (who(), 0_usize..6, credit()).prop_map(|(who, nth, n)| Op::More(who, nth, n)),
        8 => two(Op::Push, 0..20),
        8 => two(Op::Reject, 0..6),
        6 => Just(Op::Resume),
        60 => (who(), 0_usize..6, len()).prop_map(|(who, nth, len)| Op::Say(who, nth, len)),
        80 => two(Op::Send, 1..6),
        60 => two(Op::Take, 1..6),
        12 => two(Op::Tell, 0..60),
    ]
}
