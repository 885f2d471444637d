use super::ExpositionErrorKind;

/// Whether this is a number as Go's `strconv.ParseFloat` reads it, without the forms that Prometheus excludes (`p`, `P`
/// and `_`, and so all of hexadecimal).
pub(super) fn check(token: &[u8]) -> Result<(), ExpositionErrorKind> {
    if is_modest_decimal(token) {
        return Ok(());
    }
    let text = std::str::from_utf8(token).map_err(|_| ExpositionErrorKind::Value)?;
    let number: f64 = text.parse().map_err(|_| ExpositionErrorKind::Value)?;
    let unsigned = without_sign(token);
    let is_word = unsigned.first().is_some_and(u8::is_ascii_alphabetic);
    // Go knows no sign of NaN, and refuses what overflows; Rust's own parser accepts both.
    match number {
        _ if number.is_nan() && unsigned.len() < token.len() => Err(ExpositionErrorKind::Value),
        _ if number.is_infinite() && !is_word => Err(ExpositionErrorKind::ValueRange),
        _ => Ok(()),
    }
}

/// Whether this is a decimal number that is surely in range; nearly all values are. Spares their conversion.
fn is_modest_decimal(token: &[u8]) -> bool {
    let (whole, rest) = split_digits(without_sign(token));
    let (fraction, rest) = match rest.split_first() {
        Some((b'.', rest)) => split_digits(rest),
        _ => (0, rest),
    };
    if whole + fraction == 0 || whole > 200 {
        return false;
    }
    match rest.split_first() {
        None => true,
        Some((b'e' | b'E', exponent)) => {
            let (digits, rest) = split_digits(without_sign(exponent));
            (1..=2).contains(&digits) && rest.is_empty()
        }
        Some(_) => false,
    }
}

fn without_sign(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'-' | b'+', rest @ ..] => rest,
        _ => bytes,
    }
}

/// How many digits there are in front, and what follows.
fn split_digits(bytes: &[u8]) -> (usize, &[u8]) {
    let len = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    (len, bytes.get(len..).unwrap_or_default())
}
