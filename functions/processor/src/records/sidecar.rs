use bytes::Bytes;
use shared::metadata::record::Record;

/// The body of a sidecar: the record of one image as one JSON object.
pub fn sidecar_body(record: &Record) -> Bytes {
    serde_json::to_vec(record).expect("a record is valid JSON").into()
}
