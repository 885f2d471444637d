use super::ExpositionErrorKind;

/// Checks that this is a number as Go's `strconv.ParseFloat` reads it, without the forms that Prometheus excludes (`p`, `P` and
/// `_`, and so all hexadecimal ones).
pub(super) fn check(token: &[u8]) -> Result<(), ExpositionErrorKind> {
    if modest_len(token) == token.len() && !token.is_empty() {
        return Ok(());
    }
    let text = std::str::from_utf8(token).map_err(|_| ExpositionErrorKind::Value)?;
    let number: f64 = text.parse().map_err(|_| ExpositionErrorKind::Value)?;
    let unsigned = without_sign(token);
    let is_word = unsigned.first().is_some_and(u8::is_ascii_alphabetic);
    // Go accepts no sign before NaN, and refuses overflow; Rust's own parser accepts both.
    match number {
        _ if number.is_nan() && unsigned.len() < token.len() => Err(ExpositionErrorKind::Value),
        _ if number.is_infinite() && !is_word => Err(ExpositionErrorKind::ValueRange),
        _ => Ok(()),
    }
}

/// The length of a decimal number at the start that is certainly in range, or 0. Nearly all values are such numbers and need no conversion.
#[inline]
pub(super) fn modest_len(text: &[u8]) -> usize {
    let (whole, rest) = split_digits(without_sign(text));
    let (fraction, rest) = match rest.split_first() {
        Some((b'.', rest)) => split_digits(rest),
        _ => (0, rest),
    };
    if whole + fraction == 0 || whole > 200 {
        return 0;
    }
    let rest = match rest.split_first() {
        Some((b'e' | b'E', exponent)) => match split_digits(without_sign(exponent)) {
            (1..=2, rest) => rest,
            _ => return 0,
        },
        _ => rest,
    };
    text.len() - rest.len()
}

#[inline]
fn without_sign(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'-' | b'+', rest @ ..] => rest,
        _ => bytes,
    }
}

/// The number of digits at the start, and the rest.
#[inline]
fn split_digits(bytes: &[u8]) -> (usize, &[u8]) {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        // A digit becomes less than ten, so that adding 118 does not carry into the highest bit.
        let digits = u64::from_le_bytes(*word) ^ (ONES * b'0' as u64);
        let others = (((digits & (ONES * 0x7f)) + ONES * 118) | digits) & (ONES << 7);
        if others != 0 {
            let more = others.trailing_zeros() as usize / 8;
            return (bytes.len() - rest.len() + more, rest.get(more..).unwrap_or_default());
        }
        rest = after;
    }
    let more = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    (bytes.len() - rest.len() + more, rest.get(more..).unwrap_or_default())
}
