//! Log lines as Lambda's JSON format has them, and the summary of an invocation with its metrics.
//!
//! | module | what it holds |
//! |---|---|
//! | [`summary`] | the line that ends an invocation; `CloudWatch` makes metrics of it |
//!
//! Each line has `timestamp`, `level` and `message`, which Lambda's filter of log levels reads, and `span` with the
//! request id and the id of the job.

mod summary;

use tracing::level_filters::LevelFilter;
use tracing::{Span, error_span, field};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub use summary::{NAMESPACE, Summary, Unit};

use crate::settings::Lookup;

/// Where the runtime logs the error of an invocation. It does so outside of the invocation's span, and each function has
/// logged the error itself.
const RUNTIMES_ERRORS: &str = "lambda_runtime::layers::panic";

/// The name of the span of an invocation.
const INVOCATION: &str = "invocation";

/// The most characters of a key or a message in a log line.
const MAX_TEXT: usize = 300;

/// Writes all log lines to the standard output from now on.
///
/// `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets, is the least level of the lines, and `RUST_LOG` can add more. Without
/// both, it is INFO. If `AWS_LAMBDA_LOG_FORMAT` is `JSON`, the lines are JSON objects. Summaries always are, and are
/// written at every level.
///
/// # Panics
/// If it is called twice.
pub fn init(lookup: Lookup<'_>) {
    let level = lookup("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default().to_uppercase();
    let chosen = EnvFilter::builder()
        .with_default_directive(least(&level).into())
        .from_env_lossy()
        .and(filter_fn(|metadata| {
            !summary::is_summary(metadata) && metadata.target() != RUNTIMES_ERRORS
        }));
    let lines = tracing_subscriber::fmt::layer().with_target(false);
    let is_json = lookup("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let lines = if is_json {
        // The list of spans would repeat the only span.
        let json = lines.json().flatten_event(true).with_span_list(false);
        json.with_filter(chosen).boxed()
    } else {
        lines.without_time().with_filter(chosen).boxed()
    };
    let function = lookup("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    // Without a filter, this layer would ask for all spans of all libraries.
    let of_summaries = filter_fn(|metadata| summary::is_summary(metadata) || metadata.name() == INVOCATION);
    let summaries =
        summary::Writer::new(function, &level).with_filter(of_summaries.with_max_level_hint(LevelFilter::ERROR));
    tracing_subscriber::registry().with(lines).with(summaries).init();
}

/// The least level that is written. Lambda's names are those of `tracing`, and FATAL.
fn least(level: &str) -> LevelFilter {
    match level {
        "" => LevelFilter::INFO,
        "FATAL" => LevelFilter::ERROR,
        level => level.parse().unwrap_or(LevelFilter::INFO),
    }
}

/// The span of an invocation. All lines within it name the request and, once it is known, the job.
#[must_use]
pub fn invocation(request_id: &str) -> Span {
    // As an error, so that no level leaves it out.
    error_span!(INVOCATION, requestId = request_id, job_id = field::Empty)
}

/// All further lines of this invocation name the job.
pub fn belongs_to_job(job_id: &str) {
    Span::current().record("job_id", job_id);
}

/// The start of a key or a message, so that no log line becomes long.
#[must_use]
pub fn shortened(text: &str) -> &str {
    text.char_indices().nth(MAX_TEXT).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambdas_levels_are_known() {
        for (level, least_level) in [
            ("", LevelFilter::INFO),
            ("TRACE", LevelFilter::TRACE),
            ("WARN", LevelFilter::WARN),
            ("FATAL", LevelFilter::ERROR),
            ("?", LevelFilter::INFO),
        ] {
            assert_eq!(least(level), least_level, "{level}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("a/b.jpg"), "a/b.jpg");
        assert_eq!(shortened(&"é".repeat(400)), "é".repeat(300));
    }
}
