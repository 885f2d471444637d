use super::*;
use crate::{DriveEnd, DriverConfig, drive, testing::Virtual};
use bytes::BytesMut;
use prometheus_rsocket_protocol::{Machine, rsocket::framing::split_frame};
use std::{collections::VecDeque, time::Instant};

/// Sends its frames, and is done once it has received a number of them.
#[derive(Default)]
struct Sender {
    out: VecDeque<Vec<u8>>,
    received: Vec<Bytes>,
    enough: usize,
    eof: bool,
}

impl Machine for Sender {
    fn handle_input(&mut self, _: Instant, input: &mut BytesMut) {
        while let Ok(Some(frame)) = split_frame(input, usize::MAX) {
            self.received.push(frame);
        }
    }

    fn handle_eof(&mut self, _: Instant) {
        self.eof = true;
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, output: &mut BytesMut) -> bool {
        self.out.pop_front().map(|frame| output.extend_from_slice(&prefixed(&frame))).is_some()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn wants_input(&self) -> bool {
        true
    }

    fn held_bytes(&self) -> usize {
        self.out.len() + self.received.len()
    }

    fn is_closed(&self) -> bool {
        self.eof || self.out.is_empty() && self.received.len() >= self.enough
    }
}

type Driven = (io::Result<DriveEnd>, Sender);

fn driven(socket: WebSocket<Duplex>, mut machine: Sender) -> Task<Driven> {
    Task::new(async move {
        let mut owner = |_: &mut Context<'_>, _: Instant, _: &mut Sender| {};
        let config = DriverConfig::default();
        let end = drive(&Virtual::new(), socket, &mut machine, &mut owner, &config).await;
        (end, machine)
    })
}

fn payloads(lens: &[usize]) -> VecDeque<Vec<u8>> {
    lens.iter().map(|&len| (0..len).map(|i| (i * 3) as u8).collect()).collect()
}

#[test]
fn two_machines_talk_until_one_has_enough() {
    for seed in 0..10 {
        let (near, far) = duplex(5000);
        near.shake(seed);
        let config = WebSocketConfig::default();
        let (there, back) = (payloads(&[1, 125, 126, 70_000]), payloads(&[500_000, 6, 65536]));
        let client = Sender { out: there.clone(), enough: 3, ..Sender::default() };
        let server = Sender { out: back.clone(), enough: usize::MAX, ..Sender::default() };
        let mut client = driven(WebSocket::client(near, Bytes::new(), &config), client);
        let mut server = driven(WebSocket::server(far, Bytes::new(), &config), server);
        run(&mut [&mut client, &mut server]);
        let ((client_end, client), (server_end, server)) =
            (client.output().unwrap(), server.output().unwrap());
        assert!(back == client.received && !client.eof);
        assert!(there == server.received && server.eof);
        assert_eq!(client_end.unwrap(), DriveEnd::Closed);
        assert_eq!(server_end.unwrap(), DriveEnd::Closed);
    }
}

#[test]
fn a_machine_says_good_bye_before_the_close_frame() {
    let (socket, far) = open(Role::Server);
    let machine = Sender { out: payloads(&[8]), ..Sender::default() };
    let mut task = driven(socket, machine);
    run(&mut [&mut task]);
    let frames = take_frames(Role::Server, far.incoming.take());
    assert_eq!(frames.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [BINARY, CLOSE]);
    assert!(far.incoming.has_ended());
    assert!(task.output().is_none(), "it lingers");
    far.outgoing.push(&frame(Role::Server, CLOSE, &close(1000, "")));
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().0.unwrap(), DriveEnd::Closed);
}

#[test]
fn a_machine_learns_nothing_of_what_is_refused() {
    let (socket, far) = open(Role::Server);
    let machine = Sender { enough: usize::MAX, ..Sender::default() };
    let mut task = driven(socket, machine);
    far.outgoing.push(&frame(Role::Server, BINARY, b"good"));
    far.outgoing.push(&frame(Role::Server, TEXT, b"bad"));
    run(&mut [&mut task]);
    assert_eq!(take_frames(Role::Server, far.incoming.take())[0].1[..2], 1003_u16.to_be_bytes());
    far.outgoing.end();
    run(&mut [&mut task]);
    let (end, machine) = task.output().unwrap();
    assert!(end.unwrap_err().to_string().contains("text message"));
    assert_eq!(machine.received, ["good"]);
    assert!(machine.eof);
}
