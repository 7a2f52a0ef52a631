//! A plan, for people.

use std::collections::BTreeMap;

use serde::Deserialize;
use shared::prices::Cost;
use shared::protocol::examples::{Example, Examples};
use shared::protocol::ignored::IgnoreReason;
use shared::protocol::usage::Requests;
use shared::report::text::{bytes, count, counted, dollars, seconds, visible};
use shared::report::words;

use crate::summary::keys;

/// fanout's response to `plan`, as far as it is shown.
#[derive(Debug, Deserialize)]
pub struct Plan {
    pub source: String,
    destination: String,
    #[serde(default)]
    records_destination: Option<String>,
    listing_finished: bool,
    listed: u64,
    ignored: u64,
    #[serde(default)]
    ignored_by: BTreeMap<IgnoreReason, u64>,
    #[serde(default)]
    examples: Examples,
    skipped: u64,
    pub images: u64,
    bytes_listed: u64,
    invocations: u64,
    requests: Requests,
    pub seconds: f64,
    images_per_second: f64,
    bottleneck: String,
    pub cost_usd: Cost,
    #[serde(default)]
    note: Option<String>,
}

/// Prints a plan on standard output.
pub fn print(plan: &Plan) {
    println!("{} to {}", visible(&plan.source), visible(&plan.destination));
    if let Some(records) = &plan.records_destination {
        println!("  records   to {}", visible(records));
    }
    if !plan.listing_finished {
        println!(
            "  The source is larger than fanout could list in time. All numbers are about the part that it listed."
        );
    }
    println!(
        "  images    {} of {} ({})",
        count(plan.images),
        counted(plan.listed, "key"),
        bytes(plan.bytes_listed)
    );
    if plan.skipped > 0 {
        println!("  skipped   {} whose outputs are newer", count(plan.skipped));
    }
    if plan.ignored > 0 {
        println!("  ignored   {}", count(plan.ignored));
    }
    for (reason, number) in &plan.ignored_by {
        println!(
            "    {number:>8}  {}{}",
            words::ignored(*reason),
            keys(plan.examples.of(Example::Ignored(*reason)))
        );
    }
    println!(
        "  requests  {} to S3, {}",
        count(plan.requests.to_s3()),
        counted(plan.invocations, "invocation")
    );
    println!(
        "  time      about {} at {:.0} images/s, limited by {}",
        seconds(plan.seconds),
        plan.images_per_second,
        visible(&plan.bottleneck)
    );
    println!(
        "  cost      about {}: Lambda {}, S3 {}",
        dollars(plan.cost_usd.total),
        dollars(plan.cost_usd.lambda),
        dollars(plan.cost_usd.s3)
    );
    if let Some(note) = &plan.note {
        println!("  note      {}", visible(note));
    }
}
