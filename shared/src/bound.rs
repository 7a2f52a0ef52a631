//! What bounds an invocation or a job, read from what it used, and what would make it faster.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chunk::Usage;

/// Lambda gives one vCPU for each 1,769 MB.
const MB_PER_VCPU: f64 = 1769.0;

/// Lambda gives each environment 625 Mbps.
pub const NETWORK_BYTES_PER_SECOND: f64 = 625e6 / 8.0;

/// The most connections of a processor to the source, and to the destination: each bucket is a host of its
/// own, whose idle connections stay open. Lambda gives 1,024 file descriptors.
pub const MOST_CONNECTIONS: usize = 450;

/// In percent: from here on a limit counts as reached.
const CPU_BUSY: f64 = 70.0;
const NETWORK_BUSY: f64 = 70.0;
/// The rest of a limit nobody uses between the chunks.
const RATE_USED: f64 = 80.0;
const SLOTS_BUSY: f64 = 80.0;
const CONNECTIONS_BUSY: f64 = 80.0;

/// In percent: so few refusals are chance.
const REFUSED: f64 = 1.0;

/// In percent: with so many of its images in flight on average an invocation has too few of them. All of
/// them it never has, since it starts with less, ends with less, and then writes its records.
const FILLED: f64 = 50.0;

/// Measured CPU time goes a little beyond the quota that Lambda holds a process to. Where it goes beyond so
/// many quotas, none is in force: it is somebody's own machine.
const MOST_QUOTAS: f64 = 1.5;

/// Less than this of a vCPU is less than a whole one, whatever was rounded.
const WHOLE_VCPU: f64 = 0.95;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// Waiting for S3.
    #[serde(rename = "io")]
    Io,
    #[serde(rename = "cpu")]
    Cpu,
    /// Requests a second, as S3 or `max_requests_per_second` allows them.
    #[serde(rename = "s3 rate")]
    S3Rate,
    /// Invocations at a time, as Lambda or `parallel` allows them.
    #[serde(rename = "lambda concurrency")]
    LambdaConcurrency,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Of the CPU time that the processors could have used, what they did not: they waited.
    pub io_percent: f64,
    /// What they did use of it.
    pub cpu_percent: f64,
    pub bound: Bound,
    /// What would make it faster.
    pub advice: String,
}

/// What a reading is made from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Of one processor, or the sum of all.
    pub usage: &'a Usage,
    /// Images in flight that a processor starts with.
    pub concurrency: usize,
    /// Of all that `usage` is of, together.
    pub max_requests_per_second: Option<f64>,
    /// `None` where it is one invocation.
    pub job: Option<FanOut>,
}

/// What a job has beside the usage of its processors.
#[derive(Clone, Copy, Debug)]
pub struct FanOut {
    pub elapsed_ms: u64,
    /// Invocations that may be in flight.
    pub parallel: usize,
    /// Once all is listed.
    pub chunks: Option<u64>,
    /// Attempts at an invocation, and how many of them Lambda had no room for.
    pub invocations: u64,
    pub refused: u64,
}

/// How many vCPUs a processor can use: it works on one thread, unless Lambda gives it several invocations
/// at a time, and then on one for each vCPU there is.
#[must_use]
pub fn vcpus(memory_mb: u32, threads: usize) -> f64 {
    if threads > 1 {
        threads as f64
    } else {
        (f64::from(memory_mb) / MB_PER_VCPU).min(1.0)
    }
}

/// The CPU time that a processor could have used, which has so many vCPUs and used `cpu`.
#[must_use]
pub fn vcpu_time(elapsed: Duration, cpu: Duration, vcpus: f64) -> Duration {
    let quota = elapsed.mul_f64(vcpus);
    if cpu > quota.mul_f64(MOST_QUOTAS) {
        quota.max(elapsed)
    } else {
        quota
    }
}

impl Evidence<'_> {
    /// `None` where no image was done, or nothing was measured.
    #[must_use]
    pub fn reading(&self) -> Option<Reading> {
        if self.usage.stages.images() == 0 || self.usage.elapsed_ms == 0 {
            return None;
        }
        let cpu_percent = percent(self.usage.cpu_ms as f64, self.usage.elapsed_ms as f64 * self.vcpus());
        let (bound, advice) = self
            .s3_rate()
            .or_else(|| self.small_cpu(cpu_percent))
            .or_else(|| self.lambda_refuses())
            .or_else(|| self.cpu(cpu_percent))
            .or_else(|| self.all_slots_busy())
            .unwrap_or_else(|| (Bound::Io, self.io_advice()));
        Some(Reading {
            io_percent: rounded(100.0 - cpu_percent),
            cpu_percent,
            bound,
            advice,
        })
    }

    fn s3_rate(&self) -> Option<(Bound, String)> {
        let requests = self.usage.requests.to_s3() as f64;
        let refused = percent(self.usage.throttled as f64, requests);
        if refused >= REFUSED {
            let slow_down = match self.max_requests_per_second {
                Some(_) => "lower `max_requests_per_second`",
                None => "set `max_requests_per_second`, or lower `parallel` or `concurrency`",
            };
            let advice = format!(
                "S3 refused {refused} % of the requests: {slow_down}; a busy prefix it splits by itself in time."
            );
            return Some((Bound::S3Rate, advice));
        }
        let limit = self.max_requests_per_second?;
        let elapsed_ms = self.job.map_or(self.usage.elapsed_ms, |job| job.elapsed_ms);
        let used = percent(requests, limit * elapsed_ms as f64 / 1000.0);
        (used >= RATE_USED).then(|| {
            let limit = rounded(limit);
            let advice = format!(
                "{used} % of the {limit} requests a second allowed were made: raise `max_requests_per_second`."
            );
            (Bound::S3Rate, advice)
        })
    }

    fn small_cpu(&self, cpu_percent: f64) -> Option<(Bound, String)> {
        let vcpus = self.vcpus();
        (cpu_percent >= CPU_BUSY && vcpus < WHOLE_VCPU).then(|| {
            let advice = format!(
                "A processor has {vcpus:.2} of a vCPU and uses {cpu_percent} % of that: raise its memory to \
                 {MB_PER_VCPU} MB, which is a whole vCPU."
            );
            (Bound::Cpu, advice)
        })
    }

    fn cpu(&self, cpu_percent: f64) -> Option<(Bound, String)> {
        (cpu_percent >= CPU_BUSY).then(|| {
            let more = self.more_processors();
            let advice = format!("A processor uses {cpu_percent} % of all the CPU time that it can: {more}.");
            (Bound::Cpu, advice)
        })
    }

    fn lambda_refuses(&self) -> Option<(Bound, String)> {
        let job = self.job?;
        let refused = percent(job.refused as f64, job.invocations as f64);
        (refused >= REFUSED).then(|| {
            let parallel = job.parallel;
            let advice = format!(
                "Lambda refused {refused} % of the invocations: raise the concurrency limit of the account or the \
                 function, or lower `parallel` ({parallel})."
            );
            (Bound::LambdaConcurrency, advice)
        })
    }

    /// All invocations that may be in flight were, with as many images in each as can be.
    fn all_slots_busy(&self) -> Option<(Bound, String)> {
        let job = self.job?;
        let parallel = job.parallel;
        let busy = percent(self.usage.elapsed_ms as f64, job.elapsed_ms as f64 * parallel as f64);
        let is_full = self.is_filled() || self.connections_busy();
        (busy >= SLOTS_BUSY && is_full && !self.has_few_chunks()).then(|| {
            let in_flight = self.in_flight();
            let advice = format!(
                "All {parallel} invocations at a time were busy {busy} % of the time, with {in_flight} images in \
                 flight in each, about as many as can be: raise `parallel`."
            );
            (Bound::LambdaConcurrency, advice)
        })
    }

    fn io_advice(&self) -> String {
        let in_flight = self.in_flight();
        let bytes = self.usage.bytes_read + self.usage.bytes_written;
        let bytes_per_second = bytes as f64 * 1000.0 / self.usage.elapsed_ms as f64;
        if percent(bytes_per_second, NETWORK_BYTES_PER_SECOND) >= NETWORK_BUSY {
            let [moved, given] = [bytes_per_second, NETWORK_BYTES_PER_SECOND].map(|rate| rate / 1e6);
            let more = self.more_processors();
            return format!("A processor moves {moved:.0} MB/s, and Lambda gives it {given:.0}: {more}.");
        }
        if self.connections_busy() {
            let more = self.more_processors();
            return format!(
                "A processor has {in_flight} images in flight on average, about as many as its \
                 {MOST_CONNECTIONS} connections serve: {more}."
            );
        }
        let per_invocation = self.images_per_invocation();
        if self.has_few_chunks() {
            if self.is_filled() {
                return format!(
                    "{in_flight} of the {per_invocation} images of an invocation are in flight on average, and \
                     all chunks are at once: only S3's own latency is left."
                );
            }
            let more = self.more_processors();
            return format!("A processor has {in_flight} images in flight on average: {more}.");
        }
        let concurrency = self.concurrency;
        if percent((concurrency as f64).max(in_flight), per_invocation) >= FILLED {
            let more = match self.job {
                None => "give it more of them in one invocation",
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
            Some(FanOut {
                chunks: Some(chunks),
                parallel,
                ..
            }) if self.has_few_chunks() => format!(
                "lower `chunk_keys` (chunks: {chunks}, `parallel`: {parallel}), so that more processors share the work"
            ),
            Some(FanOut { parallel, .. }) => format!("raise `parallel` ({parallel})"),
        }
    }

    /// Whether not even all chunks together take all invocations that may be in flight.
    fn has_few_chunks(&self) -> bool {
        self.job
            .is_some_and(|job| job.chunks.is_some_and(|chunks| chunks < job.parallel as u64))
    }

    /// Images in flight in one processor, on average: by Little's law.
    fn in_flight(&self) -> f64 {
        rounded(self.usage.stages.total_ms() / self.usage.elapsed_ms as f64)
    }

    fn images_per_invocation(&self) -> f64 {
        let run = self.job.map_or(1, |job| job.invocations.saturating_sub(job.refused));
        rounded(self.usage.stages.images() as f64 / run.max(1) as f64)
    }

    fn is_filled(&self) -> bool {
        percent(self.in_flight(), self.images_per_invocation()) >= FILLED
    }

    fn connections_busy(&self) -> bool {
        percent(self.in_flight(), MOST_CONNECTIONS as f64) >= CONNECTIONS_BUSY
    }

    /// Of one processor. An older one does not tell.
    fn vcpus(&self) -> f64 {
        match self.usage.vcpu_ms {
            0 => 1.0,
            vcpu_ms => vcpu_ms as f64 / self.usage.elapsed_ms as f64,
        }
    }
}

/// From 0 to 100, with one decimal.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::ChunkResponse;
    use crate::s3::Requests;

    /// Of 500 images of 1.2 s each, some 60 of them in flight at a time, and with 2.8 % of a whole vCPU.
    fn usage() -> Usage {
        let mut usage = Usage {
            requests: Requests {
                get: 500,
                copy: 500,
                ..Requests::default()
            },
            elapsed_ms: 10_000,
            cpu_ms: 280,
            vcpu_ms: 10_000,
            ..Usage::default()
        };
        for _ in 0..500 {
            usage.stages.download.add(Duration::from_millis(800));
            usage.stages.upload.add(Duration::from_millis(400));
        }
        usage
    }

    /// Of four such, all at a time.
    fn four() -> Usage {
        let mut four = Usage::default();
        (0..4).for_each(|_| four.merge(&usage()));
        four
    }

    const FAN_OUT: FanOut = FanOut {
        elapsed_ms: 12_000,
        parallel: 4,
        chunks: Some(4),
        invocations: 4,
        refused: 0,
    };

    fn evidence(usage: &Usage, job: Option<FanOut>) -> Evidence<'_> {
        Evidence {
            usage,
            concurrency: 64,
            max_requests_per_second: None,
            job,
        }
    }

    #[track_caller]
    fn check(evidence: &Evidence<'_>, bound: Bound, advice: &str) {
        let reading = evidence.reading().unwrap();
        assert_eq!(
            (reading.bound, reading.advice.as_str()),
            (bound, advice),
            "{evidence:?}"
        );
        let sum = reading.io_percent + reading.cpu_percent;
        assert!((sum - 100.0).abs() < 1e-9, "{reading:?}");
    }

    #[test]
    fn waiting_for_s3_asks_for_more_images_in_flight() {
        let raise_concurrency =
            "A processor starts with 64 images in flight and has 60.1 on average: raise `concurrency`.";
        let (one, four) = (usage(), four());
        check(&evidence(&one, None), Bound::Io, raise_concurrency);
        check(&evidence(&four, Some(FAN_OUT)), Bound::Io, raise_concurrency);
        let reading = evidence(&one, None).reading().unwrap();
        assert_eq!((reading.io_percent, reading.cpu_percent), (97.2, 2.8));
    }

    #[test]
    fn chunks_with_too_few_images_are_to_be_larger() {
        let (one, four) = (usage(), four());
        // Half of its images from the start.
        let at_250 = |usage| Evidence {
            concurrency: 250,
            ..evidence(usage, None)
        };
        check(
            &at_250(&one),
            Bound::Io,
            "A processor has 60.1 of its 500 images in flight on average: give it more of them in one invocation.",
        );
        let slots_free = Some(FanOut {
            elapsed_ms: 13_000,
            ..FAN_OUT
        });
        check(
            &Evidence {
                job: slots_free,
                ..at_250(&four)
            },
            Bound::Io,
            "A processor has 60.1 of its 500 images in flight on average: raise `chunk_keys` or `chunk_bytes`.",
        );
        let at_249 = Evidence {
            concurrency: 249,
            ..evidence(&one, None)
        };
        assert!(at_249.reading().unwrap().advice.ends_with("raise `concurrency`."));
    }

    #[test]
    fn too_few_chunks_are_to_be_smaller() {
        let mut four = four();
        let few_chunks = Some(FanOut {
            parallel: 32,
            ..FAN_OUT
        });
        check(
            &evidence(&four, few_chunks),
            Bound::Io,
            "A processor has 60.1 images in flight on average: lower `chunk_keys` (chunks: 4, `parallel`: 32), so that \
             more processors share the work.",
        );
        let still_listing = few_chunks.map(|job| FanOut { chunks: None, ..job });
        let advice = evidence(&four, still_listing).reading().unwrap().advice;
        assert!(advice.ends_with("raise `concurrency`."), "{advice}");
        four.elapsed_ms = 8_000;
        four.vcpu_ms = 8_000;
        check(
            &evidence(&four, few_chunks),
            Bound::Io,
            "300.3 of the 500 images of an invocation are in flight on average, and all chunks are at once: only S3's \
             own latency is left.",
        );
    }

    #[test]
    fn a_full_network_or_full_connections_ask_for_more_processors() {
        let mut one = usage();
        (one.bytes_read, one.bytes_written) = (300_000_000, 250_000_000);
        check(
            &evidence(&one, None),
            Bound::Io,
            "A processor moves 55 MB/s, and Lambda gives it 78: let more invocations share the work (`parallel`).",
        );
        one.bytes_read = 290_000_000;
        assert!(
            evidence(&one, None)
                .reading()
                .unwrap()
                .advice
                .ends_with("raise `concurrency`.")
        );

        let mut four = four();
        // 60 in flight become 364, of 2,000 in a chunk: 450 connections serve few more.
        four.elapsed_ms = 6_600;
        four.vcpu_ms = 6_600;
        let few_invocations = FanOut {
            elapsed_ms: 6_600,
            invocations: 1,
            ..FAN_OUT
        };
        check(
            &evidence(&four, Some(few_invocations)),
            Bound::Io,
            "A processor has 364 images in flight on average, about as many as its 450 connections serve: raise \
             `parallel` (4).",
        );
    }

    #[test]
    fn a_rate_counts_from_one_refusal_in_a_hundred_on() {
        let mut one = usage();
        one.throttled = 9;
        assert_eq!(evidence(&one, None).reading().unwrap().bound, Bound::Io);
        one.throttled = 10;
        // Whatever else there is.
        one.cpu_ms = 10_000;
        check(
            &evidence(&one, None),
            Bound::S3Rate,
            "S3 refused 1 % of the requests: set `max_requests_per_second`, or lower `parallel` or `concurrency`; a \
             busy prefix it splits by itself in time.",
        );
        let with_limit = Evidence {
            max_requests_per_second: Some(1e6),
            ..evidence(&one, None)
        };
        check(
            &with_limit,
            Bound::S3Rate,
            "S3 refused 1 % of the requests: lower `max_requests_per_second`; a busy prefix it splits by itself in \
             time.",
        );
    }

    #[test]
    fn a_limit_of_ones_own_counts_when_it_is_used() {
        let (one, four) = (usage(), four());
        // 1,000 requests in 10 s, 4,000 in 12 s.
        for (usage, job, limit, bound) in [
            (&one, None, 125.0, Bound::S3Rate),
            (&one, None, 126.0, Bound::Io),
            (&four, Some(FAN_OUT), 416.0, Bound::S3Rate),
            (&four, Some(FAN_OUT), 418.0, Bound::Io),
        ] {
            let evidence = Evidence {
                max_requests_per_second: Some(limit),
                ..evidence(usage, job)
            };
            assert_eq!(evidence.reading().unwrap().bound, bound, "{limit}");
        }
        let limited = Evidence {
            max_requests_per_second: Some(100.0),
            ..evidence(&one, None)
        };
        check(
            &limited,
            Bound::S3Rate,
            "100 % of the 100 requests a second allowed were made: raise `max_requests_per_second`.",
        );
    }

    #[test]
    fn cpu_asks_for_a_whole_vcpu_and_then_for_more_processors() {
        let mut one = usage();
        one.cpu_ms = 6_994;
        assert_eq!(evidence(&one, None).reading().unwrap().bound, Bound::Io);
        one.cpu_ms = 7_000;
        check(
            &evidence(&one, None),
            Bound::Cpu,
            "A processor uses 70 % of all the CPU time that it can: let more invocations share the work (`parallel`).",
        );
        // 512 MB.
        (one.cpu_ms, one.vcpu_ms) = (2_460, 2_894);
        check(
            &evidence(&one, None),
            Bound::Cpu,
            "A processor has 0.29 of a vCPU and uses 85 % of that: raise its memory to 1769 MB, which is a whole vCPU.",
        );
        let mut four = four();
        four.cpu_ms = 40_000;
        let reading = evidence(&four, Some(FAN_OUT)).reading().unwrap();
        assert_eq!((reading.io_percent, reading.cpu_percent), (0.0, 100.0));
        assert!(reading.advice.ends_with("raise `parallel` (4)."), "{reading:?}");
    }

    #[test]
    fn what_lambda_refuses_is_no_more_to_be_asked_for() {
        let mut four = four();
        let job = |refused| FanOut {
            // So that not all are busy all the time.
            elapsed_ms: 14_000,
            invocations: 1_000,
            refused,
            ..FAN_OUT
        };
        assert_eq!(evidence(&four, Some(job(9))).reading().unwrap().bound, Bound::Io);
        let refused = "Lambda refused 1 % of the invocations: raise the concurrency limit of the account or the function, \
                       or lower `parallel` (4).";
        check(&evidence(&four, Some(job(10))), Bound::LambdaConcurrency, refused);
        four.cpu_ms = 40_000;
        check(&evidence(&four, Some(job(10))), Bound::LambdaConcurrency, refused);
        // With more memory each invocation is faster, however few there may be.
        four.vcpu_ms = 11_577;
        assert_eq!(evidence(&four, Some(job(10))).reading().unwrap().bound, Bound::Cpu);
    }

    #[test]
    fn invocations_that_are_full_and_all_busy_ask_for_more_of_them() {
        let mut four = four();
        // 240 in flight become 250 of 500.
        four.elapsed_ms = 9_600;
        four.vcpu_ms = 9_600;
        let job = |elapsed_ms| FanOut { elapsed_ms, ..FAN_OUT };
        check(
            &evidence(&four, Some(job(3_000))),
            Bound::LambdaConcurrency,
            "All 4 invocations at a time were busy 80 % of the time, with 250.2 images in flight in each, about as many \
             as can be: raise `parallel`.",
        );
        assert_eq!(evidence(&four, Some(job(3_100))).reading().unwrap().bound, Bound::Io);
        four.elapsed_ms = 9_700;
        assert_eq!(evidence(&four, Some(job(2_500))).reading().unwrap().bound, Bound::Io);
        four.elapsed_ms = 9_600;
        // More places would stay empty.
        let few_chunks = FanOut {
            chunks: Some(3),
            ..job(2_500)
        };
        assert_eq!(evidence(&four, Some(few_chunks)).reading().unwrap().bound, Bound::Io);
        // One invocation does not know of others.
        assert_eq!(evidence(&four, None).reading().unwrap().bound, Bound::Io);
    }

    #[test]
    fn nothing_done_has_no_reading() {
        assert_eq!(evidence(&Usage::default(), None).reading(), None);
        assert_eq!(evidence(&Usage::default(), Some(FAN_OUT)).reading(), None);
        let mut one = usage();
        one.stages = crate::stages::Stages::default();
        assert_eq!(evidence(&one, None).reading(), None);
        let mut one = usage();
        one.elapsed_ms = 0;
        assert_eq!(evidence(&one, None).reading(), None);
    }

    #[test]
    fn no_number_is_ever_absurd() {
        for elapsed_ms in [1, u64::MAX] {
            for (cpu_ms, vcpu_ms) in [(0, 0), (u64::MAX, 0), (0, u64::MAX), (u64::MAX, 1)] {
                for elapsed_of_job in [0, 1, u64::MAX] {
                    let usage = Usage {
                        requests: Requests::default(),
                        elapsed_ms,
                        cpu_ms,
                        vcpu_ms,
                        ..usage()
                    };
                    let job = FanOut {
                        elapsed_ms: elapsed_of_job,
                        parallel: 1,
                        chunks: Some(0),
                        invocations: 0,
                        refused: 0,
                    };
                    for job in [None, Some(job)] {
                        let evidence = Evidence {
                            max_requests_per_second: Some(1.0),
                            ..evidence(&usage, job)
                        };
                        let reading = evidence.reading().unwrap();
                        assert!((0.0..=100.0).contains(&reading.cpu_percent), "{reading:?}");
                        assert!((0.0..=100.0).contains(&reading.io_percent), "{reading:?}");
                        assert!(
                            !reading.advice.contains("NaN") && !reading.advice.contains("inf"),
                            "{reading:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_processor_can_use_a_share_of_a_vcpu_or_one_for_each_thread() {
        for (memory_mb, threads, expected) in [
            (1769, 1, 1.0),
            (10_240, 1, 1.0),
            (512, 1, 512.0 / 1769.0),
            (512, 4, 4.0),
        ] {
            assert!(
                (vcpus(memory_mb, threads) - expected).abs() < 1e-9,
                "{memory_mb} {threads}"
            );
        }
    }

    #[test]
    fn a_quota_counts_where_it_is_in_force() {
        let ms = Duration::from_millis;
        for (cpu, quota, expected) in [
            (10, 0.25, 250),
            // Measured a little beyond it.
            (260, 0.25, 250),
            (375, 0.25, 250),
            // Well beyond it: a whole core was there.
            (376, 0.25, 1000),
            (999, 1.0, 1000),
            (2000, 1.0, 1000),
            (2000, 4.0, 4000),
        ] {
            assert_eq!(vcpu_time(ms(1000), ms(cpu), quota), ms(expected), "{cpu} {quota}");
        }
        assert_eq!(vcpu_time(ms(0), ms(1), 1.0), ms(0));
    }

    #[test]
    fn a_reading_is_four_fields_of_an_answer_and_older_answers_have_none() {
        let usage = usage();
        let response = ChunkResponse {
            reading: evidence(&usage, None).reading(),
            usage,
            ..ChunkResponse::default()
        };
        let mut json = serde_json::to_value(&response).unwrap();
        assert_eq!(serde_json::from_value::<ChunkResponse>(json.clone()).unwrap(), response);
        assert_eq!(json["bound"], "io");
        for (bound, name) in [
            (Bound::Io, "io"),
            (Bound::Cpu, "cpu"),
            (Bound::S3Rate, "s3 rate"),
            (Bound::LambdaConcurrency, "lambda concurrency"),
        ] {
            assert_eq!(serde_json::to_value(bound).unwrap(), name);
        }
        for field in ["io_percent", "cpu_percent", "bound", "advice", "vcpu_ms"] {
            assert!(json.as_object_mut().unwrap().remove(field).is_some(), "{field}");
        }
        let older: ChunkResponse = serde_json::from_value(json).unwrap();
        assert_eq!((older.reading, older.usage.vcpu_ms), (None, 0));
        // Its share is that of a whole vCPU.
        let reading = evidence(&older.usage, None).reading().unwrap();
        assert!((reading.cpu_percent - 2.8).abs() < 1e-9, "{reading:?}");
    }
}
