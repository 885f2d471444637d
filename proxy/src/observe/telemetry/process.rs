use prometheus_rsocket_runtime::logging::dropped_lines;
use std::{
    fmt::{self, Write},
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

/// Appends metrics of the process, under the names that all exporters use. What cannot be read is left out.
pub(super) fn encode(out: &mut String, started: SystemTime) -> fmt::Result {
    if let Ok(since_epoch) = started.duration_since(UNIX_EPOCH) {
        let name = "process_start_time_seconds";
        let help = "Start time of the process since unix epoch in seconds.";
        family(out, name, "gauge", help, since_epoch.as_secs_f64())?;
    }
    let name = "prometheus_proxy_log_lines_dropped_total";
    let help = "Log lines lost as standard error could not be written, or not fast enough.";
    family(out, name, "counter", help, dropped_lines() as f64)?;
    if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
        let help = "Total user and system CPU time spent in seconds.";
        family(out, "process_cpu_seconds_total", "counter", help, seconds)?;
    }
    if let Some(bytes) = read("/proc/self/status").as_deref().and_then(resident_bytes) {
        let help = "Resident memory size in bytes.";
        family(out, "process_resident_memory_bytes", "gauge", help, bytes as f64)?;
    }
    Ok(())
}

/// Returns user and system time in seconds, from the text of `/proc/self/stat`.
pub(super) fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name in parentheses, which may itself contain blanks and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(UTIME_AFTER_NAME);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// Returns the resident memory in bytes, from the text of `/proc/self/status`.
pub(crate) fn resident_bytes(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

fn family(out: &mut String, name: &str, kind: &str, help: &str, value: f64) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// State, parent, group, session, terminal, its group, flags, and four counts of page faults come before it.
const UTIME_AFTER_NAME: usize = 11;

/// The unit in which Linux reports times to programs, whatever its own clock rate is.
const TICKS_PER_SECOND: f64 = 100.0;
