//! Conversion of timestamps between the formats, digit by digit.

/// Writes whole milliseconds as seconds.
pub(super) fn write_seconds(milliseconds: &[u8], out: &mut Vec<u8>) {
    let digits = without_zeros(milliseconds);
    let padding = 4_usize.saturating_sub(digits.len());
    let padded: Vec<u8> =
        std::iter::repeat_n(b'0', padding).chain(digits.iter().copied()).collect();
    let (whole, fraction) = padded.split_at_checked(padded.len() - 3).unwrap_or((&padded, &[]));
    out.extend_from_slice(whole);
    if fraction != b"000" {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

/// Writes decimal seconds as whole milliseconds, rounded towards zero. Times that 0.0.4 cannot express, before 1970 or after
/// the year 292 million, become the nearest that it can.
pub(super) fn write_milliseconds(seconds: &[u8], out: &mut Vec<u8>) {
    let text = match seconds {
        [b'-', ..] => return out.push(b'0'),
        [b'+', rest @ ..] => rest,
        _ => seconds,
    };
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (text.get(..at), text.get(at + 1..)),
        None => (Some(text), None),
    };
    let (mantissa, exponent) = (mantissa.unwrap_or_default(), exponent.unwrap_or_default());
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    // The number of digits before the point once seconds are milliseconds.
    let whole = point as i64 + exponent_of(exponent) + 3;
    let significant = without_zeros(&digits);
    let whole = whole - (digits.len() - significant.len()) as i64;
    if significant.is_empty() || whole <= 0 {
        return out.push(b'0');
    }
    if whole > 19 {
        return out.extend_from_slice(MAX);
    }
    let whole = whole as usize;
    let padded = significant.iter().copied().chain(std::iter::repeat(b'0')).take(whole);
    let written: Vec<u8> = padded.collect();
    let is_too_large = whole == 19 && written.as_slice() > MAX;
    out.extend_from_slice(if is_too_large { MAX } else { &written });
}

fn exponent_of(text: &[u8]) -> i64 {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    match number {
        Some(number) => number.clamp(-100_000, 100_000),
        None if text.is_empty() => 0,
        None if text.starts_with(b"-") => -100_000,
        None => 100_000,
    }
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// The largest timestamp of 0.0.4.
const MAX: &[u8] = b"9223372036854775807";
