//! What owners, drivers, the network and the clock do, as values.

use crate::frames::{frame, stream_frame};
use prometheus_rsocket_protocol::frame::Frame;
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;

/// Either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Client,
    Server,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Response,
    Stream,
    Channel { complete: bool },
}

/// One thing that an owner, a driver, the network, or the clock does. A stream is named by its place among those that its owner knows.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Milliseconds pass, two to this power.
    Advance(u32),
    /// The clock jumps to this side's next timeout.
    Alarm(Who),
    /// The last payload of a stream, or the answer.
    Answer(Who, usize),
    /// A request with so many bytes, and so much credit where it takes some.
    Ask(Who, Ask, usize, u32),
    Cancel(Who, usize),
    Close(Who),
    Complete(Who, usize),
    /// Up to so many of the bytes on their way to this side arrive.
    Deliver(Who, usize),
    /// The transport is gone after up to so many more bytes each way, which may be in the middle of a frame. This side notices.
    Eof(Who, usize),
    /// EXT, of so many bytes.
    Extend(Who, usize),
    /// A frame arrives that the other side did not send, after all that it did.
    Forge(Who, Frame),
    /// LEASE: seconds, and requests.
    Lease(Who, u64, u32),
    /// REQUEST_N.
    More(Who, usize, u32),
    Push(Who, usize),
    Reject(Who, usize),
    /// A suspended client gets a new transport.
    Resume,
    /// A payload of so many bytes on a stream.
    Say(Who, usize, usize),
    /// Up to so many frames are sent.
    Send(Who, usize),
    /// Up to so many events are taken.
    Take(Who, usize),
    Tell(Who, usize),
}

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

impl Who {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
