//! The report as charts: bars, the best first, with ours highlighted.

use std::fmt::Display;
use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::guide::{ONE_PROCESSOR, SERIAL};
use super::parsing::Parsed;
use super::peers::{OURS, best};
use super::report::Report;
use super::run::Row;

/// The images/s that the guide reports, one after another and with concurrent I/O.
const OF_THE_GUIDE: [(&str, f64); 2] = [("the guide: serial", 12.0), ("the guide: concurrent", 121.0)];

/// Charts have no background. These colours are readable on white and on black.
const TEXT: RGBColor = RGBColor(110, 119, 129);
const OURS_COLOR: RGBColor = RGBColor(232, 89, 12);
const OTHERS_COLOR: RGBColor = RGBColor(140, 149, 159);

const FONT: (&str, u32) = ("sans-serif", 16);
const TITLE: (&str, u32, FontStyle) = ("sans-serif", 20, FontStyle::Bold);

/// Sizes, in pixels.
const WIDTH: i32 = 860;
const TITLE_HEIGHT: i32 = 44;
const ROW_HEIGHT: i32 = 26;
const BAR_HEIGHT: i32 = 18;
const LABEL_WIDTH: i32 = 350;
const LONGEST_BAR: f64 = 430.0;
const GAP: i32 = 8;

struct Bar {
    label: String,
    value: f64,
    is_ours: bool,
}

/// Draws the charts of all parts that were measured.
pub fn draw(report: &Report, folder: &Path) -> anyhow::Result<()> {
    if let Some(section) = &report.guide {
        let guide = &section.measured;
        bars(
            &folder.join("images-per-second.svg"),
            "Images/s of one processor, at 80 ms per image: the more in flight, the faster",
            0,
            highest_first(images_per_second(&guide.serial_total)),
        )?;
        bars(
            &folder.join("exif.svg"),
            "Reading the EXIF of one image takes microseconds (µs of CPU time)",
            1,
            lowest_first(exif(&guide.parsing)),
        )?;
    }
    if let Some(section) = &report.peers {
        bars(
            &folder.join("cpu.svg"),
            "CPU time per image: s3-exif is close to a plain loop, and far from Python (ms)",
            3,
            lowest_first(cpu(&section.measured)),
        )?;
    }
    Ok(())
}

fn images_per_second(rows: &[Row]) -> Vec<Bar> {
    let theirs = OF_THE_GUIDE.map(|(label, value)| Bar {
        label: label.to_owned(),
        value,
        is_ours: false,
    });
    let of_one = rows
        .iter()
        .filter(|row| [SERIAL, ONE_PROCESSOR].contains(&row.name.as_str()));
    let ours = of_one.map(|row| Bar {
        label: row.label(),
        value: row.images_per_second(),
        is_ours: true,
    });
    ours.chain(theirs).collect()
}

fn exif(libraries: &[Parsed]) -> Vec<Bar> {
    let bar = |parsed: &Parsed| Bar {
        label: parsed.label(),
        value: parsed.micros(),
        is_ours: parsed.library.starts_with(OURS),
    };
    libraries.iter().map(bar).collect()
}

fn cpu(rows: &[Row]) -> Vec<Bar> {
    let bar = |row: &Row| Bar {
        label: row.label(),
        value: row.cpu_ms(),
        is_ours: row.name == OURS,
    };
    best(rows).into_iter().map(bar).collect()
}

fn lowest_first(mut bars: Vec<Bar>) -> Vec<Bar> {
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    bars
}

fn highest_first(bars: Vec<Bar>) -> Vec<Bar> {
    let mut bars = lowest_first(bars);
    bars.reverse();
    bars
}

/// Draws bars from top to bottom, each with its value in `digits` decimals.
fn bars(path: &Path, title: &str, digits: usize, bars: Vec<Bar>) -> anyhow::Result<()> {
    let height = TITLE_HEIGHT + ROW_HEIGHT * i32::try_from(bars.len())?;
    let area = SVGBackend::new(path, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
    let text = |text: String, x, y, side| {
        let style = FONT
            .into_text_style(&area)
            .color(&TEXT)
            .pos(Pos::new(side, VPos::Center));
        area.draw(&Text::new(text, (x, y), style)).map_err(failed)
    };
    let title_style = TITLE
        .into_text_style(&area)
        .color(&TEXT)
        .pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(title.to_owned(), (GAP, TITLE_HEIGHT / 2), title_style))
        .map_err(failed)?;
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    for (middle, bar) in (TITLE_HEIGHT + ROW_HEIGHT / 2..).step_by(ROW_HEIGHT as usize).zip(bars) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a bar is at most LONGEST_BAR pixels long"
        )]
        let length = (bar.value / longest * LONGEST_BAR) as i32;
        let end = LABEL_WIDTH + length;
        let (top, bottom) = (middle - BAR_HEIGHT / 2, middle + BAR_HEIGHT / 2);
        let color = if bar.is_ours { OURS_COLOR } else { OTHERS_COLOR };
        area.draw(&Rectangle::new([(LABEL_WIDTH, top), (end, bottom)], color.filled()))
            .map_err(failed)?;
        text(bar.label, LABEL_WIDTH - GAP, middle, HPos::Right)?;
        text(format!("{:.digits$}", bar.value), end + GAP, middle, HPos::Left)?;
    }
    area.present().map_err(failed)
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("a chart could not be drawn: {error}")
}
