//! Two connections, their owners, drivers and transport.

use crate::config;
use crate::input::Input;
use crate::script::{self, Forged};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::Config;
use prometheus_rsocket_testkit::world::{Op, Who, World, epoch};

/// Whatever two of ours do, whatever else arrives, and however often the transport is cut: each does what the reference model
/// says, or, where bytes are forged that the model does not know, what the contract says.
pub fn peers(data: &[u8]) {
    let mut input = Input::new(data);
    let forged = match input.below(3) {
        0 => Forged::StreamFrames,
        _ => Forged::Anything,
    };
    let config = config::agreed(&mut input);
    let ops = script::ops(&mut input, forged);
    let now = epoch();
    // Else they, too, are held to find no fault with each other.
    let is_narrow = config.max_payload_len < Config::default().max_payload_len;
    let is_forged = |op: &Op| matches!(op, Op::Forge(..) | Op::Garble(..));
    let distrusts = is_narrow || ops.iter().any(is_forged);
    let play = |mut world: World| {
        if distrusts {
            world.distrust();
        }
        world.run(&ops);
        world.end();
        world.log
    };
    if forged == Forged::StreamFrames {
        play(World::with_models(&config, now));
        return;
    }
    let log = play(World::new(&config, now));
    assert_eq!(log, play(World::new(&config, now)), "rule 9: the same calls gave something else");
}

/// However often the transport is cut, everything arrives once and in order, and the connection lives on.
pub(super) fn cuts(input: &mut Input<'_>) {
    let mut config = config::agreed(input);
    config.resume.get_or_insert_default();
    // What one sends is not too much for the other.
    let wide = Config::default();
    (config.max_payload_len, config.max_unfinished) = (wide.max_payload_len, wide.max_unfinished);
    let ops = script::ops(input, Forged::Nothing);
    let mut world = World::with_models(&config, epoch());
    // From SETUP on.
    world.run(&[Op::Send(Who::Client, 1), Op::Deliver(Who::Server, usize::MAX)]);
    world.run(&ops);
    world.settle();
    let is_whole = config.resume.is_some_and(|resume| resume.max_stored >= STORED_MIN);
    for who in [Who::Client, Who::Server] {
        assert!(!is_whole || !world.connection(who).is_closed(), "nothing was to end it");
    }
    world.end();
}

/// With less, what is lost may not be there any more.
const STORED_MIN: usize = 1024 * 1024;
