//! Random runs of two connections, each held against the model of it.

use crate::ops::{cut_ops, hostile_stream_ops, ops};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Framing, ResumeConfig};
use prometheus_rsocket_testkit::world::{Op, Who, World, epoch, tight};
use proptest::prelude::*;

proptest! {
    #[test]
    fn two_of_ours_live_by_the_table(ops in ops(), config in config()) {
        let mut world = World::with_models(&config, epoch());
        world.run(&ops);
        world.end();
    }

    #[test]
    fn whatever_frames_a_peer_sends_the_table_says_what_they_do(
        ops in hostile_stream_ops(),
        mut config in config(),
        limits in (200_usize..500, 300_usize..900),
    ) {
        (config.max_payload_len, config.max_unfinished) = limits;
        let mut world = World::with_models(&config, epoch());
        world.distrust();
        world.run(&ops);
        world.end();
    }

    #[test]
    fn however_often_the_transport_is_cut_all_arrives_once_and_in_order(
        ops in cut_ops(),
        mut config in config(),
    ) {
        config.resume = Some(ResumeConfig::default());
        let mut world = World::with_models(&config, epoch());
        // From SETUP on.
        world.run(&[Op::Send(Who::Client, 1), Op::Deliver(Who::Server, usize::MAX)]);
        world.run(&ops);
        world.settle();
        for who in [Who::Client, Who::Server] {
            assert!(!world.connection(who).is_closed(), "nothing was to end it");
        }
        world.end();
    }
}

/// Small MTU or none, tight limits or not, leases or not, resumed or not, on a byte stream or in messages.
fn config() -> impl Strategy<Value = Config> {
    let resume = proptest::option::of(prop_oneof![Just(300), Just(1024 * 1024)]);
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.3), any::<bool>());
    (flags, resume).prop_map(|((is_tight, is_small, has_leases, is_messages), resume)| {
        let mut config = if is_tight { tight() } else { Config::default() };
        config.mtu = is_small.then_some(64);
        config.serve_leases = has_leases;
        config.resume = resume.map(|max_stored| {
            let mut resume = ResumeConfig::default();
            resume.max_stored = max_stored;
            resume
        });
        if is_messages {
            config.framing = Framing::Messages;
        }
        config
    })
}
