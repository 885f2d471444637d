//! Types of values that several options have.

use prometheus_rsocket_client::Labels;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a number with ms, s, m or h, such as 10s".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| "a whole number is missing".to_owned())?;
    match Duration::from_millis(u64::from(number) * factor_ms) {
        Duration::ZERO => Err("it must be more than nothing".to_owned()),
        duration => Ok(duration),
    }
}

pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("a number, alone or with KiB, MiB or GiB, such as 8MiB".to_owned()),
    };
    let number: usize = number.parse().map_err(|_| "a whole number is missing".to_owned())?;
    match number.checked_mul(factor) {
        None => Err("it is too much".to_owned()),
        Some(0) => Err("it must be more than nothing".to_owned()),
        Some(bytes) => Ok(bytes),
    }
}

pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it should be name=value")?;
    Labels::new([(name, value)]).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    // A single word is the name of a module to the filter, which would then log nothing else.
    for word in text.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        if !word.is_empty() && word.parse::<LevelFilter>().is_err() {
            let levels = "off, error, warn, info, debug and trace";
            return Err(format!("{word:?} is not a level; the levels are {levels}"));
        }
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
