use super::*;
use crate::protocol::chunk::ChunkResponse;
use crate::protocol::usage::Requests;

/// The usage of 500 images of 1.2 s each, about 60 of them in flight, with 2.8 % of a whole vCPU.
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
        usage.stages.download.record(Duration::from_millis(800));
        usage.stages.upload.record(Duration::from_millis(400));
    }
    usage
}

/// The usage of four such invocations that ran at the same time.
fn four() -> Usage {
    let mut four = Usage::default();
    (0..4).for_each(|_| four.merge(&usage()));
    four
}

const FAN_OUT: JobMeasurements = JobMeasurements {
    elapsed_ms: 12_000,
    parallel: 4,
    chunks: Some(4),
    invocations: 4,
    throttled: 0,
};

fn measurements(usage: &Usage, job: Option<JobMeasurements>) -> Measurements<'_> {
    Measurements {
        usage,
        concurrency: 64,
        max_requests_per_second: None,
        job,
    }
}

#[track_caller]
fn check(measurements: &Measurements<'_>, bottleneck: Bottleneck, advice: &str) {
    let diagnosis = measurements.diagnosis().unwrap();
    assert_eq!(
        (diagnosis.bottleneck, diagnosis.advice.as_deref()),
        (bottleneck, Some(advice)),
        "{measurements:?}"
    );
    let sum = diagnosis.io_percent + diagnosis.cpu_percent;
    assert!((sum - 100.0).abs() < 1e-9, "{diagnosis:?}");
}

#[test]
fn waiting_for_s3_asks_for_more_images_in_flight() {
    let raise_concurrency = "A processor starts with 64 images in flight and has 60.1 on average: raise `concurrency`.";
    let (one, four) = (usage(), four());
    check(&measurements(&one, None), Bottleneck::Io, raise_concurrency);
    check(&measurements(&four, Some(FAN_OUT)), Bottleneck::Io, raise_concurrency);
    let diagnosis = measurements(&one, None).diagnosis().unwrap();
    assert_eq!((diagnosis.io_percent, diagnosis.cpu_percent), (97.2, 2.8));
}

#[test]
fn too_few_images_per_chunk_ask_for_larger_chunks() {
    let (one, four) = (usage(), four());
    // It starts with half of its images in flight.
    let at_250 = |usage| Measurements {
        concurrency: 250,
        ..measurements(usage, None)
    };
    check(
        &at_250(&one),
        Bottleneck::Io,
        "A processor has 60.1 of its 500 images in flight on average: give it more images in one invocation.",
    );
    let slots_free = Some(JobMeasurements {
        elapsed_ms: 13_000,
        ..FAN_OUT
    });
    check(
        &Measurements {
            job: slots_free,
            ..at_250(&four)
        },
        Bottleneck::Io,
        "A processor has 60.1 of its 500 images in flight on average: raise `chunk_keys` or `chunk_bytes`.",
    );
    let at_249 = Measurements {
        concurrency: 249,
        ..measurements(&one, None)
    };
    assert!(
        at_249
            .diagnosis()
            .unwrap()
            .advice
            .unwrap()
            .ends_with("raise `concurrency`.")
    );
}

#[test]
fn too_few_chunks_ask_for_smaller_chunks() {
    let mut four = four();
    let few_chunks = Some(JobMeasurements {
        parallel: 32,
        ..FAN_OUT
    });
    check(
        &measurements(&four, few_chunks),
        Bottleneck::Io,
        "A processor has 60.1 images in flight on average: lower `chunk_keys` (chunks: 4, `parallel`: 32), so that \
         more processors share the work.",
    );
    let still_listing = few_chunks.map(|job| JobMeasurements { chunks: None, ..job });
    let advice = measurements(&four, still_listing).diagnosis().unwrap().advice.unwrap();
    assert!(advice.ends_with("raise `concurrency`."), "{advice}");
    four.elapsed_ms = 8_000;
    four.vcpu_ms = 8_000;
    check(
        &measurements(&four, few_chunks),
        Bottleneck::Io,
        "A processor has 300.3 of its 500 images in flight on average, and all chunks are in flight at the same \
         time: only S3's own latency is left.",
    );
}

#[test]
fn a_full_network_or_full_connections_ask_for_more_processors() {
    let mut one = usage();
    (one.bytes_read, one.bytes_written) = (300_000_000, 250_000_000);
    check(
        &measurements(&one, None),
        Bottleneck::Io,
        "A processor moves 55 of the 78 MB/s that Lambda gives it: let more invocations share the work (`parallel`).",
    );
    one.bytes_read = 290_000_000;
    assert!(
        measurements(&one, None)
            .diagnosis()
            .unwrap()
            .advice
            .unwrap()
            .ends_with("raise `concurrency`.")
    );

    let mut four = four();
    // 60 images in flight become 364 of the 2,000 in a chunk, and 450 connections allow few more.
    four.elapsed_ms = 6_600;
    four.vcpu_ms = 6_600;
    let few_invocations = JobMeasurements {
        elapsed_ms: 6_600,
        invocations: 1,
        ..FAN_OUT
    };
    check(
        &measurements(&four, Some(few_invocations)),
        Bottleneck::Io,
        "A processor has 364 images in flight on average, about as many as its 450 connections allow: raise \
         `parallel` (4).",
    );
}

#[test]
fn one_throttle_in_a_hundred_makes_the_rate_the_bottleneck() {
    let mut one = usage();
    one.throttled = 9;
    assert_eq!(measurements(&one, None).diagnosis().unwrap().bottleneck, Bottleneck::Io);
    one.throttled = 10;
    // The rate comes first, even if the CPU is busy.
    one.cpu_ms = 10_000;
    check(
        &measurements(&one, None),
        Bottleneck::S3Rate,
        "S3 throttled 1 % of the requests: set `max_requests_per_second`, or lower `parallel` or `concurrency`. S3 \
         splits a busy prefix by itself after some time.",
    );
    let with_limit = Measurements {
        max_requests_per_second: Some(1e6),
        ..measurements(&one, None)
    };
    check(
        &with_limit,
        Bottleneck::S3Rate,
        "S3 throttled 1 % of the requests: lower `max_requests_per_second`. S3 splits a busy prefix by itself after \
         some time.",
    );
}

#[test]
fn a_used_request_limit_is_the_bottleneck() {
    let (one, four) = (usage(), four());
    // 1,000 requests in 10 s, 4,000 in 12 s.
    for (usage, job, limit, bottleneck) in [
        (&one, None, 125.0, Bottleneck::S3Rate),
        (&one, None, 126.0, Bottleneck::Io),
        (&four, Some(FAN_OUT), 416.0, Bottleneck::S3Rate),
        (&four, Some(FAN_OUT), 418.0, Bottleneck::Io),
    ] {
        let measurements = Measurements {
            max_requests_per_second: Some(limit),
            ..measurements(usage, job)
        };
        assert_eq!(measurements.diagnosis().unwrap().bottleneck, bottleneck, "{limit}");
    }
    let limited = Measurements {
        max_requests_per_second: Some(100.0),
        ..measurements(&one, None)
    };
    check(
        &limited,
        Bottleneck::S3Rate,
        "100 % of the allowed 100 requests per second were used: raise `max_requests_per_second`.",
    );
}

#[test]
fn cpu_asks_for_a_whole_vcpu_and_then_for_more_processors() {
    let mut one = usage();
    one.cpu_ms = 6_994;
    assert_eq!(measurements(&one, None).diagnosis().unwrap().bottleneck, Bottleneck::Io);
    one.cpu_ms = 7_000;
    check(
        &measurements(&one, None),
        Bottleneck::Cpu,
        "A processor uses 70 % of the CPU time that it can use: let more invocations share the work (`parallel`).",
    );
    // A processor with 512 MB.
    (one.cpu_ms, one.vcpu_ms) = (2_460, 2_894);
    check(
        &measurements(&one, None),
        Bottleneck::Cpu,
        "A processor has 0.29 of a vCPU and uses 85 % of it: raise its memory to 1769 MB, which gives a whole vCPU.",
    );
    let mut four = four();
    four.cpu_ms = 40_000;
    let diagnosis = measurements(&four, Some(FAN_OUT)).diagnosis().unwrap();
    assert_eq!((diagnosis.io_percent, diagnosis.cpu_percent), (0.0, 100.0));
    assert!(
        diagnosis.advice.as_ref().unwrap().ends_with("raise `parallel` (4)."),
        "{diagnosis:?}"
    );
}

#[test]
fn throttled_invocations_do_not_ask_for_more() {
    let mut four = four();
    let job = |throttled| JobMeasurements {
        // Not all invocations are busy all the time.
        elapsed_ms: 14_000,
        invocations: 1_000,
        throttled,
        ..FAN_OUT
    };
    assert_eq!(
        measurements(&four, Some(job(9))).diagnosis().unwrap().bottleneck,
        Bottleneck::Io
    );
    let throttled = "Lambda throttled 1 % of the invocations: raise the concurrency limit of the account or of \
                   the function, or lower `parallel` (4).";
    check(
        &measurements(&four, Some(job(10))),
        Bottleneck::LambdaConcurrency,
        throttled,
    );
    four.cpu_ms = 40_000;
    check(
        &measurements(&four, Some(job(10))),
        Bottleneck::LambdaConcurrency,
        throttled,
    );
    // With more memory, each invocation is faster, even if there are few.
    four.vcpu_ms = 11_577;
    assert_eq!(
        measurements(&four, Some(job(10))).diagnosis().unwrap().bottleneck,
        Bottleneck::Cpu
    );
}

#[test]
fn full_and_busy_invocations_ask_for_more() {
    let mut four = four();
    // 240 images in flight become 250 of 500.
    four.elapsed_ms = 9_600;
    four.vcpu_ms = 9_600;
    let job = |elapsed_ms| JobMeasurements { elapsed_ms, ..FAN_OUT };
    check(
        &measurements(&four, Some(job(3_000))),
        Bottleneck::LambdaConcurrency,
        "All 4 invocations were busy 80 % of the time, each with 250.2 images in flight on average, which is about \
         the maximum: raise `parallel`.",
    );
    assert_eq!(
        measurements(&four, Some(job(3_100))).diagnosis().unwrap().bottleneck,
        Bottleneck::Io
    );
    four.elapsed_ms = 9_700;
    assert_eq!(
        measurements(&four, Some(job(2_500))).diagnosis().unwrap().bottleneck,
        Bottleneck::Io
    );
    four.elapsed_ms = 9_600;
    // There are too few chunks for more invocations.
    let few_chunks = JobMeasurements {
        chunks: Some(3),
        ..job(2_500)
    };
    assert_eq!(
        measurements(&four, Some(few_chunks)).diagnosis().unwrap().bottleneck,
        Bottleneck::Io
    );
    // One invocation does not know of others.
    assert_eq!(
        measurements(&four, None).diagnosis().unwrap().bottleneck,
        Bottleneck::Io
    );
}

#[test]
fn without_processed_images_there_is_no_diagnosis() {
    assert_eq!(measurements(&Usage::default(), None).diagnosis(), None);
    assert_eq!(measurements(&Usage::default(), Some(FAN_OUT)).diagnosis(), None);
    let mut one = usage();
    one.stages = crate::protocol::stages::Stages::default();
    assert_eq!(measurements(&one, None).diagnosis(), None);
    let mut one = usage();
    one.elapsed_ms = 0;
    assert_eq!(measurements(&one, None).diagnosis(), None);
}

#[test]
fn extreme_measurements_give_valid_numbers() {
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
                let job = JobMeasurements {
                    elapsed_ms: elapsed_of_job,
                    parallel: 1,
                    chunks: Some(0),
                    invocations: 0,
                    throttled: 0,
                };
                for job in [None, Some(job)] {
                    let measurements = Measurements {
                        max_requests_per_second: Some(1.0),
                        ..measurements(&usage, job)
                    };
                    let diagnosis = measurements.diagnosis().unwrap();
                    assert!((0.0..=100.0).contains(&diagnosis.cpu_percent), "{diagnosis:?}");
                    assert!((0.0..=100.0).contains(&diagnosis.io_percent), "{diagnosis:?}");
                    assert!(
                        diagnosis
                            .advice
                            .iter()
                            .all(|advice| !advice.contains("NaN") && !advice.contains("inf")),
                        "{diagnosis:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_processor_can_use_a_share_of_a_vcpu_or_one_for_each_thread() {
    for (memory_mb, threads, cpu_threads, expected) in [
        (1769, 1, 0, 1.0),
        (10_240, 1, 0, 1.0),
        (512, 1, 0, 512.0 / 1769.0),
        (512, 4, 0, 4.0),
        (512, 1, 1, 512.0 / 1769.0),
        (3538, 1, 2, 2.0),
    ] {
        assert!(
            (vcpus(memory_mb, threads, cpu_threads) - expected).abs() < 1e-9,
            "{memory_mb} {threads}"
        );
    }
}

#[test]
fn a_quota_counts_only_if_it_is_enforced() {
    let ms = Duration::from_millis;
    for (cpu, quota, expected) in [
        (10, 0.25, 250),
        // Slightly more than the quota was measured.
        (260, 0.25, 250),
        (375, 0.25, 250),
        // Much more than the quota was measured: a whole core was used.
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
fn a_response_has_the_four_fields_and_an_older_one_has_none() {
    let usage = usage();
    let response = ChunkResponse {
        diagnosis: measurements(&usage, None).diagnosis(),
        usage,
        ..ChunkResponse::default()
    };
    let mut json = serde_json::to_value(&response).unwrap();
    assert_eq!(serde_json::from_value::<ChunkResponse>(json.clone()).unwrap(), response);
    assert_eq!(json["bottleneck"], "io");
    for (bottleneck, name) in [
        (Bottleneck::Io, "io"),
        (Bottleneck::Cpu, "cpu"),
        (Bottleneck::S3Rate, "s3 rate"),
        (Bottleneck::LambdaConcurrency, "lambda concurrency"),
    ] {
        assert_eq!(serde_json::to_value(bottleneck).unwrap(), name);
    }
    for field in ["io_percent", "cpu_percent", "bottleneck", "advice", "vcpu_ms"] {
        assert!(json.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    let older: ChunkResponse = serde_json::from_value(json).unwrap();
    assert_eq!((older.diagnosis, older.usage.vcpu_ms), (None, 0));
    // The CPU time is then a share of a whole vCPU.
    let diagnosis = measurements(&older.usage, None).diagnosis().unwrap();
    assert!((diagnosis.cpu_percent - 2.8).abs() < 1e-9, "{diagnosis:?}");
}
