use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use aws_sdk_s3::Client;
use clap::Args;
use indicatif::HumanCount;
use serde_json::json;

use crate::cloud::{Cloud, Setup};
use crate::table::table;
use local::s3::Latency;
use local::terminal::bar;

#[derive(Args, Debug)]
pub struct Options {
    /// Number of keys
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Minimum time of each page
    #[arg(long, value_parser = local::terminal::duration, default_value = "50ms")]
    latency: Duration,
    /// Number of runs of each listing
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// List only this number of pages one after another, and estimate the time of the rest
    #[arg(long)]
    pages: Option<usize>,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let cloud = Cloud::start(Setup::new(options.keys)).await?;
    cloud.server.faults.set_latency(Latency {
        list: options.latency,
        ..Latency::default()
    });
    println!(
        "Lists {} keys under one prefix. Each page of 1,000 keys takes at least {:?}.",
        HumanCount(options.keys),
        options.latency
    );
    let (mut serial, mut parallel, mut lists) = (Vec::new(), Vec::new(), 0);
    for _ in 0..options.runs {
        serial.push(page_after_page(&cloud, &options).await?);
        let started = Instant::now();
        let plan = cloud.invoke(&json!({"action": "plan"})).await?;
        parallel.push(started.elapsed());
        ensure!(
            plan["listed"] == options.keys,
            "fanout listed {} of {} keys",
            plan["listed"],
            options.keys
        );
        lists = plan["requests"]["list"].as_u64().unwrap_or_default();
    }
    let mut rows = table(["listing", "median", "fastest", "slowest", "LIST requests"]);
    let pages = options.keys.div_ceil(1000);
    let estimated = if options.pages.is_some() { " (estimated)" } else { "" };
    for (name, times, lists) in [
        (format!("one page after another{estimated}"), &mut serial, pages),
        ("fanout (action plan)".to_owned(), &mut parallel, lists),
    ] {
        times.sort_unstable();
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        rows.add_row([
            name,
            seconds(times[times.len() / 2]),
            seconds(times[0]),
            seconds(times[times.len() - 1]),
            HumanCount(lists).to_string(),
        ]);
    }
    println!("{rows}");
    let ratio = serial[serial.len() / 2].as_secs_f64() / parallel[parallel.len() / 2].as_secs_f64();
    println!("\nfanout is {ratio:.1} times as fast");
    Ok(ExitCode::SUCCESS)
}

async fn page_after_page(cloud: &Cloud, options: &Options) -> anyhow::Result<Duration> {
    let s3 = Client::new(&cloud.server.sdk().await);
    let progress = bar(usize::try_from(options.keys)?, "keys");
    let started = Instant::now();
    let mut pages = s3.list_objects_v2().bucket("photos").into_paginator().send();
    let (mut keys, mut listed) = (0, 0);
    while let Some(page) = pages.next().await {
        keys += page?.contents().len() as u64;
        listed += 1;
        progress.set_position(keys);
        if options.pages.is_some_and(|pages| listed == pages) {
            break;
        }
    }
    progress.finish_and_clear();
    Ok(started.elapsed().mul_f64(options.keys as f64 / keys as f64))
}
