use maud::{Markup, html};

use super::charts::{Column, columns};
use crate::protocol::job::Report;
use crate::protocol::series::{Point, Series};
use crate::report::text::{bytes, count, dollars, seconds, time, visible};

/// How the job ran, and what it cost.
pub fn course(report: &Report) -> Markup {
    html! {
        section {
            h2 { "How the job ran" }
            div.cards {
                (series(&report.series))
                div.card {
                    h3 { "Time of an image, in milliseconds" }
                    table {
                        thead {
                            tr {
                                th scope="col" { "stage" }
                                th.number scope="col" { "median" }
                                th.number scope="col" { "95 %" }
                                th.number scope="col" { "99 %" }
                            }
                        }
                        tbody {
                            @let stages = &report.stages;
                            @for (name, stage) in [
                                ("download", &stages.download),
                                ("EXIF", &stages.exif),
                                ("transform", &stages.transform),
                                ("upload", &stages.upload),
                            ] {
                                @if stage.p99_ms > 0.0 {
                                    tr {
                                        td { (name) }
                                        @for time in [stage.p50_ms, stage.p95_ms, stage.p99_ms] {
                                            td.number { (format!("{time:.2}")) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                div.card { h3 { "Requests and cost" } (cost(report)) }
            }
            @if let Some(advice) = report.diagnosis.as_ref().and_then(|diagnosis| diagnosis.advice.as_ref()) {
                p { "What would make it faster: " (visible(advice)) }
            }
        }
    }
}

fn series(series: &Series) -> Markup {
    let points = &series.points;
    let interval_s = series.interval_ms as f64 / 1e3;
    let chart = |name: &str, value: fn(&Point) -> u64, per: f64| {
        let all: Vec<_> = (0..)
            .zip(points)
            .map(|(index, point)| Column {
                label: time(series.interval_ms * index),
                value: value(point) as f64 / per,
            })
            .collect();
        columns(&format!("{name} over time"), &all, all.len().div_ceil(6))
    };
    html! {
        @if points.len() > 1 {
            div.card.wide { h3 { "Images per second" } (chart("Images per second", |point| point.images, interval_s)) }
            div.card { h3 { "Invocations in flight" } (chart("Invocations in flight", |point| point.in_flight, 1.0)) }
            @if points.iter().any(|point| point.throttled > 0) {
                div.card { h3 { "Throttled requests" } (chart("Throttled requests", |point| point.throttled, 1.0)) }
            }
        }
    }
}

fn cost(report: &Report) -> Markup {
    let requests = &report.requests;
    html! {
        table {
            tbody {
                (row("requests to S3", &count(requests.to_s3())))
                (row("invocations of processor", &count(report.invocations)))
                (row("throttled", &count(report.throttled)))
                (row("read from S3", &bytes(report.bytes_read)))
                (row("written to S3", &bytes(report.bytes_written)))
                @if let Some(cost) = &report.cost_usd {
                    (row("cost of Lambda", &dollars(cost.lambda)))
                    (row("cost of S3", &dollars(cost.s3)))
                    (row("cost together", &dollars(cost.total)))
                }
                @if let Some(planned) = &report.planned {
                    (row("planned cost", &dollars(planned.cost_usd)))
                    (row("planned time", &seconds(planned.seconds)))
                }
            }
        }
        p.soft { "Prices of us-east-1, without free tiers. Storage, logs and transfer between regions are not in them." }
    }
}

fn row(name: &str, value: &str) -> Markup {
    html! { tr { td { (name) } td.number { (value) } } }
}
