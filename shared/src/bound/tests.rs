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
    let raise_concurrency = "A processor starts with 64 images in flight and has 60.1 on average: raise `concurrency`.";
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
