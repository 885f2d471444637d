//! What the kernel says of the proxy's process.

use crate::Failure;
use std::fs;

/// Resident memory now.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64, Failure> {
    status(pid, "VmRSS:").map(|kib| kib * 1024)
}

/// The most resident memory since the process began.
pub(crate) fn peak_bytes(pid: u32) -> Result<u64, Failure> {
    status(pid, "VmHWM:").map(|kib| kib * 1024)
}

/// Open file descriptors.
pub(crate) fn descriptors(pid: u32) -> Result<usize, Failure> {
    let folder = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?.count())
}

/// User and system time since the process began. The kernel counts it in hundredths of a second.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, Failure> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    cpu_ticks(&stat)
        .map(|ticks| ticks / 100.0)
        .ok_or_else(|| format!("{path}: not as expected").into())
}

fn cpu_ticks(stat: &str) -> Option<f64> {
    // The name of the program, in parentheses, may hold anything.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn status(pid: u32, field: &str) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number =
        line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("{path}: no {field}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0";
        assert_eq!(cpu_ticks(stat), Some(300.0));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
    }
}
