//! Peers that send little, slowly: only whole RSocket frames are signs of life.

use super::*;
use crate::{DriveEnd, DriverConfig, drive, testing::Virtual};
use prometheus_rsocket_protocol::rsocket::{
    connection::{CloseReason, Config, Connection, Event},
    frame::{Body, Frame, Setup},
};
use std::time::{Duration, Instant};

/// How a connection ended, and its owner's events.
type Served = (io::Result<DriveEnd>, Vec<Event>);

/// A server's connection with a lifetime of a second, over a WebSocket.
fn serve(clock: &Virtual) -> (Task<Served>, Duplex) {
    let (socket, far) = open(Role::Server);
    let setup = Setup { keepalive_ms: 0, max_lifetime_ms: 1_000, ..Setup::default() };
    far.outgoing.push(&frame(Role::Server, BINARY, &encoded(Body::Setup(Box::new(setup)))));
    let clock = clock.clone();
    let task = Task::new(async move {
        let mut connection = Connection::server(Config::default(), crate::Runtime::now(&clock));
        let mut events = Vec::new();
        let mut owner = |_: &mut Context<'_>, _: Instant, connection: &mut Connection| {
            events.extend(std::iter::from_fn(|| connection.poll_event()));
        };
        let config = DriverConfig::default();
        let end = drive(&clock, socket, &mut connection, &mut owner, &config).await;
        (end, events)
    });
    (task, far)
}

fn encoded(body: Body) -> Bytes {
    let mut bytes = bytes::BytesMut::new();
    Frame::on_connection(body).encode(&mut bytes).unwrap();
    bytes.freeze()
}

fn keepalive() -> Bytes {
    encoded(Body::KeepAlive { respond: true, position: 0, data: Bytes::from_static(&[7; 40]) })
}

/// Input without any message.
fn nothing_said() -> [(&'static str, Vec<Vec<u8>>); 5] {
    let message = frame(Role::Server, BINARY, &keepalive());
    let drip = message[..message.len() - 1].iter().map(|byte| vec![*byte]).collect();
    let mut fragments = vec![frame(Role::Server, BINARY_MORE, &[0])];
    fragments.extend(keepalive().iter().skip(1).map(|byte| frame(Role::Server, MORE, &[*byte])));
    let mut empty = vec![frame(Role::Server, BINARY_MORE, b"")];
    empty.extend(vec![frame(Role::Server, MORE, b""); 40]);
    [
        ("a message byte by byte", drip),
        ("a message in fragments", fragments),
        ("fragments of nothing", empty),
        ("pings", vec![frame(Role::Server, PING, b"?"); 40]),
        ("pongs", vec![frame(Role::Server, PONG, b"!"); 40]),
    ]
}

#[test]
fn whoever_never_ends_a_frame_is_taken_for_dead() {
    for (name, pieces) in nothing_said() {
        let clock = Virtual::new();
        let (mut task, far) = serve(&clock);
        run(&mut [&mut task]);
        let mut sent = 0;
        for piece in pieces {
            clock.advance(Duration::from_millis(40));
            far.outgoing.push(&piece);
            run(&mut [&mut task]);
            sent += 1;
            if far.incoming.has_ended() {
                break;
            }
        }
        assert_eq!(sent, 25, "{name}");
        far.outgoing.end();
        run(&mut [&mut task]);
        let (end, events) = task.output().expect(name);
        assert_eq!(end.unwrap(), DriveEnd::Closed);
        let after = Duration::from_secs(1);
        let reason = CloseReason::KeepAliveTimeout { after };
        assert_eq!(events.last(), Some(&Event::Closed { reason }), "{name}");
    }
}

#[test]
fn whole_frames_keep_a_connection_alive_however_they_are_cut() {
    let clock = Virtual::new();
    let (mut task, far) = serve(&clock);
    let frames = [BINARY_MORE, LAST].map(|first| frame(Role::Server, first, &keepalive()[..1]));
    let rest = frame(Role::Server, LAST, &keepalive()[1..]);
    for _ in 0..10 {
        for piece in [&frames[0], &rest] {
            clock.advance(Duration::from_millis(450));
            far.outgoing.push(piece);
            run(&mut [&mut task]);
        }
    }
    assert!(task.output().is_none());
    assert_eq!(take_frames(Role::Server, far.incoming.take()).len(), 10, "each is echoed");
}

#[test]
fn pings_that_are_read_together_get_one_pong() {
    let (mut socket, far) = open(Role::Server);
    let pings: Vec<u8> = (0..20).flat_map(|nth| frame(Role::Server, PING, &[nth])).collect();
    far.outgoing.push(&pings);
    read(&mut socket, 100);
    assert_eq!(take_frames(Role::Server, far.incoming.take()), [(PONG, vec![19])]);
}

#[test]
fn a_flood_of_keepalives_is_echoed_at_a_pace() {
    let clock = Virtual::new();
    let (mut task, far) = serve(&clock);
    let flood = frame(Role::Server, BINARY, &keepalive()).repeat(10_000);
    far.outgoing.push(&flood);
    run(&mut [&mut task]);
    // The rest stays in the stream: not even the driver holds more than it reads at once.
    assert!(far.outgoing.len() >= flood.len() - 70_000);
    let mut echoes = take_frames(Role::Server, far.incoming.take()).len();
    assert_eq!(echoes, 20);
    for _ in 0..100 {
        clock.advance(Duration::from_millis(50));
        run(&mut [&mut task]);
        echoes += take_frames(Role::Server, far.incoming.take()).len();
    }
    assert_eq!(echoes, 120);
    assert!(task.output().is_none(), "it lives");
}
