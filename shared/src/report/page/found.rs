use std::cmp::Reverse;
use std::collections::BTreeMap;

use maud::{Markup, html};

use super::charts::{Column, bars, columns};
use super::map::{MIN_IMAGES, map};
use crate::protocol::found::{MAX_CAMERAS, OTHER};
use crate::protocol::job::Report;
use crate::report::text::{count, counted};

/// The most cameras that are shown, and how many of them are shown at once.
const CAMERAS: usize = 100;
const FIRST_CAMERAS: usize = 15;

/// Formats, cameras, times and places.
pub fn found(report: &Report) -> Markup {
    let found = &report.found;
    let images = found.images();
    html! {
        @if images > 0 {
            section {
                h2 { "What is in the images" }
                div.cards {
                    div.card { h3 { "Formats" } (bars("format", most_first(&found.formats), images)) }
                    @if images > found.without_date {
                        div.card {
                            h3 { "Taken at this hour of the day" }
                            (columns("Images by hour of the day", &hours(&found.hours), 3))
                        }
                        div.card.wide {
                            h3 { "Taken in this year" }
                            (years(&found.years))
                            p.soft { (without(found.without_date, "a date")) }
                        }
                    }
                    @if found.with_gps > 0 {
                        div.card.wide {
                            h3 { "Taken here" }
                            @if found.grid.values().any(|images| *images >= MIN_IMAGES) { (map(&found.grid)) }
                            p.soft {
                                (count(found.with_gps)) " of " (counted(images, "image")) " have a position. Areas have 10 by 10 \
                                 degrees; those with fewer than " (MIN_IMAGES) " images are not shown."
                            }
                        }
                    }
                    @if !found.cameras.is_empty() { div.card.wide { (cameras(report)) } }
                }
            }
        }
    }
}

fn cameras(report: &Report) -> Markup {
    let cameras = &report.found.cameras;
    let named: u64 = cameras.values().sum();
    let mut sorted = most_first(cameras);
    sorted.retain(|&(name, _)| name != OTHER);
    let other = cameras.get(OTHER).copied().unwrap_or_default();
    let (first, more) = sorted.split_at(sorted.len().min(FIRST_CAMERAS));
    let more = &more[..more.len().min(CAMERAS - FIRST_CAMERAS)];
    let left = sorted.len() - first.len() - more.len();
    html! {
        h3 { "Cameras" }
        (bars("camera", first.iter().copied(), named))
        @if !more.is_empty() {
            details {
                summary { (counted(more.len() as u64, "more camera")) }
                (bars("camera", more.iter().copied(), named))
            }
        }
        @if left > 0 { p.soft { (counted(left as u64, "camera")) " with fewer images are not shown." } }
        @if other > 0 { p.soft { (counted(other, "image")) " of cameras that were found after the first " (MAX_CAMERAS) "." } }
        p.soft { (without(report.found.images().saturating_sub(named), "a camera")) }
    }
}

fn without(images: u64, what: &str) -> String {
    match images {
        0 => format!("No image is without {what}."),
        1 => format!("1 image is without {what}."),
        _ => format!("{} are without {what}.", counted(images, "image")),
    }
}

/// The largest first. `other` is last.
fn most_first(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut sorted: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    sorted.sort_by_key(|&(name, count)| (name == OTHER, Reverse(count)));
    sorted
}

fn hours(hours: &[u64; 24]) -> Vec<Column> {
    let column = |(hour, count): (usize, &u64)| Column {
        label: format!("{hour}:00"),
        value: *count as f64,
    };
    hours.iter().enumerate().map(column).collect()
}

/// All years from the first to the last, and those that have no column.
fn years(years: &BTreeMap<String, u64>) -> Markup {
    let numbers = years.keys().filter_map(|year| year.parse::<u16>().ok());
    let (first, last) = (numbers.clone().min().unwrap_or(1), numbers.max().unwrap_or_default());
    let all: Vec<_> = (first..=last)
        .map(|year| {
            let label = year.to_string();
            let count = years.get(&label).copied().unwrap_or_default();
            Column {
                label,
                value: count as f64,
            }
        })
        .collect();
    let other = years.get(OTHER).copied().unwrap_or_default();
    html! {
        @if !all.is_empty() { (columns("Images by year", &all, all.len().div_ceil(12))) }
        @if other > 0 { p.soft { (counted(other, "image")) " of other years, which are not plausible or were found last." } }
    }
}
