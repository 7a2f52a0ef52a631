use std::fmt;

use serde::{Deserialize, Serialize};

/// An `ETag` without its quotes, as in records and chunks. It is never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ETag(String);

impl ETag {
    /// Reads an `ETag` with or without quotes. `None` if it is empty.
    ///
    /// ```
    /// use shared::object::ETag;
    ///
    /// let etag = ETag::parse("\"9b2cf535\"").unwrap();
    /// assert_eq!((etag.as_str(), etag.to_header().as_str()), ("9b2cf535", "\"9b2cf535\""));
    /// assert_eq!(ETag::parse("\"\""), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let etag = text.trim_matches('"');
        (!etag.is_empty()).then(|| Self(etag.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of a header such as `If-Match`, with quotes.
    #[must_use]
    pub fn to_header(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For JSON in which an unknown `ETag` is empty or left out.
pub mod or_empty {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::ETag;

    pub fn serialize<S: Serializer>(etag: &Option<ETag>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(etag.as_ref().map_or("", ETag::as_str))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ETag>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.as_deref().and_then(ETag::parse))
    }
}
