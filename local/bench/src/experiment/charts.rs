//! The report as charts.

use std::fmt::Display;
use std::path::Path;

use anyhow::anyhow;
use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::guide::{ADAPTIVE, FANOUT, ONE_PROCESSOR, SERIAL};
use super::peers::best;
use super::report::Report;
use super::run::Row;

const WIDTH: u32 = 900;
const FONT: (&str, u32) = ("sans-serif", 14);
const TITLE: (&str, u32) = ("sans-serif", 18);

const FIRST: RGBColor = RGBColor(31, 119, 180);
const SECOND: RGBColor = RGBColor(255, 127, 14);
const THIRD: RGBColor = RGBColor(44, 160, 44);

/// The guide's results: images in flight, images/s, label. It reports 12 images/s one after another, and 121 with
/// concurrent I/O. It does not say how many images were in flight then. At 80 ms per image, it was about 10, by
/// Little's law.
const OF_THE_GUIDE: [(f64, f64, &str); 2] = [
    (1.0, 12.0, "the guide, serial: 12"),
    (10.0, 121.0, "the guide, concurrent: 121"),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the charts of all parts that were measured.
pub fn draw(report: &Report, folder: &Path) -> anyhow::Result<()> {
    if let Some(section) = &report.guide {
        let guide = &section.measured;
        picture(&folder.join("images-per-second.svg"), 460, |area| {
            images_per_second(area, &guide.serial_total, &guide.stated_latencies)
        })?;
        bars(
            &folder.join("where-time-goes.svg"),
            "Download and upload take nearly all of an image's time (ms, guide's pace)",
            &["download", "EXIF", "upload"],
            &guide.serial_total.iter().map(stages).collect::<Vec<_>>(),
        )?;
    }
    let peers = report.peers.iter().flat_map(|section| best(&section.measured));
    let pipelines = report.pipelines.iter().flat_map(|section| &section.measured);
    let cpu: Vec<Bar> = peers
        .map(|row| Bar::of(row, vec![row.cpu_ms(), 0.0]))
        .chain(pipelines.map(|row| Bar::of(row, vec![0.0, row.cpu_ms()])))
        .collect();
    if cpu.is_empty() {
        return Ok(());
    }
    bars(
        &folder.join("cpu.svg"),
        "CPU time per image, without the server (ms)",
        &["18 KB images, server without delay", "s3-exif, 100 ms per request"],
        &cpu,
    )
}

fn stages(row: &Row) -> Bar {
    let parts = vec![
        row.median(|run| run.stages.download),
        row.median(|run| run.stages.exif),
        row.median(|run| run.stages.upload),
    ];
    Bar::of(row, parts)
}

fn picture(path: &Path, height: u32, draw: impl FnOnce(&Area) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    draw(&area)?;
    area.present().map_err(failed)
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("a chart could not be drawn: {error}")
}

fn images_per_second(area: &Area, serial_total: &[Row], stated_latencies: &[Row]) -> anyhow::Result<()> {
    let mut chart = ChartBuilder::on(area)
        .caption("More images in flight, more images per second", TITLE)
        .margin(12)
        .x_label_area_size(45)
        .y_label_area_size(60)
        .build_cartesian_2d((0.8_f64..12_000.0).log_scale(), (0.5_f64..10_000.0).log_scale())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("images in flight, in all processes (with fanout: at the start)")
        .y_desc("images/s")
        .x_label_formatter(&|in_flight| format!("{in_flight:.0}"))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .label_style(FONT)
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(failed)?;
    let paces = [
        ("80 ms per image", serial_total, FIRST),
        ("800 ms GET, 400 ms PUT", stated_latencies, SECOND),
    ];
    for (name, rows, color) in paces {
        let points = |wanted: &[&str]| -> Vec<(f64, f64)> {
            let mut points: Vec<_> = rows
                .iter()
                .filter(|row| wanted.contains(&row.name.as_str()) && row.setting != ADAPTIVE)
                .map(|row| (row.in_flight as f64, row.images_per_second()))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        };
        let one = points(&[SERIAL, ONE_PROCESSOR]);
        chart
            .draw_series(LineSeries::new(one.iter().copied(), color.stroke_width(2)))
            .map_err(failed)?
            .label(format!("one processor, {name}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
        chart
            .draw_series(one.into_iter().map(|point| Circle::new(point, 4, color.filled())))
            .map_err(failed)?;
        chart
            .draw_series(
                points(&[FANOUT])
                    .into_iter()
                    .map(|point| TriangleMarker::new(point, 7, color.filled())),
            )
            .map_err(failed)?
            .label(format!("fanout, {name}"))
            .legend(move |(x, y)| TriangleMarker::new((x + 10, y), 6, color.filled()));
    }
    chart
        .draw_series(OF_THE_GUIDE.map(|(in_flight, rate, text)| {
            EmptyElement::at((in_flight, rate))
                + Cross::new((0, 0), 6, BLACK.stroke_width(2))
                + Text::new(text, (10, 2), FONT)
        }))
        .map_err(failed)?;
    legend(&mut chart)
}

/// Draws the legend in the lower right corner.
fn legend<'a, C: CoordTranslate>(chart: &mut ChartContext<'a, SVGBackend<'a>, C>) -> anyhow::Result<()> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .label_font(FONT)
        .draw()
        .map_err(failed)
}

/// One bar of a chart. Its parts follow one another, each in its own colour.
struct Bar {
    label: String,
    parts: Vec<f64>,
}

impl Bar {
    fn of(row: &Row, parts: Vec<f64>) -> Self {
        Self {
            label: row.label(),
            parts,
        }
    }
}

fn bars(path: &Path, title: &str, parts: &[&str], bars: &[Bar]) -> anyhow::Result<()> {
    const COLORS: [RGBColor; 3] = [FIRST, SECOND, THIRD];
    const BAR: usize = 26;
    const LABELS: u32 = 330;
    /// The height of the legend below the bars, in bars.
    const LEGEND: usize = 3;
    let total = |bar: &Bar| bar.parts.iter().sum::<f64>();
    let most = bars.iter().map(total).fold(0.0, f64::max);
    let rows = (bars.len() + LEGEND) as f64;
    let height = u32::try_from(BAR * (bars.len() + LEGEND) + 120)?;
    picture(path, height, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, TITLE)
            .margin(12)
            .margin_right(60)
            .x_label_area_size(60)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(0.0..most * 1.02, rows..0.0)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .y_labels(0)
            .light_line_style(TRANSPARENT)
            .label_style(FONT)
            .x_label_formatter(&|ms| format!("{}", (ms * 10.0).round() / 10.0))
            .draw()
            .map_err(failed)?;
        for (number, name) in parts.iter().enumerate() {
            let color = COLORS[number % COLORS.len()];
            let rectangles = bars.iter().enumerate().map(|(row, bar)| {
                let start: f64 = bar.parts[..number].iter().sum();
                let (top, bottom) = (row as f64 + 0.15, row as f64 + 0.85);
                Rectangle::new([(start, top), (start + bar.parts[number], bottom)], color.filled())
            });
            chart
                .draw_series(rectangles)
                .map_err(failed)?
                .label(*name)
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
        }
        let text = |horizontal| FONT.into_text_style(area).pos(Pos::new(horizontal, VPos::Center));
        for (row, bar) in bars.iter().enumerate() {
            let middle = row as f64 + 0.5;
            let (left, y) = chart.backend_coord(&(0.0, middle));
            let (right, _) = chart.backend_coord(&(total(bar), middle));
            let figure = format!("{:.*}", if most < 20.0 { 2 } else { 0 }, total(bar));
            area.draw(&Text::new(bar.label.clone(), (left - 8, y), text(HPos::Right)))
                .map_err(failed)?;
            area.draw(&Text::new(figure, (right + 6, y), text(HPos::Left)))
                .map_err(failed)?;
        }
        legend(&mut chart)
    })
}
