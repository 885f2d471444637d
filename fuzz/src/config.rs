//! Configurations, from a fuzzer's bytes.

use crate::input::Input;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Framing, ResumeConfig};
use prometheus_rsocket_testkit::world::tight;
use std::time::Duration;

/// What both sides of a connection may agree on, with limits that are reached soon, or not at all: three bytes.
pub(crate) fn agreed(input: &mut Input<'_>) -> Config {
    let flags = input.byte();
    let mut config = if flags & 1 != 0 { tight() } else { Config::default() };
    config.mtu = (flags & 2 != 0).then_some(64);
    config.serve_leases = flags & 4 != 0;
    if flags & 8 != 0 {
        config.framing = Framing::Messages;
    }
    let max_stored = 64 * input.below(16);
    config.resume = (flags & 16 != 0).then(|| {
        let mut resume = ResumeConfig::default();
        if max_stored > 0 {
            resume.max_stored = max_stored;
        }
        resume
    });
    config.serve_extensions = flags & 32 != 0;
    let unfinished = input.byte();
    if unfinished & 1 != 0 {
        config.max_payload_len = 200 + usize::from(unfinished >> 4) * 20;
        config.max_unfinished = 300 + usize::from(unfinished >> 1 & 7) * 80;
    }
    config
}

/// Any configuration, also those that nobody would choose: 20 bytes.
pub(crate) fn any(input: &mut Input<'_>) -> Config {
    let mut config = agreed(input);
    let flags = input.byte();
    config.serve_streams = flags & 1 == 0;
    config.keepalive_as_server = flags & 2 == 0;
    if flags & 4 != 0 {
        config.keepalive_burst = u32::from(flags >> 3 & 3);
        config.max_keepalive_data = usize::from(flags >> 5) * 8;
    }
    for limit in [
        &mut config.max_open_streams,
        &mut config.max_queued_output,
        &mut config.max_queued_frames,
        &mut config.max_events,
        &mut config.max_event_bytes,
        &mut config.max_frame_len,
        &mut config.max_setup_len,
    ] {
        match input.byte() {
            0..128 => {}
            byte => *limit = usize::from(byte - 128) * 2,
        }
    }
    config.mtu = match input.byte() {
        0..128 => config.mtu,
        byte => Some(usize::from(byte - 128)),
    };
    for time in [
        &mut config.setup_timeout,
        &mut config.close_timeout,
        &mut config.keepalive_interval.0,
        &mut config.keepalive_interval.1,
        &mut config.max_lifetime.0,
        &mut config.max_lifetime.1,
    ] {
        *time = span(input, *time);
    }
    if let Some(resume) = &mut config.resume {
        resume.timeout = span(input, resume.timeout);
    }
    config
}

/// A default, or a time that is short, long, or without end.
fn span(input: &mut Input<'_>, default: Duration) -> Duration {
    match input.byte() {
        0..128 => default,
        128 => Duration::ZERO,
        // Up to 2^63 ms.
        byte @ 129..193 => Duration::from_millis(1 << (byte - 129)),
        _ => Duration::MAX,
    }
}
