use serde::{Deserialize, Serialize};

use super::{Bucket, ETag, Key, etag};

/// An object of a bucket, as a listing or an event names it. What is unknown is absent.
///
/// Unknown fields are ignored: during a deploy, an older processor may get fields that a newer fanout adds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    pub key: Key,
    /// In bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, with = "etag::or_empty", skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Set only if the object must be restored before it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

impl ObjectRef {
    /// The object that the key holds when it is read.
    #[must_use]
    pub fn latest(key: Key) -> Self {
        Self { key, ..Self::default() }
    }

    /// The value of `If-Match` for this state of the object, if the `ETag` is known.
    #[must_use]
    pub fn if_match(&self) -> Option<String> {
        self.etag.as_ref().map(ETag::to_header)
    }

    /// Where it is, for messages.
    pub(crate) fn location(&self, bucket: &Bucket) -> String {
        format!("s3://{bucket}/{}", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_etag_is_unknown() {
        let object: ObjectRef = serde_json::from_str(r#"{"key": "a", "etag": "", "added_later": 1}"#).unwrap();
        assert_eq!(object, ObjectRef::latest("a".into()));
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"key":"a"}"#);
        let object: ObjectRef = serde_json::from_str(r#"{"key": "a", "size": 5, "etag": "e"}"#).unwrap();
        assert!(serde_json::from_str::<ObjectRef>("{}").is_err());
        assert_eq!(object.if_match().as_deref(), Some("\"e\""));
        assert_eq!(
            serde_json::to_string(&object).unwrap(),
            r#"{"key":"a","size":5,"etag":"e"}"#
        );
    }
}
