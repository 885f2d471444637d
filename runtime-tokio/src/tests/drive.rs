use super::seam::pair;
use crate::Tokio;
use bytes::{Bytes, BytesMut};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_runtime::{DriveEnd, DriverConfig, drive};
use std::{collections::VecDeque, task::Context, time::Instant};

/// More than all the buffers of a loopback connection hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_come_back_as_they_were_sent() {
    let sent: Vec<u8> = (0..20_000_000u32).map(|i| (i / 7) as u8).collect();
    let (near, received) = echo(sent.clone()).await;
    assert!(received == sent);
    assert_eq!(near.unwrap(), DriveEnd::Closed);
}

#[tokio::test]
async fn the_final_bytes_arrive_though_the_peer_goes_on_sending() {
    let runtime = Tokio::current();
    let (near, mut far) = pair(&runtime).await;
    let driver = tokio::spawn(async move {
        let mut machine = Echo { stop_after: 10, ..Echo::default() };
        drive(&runtime, near, &mut machine, &mut no_owner, &DriverConfig::default()).await
    });
    far.write_all(&[7; 1_000_000]).await.unwrap();
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), 10);
    drop(far);
    assert_eq!(driver.await.unwrap().unwrap(), DriveEnd::Closed);
}

/// Sends `bytes` through a driven [`Echo`]; returns how the driver ended, and what came back.
async fn echo(bytes: Vec<u8>) -> (std::io::Result<DriveEnd>, Vec<u8>) {
    let runtime = Tokio::current();
    let (near, mut far) = pair(&runtime).await;
    let stop_after = bytes.len();
    let driver = tokio::spawn(async move {
        let mut machine = Echo { stop_after, ..Echo::default() };
        drive(&runtime, near, &mut machine, &mut no_owner, &DriverConfig::default()).await
    });
    let mut received = Vec::new();
    let (mut reader, mut writer) = futures_lite::io::split(&mut far);
    let (written, read) = tokio::join!(writer.write_all(&bytes), reader.read_to_end(&mut received));
    written.unwrap();
    read.unwrap();
    drop(far);
    (driver.await.unwrap(), received)
}

/// Returns `stop_after` bytes and is closed.
#[derive(Default)]
struct Echo {
    held: VecDeque<Bytes>,
    stop_after: usize,
    closed: bool,
}

impl Machine for Echo {
    fn handle_input(&mut self, _: Instant, input: &mut BytesMut) {
        self.held.push_back(input.split().freeze());
    }

    fn handle_eof(&mut self, _: Instant) {
        self.closed = true;
    }

    fn handle_timeout(&mut self, _: Instant) {}

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
        None
    }

    fn wants_input(&self) -> bool {
        self.held.len() < 4 && !self.closed
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

fn no_owner(_: &mut Context<'_>, _: Instant, _: &mut Echo) {}
