//! The line that ends an invocation. It is in `CloudWatch`'s embedded metric format ("Specification: Embedded metric
//! format" in the `CloudWatch` User Guide): `CloudWatch` makes metrics of its numbers, and needs no other line for that.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, event, event_enabled};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The namespace of the metrics in `CloudWatch`.
pub const NAMESPACE: &str = "s3-exif";

/// The only dimension of the metrics. Each of its values is the name of a function.
const DIMENSION: &str = "FunctionName";

const TARGET: &str = "summary";

/// A unit of `CloudWatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    Count,
    Bytes,
    Milliseconds,
}

/// What an invocation did: metrics, and properties that explain them.
#[derive(Debug)]
pub struct Summary {
    metrics: Vec<(String, Unit)>,
    fields: Map<String, Value>,
}

impl Summary {
    #[must_use]
    pub fn new(message: &str) -> Self {
        Self {
            metrics: Vec::new(),
            fields: Map::from_iter([("message".to_owned(), message.into())]),
        }
    }

    /// Adds a metric. A zero is left out: it would only make the line longer.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, unit: Unit, value: u64) -> Self {
        if value != 0 {
            let name = name.into();
            self.metrics.push((name.clone(), unit));
            self.fields.insert(name, value.into());
        }
        self
    }

    /// Adds a field of which no metric is made.
    #[must_use]
    pub fn property(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Writes the line, if [`init`](super::init) was called.
    pub fn log(self) {
        if event_enabled!(target: TARGET, Level::ERROR) {
            let (metrics, fields) = (self.directives(), Value::Object(self.fields));
            event!(target: TARGET, Level::ERROR, %metrics, %fields);
        }
    }

    /// The definitions of the metrics. Counts need no unit, which makes the line shorter.
    fn directives(&self) -> Value {
        let definition = |(name, unit): &(String, Unit)| match unit {
            Unit::Count => json!({"Name": name}),
            unit => json!({"Name": name, "Unit": unit}),
        };
        self.metrics.iter().map(definition).collect()
    }
}

pub(super) fn is_summary(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
}

/// Writes summaries to the standard output.
#[derive(Debug)]
pub(super) struct Writer {
    function: String,
    level: &'static str,
}

impl Writer {
    /// `filtered` is the level below which Lambda drops lines. Summaries have at least this level, so they always pass.
    pub fn new(function: String, filtered: &str) -> Self {
        let known = ["WARN", "ERROR", "FATAL"];
        let level = known.into_iter().find(|known| *known == filtered).unwrap_or("INFO");
        Self { function, level }
    }

    fn line(&self, summary: Fields, span: Option<Map<String, Value>>, now: SystemTime) -> Value {
        let Fields(mut summary) = summary;
        let parsed = |field: Option<Value>| -> Value {
            let text = field.as_ref().and_then(Value::as_str).unwrap_or_default();
            serde_json::from_str(text).unwrap_or_default()
        };
        let (metrics, mut line) = (parsed(summary.remove("metrics")), parsed(summary.remove("fields")));
        let milliseconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics});
        line["_aws"] = json!({"Timestamp": u64::try_from(milliseconds).ok(), "CloudWatchMetrics": [directive]});
        line[DIMENSION] = self.function.as_str().into();
        line["timestamp"] = OffsetDateTime::from(now).format(&Rfc3339).ok().into();
        line["level"] = self.level.into();
        if let Some(span) = span {
            line["span"] = Value::Object(span);
        }
        line
    }
}

/// The fields of an event or of a span.
#[derive(Clone, Debug, Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Writer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !is_summary(event.metadata()) {
            return;
        }
        let mut summary = Fields::default();
        event.record(&mut summary);
        let span = context.event_span(event);
        let span = span.and_then(|span| Some(span.extensions().get::<Fields>()?.0.clone()));
        println!("{}", self.line(summary, span, SystemTime::now()));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(writer: &Writer, summary: Summary) -> Value {
        let fields = json!({
            "metrics": summary.directives().to_string(),
            "fields": Value::Object(summary.fields).to_string(),
        });
        let span = json!({"requestId": "r-1"}).as_object().cloned();
        let Value::Object(fields) = fields else { unreachable!() };
        writer.line(Fields(fields), span, UNIX_EPOCH + Duration::from_millis(1_500))
    }

    #[test]
    fn a_summary_is_one_line_of_the_embedded_metric_format() {
        let writer = Writer::new("stack-Processor".to_owned(), "");
        let summary = Summary::new("chunk processed")
            .metric("ImagesOk", Unit::Count, 7)
            .metric("ImagesFailed", Unit::Count, 0)
            .metric("BytesRead", Unit::Bytes, 9)
            .property("chunk", 3);
        let metrics = json!([{"Name": "ImagesOk"}, {"Name": "BytesRead", "Unit": "Bytes"}]);
        let directive = json!({"Namespace": "s3-exif", "Dimensions": [["FunctionName"]], "Metrics": metrics});
        let expected = json!({
            "_aws": {"Timestamp": 1500, "CloudWatchMetrics": [directive]},
            "FunctionName": "stack-Processor", "ImagesOk": 7, "BytesRead": 9,
            "message": "chunk processed", "chunk": 3,
            "timestamp": "1970-01-01T00:00:01.5Z", "level": "INFO", "span": {"requestId": "r-1"},
        });
        assert_eq!(line(&writer, summary), expected);
    }

    #[test]
    fn a_summary_passes_lambdas_filter_at_every_level() {
        for (filtered, level) in [("TRACE", "INFO"), ("", "INFO"), ("WARN", "WARN"), ("FATAL", "FATAL")] {
            let writer = Writer::new(String::new(), filtered);
            assert_eq!(line(&writer, Summary::new("ended"))["level"], level);
        }
    }
}
