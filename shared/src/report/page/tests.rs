use std::collections::BTreeMap;

use super::*;
use crate::protocol::found::{Cell, Found};
use crate::protocol::series::{Point, Series};

fn report(extra: &serde_json::Value) -> Report {
    let mut report = serde_json::json!({
        "job_id": "job", "state": "completed", "generation": 1, "source": "s3://photos/", "destination": "s3://out/",
        "listed": 10, "ignored": 2, "skipped": 0, "ok": 7, "with_exif": 5, "failed": 1, "pending": 0,
        "failures": {"timeout": 1}, "chunks": 1, "invocations": 1, "requests": {}, "throttled": 0, "bytes_listed": 1,
        "bytes_read": 1, "bytes_written": 1, "elapsed_ms": 1, "images_per_second": 1.0, "cpu_ms_per_image": 1.0,
        "stages": crate::protocol::stages::Stages::default().summary(),
    });
    for (name, value) in extra.as_object().into_iter().flatten() {
        report[name] = value.clone();
    }
    serde_json::from_value(report).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn nothing_that_strangers_write_is_markup() {
    let evil = "</script></style><script>alert(1)</script>\" onload='x' \u{202e}\u{1b}[31m&amp;";
    let page = page(&report(&serde_json::json!({
        "reason": evil, "note": evil, "state": "aborted", "job_id": evil,
        "ignored_by": {"name": 2},
        "examples": {"ignored_by.name": [evil], "failures.timeout": [evil], "damaged": [evil], "unknown": [evil]},
        "found": {"formats": {"jpeg": 5, (evil): 1, "unknown": 1}, "damaged": 1, "cameras": {(evil): 5},
            "years": {(evil): 1, "2020": 2}},
        "io_percent": 1.0, "cpu_percent": 1.0, "bottleneck": "io", "advice": evil,
    })));
    for part in ["<script", "alert(1)</", "\u{202e}", "\u{1b}", "\" onload"] {
        assert!(!page.contains(part), "{part:?}");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("\\u{202e}"));
}

#[test]
fn a_page_about_a_million_images_is_small() {
    let mut large = report(&serde_json::json!({}));
    large.found = Found {
        formats: BTreeMap::from([("jpeg".to_owned(), 1_000_000)]),
        cameras: (0..401).map(|index| (format!("{index:040}"), 2_494)).collect(),
        years: (1926..2026).map(|year| (year.to_string(), 10_000)).collect(),
        hours: [41_666; 24],
        with_gps: 1_000_000,
        grid: (-90..90)
            .step_by(10)
            .flat_map(|south| (-180..180).step_by(10).map(move |west| (south, west)))
            .filter_map(|(south, west)| Some((Cell::of(f64::from(south), f64::from(west))?, 1_543)))
            .collect(),
        ..Found::default()
    };
    large.series = Series {
        interval_ms: 1_000,
        points: vec![Point::from([8_333, 1_000, 12]); 120],
    };
    let page = page(&large);
    assert_eq!(large.found.grid.len(), 648);
    assert!(page.len() < 300_000, "{}", page.len());
    // The data is bounded, too: it is in each checkpoint, with up to 16 KB of examples.
    let data = serde_json::to_string(&(&large.found, &large.series)).unwrap_or_default();
    assert!(data.len() < 48_000 - 15_500, "{}", data.len());
}

#[test]
fn the_outcome_is_one_sentence() {
    for (extra, expected) in [
        (serde_json::json!({}), "7 of 8 images were processed, and 1 failed."),
        (
            serde_json::json!({"failed": 0, "failures": {}}),
            "All 7 images were processed.",
        ),
        (
            serde_json::json!({"ok": 0, "failed": 0, "listed": 2}),
            "The job has ended, and there was nothing to process.",
        ),
        (
            serde_json::json!({"ok": 0, "failed": 0, "skipped": 8154}),
            "All 8,154 images were up to date already.",
        ),
        (
            serde_json::json!({"state": "aborted", "reason": "stop", "pending": 3, "skipped": 4}),
            "The job ended early: stop. 7 of 11 images were processed, 1 failed, 3 have no outcome, and 4 were up to date \
             already.",
        ),
        (
            serde_json::json!({"state": "running", "pending": 1, "listing_finished": true}),
            "The job runs: 8 of 9 images are done.",
        ),
    ] {
        assert_eq!(words::outcome(&report(&extra)), expected);
    }
}
