//! The progress bar of a job. The bar and its figures take two lines of at most 60 columns.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shared::protocol::job::Report;
use shared::report::text::{count, dollars, seconds};

/// Where there is no terminal, a line is written this often at most.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows how far a job is, on standard error.
pub struct Bar {
    progress: ProgressBar,
    /// When the last line was written, where there is no terminal.
    written: Cell<Option<Instant>>,
    is_silent: bool,
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Bar {
    /// # Panics
    /// Never: the template is a constant.
    #[must_use]
    pub fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:24} {percent:>3}% of {human_len} keys\n{msg}");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self {
            progress: bar.with_style(style.expect("the template is valid")),
            written: Cell::default(),
            is_silent: false,
        }
    }

    /// Shows nothing.
    #[must_use]
    pub fn silent() -> Self {
        let bar = Self::new();
        bar.progress.set_draw_target(ProgressDrawTarget::hidden());
        Self { is_silent: true, ..bar }
    }

    pub fn show(&self, report: &Report) {
        let done = report.ignored + report.skipped + report.ok + report.failed;
        self.progress.set_length(report.listed);
        self.progress.set_position(done);
        self.progress.set_message(line(report));
        self.write(&format!(
            "{} of {} keys: {}",
            count(done),
            count(report.listed),
            line(report)
        ));
    }

    /// Shows that there is no report yet.
    pub fn wait(&self, what: &str) {
        self.progress.set_message(what.to_owned());
        self.write(what);
    }

    fn write(&self, line: &str) {
        let is_due = self
            .written
            .get()
            .is_none_or(|written| written.elapsed() >= LINE_INTERVAL);
        if self.progress.is_hidden() && is_due && !self.is_silent {
            eprintln!("{line}");
            self.written.set(Some(Instant::now()));
        }
    }

    pub fn clear(&self) {
        self.progress.finish_and_clear();
    }
}

/// `120/s, 3 failed, $0.12, 5 min 3 s left`.
fn line(report: &Report) -> String {
    let mut line = format!("{:.0}/s", report.images_per_second);
    // Writing to a string cannot fail.
    if report.failed > 0 {
        let _ = write!(line, ", {} failed", count(report.failed));
    }
    if let Some(cost) = &report.cost_usd {
        let _ = write!(line, ", {}", dollars(cost.total));
    }
    match report.seconds_left {
        Some(left) => {
            let _ = write!(line, ", {} left", seconds(left));
        }
        None if !report.listing_finished => line.push_str(", still listing"),
        None => {}
    }
    line
}
