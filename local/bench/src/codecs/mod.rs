//! Our codecs, compared with sharp and Pillow: the same pictures, in memory, without S3.
//!
//! | module | what it does |
//! |---|---|
//! | [`kinds`] | the kinds of work, each with its files |
//! | [`ours`] | makes pictures with our crate, as a process of its own |
//! | [`programs`] | runs one of the programs on the files of a kind |
//! | [`quality`] | how close a picture is to the best one of its size |

mod kinds;
mod ours;
mod programs;
mod quality;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use local::workspace::target;

use crate::table::{megabytes, table};
use crate::{node, python};
use kinds::Kind;
pub use kinds::make;
pub use ours::{Options as OurOptions, run as ours};
use programs::{PROGRAMS, Program, Result as Made};

#[derive(Args, Debug)]
pub struct Options {
    /// A folder of JPEG photos. Without it, photos of 12 megapixels are made
    #[arg(long)]
    photos: Option<PathBuf>,
    /// How often each picture is made
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// The most files of each kind
    #[arg(long, default_value_t = 100)]
    files: usize,
}

/// The results of one program for one kind of work.
struct Row {
    program: &'static Program,
    made: Made,
    scores: Vec<f64>,
    /// The peak memory of the process with a single picture, in bytes.
    peak: u64,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    python::install().await?;
    node::install().await?;
    println!(
        "Each program makes each picture {} times. Figures are medians of the runs, and means of the files: geometric \
         for times and bytes.",
        options.runs
    );
    let mut rows = table([
        "work",
        "files",
        "program",
        "CPU/image",
        "× sharp's speed",
        "goal",
        "time/image",
        "× sharp's bytes",
        "SSIMULACRA2",
        "worst, less sharp's",
        "peak memory",
    ]);
    for kind in kinds::all(options.photos.as_deref(), options.files)? {
        println!("{}: {} files", kind.name, kind.files.len());
        let measured = measure(&kind, options.runs).await?;
        let sharp = measured.iter().find(|row| row.program.is_reference());
        for row in &measured {
            rows.add_row(cells(&kind, row, sharp.unwrap_or(row)));
        }
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

async fn measure(kind: &Kind, runs: u16) -> anyhow::Result<Vec<Row>> {
    let largest = kind.files.iter().max_by_key(|file| file.size).cloned();
    let alone: Vec<_> = largest.into_iter().collect();
    let out = |program: &Program| target().join("bench/codecs/out").join(program.name);
    let mut rows = Vec::new();
    for program in &PROGRAMS {
        std::fs::create_dir_all(out(program))?;
        let peak = program.run(kind, &alone, 1, &out(program)).await?.peak_bytes;
        rows.push(Row {
            program,
            made: program.run(kind, &kind.files, runs, &out(program)).await?,
            scores: Vec::new(),
            peak,
        });
    }
    let folders: Vec<PathBuf> = PROGRAMS.iter().map(out).collect();
    for source in &kind.files {
        for (row, score) in rows.iter_mut().zip(quality::scores(source, &folders).await?) {
            row.scores.push(score);
        }
    }
    Ok(rows)
}

fn cells(kind: &Kind, row: &Row, sharp: &Row) -> [String; 11] {
    let speed = ratio(sharp, row, programs::Picture::cpu_ms);
    let differences = row.scores.iter().zip(&sharp.scores).map(|(score, sharp)| score - sharp);
    [
        kind.name.to_owned(),
        kind.files.len().to_string(),
        row.program.name.to_owned(),
        format!(
            "{:.1} ms",
            geometric_mean(row.made.files.iter().map(programs::Picture::cpu_ms))
        ),
        format!("{speed:.2}"),
        if row.program.is_ours() {
            format!("{:.1} {}", kind.goal, if speed >= kind.goal { "met" } else { "MISSED" })
        } else {
            String::new()
        },
        format!(
            "{:.1} ms",
            geometric_mean(row.made.files.iter().map(programs::Picture::ms))
        ),
        format!("{:.3}", ratio(row, sharp, |picture| picture.bytes as f64)),
        format!("{:.1}", row.scores.iter().sum::<f64>() / row.scores.len() as f64),
        format!("{:+.1}", differences.fold(f64::INFINITY, f64::min)),
        megabytes(row.peak),
    ]
}

/// The geometric mean over the files of a figure of one program, divided by that of another.
fn ratio(of: &Row, by: &Row, figure: impl Fn(&programs::Picture) -> f64) -> f64 {
    let pairs = of.made.files.iter().zip(&by.made.files);
    geometric_mean(pairs.map(|(of, by)| figure(of) / figure(by)))
}

fn geometric_mean(figures: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = figures.fold((0_u32, 0.0), |(count, sum), figure| (count + 1, sum + figure.ln()));
    (sum / f64::from(count.max(1))).exp()
}
