//! What all commands share at a terminal: progress bars, times as users write them, and Ctrl-C.

use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

/// A progress bar with a rate.
///
/// # Panics
/// Never: the template is a constant.
#[must_use]
pub fn bar(count: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>9} {bar:40} {human_pos}/{human_len}  {rate}  {elapsed}")
        .expect("the template is valid")
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A broken progress bar is no reason to fail.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        });
    ProgressBar::new(count as u64).with_style(style).with_message(what)
}

/// Parses a time such as `800ms` or `1.2s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write a time like 800ms or 1.2s"))
}

/// Waits for Ctrl-C, or for SIGTERM, which service managers send.
///
/// # Panics
/// If the process cannot handle signals.
pub async fn stop_requested() {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.expect("SIGINT can be handled"),
        _ = terminate.recv() => {}
    }
}
