//! The report as charts: bars, the best first, with ours highlighted; and the stages of an image as parts of a bar.

use std::fmt::Display;
use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::parsing::Parsed;

use super::guide::{ONE_PROCESSOR, SERIAL};
use super::peers::{OURS, best};
use super::report::Report;
use super::run::{Row, Stages};

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
        parts(
            &folder.join("time.svg"),
            "Where the time of one image goes, one at a time, at the guide's pace (ms)",
            &[
                ("18 KB: as in the guide", stages(&guide.serial_total)),
                ("18 KB: with a picture", stages(&guide.pictures.serial_total)),
                ("12 megapixels: with a picture", stages(&guide.pictures.large)),
            ],
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
    best(rows).into_iter().filter(|row| !row.over_tls).map(bar).collect()
}

/// The stages of one image, if images are processed one at a time.
fn stages(rows: &[Row]) -> [f64; 4] {
    let serial = rows.iter().find(|row| row.name == SERIAL);
    let median = |figure: fn(&Stages) -> f64| serial.map_or(0.0, |row| row.median(|run| figure(&run.stages)));
    [
        median(|stages| stages.download),
        median(|stages| stages.exif),
        median(|stages| stages.transform),
        median(|stages| stages.upload),
    ]
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

/// The stages, each with its colour: waiting is grey, work has a colour.
const STAGES: [(&str, RGBColor); 4] = [
    ("download", RGBColor(173, 181, 189)),
    ("EXIF", RGBColor(25, 113, 194)),
    ("picture", OURS_COLOR),
    ("upload", OTHERS_COLOR),
];

/// How long the longest bar with parts is, compared with other bars: its text needs more room.
const LONGEST_OF_PARTS: f64 = 0.7;

/// Draws a bar for each row, with the stages as its parts, and what the colours mean.
fn parts(path: &Path, title: &str, rows: &[(&str, [f64; 4])]) -> anyhow::Result<()> {
    let height = TITLE_HEIGHT + ROW_HEIGHT * i32::try_from(rows.len() + 1)?;
    let canvas = Canvas::new(path, title, height)?;
    let longest = rows
        .iter()
        .map(|(_, stages)| stages.iter().sum())
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut middle = TITLE_HEIGHT + ROW_HEIGHT / 2;
    for (label, stages) in rows {
        canvas.text(label, LABEL_WIDTH - GAP, middle, HPos::Right)?;
        let mut start = LABEL_WIDTH;
        for (&time, (_, color)) in stages.iter().zip(STAGES) {
            start += canvas.bar(start, middle, time / longest * LONGEST_OF_PARTS, color)?;
        }
        let total: f64 = stages.iter().sum();
        let work = (stages[1] + stages[2]) / total.max(f64::MIN_POSITIVE) * 100.0;
        canvas.text(
            &format!("{total:.0} ms, {work:.1} % of it work"),
            start + GAP,
            middle,
            HPos::Left,
        )?;
        middle += ROW_HEIGHT;
    }
    let mut start = LABEL_WIDTH;
    for (name, color) in STAGES {
        canvas.bar(start, middle, 0.03, color)?;
        canvas.text(name, start + 2 * GAP, middle, HPos::Left)?;
        start += 110;
    }
    canvas.finish()
}

/// Draws bars from top to bottom, each with its value in `digits` decimals.
fn bars(path: &Path, title: &str, digits: usize, bars: Vec<Bar>) -> anyhow::Result<()> {
    let height = TITLE_HEIGHT + ROW_HEIGHT * i32::try_from(bars.len())?;
    let canvas = Canvas::new(path, title, height)?;
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    for (middle, bar) in (TITLE_HEIGHT + ROW_HEIGHT / 2..).step_by(ROW_HEIGHT as usize).zip(bars) {
        let color = if bar.is_ours { OURS_COLOR } else { OTHERS_COLOR };
        let length = canvas.bar(LABEL_WIDTH, middle, bar.value / longest, color)?;
        canvas.text(&bar.label, LABEL_WIDTH - GAP, middle, HPos::Right)?;
        canvas.text(
            &format!("{:.digits$}", bar.value),
            LABEL_WIDTH + length + GAP,
            middle,
            HPos::Left,
        )?;
    }
    canvas.finish()
}

/// A chart with its title.
struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl<'a> Canvas<'a> {
    fn new(path: &'a Path, title: &str, height: i32) -> anyhow::Result<Self> {
        let area = SVGBackend::new(path, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
        let style = TITLE.into_text_style(&area);
        let style = style.color(&TEXT).pos(Pos::new(HPos::Left, VPos::Center));
        let title = Text::new(title.to_owned(), (GAP, TITLE_HEIGHT / 2), style);
        area.draw(&title).map_err(failed)?;
        Ok(Self { area })
    }

    fn text(&self, text: &str, x: i32, y: i32, side: HPos) -> anyhow::Result<()> {
        let style = FONT.into_text_style(&self.area);
        let style = style.color(&TEXT).pos(Pos::new(side, VPos::Center));
        let text = Text::new(text.to_owned(), (x, y), style);
        self.area.draw(&text).map_err(failed)
    }

    /// Draws a bar that is this part of the longest one. Returns its length in pixels.
    fn bar(&self, start: i32, middle: i32, part: f64, color: RGBColor) -> anyhow::Result<i32> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a bar is at most LONGEST_BAR pixels long"
        )]
        let length = (part * LONGEST_BAR) as i32;
        let (top, bottom) = (middle - BAR_HEIGHT / 2, middle + BAR_HEIGHT / 2);
        self.area
            .draw(&Rectangle::new(
                [(start, top), (start + length, bottom)],
                color.filled(),
            ))
            .map_err(failed)?;
        Ok(length)
    }

    fn finish(self) -> anyhow::Result<()> {
        self.area.present().map_err(failed)
    }
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("a chart could not be drawn: {error}")
}
