use super::{
    Leaf,
    support::{pair, pattern, pause, units},
};
use crate::{Runtime, timeout};
use futures_lite::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt,
    future::{poll_once, zip},
    io::{ErrorKind, split},
};
use std::io::IoSlice;

pub async fn bytes_go_both_ways_and_each_direction_ends_by_itself<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    near.write_all(b"question").await.unwrap();
    near.close().await.unwrap();
    let mut question = Vec::new();
    far.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");

    far.write_all(b"answer").await.unwrap();
    far.close().await.unwrap();
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
}

pub async fn a_read_takes_no_more_than_it_has_room_for<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    let sent = pattern(1000);
    near.write_all(&sent).await.unwrap();
    near.close().await.unwrap();
    let (mut received, mut room) = (Vec::new(), 0);
    loop {
        room = room % 10 + 1;
        let mut buf = [0xff; 12];
        let len = far.read(&mut buf[1..=room]).await.unwrap();
        assert_eq!((buf[0], buf[room + 1]), (0xff, 0xff), "outside of the room");
        if len == 0 {
            break;
        }
        received.extend_from_slice(&buf[1..=len]);
    }
    assert!(received == sent);
}

pub async fn a_vectored_write_takes_more_than_the_first_slice<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    let slices = [IoSlice::new(b"one"), IoSlice::new(b"two")];
    assert_eq!(near.write_vectored(&slices).await.unwrap(), 6);
    let mut received = [0; 6];
    far.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"onetwo");
}

pub async fn a_large_vectored_write_arrives_in_order<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    let sent = pattern(20_000_000);
    let write = async {
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let slices: Vec<_> = rest.chunks(1_000_003).map(IoSlice::new).collect();
            let len = near.write_vectored(&slices).await.unwrap();
            rest = &rest[len..];
        }
        near.close().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = zip(write, far.read_to_end(&mut received)).await;
    read.unwrap();
    assert!(received == sent);
}

pub async fn megabytes_go_both_ways_through_small_buffers<L: Leaf>(runtime: L::Runtime) {
    let (near, far) = pair::<L>(&runtime).await;
    let (near_sent, far_sent) = (pattern(3_000_000), pattern(2_000_001));
    let exchange = zip(exchange(near, &near_sent), exchange(far, &far_sent));
    let (near_received, far_received) = exchange.await;
    assert!(near_received == far_sent);
    assert!(far_received == near_sent);
}

/// Sends `bytes` and ends, while it receives what the other side sends.
async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = split(stream);
    let write = async {
        for chunk in bytes.chunks(7001) {
            writer.write_all(chunk).await.unwrap();
        }
        writer.flush().await.unwrap();
        writer.close().await.unwrap();
    };
    let read = async {
        let (mut received, mut buf) = (Vec::new(), [0; 1009]);
        loop {
            match reader.read(&mut buf).await.unwrap() {
                0 => break received,
                len => received.extend_from_slice(&buf[..len]),
            }
        }
    };
    zip(write, read).await.1
}

pub async fn a_waiting_reader_is_woken_by_bytes_and_by_the_end<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    let (sender, receiver) = async_channel::unbounded();
    runtime.spawn(async move {
        let (mut buf, mut len) = ([0; 10], 1);
        while len != 0 {
            len = far.read(&mut buf).await.unwrap();
            sender.send(buf[..len].to_vec()).await.unwrap();
        }
    });
    for byte in 0..3 {
        pause::<L>(&runtime, 3).await;
        near.write_all(&[byte]).await.unwrap();
        assert_eq!(receiver.recv().await.unwrap(), [byte]);
    }
    pause::<L>(&runtime, 3).await;
    near.close().await.unwrap();
    assert_eq!(receiver.recv().await.unwrap(), [0; 0]);
}

pub async fn a_read_that_is_dropped_loses_nothing<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    for byte in 0..3 {
        let mut lost = [0; 10];
        assert!(poll_once(far.read(&mut lost)).await.is_none());
        near.write_all(&[byte]).await.unwrap();
        let mut buf = [0xff; 10];
        assert_eq!(far.read(&mut buf).await.unwrap(), 1);
        assert_eq!(buf[0], byte);
    }
    // A read that is polled when there are bytes either takes them or leaves them.
    let sent = pattern(100);
    near.write_all(&sent).await.unwrap();
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let mut buf = [0; 3];
        match poll_once(far.read(&mut buf)).await {
            Some(len) => received.extend_from_slice(&buf[..len.unwrap()]),
            None => pause::<L>(&runtime, 1).await,
        }
    }
    assert!(received == sent);
}

/// The writer continues when the reader does.
pub async fn a_writer_waits_for_a_reader_that_stops<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    let chunk = pattern(100_000);
    let mut sent = Vec::new();
    // Waiting bytes may still move to the receiver's buffer and make room.
    while let Ok(len) = timeout(&runtime, runtime.now() + units::<L>(20), near.write(&chunk)).await
    {
        sent.extend_from_slice(&chunk[..len.unwrap()]);
        assert!(sent.len() <= BUFFERS_MAX, "the writer does not wait");
    }
    sent.extend_from_slice(&chunk);
    let write = async {
        near.write_all(&chunk).await.unwrap();
        near.close().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = zip(write, far.read_to_end(&mut received)).await;
    read.unwrap();
    assert!(received == sent);
}

pub async fn a_stream_that_is_dropped_ends_for_the_peer<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    near.write_all(b"last").await.unwrap();
    drop(near);
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"last");

    let (near, mut far) = pair::<L>(&runtime).await;
    let end = async {
        pause::<L>(&runtime, 3).await;
        drop(near);
    };
    let mut buf = [0; 10];
    let (read, ()) = zip(far.read(&mut buf), end).await;
    assert_eq!(read.unwrap(), 0, "also for one that waits");
}

pub async fn a_stream_that_is_dropped_with_unread_input_is_reset<L: Leaf>(runtime: L::Runtime) {
    let (mut near, mut far) = pair::<L>(&runtime).await;
    far.write_all(b"too much").await.unwrap();
    let mut first = [0];
    near.read_exact(&mut first).await.unwrap();
    drop(near);
    let mut buf = [0; 10];
    assert_eq!(far.read(&mut buf).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

pub async fn a_peer_that_is_gone_cannot_be_written_to<L: Leaf>(runtime: L::Runtime) {
    let (mut near, far) = pair::<L>(&runtime).await;
    drop(far);
    // The first bytes may be sent before the end is noticed.
    let error = loop {
        match near.write_all(b"hello?").await {
            Ok(()) => pause::<L>(&runtime, 1).await,
            Err(error) => break error,
        }
    };
    let expected = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
    assert!(expected.contains(&error.kind()), "{error}");
}

/// More than all buffers between two ends hold.
const BUFFERS_MAX: usize = 100_000_000;
