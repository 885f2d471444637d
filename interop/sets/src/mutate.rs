//! Damage to single bytes.

use crate::dice::Dice;

/// What is put in: bytes that mean something somewhere, and some that are no UTF-8.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"\r",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b",",
    b"=",
    b"#",
    b" ",
    b"\t",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xe4",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\x7f",
    b"1",
    b"a",
    b"_total",
    b".",
    b"# EOF\n",
    b"# TYPE ",
    b"# HELP ",
    b"\n\n",
    b"\\n",
    b"\\\"",
    b"{} 1\n",
    b"\x0b",
    b"\x0c",
    b"\xc2\xa0",
];

/// Changes a few places of a text.
pub(crate) fn mutate(dice: &mut Dice, text: &mut Vec<u8>) {
    for _ in 0..=dice.below(3) {
        let place = dice.below(text.len() + 1);
        let end = (place + 1 + dice.below(4)).min(text.len());
        match dice.below(5) {
            0 => drop(text.drain(place..end)),
            1 => drop(text.splice(place..end, dice.pick(PIECES).iter().copied())),
            2 => text.truncate(place),
            3 => {
                // A piece of the text itself, elsewhere.
                let piece = text[place..end].to_vec();
                let to = dice.below(text.len() + 1);
                drop(text.splice(to..to, piece));
            }
            _ => drop(text.splice(place..place, dice.pick(PIECES).iter().copied())),
        }
    }
}
