use crate::{
    testing::{Task, duplex, run},
    tls::wire::Wire,
};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use proptest::prelude::*;

/// Whether a wire that has read `bytes` in pieces of `piece` bytes is between records.
fn is_between_records(bytes: &[u8], piece: usize) -> bool {
    let (near, far) = duplex(1 << 20);
    far.outgoing.push(bytes);
    far.outgoing.end();
    let mut task = Task::new(async move {
        let mut wire = Wire::new(near);
        let mut buf = vec![0; piece];
        while wire.read(&mut buf).await.unwrap() > 0 {}
        wire.is_between_records()
    });
    run(&mut [&mut task]);
    task.output().unwrap()
}

proptest! {
    #[test]
    fn records_end_where_their_lengths_say(
        lens in proptest::collection::vec(0..700_usize, 0..6),
        cut in 0..2000_usize,
        piece in 1..900_usize,
    ) {
        let mut bytes = Vec::new();
        let mut borders = vec![0];
        for len in lens {
            bytes.extend([23, 3, 3, (len >> 8) as u8, len as u8]);
            bytes.resize(bytes.len() + len, 0xff);
            borders.push(bytes.len());
        }
        prop_assert!(is_between_records(&bytes, piece));
        bytes.truncate(cut);
        prop_assert_eq!(is_between_records(&bytes, piece), borders.contains(&bytes.len()));
    }
}

#[test]
fn what_a_handshake_has_to_say_is_sent_by_flushing_or_reading_and_none_of_it_is_lost() {
    let (near, far) = duplex(3);
    near.outgoing.buffer();
    let mut writer = Task::new(async move {
        let mut wire = Wire::new(near);
        wire.write_all(b"to be flushed").await.unwrap();
        wire.flush().await.unwrap();
        wire.write_all(b", to be read").await.unwrap();
        assert_eq!(wire.read(&mut [0; 8]).await.unwrap(), 1);
        wire.write_all(b", to be closed").await.unwrap();
        wire.close().await.unwrap();
        wire
    });
    let mut reader = Task::new(async move {
        let mut far = far;
        let mut text = vec![0; 25];
        far.read_exact(&mut text[..22]).await.unwrap();
        far.write_all(b"!").await.unwrap();
        text.truncate(22);
        far.read_to_end(&mut text).await.unwrap();
        text
    });
    run(&mut [&mut writer, &mut reader]);
    assert_eq!(reader.output().unwrap(), b"to be flushed, to be read, to be closed");
}
