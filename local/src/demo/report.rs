//! The result of the demo, as text for a terminal.

use indicatif::{HumanBytes, HumanCount};

use super::Outcome;
use super::check::Checked;
use crate::s3::Server;

/// The most problems that are printed.
const MAX_PROBLEMS: usize = 20;

pub fn print(outcome: &Outcome) {
    let Outcome { report, checked } = outcome;
    let count = HumanCount;
    println!();
    println!(
        "{} images in {:.1} s: {:.0} images/s, {:.2} ms of CPU per image",
        count(report.ok + report.failed),
        report.elapsed_ms as f64 / 1000.0,
        report.images_per_second,
        report.cpu_ms_per_image
    );
    println!(
        "  counts     {} with EXIF, {} without, {} failed, {} ignored",
        count(report.with_exif),
        count(report.ok - report.with_exif),
        count(report.failed),
        count(report.ignored)
    );
    for (class, times) in &report.failures {
        println!("             {} {class}", count(*times));
    }
    println!(
        "  requests   {} LIST, {} GET, {} COPY, {} PUT, {} Invoke; {} throttled",
        count(report.requests.list),
        count(report.requests.get),
        count(report.requests.copy),
        count(report.requests.put),
        count(report.requests.invoke),
        count(report.throttled)
    );
    println!(
        "  bytes      {} in the source, {} read, {} written",
        HumanBytes(report.bytes_listed),
        HumanBytes(report.bytes_read),
        HumanBytes(report.bytes_written)
    );
    let stages = &report.stages;
    println!(
        "  per image  download {:.1} ms, EXIF {:.2} ms, copy {:.1} ms (medians)",
        stages.download.p50_ms, stages.exif.p50_ms, stages.upload.p50_ms
    );
    println!("  images     {}images/", report.destination);
    println!("  records    {}records/job={}/", report.destination, report.job_id);
    println!("  report     {}jobs/{}/job.json", report.destination, report.job_id);
    print_check(checked);
}

fn print_check(checked: &Checked) {
    println!("\nThree of the records:");
    for line in &checked.samples {
        println!("{line}");
    }
    println!();
    if checked.is_right() {
        println!(
            "Checked: {} images are the same in source and destination, byte for byte, and each has one record.",
            HumanCount(checked.identical as u64)
        );
        return;
    }
    eprintln!(
        "The check found {} problems:",
        HumanCount(checked.problems.len() as u64)
    );
    for problem in checked.problems.iter().take(MAX_PROBLEMS) {
        eprintln!("  {problem}");
    }
}

pub fn print_look_around(server: &Server, outcome: &Outcome) {
    let report = &outcome.report;
    println!("\nThe S3 server runs until Ctrl-C. In another terminal, use any S3 client:\n");
    for (name, value) in server.environment() {
        println!("export {name}={value}");
    }
    println!("aws s3 ls --recursive {} | head", report.destination);
    println!("aws s3 cp {}jobs/{}/job.json -", report.destination, report.job_id);
    println!("aws s3 cp --recursive {}records/ records/", report.destination);
}
