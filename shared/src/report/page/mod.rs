//! `report.html`: the report of a job on one page, without a script, for browsers.
//!
//! Keys, names of cameras and errors come from strangers. All of them are escaped, and characters that deceive are made
//! visible.
//!
//! | module | what it draws |
//! |---|---|
//! | [`charts`] | bars, columns and curves |
//! | [`map`] | a map of the world |
//! | [`found`] | what was found in the images |
//! | [`left`] | what failed, and what was left out |
//! | [`course`] | how the job ran, and what it cost |

mod charts;
mod course;
mod found;
mod left;
mod map;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::text::{bytes, count, dollars, time, visible};
use super::{places, words};
use crate::protocol::examples::Example;
use crate::protocol::job::Report;

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded, and no script runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Draws the page.
#[must_use]
pub fn page(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { "Job " (visible(&report.job_id)) ": " (words::outcome(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(report))
                    (left::failures(report))
                    (left::ignored(report))
                    (found::found(report))
                    (course::course(report))
                    (results(report))
                }
            }
        }
    };
    page.into_string()
}

fn head(report: &Report) -> Markup {
    html! {
        header {
            h1 { "s3-exif · job " span.key { (visible(&report.job_id)) } " " span class={ "state " (report.state) } { (report.state) } }
            p.outcome { (words::outcome(report)) }
            @if let Some(note) = &report.note { p.note { (visible(note)) } }
            p.soft {
                "From " span.key { (visible(&report.source.to_string())) } " to "
                span.key { (visible(&report.destination.to_string())) }
                @if let Some(records) = &report.records_destination {
                    ", records to " span.key { (visible(&records.to_string())) }
                }
            }
            dl.figures {
                (figure("keys listed", &count(report.listed)))
                (figure("processed", &count(report.ok)))
                (figure("with EXIF", &count(report.with_exif)))
                (figure("failed", &count(report.failed)))
                (figure("ignored", &count(report.ignored)))
                @if report.skipped > 0 { (figure("up to date", &count(report.skipped))) }
                @if report.pending > 0 { (figure("without outcome", &count(report.pending))) }
                (figure("images per second", &format!("{:.0}", report.images_per_second)))
                (figure("time", &time(report.elapsed_ms)))
                (figure("size of all keys", &bytes(report.bytes_listed)))
                @if let Some(cost) = &report.cost_usd { (figure("cost", &dollars(cost.total))) }
            }
        }
    }
}

fn figure(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// Some keys, folded.
fn examples(report: &Report, example: Example) -> Markup {
    let keys = report.examples.of(example);
    html! {
        @if !keys.is_empty() {
            details {
                summary { (if keys.len() == 1 { "an example" } else { "examples" }) }
                ul { @for key in keys { li.key { (visible(key.as_str())) } } }
            }
        }
    }
}

fn results(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Where the results are" }
            table {
                tbody {
                    @for (what, uri) in places::of(report) { tr { td { (what) } td.key { (visible(&uri)) } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
