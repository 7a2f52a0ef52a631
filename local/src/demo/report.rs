//! The result of the demo, as text for a terminal.

use indicatif::{HumanBytes, HumanCount};
use job::summary::summary;
use shared::protocol::job::Report;

use super::Outcome;
use super::check::Checked;
use super::renditions::Made;
use crate::s3::Server;

/// The most problems that are printed.
const MAX_PROBLEMS: usize = 20;

pub fn print(outcome: &Outcome) {
    let Outcome { report, checked } = outcome;
    let count = HumanCount;
    println!();
    print!("{}", summary(report));
    println!(
        "\n  requests   {} LIST, {} GET, {} COPY, {} PUT, {} Invoke; {} throttled",
        count(report.requests.list),
        count(report.requests.get),
        count(report.requests.copy),
        count(report.requests.put),
        count(report.requests.invoke),
        count(report.throttled)
    );
    println!(
        "  bytes      {} read, {} written",
        HumanBytes(report.bytes_read),
        HumanBytes(report.bytes_written)
    );
    let stages = &report.stages;
    let is_transform = checked.made.pictures > 0;
    let transform = if is_transform {
        format!(", pictures {:.1} ms", stages.transform.p50_ms)
    } else {
        String::new()
    };
    let is_uploaded = is_transform || checked.stripped > 0;
    let write = if is_uploaded { "upload" } else { "copy" };
    println!(
        "  per image  {:.2} ms of CPU; download {:.1} ms, EXIF {:.2} ms{transform}, {write} {:.1} ms (medians)",
        report.cpu_ms_per_image, stages.download.p50_ms, stages.exif.p50_ms, stages.upload.p50_ms
    );
    if is_transform {
        print_made(&checked.made, report);
    }
    print_check(checked);
}

fn print_made(made: &Made, report: &Report) {
    println!(
        "  pictures   {} became {} ({:.1} % of the bytes), at {:.0} megapixels/s",
        HumanBytes(made.source_bytes),
        HumanBytes(made.output_bytes),
        made.output_bytes as f64 * 100.0 / made.source_bytes as f64,
        made.source_pixels as f64 / 1000.0 / report.elapsed_ms as f64
    );
    match made.keep_largest() {
        Ok(Some((before, after))) => println!("  compare    {} with {}", before.display(), after.display()),
        Ok(None) => {}
        Err(error) => eprintln!("the largest picture could not be kept: {error:#}"),
    }
}

fn print_check(checked: &Checked) {
    println!("\nThree of the records:");
    for line in &checked.samples {
        println!("{line}");
    }
    println!();
    for left_out in &checked.left_out {
        println!(
            "No output of {:?}: {}: {}",
            left_out.key, left_out.class, left_out.error
        );
    }
    if checked.is_right() && checked.made.pictures > 0 {
        println!(
            "Checked: {} pictures have the right size, and each image has one record.",
            HumanCount(checked.made.pictures as u64)
        );
        return;
    }
    if checked.is_right() && checked.stripped > 0 {
        println!(
            "Checked: {} images have the same picture and no metadata, and each has one record.",
            HumanCount(checked.stripped as u64)
        );
        return;
    }
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
