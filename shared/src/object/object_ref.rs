use serde::{Deserialize, Serialize};

use super::{ETag, Key, etag};

/// One object of a bucket, as it was listed or announced. What is not known of it is absent.
///
/// Fields that a newer version adds are ignored: during a deploy an older processor may get them.
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
    /// Only of an object that must be restored before it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

impl ObjectRef {
    /// Whatever object the key holds now.
    #[must_use]
    pub fn latest(key: Key) -> Self {
        Self { key, ..Self::default() }
    }

    /// The value of `If-Match` for this state of the object, where it is known.
    #[must_use]
    pub fn if_match(&self) -> Option<String> {
        self.etag.as_ref().map(ETag::to_header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_etag_is_an_unknown_one() {
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
