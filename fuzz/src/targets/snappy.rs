//! Snappy blocks.

use crate::input::Input;
use prometheus_rsocket_protocol::envelope::{OpenError, compress, expand};

/// Any bytes are a block that holds what the format says, or an error; what is compressed is expanded to the same.
pub fn snappy(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = match input.byte() {
        0..128 => 1 << 20,
        byte => usize::from(byte - 128) * 16,
    };
    if input.flag() {
        let times = 1 + input.below(64);
        let text = input.rest().repeat(times);
        let block = compress(&text);
        let expanded = expand(&block, text.len()).expect("what was compressed");
        assert_eq!(expanded, text);
        if let Some(less) = text.len().checked_sub(1) {
            let error = expand(&block, less).expect_err("it is over the limit");
            assert_eq!(error, OpenError::TooLong { len: text.len() as u64, limit: less });
        }
        return;
    }
    let block = input.rest();
    match (expand(block, limit), reference(block, limit)) {
        (Ok(text), Some(expected)) => {
            assert_eq!(text, expected);
            assert!(text.len() <= limit);
        }
        (Err(error), None) => assert!(!error.to_string().is_empty()),
        (result, expected) => {
            panic!("{:?}, not {:?}", result.map(|it| it.len()), expected.map(|it| it.len()))
        }
    }
}

/// What is in a block, as format_description.txt of google/snappy has it.
fn reference(block: &[u8], limit: usize) -> Option<Vec<u8>> {
    let (announced, mut rest) = varint(block)?;
    if announced > limit {
        return None;
    }
    let mut text = Vec::new();
    while let [tag, after @ ..] = rest {
        rest = after;
        let upper = usize::from(tag >> 2);
        if tag & 3 == 0 {
            let extra = upper.saturating_sub(59);
            let (len, after) = rest.split_at_checked(extra)?;
            let len = if extra == 0 { upper } else { little(len) };
            let (literal, after) = after.split_at_checked(len.checked_add(1)?)?;
            text.extend_from_slice(literal);
            rest = after;
        } else {
            let (len, extra) =
                if tag & 3 == 1 { ((upper & 7) + 4, 1) } else { (upper + 1, 1 << (tag & 3) >> 1) };
            let (low, after) = rest.split_at_checked(extra)?;
            let offset = little(low) | if tag & 3 == 1 { upper >> 3 << 8 } else { 0 };
            rest = after;
            let from = text.len().checked_sub(offset).filter(|_| offset > 0)?;
            if text.len() + len > announced {
                return None;
            }
            for at in from..from + len {
                text.push(text[at]);
            }
        }
        if text.len() > announced {
            return None;
        }
    }
    (text.len() == announced).then_some(text)
}

fn little(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// At most 32 bits.
fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number: u64 = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let number = usize::try_from(u32::try_from(number).ok()?).ok()?;
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}
