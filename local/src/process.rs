//! What a running process takes, as Linux tells it.

use std::time::Duration;

use anyhow::Context as _;

/// The most memory it has had, in bytes.
pub fn peak_memory(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak
        .and_then(|peak| peak.trim().strip_suffix("kB"))
        .context("no VmHWM")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// The CPU time of all its threads, but those that have ended.
pub fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // In nanoseconds; the times of /proc/PID/stat are in hundredths of a second.
        let Ok(schedstat) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
            // It ended just now.
            continue;
        };
        let nanos = schedstat.split(' ').next().unwrap_or_default();
        total += Duration::from_nanos(nanos.parse()?);
    }
    Ok(total)
}
