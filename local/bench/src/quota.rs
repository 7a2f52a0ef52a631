use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use shared::bottleneck::vcpus;

/// A CPU quota as Lambda gives it to a function, for one process. Dropping it ends the quota.
///
/// It needs root and a kernel with version 1 of control groups.
pub struct Quota(PathBuf);

const GROUPS: &str = "/sys/fs/cgroup/cpu";

/// Within each of these periods, a process has its share of CPU time.
const PERIOD: Duration = Duration::from_millis(20);

impl Quota {
    /// Gives a process the CPU time of a function with this much memory and one thread.
    pub fn set(process: u32, memory_mb: u32) -> anyhow::Result<Self> {
        let folder = Path::new(GROUPS).join(format!("s3-exif-{process}"));
        let context = || {
            format!(
                "no CPU quota can be set in {}, which needs root and cgroups v1",
                folder.display()
            )
        };
        std::fs::create_dir(&folder).with_context(context)?;
        let quota = Self(folder.clone());
        let time = PERIOD.mul_f64(vcpus(memory_mb, 1, 0));
        for (file, number) in [
            ("cpu.cfs_period_us", PERIOD.as_micros()),
            ("cpu.cfs_quota_us", time.as_micros()),
            ("cgroup.procs", process.into()),
        ] {
            std::fs::write(folder.join(file), number.to_string()).with_context(context)?;
        }
        Ok(quota)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // Only an empty group can be removed, so its process goes back first. What remains does no harm.
        let processes = std::fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        for process in processes.lines() {
            let _ = std::fs::write(Path::new(GROUPS).join("cgroup.procs"), process);
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}
