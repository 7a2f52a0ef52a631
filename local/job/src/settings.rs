use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

/// The settings of a job. What is left out has the default of the stack.
#[derive(Args, Clone, Debug, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Settings {
    /// The name of the job, which must be new [default: the time, such as job-20261129-204501]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Where the images are, such as `s3://bucket/prefix/`
    #[arg(long, value_name = "S3_URI")]
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// A list of keys to process instead of the whole source, such as `s3://bucket/list.csv`
    #[arg(long, value_name = "S3_URI")]
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    /// What to do with each image: copy, upload, strip, transform or none
    #[arg(long, value_name = "MODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<String>,
    /// Where the records go: ndjson, sidecar, annotation or none
    #[arg(long, value_name = "MODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<String>,
    /// What to make of each image, as JSON: `{"renditions": [{"max_edge": 2048}]}`
    #[arg(long, value_name = "JSON", value_parser = json)]
    #[serde(skip_serializing_if = "Option::is_none")]
    transform: Option<Value>,
    /// What to remove of each image, if it is stripped: all or location
    #[arg(long, value_name = "SCOPE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    strip: Option<String>,
    /// Keep who made a stripped picture, and who may use it
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep_copyright: bool,
    /// Keep the S3 user metadata with this name on stripped images; may be given several times
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keep_user_metadata: Vec<String>,
    /// Only file names that match this glob, such as '*.jpg'; may be given several times
    #[arg(long, value_name = "GLOB")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<String>,
    /// No file names that match this glob; may be given several times
    #[arg(long, value_name = "GLOB")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exclude: Vec<String>,
    /// Only objects that were modified after this time, such as 2026-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_after: Option<String>,
    /// Only objects of at least this size
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    min_bytes: Option<u64>,
    /// Only objects of at most this size
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    /// The most pixels of an image that is decoded
    #[arg(long, value_name = "PIXELS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pixels: Option<u64>,
    /// Skip images whose outputs are newer than they are
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skip_current: bool,
    /// Also write the ignored keys, and why they were ignored
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    list_ignored: bool,
    /// Pay for the requests to a source of the kind "requester pays"
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    request_payer: bool,
    /// The most invocations of the processor at the same time
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel: Option<u32>,
    /// Images in flight that each invocation starts with
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    /// The most images of an invocation
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_keys: Option<u32>,
    /// The most bytes of the images of an invocation
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_bytes: Option<u64>,
    /// The most requests to S3 in a second, of the whole job
    #[arg(long, value_name = "RATE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_requests_per_second: Option<f64>,
    /// End the job early if more images fail
    #[arg(long, value_name = "PERCENT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_failed_percent: Option<f64>,
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
}

impl Settings {
    /// The request for fanout, with more fields.
    pub fn request(&self, more: &Value) -> anyhow::Result<Value> {
        let mut request = serde_json::to_value(self)?;
        let fields = request.as_object_mut().context("a request is a JSON object")?;
        fields.extend(more.as_object().cloned().unwrap_or_default());
        Ok(request)
    }
}
