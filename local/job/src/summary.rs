//! The report of a job, for people at a terminal.

use std::fmt::Write as _;

use shared::object::Key;
use shared::protocol::examples::Example;
use shared::protocol::found::OTHER;
use shared::protocol::job::{Report, State};
use shared::report::text::{bytes, count, counted, dollars, time, visible};
use shared::report::{places, words};

/// The most keys that are shown for one number.
const KEYS: usize = 3;

/// Examples at the end of a line: ` Such as a.txt, b.txt`.
#[must_use]
pub fn keys(examples: &[Key]) -> String {
    let shown: Vec<_> = examples.iter().take(KEYS).map(|key| visible(key.as_str())).collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!(" Such as {}", shown.join(", "))
    }
}

/// What was done, what was left out and why, and where the results are.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "{}", words::outcome(report))?;
    if let Some(note) = &report.note {
        writeln!(out, "{}", visible(note))?;
    }
    writeln!(out)?;
    done(out, report)?;
    left(out, report)?;
    writeln!(
        out,
        "  time       {}, {:.0} images/s; {} in the source",
        time(report.elapsed_ms),
        report.images_per_second,
        bytes(report.bytes_listed)
    )?;
    if let Some(cost) = &report.cost_usd {
        let planned = report
            .planned
            .map(|planned| format!("; {} were planned", dollars(planned.cost_usd)));
        writeln!(
            out,
            "  cost       {}{}",
            dollars(cost.total),
            planned.unwrap_or_default()
        )?;
    }
    if let Some(advice) = report
        .diagnosis
        .as_ref()
        .and_then(|diagnosis| diagnosis.advice.as_ref())
    {
        writeln!(out, "  faster     {}", visible(advice))?;
    }
    places(out, report)
}

fn done(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "  processed  {} ({} with EXIF)",
        count(report.ok),
        count(report.with_exif)
    )?;
    let found = &report.found;
    if found.images() > 0 {
        let mut formats: Vec<_> = found.formats.iter().collect();
        formats.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let formats: Vec<_> = formats
            .iter()
            .map(|(name, number)| format!("{} {}", count(**number), visible(name)))
            .collect();
        writeln!(out, "  found      {}", formats.join(", "))?;
        let numbers = found.years.keys().filter(|year| year.parse::<u16>().is_ok());
        let years = match (numbers.clone().min(), numbers.max()) {
            (Some(first), Some(last)) if first != last => format!(", taken from {first} to {last}"),
            (Some(first), _) => format!(", taken in {first}"),
            _ => String::new(),
        };
        let cameras = counted(
            found.cameras.keys().filter(|name| *name != OTHER).count() as u64,
            "camera",
        );
        writeln!(
            out,
            "             {} with a position, {cameras}{years}",
            count(found.with_gps)
        )?;
    }
    Ok(())
}

fn left(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.failed > 0 {
        writeln!(out, "  failed     {}", count(report.failed))?;
    }
    for (class, number) in &report.failures {
        let examples = keys(report.examples.of(Example::Failed(*class)));
        writeln!(out, "    {number:>8} {class}: {}{examples}", words::advice(*class))?;
    }
    if report.ignored > 0 {
        writeln!(out, "  ignored    {}", count(report.ignored))?;
    }
    for (reason, number) in &report.ignored_by {
        let examples = keys(report.examples.of(Example::Ignored(*reason)));
        writeln!(out, "    {number:>8} {reason}: {}{examples}", words::ignored(*reason))?;
    }
    if let Some(endings) = words::ignored_images(&report.ignored_image_endings) {
        writeln!(out, "             {endings}")?;
    }
    let unknown = report.found.formats.get("unknown").copied().unwrap_or_default();
    for (label, number, noun, what, example) in [
        (
            "not images",
            unknown,
            "file",
            ", whatever the names say",
            Example::Unknown,
        ),
        (
            "damaged",
            report.found.damaged,
            "record",
            " with warnings",
            Example::Damaged,
        ),
    ] {
        if number > 0 {
            let examples = keys(report.examples.of(example));
            writeln!(out, "  {label:<10} {}{what}.{examples}", counted(number, noun))?;
        }
    }
    Ok(())
}

fn places(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out)?;
    for (what, uri) in places::of(report) {
        writeln!(out, "  {what:<10} {}", visible(&uri))?;
    }
    Ok(())
}

/// Commands for what can be done next. `options` name the target.
#[must_use]
pub fn next(report: &Report, options: &str) -> String {
    let commands = match report.state {
        State::Running => vec!["watch", "stop"],
        State::Completed | State::Aborted if report.failed + report.pending > 0 => vec!["redrive", "report"],
        State::Completed | State::Aborted => vec!["report"],
    };
    let mut text = String::from("\n");
    for command in commands {
        let line = format!("cargo job {command} {}{options}", report.job_id);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  next       {}", visible(&line));
    }
    text
}
