//! Peers that are neither applications nor scrapers, and have to be sent away in time.

use crate::crowds;
use crate::report::Kind;
use crate::scenario::{HTTP_PORT, RSOCKET_PORT};
use crate::world::World;
use bytes::BytesMut;
use fastrand::Rng;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection};
use prometheus_rsocket_protocol::rsocket::frame::Setup;
use prometheus_rsocket_runtime::{Runtime, timeout};
use std::sync::Arc;
use std::time::Duration;

/// A stranger connects, sends something, and listens until it is sent away.
pub(crate) fn visit(world: &Arc<World>, mut rng: Rng) {
    let (port, bytes) = match rng.u8(..12) {
        0 => (RSOCKET_PORT, garbage(&mut rng)),
        1 => (RSOCKET_PORT, Vec::new()),
        2 => {
            let mut half = setup(world);
            half.truncate(rng.usize(1..half.len()));
            (RSOCKET_PORT, half)
        }
        3 => (RSOCKET_PORT, b"GET /metrics HTTP/1.1\r\nHost: proxy\r\n\r\n".to_vec()),
        4 => (HTTP_PORT, setup(world)),
        5 => (HTTP_PORT, garbage(&mut rng)),
        6 => return mute(world),
        7 => return crowds::silent(world, &mut rng),
        8 => return crowds::again(world, &mut rng),
        9 => return crowds::drip(world, &mut rng),
        10 => return crowds::scrapers(world, &mut rng),
        _ => return crowds::flood(world, &mut rng),
    };
    world.count("strangers");
    let world = Arc::clone(world);
    world.stranger.clone().spawn(async move { call(&world, port, &bytes).await });
}

/// A stranger that sets up a connection like an application, and then sends nothing.
pub(crate) fn mute(world: &Arc<World>) {
    world.count("mute applications");
    let now = world.now();
    {
        let mut ledger = world.ledger();
        ledger.mutes.add(now, now + world.terms.stranger_within());
        ledger.sure_mutes.add(now + SETTING_UP, now + world.terms.lifetime);
    }
    let (world, bytes) = (Arc::clone(world), setup(world));
    world.stranger.clone().spawn(async move { call(&world, RSOCKET_PORT, &bytes).await });
}

async fn call(world: &World, port: u16, bytes: &[u8]) {
    let host = &world.stranger;
    let from = world.now();
    let Ok(mut stream) = host.connect("proxy", port).await else { return };
    // The proxy may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let within = if port == HTTP_PORT { HEAD_WITHIN } else { world.terms.stranger_within() };
    // The proxy may have been paused, or its messages delayed.
    let patience = within + LONGEST_FAULT;
    let mut rest = Vec::new();
    let end = timeout(host, host.now() + patience, stream.read_to_end(&mut rest)).await;
    let now = world.now();
    let is_late = end.is_err() || now > from + within;
    if is_late && !world.ledger().proxy.any(from, now) {
        let what = format!("a stranger at port {port} was not sent away within {within:?}");
        world.violation(Kind::KeptDead, what);
    } else {
        world.count("strangers sent away");
    }
}

fn garbage(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; rng.usize(1..300)];
    rng.fill(&mut bytes);
    bytes
}

pub(crate) fn setup(world: &World) -> Vec<u8> {
    let setup = Setup {
        keepalive_ms: world.terms.keepalive.as_millis() as u32,
        max_lifetime_ms: world.terms.lifetime.as_millis() as u32,
        ..Setup::default()
    };
    let now = world.stranger.now();
    let mut connection =
        Connection::client(Config::default(), setup, now).expect("a SETUP that can be sent");
    let mut bytes = BytesMut::new();
    connection.poll_transmit(now, &mut bytes);
    bytes.to_vec()
}

/// By when the proxy has received a SETUP; strangers are near it.
const SETTING_UP: Duration = Duration::from_millis(20);
/// How long the proxy waits for the head of an HTTP request by default, and some time for travelling.
const HEAD_WITHIN: Duration = Duration::from_secs(11);
/// The longest pause or stall of the proxy.
pub(crate) const LONGEST_FAULT: Duration = Duration::from_secs(10);
