use super::{
    Leaf,
    support::{StreamOf, dial, listen, pair, pattern, units},
};
use crate::{DriveEnd, DriverConfig, Listener, Runtime, drive, timeout};
use bytes::{Bytes, BytesMut};
use futures_lite::{
    AsyncReadExt, AsyncWriteExt, Stream,
    future::zip,
    io::{ErrorKind, copy, split},
};
use prometheus_rsocket_protocol::Machine;
use std::{
    collections::VecDeque,
    io,
    pin::pin,
    task::{Context, Poll},
    time::Instant,
};

/// More than all buffers of a connection hold.
pub async fn megabytes_come_back_as_they_were_sent<L: Leaf>(runtime: L::Runtime) {
    let sent = pattern(20_000_000);
    let (near, far) = pair::<L>(&runtime).await;
    let end = spawn_drive::<L>(&runtime, near, Toy { stop_after: sent.len(), ..Toy::default() });
    let mut received = Vec::new();
    let (mut reader, mut writer) = split(far);
    let (written, read) = zip(writer.write_all(&sent), reader.read_to_end(&mut received)).await;
    written.unwrap();
    read.unwrap();
    assert!(received == sent);
    drop((reader, writer));
    assert_eq!(end.recv().await.unwrap().unwrap(), DriveEnd::Closed);
}

pub async fn the_final_bytes_arrive_though_the_peer_goes_on_sending<L: Leaf>(runtime: L::Runtime) {
    let (near, mut far) = pair::<L>(&runtime).await;
    let end = spawn_drive::<L>(&runtime, near, Toy { stop_after: 10, ..Toy::default() });
    far.write_all(&[7; 1_000_000]).await.unwrap();
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), 10);
    drop(far);
    assert_eq!(end.recv().await.unwrap().unwrap(), DriveEnd::Closed);
}

pub async fn a_machine_is_told_of_its_deadline_and_never_early<L: Leaf>(runtime: L::Runtime) {
    let (near, mut far) = pair::<L>(&runtime).await;
    let deadline = runtime.now() + units::<L>(10);
    let machine = Toy { deadline: Some(deadline), ..Toy::default() };
    let end = spawn_drive::<L>(&runtime, near, machine);
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert!(runtime.now() >= deadline);
    assert_eq!(received, b"late");
    drop(far);
    assert_eq!(end.recv().await.unwrap().unwrap(), DriveEnd::Closed);
}

pub async fn a_command_wakes_an_idle_connection<L: Leaf>(runtime: L::Runtime) {
    let (near, mut far) = pair::<L>(&runtime).await;
    let (sender, receiver) = async_channel::bounded(1);
    let task = runtime.clone();
    runtime.spawn(async move {
        let mut commands = pin!(receiver);
        let mut owner = |cx: &mut Context<'_>, _: Instant, machine: &mut Toy| {
            while let Poll::Ready(Some(bytes)) = commands.as_mut().poll_next(cx) {
                machine.held.push_back(bytes);
            }
        };
        let mut machine = Toy { stop_after: usize::MAX, ..Toy::default() };
        let config = DriverConfig::default();
        drive(&task, near, &mut machine, &mut owner, &config).await.unwrap();
    });
    for text in ["one", "two", "six"] {
        sender.send(Bytes::from(text)).await.unwrap();
        let mut received = [0; 3];
        far.read_exact(&mut received).await.unwrap();
        assert_eq!(received, text.as_bytes());
    }
}

pub async fn a_peer_that_takes_nothing_is_given_up<L: Leaf>(runtime: L::Runtime) {
    let (near, _far) = pair::<L>(&runtime).await;
    let held = (0..100).map(|_| Bytes::from(vec![7; 1_000_000])).collect();
    let mut machine = Toy { held, stop_after: usize::MAX, ..Toy::default() };
    let config = DriverConfig { write_timeout: units::<L>(50), ..DriverConfig::default() };
    let end = drive(&runtime, near, &mut machine, &mut no_owner, &config).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::TimedOut);
}

pub async fn a_connection_that_is_given_up_ends_for_the_peer<L: Leaf>(runtime: L::Runtime) {
    let (near, mut far) = pair::<L>(&runtime).await;
    let give_up = runtime.now() + units::<L>(5);
    let driving = async {
        let config = DriverConfig::default();
        drive(&runtime, near, &mut Toy::default(), &mut no_owner, &config).await
    };
    assert!(timeout(&runtime, give_up, driving).await.is_err());
    assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
}

pub async fn a_thousand_connections_at_once_each_get_their_own_bytes_back<L: Leaf>(
    runtime: L::Runtime,
) {
    // Both ends are in this process, and other tests run at the same time.
    let files = 2 * CROWD as u64 + 1000;
    let limit = rlimit::increase_nofile_limit(files).unwrap();
    assert!(limit >= files, "this needs {files} file descriptors, but the system allows {limit}");

    let (listener, address) = listen::<L>(&runtime).await;
    let server = runtime.clone();
    runtime.spawn(async move {
        for _ in 0..CROWD {
            let (stream, _) = listener.accept().await.unwrap();
            server.spawn(async move {
                let (reader, mut writer) = split(stream);
                copy(reader, &mut writer).await.unwrap();
                writer.close().await.unwrap();
            });
        }
    });
    let (sender, opened) = async_channel::unbounded();
    for number in 0..CROWD {
        let (runtime, sender) = (runtime.clone(), sender.clone());
        runtime.clone().spawn(async move {
            let mut stream = dial::<L>(&runtime, address).await.unwrap();
            ask::<L>(&mut stream, number).await;
            sender.send((number, stream)).await.unwrap();
        });
    }
    drop(sender);
    let mut open = Vec::new();
    while let Ok(client) = opened.recv().await {
        open.push(client);
    }
    assert_eq!(open.len(), CROWD, "all are open at the same time");
    for (number, mut stream) in open {
        ask::<L>(&mut stream, number).await;
        stream.close().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }
}

async fn ask<L: Leaf>(stream: &mut StreamOf<L>, number: usize) {
    let sent = format!("this is {number:5}");
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut received = [0; 13];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(received, sent.as_bytes());
}

/// Drives a machine in its own task, and reports how that ends.
fn spawn_drive<L: Leaf>(
    runtime: &L::Runtime,
    stream: StreamOf<L>,
    mut machine: Toy,
) -> async_channel::Receiver<io::Result<DriveEnd>> {
    let (sender, end) = async_channel::bounded(1);
    let task = runtime.clone();
    runtime.spawn(async move {
        let config = DriverConfig::default();
        let end = drive(&task, stream, &mut machine, &mut no_owner, &config).await;
        sender.send(end).await.unwrap();
    });
    end
}

/// Returns its input until that is `stop_after` bytes long, or until the deadline; then it is closed.
#[derive(Default)]
struct Toy {
    held: VecDeque<Bytes>,
    stop_after: usize,
    deadline: Option<Instant>,
    closed: bool,
}

impl Machine for Toy {
    fn handle_input(&mut self, _: Instant, input: &mut BytesMut) {
        self.held.push_back(input.split().freeze());
    }

    fn handle_eof(&mut self, _: Instant) {
        self.closed = true;
    }

    fn handle_timeout(&mut self, now: Instant) {
        let Some(deadline) = self.deadline.take() else { return };
        let word = if now < deadline { "early" } else { "late" };
        self.held.push_back(Bytes::from(word));
        self.stop_after = word.len();
    }

    fn poll_transmit(&mut self, _: Instant, output: &mut BytesMut) -> bool {
        let Some(mut bytes) = self.held.pop_front().filter(|_| !self.closed) else {
            return false;
        };
        bytes.truncate(self.stop_after);
        self.stop_after -= bytes.len();
        output.extend_from_slice(&bytes);
        self.closed = self.stop_after == 0;
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn wants_input(&self) -> bool {
        self.held.len() < 4 && !self.closed
    }

    fn held_bytes(&self) -> usize {
        self.held.iter().map(Bytes::len).sum()
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

fn no_owner(_: &mut Context<'_>, _: Instant, _: &mut Toy) {}

const CROWD: usize = 1000;
