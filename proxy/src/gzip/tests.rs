use super::*;
use flate2::read::GzDecoder;
use proptest::{collection::vec, prelude::*};
use std::io::Read;

fn stitch(texts: &[Vec<u8>]) -> Vec<u8> {
    let mut member = Member::new();
    let mut gzip = Member::header().to_vec();
    for text in texts {
        gzip.extend(member.append(&deflate_part(text, LEVEL)));
    }
    gzip.extend(member.finish());
    gzip
}

/// Reads one member, and checks that nothing follows it.
#[track_caller]
fn check(texts: &[Vec<u8>]) {
    let gzip = stitch(texts);
    let mut rest = gzip.as_slice();
    let mut text = Vec::new();
    // The decoder for a single member, which most clients have. It checks the trailer too.
    let mut decoder = flate2::bufread::GzDecoder::new(&mut rest);
    decoder.read_to_end(&mut text).expect("a complete member");
    assert!(text == texts.concat());
    assert!(rest.is_empty(), "{} bytes after the member", rest.len());
}

fn exposition(app: usize, series: usize) -> Vec<u8> {
    (0..series)
        .flat_map(|i| {
            format!("http_requests_total{{app=\"{app}\",uri=\"/orders/{i}\"}} {}\n", i * 37)
                .into_bytes()
        })
        .collect()
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

#[test]
fn no_parts_are_an_empty_member() {
    check(&[]);
}

#[test]
fn empty_parts_add_nothing() {
    check(&[vec![], b"a 1\n".to_vec(), vec![], b"b 2\n".to_vec(), vec![]]);
    assert!(deflate_part(b"", LEVEL).bytes().is_empty());
}

#[test]
fn many_expositions_are_one_member() {
    check(&(0..50).map(|app| exposition(app, 300)).collect::<Vec<_>>());
}

#[test]
fn parts_larger_than_the_expected_size_are_complete() {
    // Incompressible, so that the output outgrows its first allocation at every kind of border.
    for len in [1, 63, 64, 65, 383, 384, 385, 65_535, 65_536, 300_000] {
        check(&[noise(len), b"tail 1\n".to_vec()]);
    }
}

#[test]
fn a_part_does_not_depend_on_what_the_thread_deflated_before() {
    let text = exposition(1, 100);
    let first = deflate_part(&text, LEVEL);
    let _ = deflate_part(&noise(100_000), LEVEL);
    assert_eq!(first.bytes(), deflate_part(&text, LEVEL).bytes());
}

#[test]
fn a_part_tells_what_it_was_made_of() {
    let part = deflate_part(b"123456789", LEVEL);
    assert_eq!((part.crc(), part.text_len()), (0xcbf4_3926, 9));
}

#[test]
fn a_member_with_a_wrong_part_is_refused_by_its_reader() {
    let mut member = Member::new();
    let mut gzip = Member::header().to_vec();
    gzip.extend(member.append(&deflate_part(b"a 1\n", LEVEL)));
    let _ = member.append(&deflate_part(b"never sent 1\n", LEVEL));
    gzip.extend(member.finish());
    assert!(GzDecoder::new(gzip.as_slice()).read_to_end(&mut Vec::new()).is_err());
}

#[test]
fn the_length_wraps_at_32_bits() {
    let mut member = Member { checksum: Hasher::new(), text_len: u64::from(u32::MAX) - 1 };
    let _ = member.append(&deflate_part(b"abc", LEVEL));
    let trailer = member.finish();
    assert_eq!(&trailer[6..], 1_u32.to_le_bytes());
}

proptest! {
    #[test]
    fn any_parts_come_back(texts in vec(vec(any::<u8>(), 0..2000), 0..12)) {
        check(&texts);
    }

    #[test]
    fn any_repetitive_parts_come_back(texts in vec("([a-c]{1,4}_total [0-9]{1,3}\n){0,200}", 0..8)) {
        check(&texts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
    }
}

#[test]
fn a_part_is_inflated_piece_by_piece() {
    let text: Vec<u8> =
        (0..100_000_u32).flat_map(|n| format!("a{{n=\"{n}\"}} 1\n").into_bytes()).collect();
    for (text, max) in [(&text[..], 64 * 1024), (&text[..9], 4), (b"", 10)] {
        let mut inflating = Inflating::new(deflate_part(text, LEVEL));
        let mut all = Vec::new();
        loop {
            let piece = inflating.next(max);
            assert!(piece.len() <= max);
            if piece.is_empty() {
                break;
            }
            all.extend_from_slice(&piece);
        }
        assert!(all == text);
    }
}
