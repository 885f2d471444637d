//! Operations of [`World`](prometheus_rsocket_testkit::world::World), from a fuzzer's bytes.

use crate::forge;
use crate::input::Input;
use prometheus_rsocket_testkit::world::{Ask, Op, Who};

/// What may arrive that nobody sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forged {
    /// Anything: frames, and bytes.
    Anything,
    /// Frames of streams.
    StreamFrames,
    /// Nothing.
    Nothing,
}

/// The operations that are left of an input. What ends connections is left out where nothing is forged.
pub(crate) fn ops(input: &mut Input<'_>, forged: Forged) -> Vec<Op> {
    let mut ops = Vec::new();
    while !input.is_empty() && ops.len() < OPS_MAX {
        ops.extend(op(input, forged));
    }
    ops
}

fn op(input: &mut Input<'_>, forged: Forged) -> Option<Op> {
    let head = input.byte();
    let who = if head & 0x80 == 0 { Who::Client } else { Who::Server };
    Some(match head & 0x1f {
        0..3 if forged == Forged::Nothing => return None,
        0 => Op::Advance(input.below(45) as u32),
        1 => Op::Alarm(who),
        2 => Op::Close(who),
        3 => Op::Answer(who, input.below(6)),
        4 | 5 => {
            let kind = match input.below(4) {
                0 => Ask::Response,
                1 => Ask::Stream,
                2 => Ask::Channel { complete: false },
                _ => Ask::Channel { complete: true },
            };
            Op::Ask(who, kind, len(input), credit(input))
        }
        6 => Op::Cancel(who, input.below(6)),
        7 => Op::Complete(who, input.below(6)),
        8 => Op::Deliver(who, usize::MAX),
        9 => Op::Deliver(who, len(input)),
        10 => Op::Eof(who, len(input)),
        11 => Op::Extend(who, input.below(20)),
        12 => Op::Lease(who, input.below(20) as u64, input.below(10) as u32),
        13 => Op::More(who, input.below(6), credit(input)),
        14 => Op::Push(who, input.below(20)),
        15 => Op::Reject(who, input.below(6)),
        16 => Op::Resume,
        17 | 18 => Op::Say(who, input.below(6), len(input)),
        19 => Op::Send(who, usize::MAX),
        20 => Op::Send(who, input.below(6)),
        21 => Op::Take(who, usize::MAX),
        22 => Op::Take(who, input.below(6)),
        23 => Op::Tell(who, len(input)),
        24..=28 => match forged {
            Forged::Anything => Op::Forge(who, forge::frame(input)),
            Forged::StreamFrames => Op::Forge(who, forge::stream_frame(input)),
            Forged::Nothing => return None,
        },
        29 if forged == Forged::Anything => Op::Garble(who, input.owned()),
        _ => return None,
    })
}

/// Bytes of a payload, or of what arrives of some: fragments have 61 where there are any.
fn len(input: &mut Input<'_>) -> usize {
    input.below(200)
}

fn credit(input: &mut Input<'_>) -> u32 {
    match input.below(8) {
        0 => 0x7fff_ffff,
        some => some as u32,
    }
}

/// More than a fuzzer's inputs have, and few enough for the reference model, which is slow.
const OPS_MAX: usize = 1_000;
