//! Charts as SVG. Each has an accessible name, and its shapes have their numbers as titles.

use maud::{Markup, html};

use crate::report::text::{count, visible};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 150.0;
/// The most room for a column, so that a few of them do not look like walls.
const MAX_STEP: f64 = 50.0;
/// Room for the labels below a chart.
const LABELS: f64 = 18.0;

/// A table of names and numbers, with a bar for each. `total` has the full length.
pub fn bars<'a>(heading: &str, rows: impl IntoIterator<Item = (&'a str, u64)>, total: u64) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { (heading) } th aria-hidden="true" {} th.number scope="col" { "images" } } }
            tbody {
                @for (name, number) in rows {
                    tr {
                        td { (visible(name)) }
                        td.bar aria-hidden="true" {
                            svg viewBox="0 0 100 8" preserveAspectRatio="none" {
                                rect.track width="100" height="8" {}
                                rect.fill width=(format!("{:.2}", percent(number, total))) height="8" {}
                            }
                        }
                        td.number { (count(number)) }
                    }
                }
            }
        }
    }
}

fn percent(number: u64, total: u64) -> f64 {
    number as f64 * 100.0 / total.max(1) as f64
}

/// A column of a chart.
pub struct Column {
    pub label: String,
    pub value: f64,
}

/// Columns next to each other. Every `labelled`-th has its label below it.
pub fn columns(name: &str, columns: &[Column], labelled: usize) -> Markup {
    let highest = columns.iter().max_by(|one, other| one.value.total_cmp(&other.value));
    let most = highest.map_or(0.0, |column| column.value);
    let highest = highest.map(|column| format!("Highest: {}, with {}", column.label, value(most)));
    let highest = highest.unwrap_or_default();
    let step = (WIDTH / columns.len().max(1) as f64).min(MAX_STEP);
    html! {
        svg role="img" aria-label=(format!("{name}. {highest}")) viewBox=(format!("0 -4 {WIDTH} {}", HEIGHT + LABELS + 4.0)) {
            @for (index, column) in columns.iter().enumerate() {
                @let height = HEIGHT * column.value / most.max(f64::MIN_POSITIVE);
                @let left = step * index as f64;
                rect.fill x=(number(left + step * 0.1)) y=(number(HEIGHT - height)) width=(number(step * 0.8))
                    height=(number(height)) {
                    title { (column.label) ": " (value(column.value)) }
                }
                @if index % labelled.max(1) == 0 {
                    @let anchor = if index == 0 { "start" } else { "middle" };
                    @let x = if index == 0 { 0.0 } else { left + step / 2.0 };
                    text x=(number(x)) y=(number(HEIGHT + 14.0)) text-anchor=(anchor) { (column.label) }
                }
            }
            line.axis x1="0" x2=(number(WIDTH)) y1=(number(HEIGHT)) y2=(number(HEIGHT)) {}
        }
        p.soft { (highest) }
    }
}

/// A whole number, or one with a decimal if it is small.
fn value(value: f64) -> String {
    if value < 10.0 && value.fract() > 0.0 {
        return format!("{value:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "values of charts are counts and rates"
    )]
    let whole = value.round() as u64;
    count(whole)
}

/// A coordinate, with one decimal at most.
fn number(coordinate: f64) -> String {
    let text = format!("{coordinate:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
