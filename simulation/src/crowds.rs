//! Crowds of strangers, and strangers that hold on to their connections by every means except a valid SETUP.

use crate::report::Kind;
use crate::scenario::{HTTP_PORT, RSOCKET_PORT};
use crate::strangers::{LONGEST_FAULT, setup};
use crate::world::World;
use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWriteExt, future::or};
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use prometheus_rsocket_runtime::{Runtime, timeout};
use prometheus_rsocket_sim::SimHost;
use std::sync::Arc;
use std::time::Duration;

/// More connections at once than the proxy has places. They send nothing, and have to make room for the applications.
pub(crate) fn silent(world: &Arc<World>, rng: &mut Rng) {
    world.count("silent crowds");
    for _ in 0..rng.usize(100..300) {
        spawn(world, Duration::ZERO, |world| async move {
            let Ok(mut stream) = world.stranger.connect("proxy", RSOCKET_PORT).await else {
                return;
            };
            until_end(&mut stream).await;
        });
    }
}

/// More connections at once than there are places for HTTP: silent ones, heads that arrive byte by byte, answers that nobody reads. Scrapers have to
/// be served beside them. None asks for metrics, so no push is delivered to any.
pub(crate) fn scrapers(world: &Arc<World>, rng: &mut Rng) {
    world.count("hostile scrapers");
    for _ in 0..rng.usize(50..400) {
        let (kind, stay) = (rng.u8(..3), Duration::from_millis(rng.u64(1_000..20_000)));
        let (world, host) = (Arc::clone(world), world.stranger.clone());
        host.clone().spawn(async move {
            let staying = async {
                let Ok(mut stream) = host.connect("proxy", HTTP_PORT).await else { return };
                match kind {
                    0 => until_end(&mut stream).await,
                    1 => {
                        let _ = stream.write_all(b"GET / HTTP/1.1\r\nX: ").await;
                        while stream.write_all(b"x").await.is_ok() {
                            world.sleep(&host, Duration::from_millis(500)).await;
                        }
                    }
                    _ => {
                        let request = b"GET /metrics/proxy HTTP/1.1\r\nHost: x\r\n\r\n";
                        while stream.write_all(request).await.is_ok() {}
                    }
                }
            };
            let _ = timeout(&host, host.now() + stay, staying).await;
        });
    }
}

/// A stranger that connects, sends SETUP and leaves, without a pause.
pub(crate) fn again(world: &Arc<World>, rng: &mut Rng) {
    world.count("reconnect loops");
    let times = rng.usize(20..100);
    let within = world.terms.connect_timeout * times as u32;
    spawn(world, within, move |world| async move {
        for _ in 0..times {
            let connected = world.stranger.connect("proxy", RSOCKET_PORT).await;
            if let Ok(mut stream) = connected {
                let _ = stream.write_all(&setup(&world)).await;
            }
        }
    });
}

/// A stranger that sends one byte of a long frame at a time.
pub(crate) fn drip(world: &Arc<World>, rng: &mut Rng) {
    world.count("slow frames");
    let pause = Duration::from_millis(rng.u64(50..500));
    spawn(world, Duration::ZERO, move |world| async move {
        let Ok(stream) = world.stranger.connect("proxy", RSOCKET_PORT).await else { return };
        let (mut reader, mut writer) = futures_lite::io::split(stream);
        let dripping = async {
            let _ = writer.write_all(&setup(&world)).await;
            let _ = writer.write_all(&[0xf0, 0, 0]).await;
            while writer.write_all(&[0]).await.is_ok() {
                world.sleep(&world.stranger, pause).await;
            }
        };
        or(dripping, until_end(&mut reader)).await;
    });
}

/// A stranger that sends KEEPALIVEs as fast as it may, and reads the echoes or not; then it is silent.
pub(crate) fn flood(world: &Arc<World>, rng: &mut Rng) {
    world.count("floods of keepalives");
    let (count, len, reads) = (rng.usize(20..300), rng.usize(0..2_000), rng.bool());
    // After the burst, each KEEPALIVE takes a twentieth of a second.
    let within = Duration::from_millis(50 * count as u64);
    spawn(world, within, move |world| async move {
        let Ok(stream) = world.stranger.connect("proxy", RSOCKET_PORT).await else { return };
        let (mut reader, mut writer) = futures_lite::io::split(stream);
        let flooding = async {
            let _ = writer.write_all(&setup(&world)).await;
            let _ = writer.write_all(&keepalive(len).repeat(count)).await;
            // The reader notices the end of the connection; otherwise it ends when it is dropped.
            world.sleep(&world.stranger, world.terms.stranger_within()).await;
        };
        if reads {
            or(flooding, until_end(&mut reader)).await;
        } else {
            flooding.await;
        }
    });
}

/// Runs a stranger, which must be finished `within` this time in addition to the time that the proxy allows to strangers in any case.
fn spawn<F>(world: &Arc<World>, within: Duration, visit: impl FnOnce(Arc<World>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let within = within + 2 * world.terms.stranger_within();
    let from = world.now();
    world.ledger().mutes.add(from, from + within);
    let (world, visiting) = (Arc::clone(world), visit(Arc::clone(world)));
    let host: SimHost = world.stranger.clone();
    host.clone().spawn(async move {
        let end = timeout(&host, host.now() + within + LONGEST_FAULT, visiting).await;
        let now = world.now();
        let is_late = end.is_err() || now > from + within;
        if is_late && !world.ledger().proxy.any(from, now) {
            let what = format!("a stranger in a crowd was not sent away within {within:?}");
            world.violation(Kind::KeptDead, what);
        } else {
            world.count("crowds sent away");
        }
    });
}

async fn until_end(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

fn keepalive(len: usize) -> Vec<u8> {
    let data = Bytes::from(vec![b'k'; len]);
    let frame = Frame::on_connection(Body::KeepAlive { respond: true, position: 0, data });
    let mut bytes = BytesMut::new();
    encode_prefixed(&frame, &mut bytes).expect("a short frame");
    bytes.to_vec()
}
