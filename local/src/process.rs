//! Processes: their memory, CPU time and descendants, read from `/proc`, and the cores that they may use.

use std::time::Duration;

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The peak memory of a process, in bytes.
pub fn peak_memory(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak
        .and_then(|peak| peak.trim().strip_suffix("kB"))
        .context("/proc/PID/status has no VmHWM; the process may have ended")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// The CPU time of all threads of a process, except those that have ended.
pub fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // `schedstat` has nanoseconds. The times in /proc/PID/stat are only hundredths of a second.
        let Ok(schedstat) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
            // The thread has just ended.
            continue;
        };
        let nanos = schedstat.split(' ').next().unwrap_or_default();
        total += Duration::from_nanos(nanos.parse()?);
    }
    Ok(total)
}

/// All descendants of a process: its children, their children, and so on.
#[must_use]
pub fn descendants(process: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            Some((id, parent(id)?))
        })
        .collect();
    let mut found = vec![process];
    let mut next = 0;
    while let Some(&process) = found.get(next) {
        let children = parents.iter().filter(|&&(_, parent)| parent == process);
        found.extend(children.map(|&(id, _)| id));
        next += 1;
    }
    found.split_off(1)
}

/// The fourth field of `/proc/PID/stat`. The second field is the program's name in parentheses. It may contain any
/// character, so the search starts at the last `)`.
fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The first core that this process may use, as a set.
pub fn one_core() -> anyhow::Result<CpuSet> {
    let allowed = sched_getaffinity(None)?;
    let core = (0..CpuSet::MAX_CPU).find(|&core| allowed.is_set(core));
    let mut one = CpuSet::new();
    one.set(core.context("this process may not use any core")?);
    Ok(one)
}

/// Calls `start`. The processes that it starts may use only one core.
pub fn on_one_core<T>(start: impl FnOnce() -> T) -> anyhow::Result<T> {
    // A new process may use the cores of the thread that starts it.
    let allowed = sched_getaffinity(None)?;
    sched_setaffinity(None, &one_core()?)?;
    let started = start();
    sched_setaffinity(None, &allowed)?;
    Ok(started)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn descendants_include_children_of_children() {
        // The inner shell waits for input. Because of `; true`, the outer shell stays alive as its parent.
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'echo $$; read line'; true"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = shell.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let child: u32 = line.trim().parse().unwrap();
        assert!(descendants(std::process::id()).contains(&shell.id()));
        assert!(descendants(std::process::id()).contains(&child));
        assert_eq!(descendants(shell.id()), [child]);
        drop(shell.stdin.take());
        assert!(shell.wait().unwrap().success());
        assert!(descendants(shell.id()).is_empty());
    }
}
