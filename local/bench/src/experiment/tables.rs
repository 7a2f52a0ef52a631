//! The report as tables, for terminals and Markdown.

use std::fmt::Write as _;

use comfy_table::Table;
use indicatif::HumanCount;

use super::cold::Cold;
use super::goals::goals;
use super::peers::{self, best};
use super::pipelines::cost_of_a_million;
use super::report::{Guide, Origin, Part, Report, Section};
use super::run::{Row, Run};
use crate::parsing;
use crate::spread::spread;
use crate::table::{megabytes, table};
use local::connections::Connections;
use local::dataset::COUNT;

/// A table with its title and with the origin of its data.
type Titled<'a> = (&'static str, &'a Origin, Table);

pub fn markdown(report: &Report, parts: &[Part]) -> String {
    let mut text = String::new();
    for (title, origin, rows) in parts.iter().flat_map(|&part| of_part(report, part)) {
        let Origin { command, date, machine } = origin;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "### {title}\n\n{rows}\n\n`{command}`, {date}, {machine}\n");
    }
    let goals = goals(report);
    if !goals.is_empty() && parts.len() > 1 {
        let mut rows = table(["goal", "measured", "result"]);
        for goal in goals {
            let held = if goal.is_held { "met" } else { "MISSED" };
            rows.add_row([goal.what, goal.measured, held.to_owned()]);
        }
        let _ = writeln!(text, "### Goals: met or missed\n\n{rows}");
    }
    text
}

/// The tables of a part. Empty if it was not measured.
fn of_part(report: &Report, part: Part) -> Vec<Titled<'_>> {
    match part {
        Part::Guide => report.guide.iter().flat_map(of_the_guide).collect(),
        Part::Peers => one(
            report.peers.as_ref(),
            "CPU time per image: s3-exif and other programs, on a server without delay",
            programs,
        ),
        Part::Pipelines => one(
            report.pipelines.as_ref(),
            "Speed and cost by image mode and size: one processor, 100 ms per request",
            pipelines,
        ),
        Part::Cold => one(
            report.cold.as_ref(),
            "Cold starts: time from the start of the process to its first request for an invocation",
            cold,
        ),
    }
}

fn one<'a, T>(section: Option<&'a Section<Vec<T>>>, title: &'static str, rows: fn(&[T]) -> Table) -> Vec<Titled<'a>> {
    let one = section.map(|section| (title, &section.origin, rows(&section.measured)));
    one.into_iter().collect()
}

fn of_the_guide(section: &Section<Guide>) -> [Titled<'_>; 6] {
    let (origin, guide) = (&section.origin, &section.measured);
    [
        (
            "Images/s at the guide's pace of 80 ms per image: GET 48.5 ms, PUT 24.2 ms",
            origin,
            strategies(&guide.serial_total),
        ),
        (
            "Images/s at the guide's latencies: GET 800 ms, PUT 400 ms",
            origin,
            strategies(&guide.stated_latencies),
        ),
        (
            "With pictures of 1,024 pixels, at the guide's pace: GET 48.5 ms, PUT 24.2 ms",
            origin,
            strategies(&guide.pictures.serial_total),
        ),
        (
            "With pictures of 1,024 pixels, at the guide's latencies: GET 800 ms, PUT 400 ms",
            origin,
            strategies(&guide.pictures.stated_latencies),
        ),
        (
            "With pictures of 1,024 pixels, from photos of 12 megapixels: GET 48.5 ms, PUT 24.2 ms",
            origin,
            strategies(&guide.pictures.large),
        ),
        (
            "CPU time of EXIF alone: in memory, on one thread",
            origin,
            parsing::as_table(&guide.parsing),
        ),
    ]
}

/// The median of the runs, with the lowest and the highest run in parentheses.
fn with_spread(row: &Row, digits: usize, figure: impl Fn(&Run) -> f64) -> String {
    let figures = spread(row.runs.iter().map(figure));
    let median = format!("{:.digits$}", figures.median);
    if row.runs.len() == 1 {
        return median;
    }
    format!("{median} ({:.digits$}–{:.digits$})", figures.least, figures.most)
}

fn per_image(row: &Row, figure: impl Fn(&Run) -> u64) -> f64 {
    row.median(|run| figure(run) as f64 / run.images as f64)
}

fn right(row: &Row) -> String {
    if row.is_right() {
        return "100 %".to_owned();
    }
    let right = row.runs.iter().map(|run| run.right as f64 / run.images as f64);
    format!("{:.2} %", spread(right).least * 100.0)
}

fn memory(row: &Row) -> String {
    format!("{:.0} MB", row.median(|run| run.peak_bytes as f64) / 1e6)
}

fn kilobytes(bytes: f64) -> String {
    format!("{:.1} KB", bytes / 1e3)
}

/// Requests per image. A request that serves many images counts as a fraction for each of them.
fn requests(row: &Row) -> String {
    let reads = per_image(row, |run| run.requests.get + run.requests.head);
    let writes = per_image(row, |run| run.requests.put + run.requests.copy);
    format!("{reads:.2} + {writes:.2}")
}

pub fn strategies(rows: &[Row]) -> Table {
    let mut table = table([
        "strategy",
        "images/s",
        "all 8,154",
        "images measured",
        "CPU/image",
        "server CPU/image",
        "memory",
        "reads + writes/image",
        "bytes/image",
        "download, EXIF, picture, upload",
        "correct",
    ]);
    for row in rows {
        let images = row.runs[0].images;
        let stages = |stage: fn(&Run) -> f64| row.median(stage);
        let all = COUNT as f64 / row.images_per_second();
        table.add_row([
            row.label(),
            with_spread(
                row,
                usize::from(row.images_per_second() < 100.0),
                Run::images_per_second,
            ),
            if images == COUNT as u64 {
                format!("{all:.1} s")
            } else {
                format!("est. {all:.0} s")
            },
            HumanCount(images).to_string(),
            format!("{:.2} ms", row.cpu_ms()),
            format!("{:.2} ms", row.median(Run::server_cpu_ms)),
            memory(row),
            requests(row),
            kilobytes(per_image(row, |run| run.bytes_read + run.bytes_written)),
            format!(
                "{:.1}, {:.2}, {:.1}, {:.1} ms",
                stages(|run| run.stages.download),
                stages(|run| run.stages.exif),
                stages(|run| run.stages.transform),
                stages(|run| run.stages.upload)
            ),
            right(row),
        ]);
    }
    table
}

fn programs(rows: &[Row]) -> Table {
    let mut table = table([
        "program",
        "best setting",
        "protocol",
        "images/s",
        "CPU/image, ms",
        "× bare HTTP",
        "server CPU/image",
        "memory",
        "connections",
        "handshakes: full + resumed",
        "correct",
    ]);
    for row in best(rows) {
        let is_bare = |other: &&Row| other.name == peers::HTTP && other.over_tls == row.over_tls;
        let http = rows.iter().find(is_bare).map(Row::cpu_ms);
        let connections = |count: fn(&Connections) -> u64| row.median(|run| count(&run.connections) as f64);
        table.add_row([
            row.name.clone(),
            row.setting.clone(),
            if row.over_tls { "TLS" } else { "plain" }.to_owned(),
            with_spread(row, 0, Run::images_per_second),
            with_spread(row, 3, Run::cpu_ms),
            http.map(|http| format!("{:.2}", row.cpu_ms() / http))
                .unwrap_or_default(),
            format!("{:.2} ms", row.median(Run::server_cpu_ms)),
            memory(row),
            connections(|it| it.opened).to_string(),
            format!("{} + {}", connections(|it| it.full), connections(|it| it.resumed)),
            right(row),
        ]);
    }
    table
}

fn pipelines(rows: &[Row]) -> Table {
    let mut table = table([
        "mode",
        "size",
        "function",
        "images/s",
        "CPU/image, ms",
        "memory",
        "read/image",
        "written/image",
        "reads + writes/image",
        "Lambda/million",
        "S3/million",
        "total/million",
        "correct",
    ]);
    for row in rows {
        let cost = cost_of_a_million(row);
        table.add_row([
            row.name.clone(),
            row.setting.clone(),
            format!("{} MB", HumanCount(row.function_mb.into())),
            with_spread(row, 0, Run::images_per_second),
            with_spread(row, 2, Run::cpu_ms),
            memory(row),
            kilobytes(per_image(row, |run| run.bytes_read)),
            kilobytes(per_image(row, |run| run.bytes_written)),
            requests(row),
            format!("${:.3}", cost.lambda),
            format!("${:.2}", cost.s3),
            format!("${:.2}", cost.lambda + cost.s3),
            right(row),
        ]);
    }
    table
}

fn cold(all: &[Cold]) -> Table {
    let mut table = table(["function", "time until ready", "memory at rest", "bootstrap", "zip"]);
    for cold in all {
        let init = spread(cold.init_ms.iter().copied());
        table.add_row([
            cold.function.clone(),
            format!("{:.1} ms ({:.1}–{:.1})", init.median, init.least, init.most),
            megabytes(cold.memory_bytes),
            megabytes(cold.bootstrap_bytes),
            megabytes(cold.zip_bytes),
        ]);
    }
    table
}
