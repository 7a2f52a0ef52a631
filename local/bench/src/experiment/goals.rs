//! The goals of the project, and whether they are met.

use shared::metadata::FRONT_BYTES;
use shared::protocol::usage::Requests;

use super::guide::{ADAPTIVE, FANOUT, ONE_PROCESSOR};
use super::peers;
use super::program::CHUNK_KEYS;
use super::report::Report;
use super::run::Row;
use crate::spread::spread;
use crate::table::megabytes;
use local::dataset::COUNT;

pub struct Goal {
    pub what: String,
    pub measured: String,
    pub is_held: bool,
}

fn goal(what: &str, measured: String, is_held: bool) -> Goal {
    Goal {
        what: what.to_owned(),
        measured,
        is_held,
    }
}

/// The goals of all parts that were measured.
pub fn goals(report: &Report) -> Vec<Goal> {
    let mut goals = Vec::new();
    if let Some(section) = &report.peers {
        goals.extend(of_peers(&section.measured));
    }
    if let Some(section) = &report.guide {
        goals.extend(of_the_guide(
            &section.measured.serial_total,
            &section.measured.stated_latencies,
        ));
    }
    if let Some(section) = &report.pipelines {
        goals.extend(
            section
                .measured
                .iter()
                .filter(|row| row.name == "none")
                .map(records_only),
        );
    }
    if let Some(section) = &report.cold {
        for cold in section.measured.iter().take(2) {
            let init = spread(cold.init_ms.iter().copied()).median;
            goals.push(goal(
                &format!("cold start of {}: at most 6 ms", cold.function),
                format!("{init:.1} ms"),
                init <= 6.0,
            ));
            goals.push(goal(
                &format!("zip size of {}: at most 8 MB", cold.function),
                megabytes(cold.zip_bytes),
                cold.zip_bytes <= 8_000_000,
            ));
        }
    }
    goals
}

fn of_peers(rows: &[Row]) -> Vec<Goal> {
    let best = peers::best(rows);
    let with = |over_tls: bool| {
        let cpu = |name: &str| {
            let row = best.iter().find(|row| row.name == name && row.over_tls == over_tls);
            row.map(|row| row.cpu_ms())
        };
        let (Some(sdk), Some(ours), Some(python)) = (cpu(peers::SDK), cpu(peers::OURS), cpu(peers::ASYNCIO)) else {
            return Vec::new();
        };
        let protocol = if over_tls { " over TLS" } else { "" };
        vec![
            goal(
                &format!("CPU/image of an upload{protocol}: at most 1.05 × the plain loop over the SDK"),
                format!("{:.2} ×", ours / sdk),
                ours <= 1.05 * sdk,
            ),
            goal(
                &format!("CPU/image of an upload{protocol}: at most 1/10 of Python's asyncio"),
                format!("1/{:.1}", python / ours),
                python >= 10.0 * ours,
            ),
        ]
    };
    [false, true].into_iter().flat_map(with).collect()
}

fn of_the_guide(serial_total: &[Row], stated_latencies: &[Row]) -> Vec<Goal> {
    let mut goals = Vec::new();
    if let Some(row) = fastest(serial_total, ONE_PROCESSOR) {
        let rate = row.images_per_second();
        goals.push(goal(
            "one processor, guide's pace: at least 4,000 images/s",
            format!("{rate:.0} images/s, {}", row.setting),
            rate >= 4_000.0,
        ));
    }
    if let Some(row) = fastest(stated_latencies, FANOUT) {
        let seconds = COUNT as f64 / row.images_per_second();
        goals.push(goal(
            "fanout, guide's latencies: all 8,154 images in at most 3.5 s",
            format!("{seconds:.1} s, {}", row.setting),
            seconds <= 3.5,
        ));
    }
    if let Some(row) = serial_total
        .iter()
        .find(|row| row.name == ONE_PROCESSOR && row.in_flight == 64 && row.setting != ADAPTIVE)
    {
        let peak = row.median(|run| run.peak_bytes as f64) / 1e6;
        goals.push(goal(
            "memory of one processor, 64 in flight: at most 48 MB",
            format!("{peak:.1} MB"),
            peak <= 48.0,
        ));
    }
    goals
}

fn fastest<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter()
        .filter(|row| row.name == name)
        .max_by(|a, b| a.images_per_second().total_cmp(&b.images_per_second()))
}

fn records_only(row: &Row) -> Goal {
    let is_held = row.runs.iter().all(|run| {
        let Requests {
            get, head, put, copy, ..
        } = run.requests;
        get == run.images
            && (head, copy) == (0, 0)
            && put == run.images.div_ceil(CHUNK_KEYS as u64)
            && run.bytes_read <= run.images * FRONT_BYTES
    });
    let run = &row.runs[0];
    goal(
        &format!(
            "mode none, {}: 1 GET per image, at most 128 KiB; 1 PUT per chunk",
            row.setting
        ),
        format!(
            "{} images: {} GET of {:.1} KB, {} PUT",
            run.images,
            run.requests.get,
            run.bytes_read as f64 / run.images as f64 / 1e3,
            run.requests.put
        ),
        is_held,
    )
}
