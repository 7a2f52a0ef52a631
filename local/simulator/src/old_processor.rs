//! What an older version of processor reads and responds, as far as a newer fanout meets it during a deploy.

use serde_json::Value;

/// Fields of requests that older processors do not know, and ignore.
const NEW_REQUEST_FIELDS: [&str; 2] = ["request_payer", "max_pixels"];

/// Fields of responses that older processors do not send.
const NEW_RESPONSE_FIELDS: [&str; 7] = [
    "concurrency",
    "vcpu_ms",
    "bottleneck",
    "advice",
    "diagnosis",
    "found",
    "examples",
];

/// What it reads of a request.
pub fn request(mut request: Value) -> Value {
    if let Some(fields) = request.as_object_mut() {
        fields.retain(|name, _| !NEW_REQUEST_FIELDS.contains(&name.as_str()));
    }
    request
}

/// What it responds.
pub fn response(mut response: Value) -> Value {
    if let Some(fields) = response.as_object_mut() {
        fields.retain(|name, _| !NEW_RESPONSE_FIELDS.contains(&name.as_str()));
    }
    response
}
