//! Neighbours for which no client is bad enough: they speak RSocket themselves.

use super::flood::{self, Flood};
use super::{Bad, PORT};
use crate::text::HEAD;
use crate::world::World;
use bytes::Bytes;
use fastrand::Rng;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, PLAINTEXT, PeerKey, SecretKey, encrypt,
};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, Setup};
use prometheus_rsocket_runtime::{DriverConfig, Runtime, drive};
use prometheus_rsocket_sim::{SimHost, Strike};
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

/// Connects, answers badly, and connects again, for as long as the host lasts.
pub(super) async fn live(world: &Arc<World>, host: &SimHost, bad: Bad, app: usize, mut rng: Rng) {
    let mut serial = world.now().as_millis() as usize;
    loop {
        let setup = Setup {
            keepalive_ms: world.terms.keepalive.as_millis() as u32,
            max_lifetime_ms: world.terms.lifetime.as_millis() as u32,
            ..Setup::default()
        };
        let stream = host.connect("proxy", PORT).await;
        let connection = Connection::client(Config::default(), setup, host.now());
        if let (Ok(stream), Ok(mut connection)) = (stream, connection) {
            let mut flood = Flood::new(bad);
            let mut owner = |_cx: &mut Context<'_>, now: Instant, connection: &mut Connection| {
                while let Some(event) = connection.poll_event() {
                    if let Event::FireAndForget { payload, .. } = &event {
                        flood.on_key(&payload.data, app, serial, &mut rng);
                    }
                    let Event::RequestResponse { stream_id, payload } = event else { continue };
                    serial += 1;
                    match answer(bad, app, serial, &payload.data, &mut rng) {
                        Some(answer) => drop(connection.respond(stream_id, answer)),
                        None => drop(connection.complete(stream_id)),
                    }
                    if bad == Bad::ResetMidFrame {
                        break_off(world, host);
                    }
                }
                flood.go_on(connection);
                if bad == Bad::Loop {
                    connection.close(now, ErrorCode::CONNECTION_ERROR, "never mind");
                }
            };
            let config = DriverConfig::default();
            // However the connection ends.
            let _ = drive(host, stream, &mut connection, &mut owner, &config).await;
        }
        world.sleep(host, AGAIN_AFTER).await;
    }
}

/// Returns its answer, if it answers.
fn answer(bad: Bad, app: usize, serial: usize, key: &[u8], rng: &mut Rng) -> Option<Payload> {
    let head = format!("{HEAD}{app}\",serial=\"{serial}\"}} 1\n");
    let mut seed = [0; 32];
    rng.fill(&mut seed);
    match bad {
        Bad::NotUtf8 => {
            let text = [head.as_bytes(), b"bad{a=\"\xff\xfe\"} 1\n"].concat();
            envelope::seal(&PeerKey::parse(key).ok()?, &text, AesKeySize::Aes128, seed).ok()
        }
        Bad::Bomb => {
            let key = PeerKey::parse(key).ok()?;
            // A length of 4 GiB, and one byte that claims to be all of it.
            let block = b"\xff\xff\xff\xff\x0f\x00x";
            if key.is_plaintext() {
                return Some(Payload::new(PLAINTEXT, Bytes::from_static(block)));
            }
            let secret = SecretKey::new(seed[..16].to_vec()).ok()?;
            Some(Payload::new(key.wrap(&secret, seed).ok()?, encrypt(&secret, block)))
        }
        Bad::Empty | Bad::FloodBroken => None,
        Bad::FloodBig | Bad::FloodSmall | Bad::FloodWaiting => {
            let more = if bad == Bad::FloodBig { flood::comment() } else { String::new() };
            let key = PeerKey::parse(key).ok()?;
            envelope::seal(&key, (head + &more).as_bytes(), AesKeySize::Aes128, seed).ok()
        }
        Bad::ResetMidFrame => Some(Payload::new(PLAINTEXT, head.repeat(3_000).into_bytes())),
        Bad::WrongKey => {
            let key: Vec<u8> = (0..256).map(|_| rng.u8(..)).collect();
            Some(Payload::new(key, vec![7; 160]))
        }
        _ => Some(Payload::new(PLAINTEXT, head.into_bytes())),
    }
}

/// Breaks the connection while the answer is being sent.
fn break_off(world: &Arc<World>, host: &SimHost) {
    let (world, at) = (Arc::clone(world), host.clone());
    host.spawn(async move {
        world.sleep(&at, Duration::from_millis(50)).await;
        world.sim.strike(&at, Strike::Reset);
    });
}

const AGAIN_AFTER: Duration = Duration::from_millis(300);
