//! Finds what limits an invocation or a job from what it used, and what would make it faster.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::protocol::diagnosis::{Bottleneck, Diagnosis};
use crate::protocol::usage::Usage;

/// Lambda gives one vCPU per 1,769 MB.
const MB_PER_VCPU: u32 = 1769;

/// Lambda gives each environment 625 Mbps.
pub const NETWORK_BYTES_PER_SECOND: f64 = 625e6 / 8.0;

/// The most connections of a processor to the source, and also to the destination. Each bucket is a host of its own,
/// whose idle connections stay open. Lambda allows 1,024 file descriptors.
pub const MAX_CONNECTIONS: usize = 450;

/// In percent: from here on, a limit counts as reached.
const CPU_BUSY_PERCENT: f64 = 70.0;
const NETWORK_BUSY_PERCENT: f64 = 70.0;
/// In percent: from here on, a request rate counts as used. The rest is lost in the time between chunks.
const RATE_USED_PERCENT: f64 = 80.0;
const SLOTS_BUSY_PERCENT: f64 = 80.0;
const CONNECTIONS_BUSY_PERCENT: f64 = 80.0;

/// In percent: a smaller share of throttled requests is chance.
const THROTTLED_PERCENT: f64 = 1.0;

/// In percent: an invocation that has at least this share of its images in flight on average has too few images. The
/// share is always below 100, since an invocation starts with fewer, ends with fewer, and then writes its records.
const FILLED_PERCENT: f64 = 50.0;

/// Lambda holds a process to a quota of CPU time. The measured time can exceed the quota a little. A process that
/// uses more than this many quotas runs on a machine without a quota, such as your own.
const MAX_QUOTAS: f64 = 1.5;

/// A processor with less than this has less than a whole vCPU, even allowing for rounding.
const WHOLE_VCPU: f64 = 0.95;

/// A job that is shorter, or has fewer images, gets no advice.
const MIN_ADVISED_MS: u64 = 1_000;
const MIN_ADVISED_IMAGES: u64 = 10;

/// What a diagnosis is made from.
#[derive(Clone, Copy, Debug)]
pub struct Measurements<'a> {
    /// The usage of one processor, or the sum of several.
    pub usage: &'a Usage,
    /// The number of images in flight that a processor starts with.
    pub concurrency: usize,
    /// The limit for all invocations in `usage` together.
    pub max_requests_per_second: Option<f64>,
    /// `None` for a single invocation.
    pub job: Option<JobMeasurements>,
}

/// What is known of a job apart from the usage of its processors.
#[derive(Clone, Copy, Debug)]
pub struct JobMeasurements {
    pub elapsed_ms: u64,
    /// Invocations that may be in flight.
    pub parallel: usize,
    /// Known when the listing has finished.
    pub chunks: Option<u64>,
    /// Attempts to invoke the processor.
    pub invocations: u64,
    /// Those of them that Lambda throttled.
    pub throttled: u64,
}

/// How many threads a processor has for decoding and encoding: one for each whole vCPU, and at least one.
///
/// The cores that the machine shows do not count: Lambda shows more than it gives.
#[must_use]
pub fn cpu_threads(memory_mb: u32) -> usize {
    (memory_mb / MB_PER_VCPU).max(1) as usize
}

/// How many vCPUs a processor can use.
///
/// It works on one thread, and on `cpu_threads` more in the mode `transform`. If Lambda gives it several invocations at
/// a time, it has one thread for each vCPU.
#[must_use]
pub fn vcpus(memory_mb: u32, threads: usize, cpu_threads: usize) -> f64 {
    if threads > 1 {
        threads as f64
    } else {
        (f64::from(memory_mb) / f64::from(MB_PER_VCPU)).min((threads + cpu_threads) as f64)
    }
}

/// The CPU time that a processor with this many vCPUs could have used, given that it used `cpu`.
///
/// If it used much more than its quota, there is no quota, and at least a whole vCPU counts.
#[must_use]
pub fn vcpu_time(elapsed: Duration, cpu: Duration, vcpus: f64) -> Duration {
    let quota = elapsed.mul_f64(vcpus);
    if cpu > quota.mul_f64(MAX_QUOTAS) {
        quota.max(elapsed)
    } else {
        quota
    }
}

impl Measurements<'_> {
    /// `None` if no image was processed, or nothing was measured.
    #[must_use]
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        if self.usage.stages.images() == 0 || self.usage.elapsed_ms == 0 {
            return None;
        }
        let cpu_percent = percent(self.usage.cpu_ms as f64, self.usage.elapsed_ms as f64 * self.vcpus());
        let (bottleneck, advice) = self
            .s3_rate()
            .or_else(|| self.small_cpu(cpu_percent))
            .or_else(|| self.lambda_refuses())
            .or_else(|| self.cpu(cpu_percent))
            .or_else(|| self.all_slots_busy())
            .unwrap_or_else(|| (Bottleneck::Io, self.io_advice()));
        Some(Diagnosis {
            io_percent: rounded(100.0 - cpu_percent),
            cpu_percent,
            bottleneck,
            advice: self.is_long_enough().then_some(advice),
        })
    }

    /// A short job says nothing about a long one.
    fn is_long_enough(&self) -> bool {
        self.job
            .as_ref()
            .is_none_or(|job| job.elapsed_ms >= MIN_ADVISED_MS && self.usage.stages.images() >= MIN_ADVISED_IMAGES)
    }

    fn s3_rate(&self) -> Option<(Bottleneck, String)> {
        let requests = self.usage.requests.to_s3() as f64;
        let throttled = percent(self.usage.throttled as f64, requests);
        if throttled >= THROTTLED_PERCENT {
            let slow_down = match self.max_requests_per_second {
                Some(_) => "lower `max_requests_per_second`",
                None => "set `max_requests_per_second`, or lower `parallel` or `concurrency`",
            };
            let advice = format!(
                "S3 throttled {throttled} % of the requests: {slow_down}. S3 splits a busy prefix by itself after \
                 some time."
            );
            return Some((Bottleneck::S3Rate, advice));
        }
        let limit = self.max_requests_per_second?;
        let elapsed_ms = self.job.map_or(self.usage.elapsed_ms, |job| job.elapsed_ms);
        let used = percent(requests, limit * elapsed_ms as f64 / 1000.0);
        (used >= RATE_USED_PERCENT).then(|| {
            let limit = rounded(limit);
            let advice = format!(
                "{used} % of the allowed {limit} requests per second were used: raise `max_requests_per_second`."
            );
            (Bottleneck::S3Rate, advice)
        })
    }

    fn small_cpu(&self, cpu_percent: f64) -> Option<(Bottleneck, String)> {
        let vcpus = self.vcpus();
        (cpu_percent >= CPU_BUSY_PERCENT && vcpus < WHOLE_VCPU).then(|| {
            let advice = format!(
                "A processor has {vcpus:.2} of a vCPU and uses {cpu_percent} % of it: raise its memory to \
                 {MB_PER_VCPU} MB, which gives a whole vCPU."
            );
            (Bottleneck::Cpu, advice)
        })
    }

    fn cpu(&self, cpu_percent: f64) -> Option<(Bottleneck, String)> {
        (cpu_percent >= CPU_BUSY_PERCENT).then(|| {
            let more = self.more_processors();
            let or_threads = if self.usage.stages.transform.is_empty() {
                String::new()
            } else {
                format!(", or raise its memory: each {MB_PER_VCPU} MB give one more thread that makes pictures")
            };
            let advice =
                format!("A processor uses {cpu_percent} % of the CPU time that it can use: {more}{or_threads}.");
            (Bottleneck::Cpu, advice)
        })
    }

    fn lambda_refuses(&self) -> Option<(Bottleneck, String)> {
        let job = self.job?;
        let throttled = percent(job.throttled as f64, job.invocations as f64);
        (throttled >= THROTTLED_PERCENT).then(|| {
            let parallel = job.parallel;
            let advice = format!(
                "Lambda throttled {throttled} % of the invocations: raise the concurrency limit of the account or of \
                 the function, or lower `parallel` ({parallel})."
            );
            (Bottleneck::LambdaConcurrency, advice)
        })
    }

    /// All allowed invocations were in flight, each with about as many images in flight as it can have.
    fn all_slots_busy(&self) -> Option<(Bottleneck, String)> {
        let job = self.job?;
        let parallel = job.parallel;
        let busy = percent(self.usage.elapsed_ms as f64, job.elapsed_ms as f64 * parallel as f64);
        let is_full = self.is_filled() || self.connections_busy();
        (busy >= SLOTS_BUSY_PERCENT && is_full && !self.has_few_chunks()).then(|| {
            let in_flight = self.in_flight();
            let advice = format!(
                "All {parallel} invocations were busy {busy} % of the time, each with {in_flight} images in flight on \
                 average, which is about the maximum: raise `parallel`."
            );
            (Bottleneck::LambdaConcurrency, advice)
        })
    }

    fn io_advice(&self) -> String {
        let in_flight = self.in_flight();
        let bytes = self.usage.bytes_read + self.usage.bytes_written;
        let bytes_per_second = bytes as f64 * 1000.0 / self.usage.elapsed_ms as f64;
        if percent(bytes_per_second, NETWORK_BYTES_PER_SECOND) >= NETWORK_BUSY_PERCENT {
            let [used, available] = [bytes_per_second, NETWORK_BYTES_PER_SECOND].map(|rate| rate / 1e6);
            let more = self.more_processors();
            return format!("A processor moves {used:.0} of the {available:.0} MB/s that Lambda gives it: {more}.");
        }
        if self.connections_busy() {
            let more = self.more_processors();
            return format!(
                "A processor has {in_flight} images in flight on average, about as many as its \
                 {MAX_CONNECTIONS} connections allow: {more}."
            );
        }
        let per_invocation = self.images_per_invocation();
        if self.has_few_chunks() {
            if self.is_filled() {
                return format!(
                    "A processor has {in_flight} of its {per_invocation} images in flight on average, and all chunks \
                     are in flight at the same time: only S3's own latency is left."
                );
            }
            let more = self.more_processors();
            return format!("A processor has {in_flight} images in flight on average: {more}.");
        }
        let concurrency = self.concurrency;
        if percent((concurrency as f64).max(in_flight), per_invocation) >= FILLED_PERCENT {
            let more = match self.job {
                None => "give it more images in one invocation",
                Some(_) => "raise `chunk_keys` or `chunk_bytes`",
            };
            return format!("A processor has {in_flight} of its {per_invocation} images in flight on average: {more}.");
        }
        format!(
            "A processor starts with {concurrency} images in flight and has {in_flight} on average: raise \
             `concurrency`."
        )
    }

    fn more_processors(&self) -> String {
        match self.job {
            None => "let more invocations share the work (`parallel`)".to_owned(),
            Some(JobMeasurements {
                chunks: Some(chunks),
                parallel,
                ..
            }) if self.has_few_chunks() => format!(
                "lower `chunk_keys` (chunks: {chunks}, `parallel`: {parallel}), so that more processors share the work"
            ),
            Some(JobMeasurements { parallel, .. }) => format!("raise `parallel` ({parallel})"),
        }
    }

    /// Whether there are fewer chunks than invocations that may be in flight.
    fn has_few_chunks(&self) -> bool {
        self.job
            .is_some_and(|job| job.chunks.is_some_and(|chunks| chunks < job.parallel as u64))
    }

    /// The average number of images in flight in one processor, by Little's law.
    fn in_flight(&self) -> f64 {
        rounded(self.usage.stages.total_ms() / self.usage.elapsed_ms as f64)
    }

    fn images_per_invocation(&self) -> f64 {
        let run = self.job.map_or(1, |job| job.invocations.saturating_sub(job.throttled));
        rounded(self.usage.stages.images() as f64 / run.max(1) as f64)
    }

    fn is_filled(&self) -> bool {
        percent(self.in_flight(), self.images_per_invocation()) >= FILLED_PERCENT
    }

    fn connections_busy(&self) -> bool {
        percent(self.in_flight(), MAX_CONNECTIONS as f64) >= CONNECTIONS_BUSY_PERCENT
    }

    /// The vCPUs of one processor. An older version of it does not report them.
    fn vcpus(&self) -> f64 {
        match self.usage.vcpu_ms {
            0 => 1.0,
            vcpu_ms => vcpu_ms as f64 / self.usage.elapsed_ms as f64,
        }
    }
}

/// The share that `of` is in `to`, in percent, from 0 to 100, with one decimal.
fn percent(of: f64, to: f64) -> f64 {
    if to > 0.0 {
        rounded((100.0 * of / to).clamp(0.0, 100.0))
    } else {
        0.0
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
