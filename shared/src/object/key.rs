use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::Prefix;

/// The longest key that S3 accepts, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// The plain key of an object (not URL-encoded).
///
/// A key is any UTF-8 text, and each of its bytes matters. `a//b`, `/a` and `..` are valid keys, as are keys with
/// spaces, `%`, `+` and control characters. Keys are ordered by their bytes, as in S3's listings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

/// A URL-encoded key that is not UTF-8 when it is decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{encoded:?} is not a URL-encoded key: decoded it is not UTF-8")]
pub struct NotUtf8 {
    pub encoded: String,
    /// The decoded key.
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key has {0} bytes, but S3 accepts at most {MAX_KEY_BYTES}")]
pub struct KeyTooLong(pub usize);

impl Key {
    /// Decodes a key from an S3 notification, an inventory, or a listing with `encoding-type=url`.
    ///
    /// First, `+` becomes a space, and then `%XX` becomes a byte. Keys in `EventBridge` events and in chunks are
    /// plain: do not decode those.
    ///
    /// ```
    /// use shared::object::Key;
    ///
    /// assert_eq!(Key::decode("my+photos/100%25+%C3%A9%2B.jpg").unwrap().as_str(), "my photos/100% é+.jpg");
    /// ```
    pub fn decode(encoded: &str) -> Result<Self, NotUtf8> {
        let spaced = if encoded.contains('+') {
            Cow::Owned(encoded.replace('+', " "))
        } else {
            Cow::Borrowed(encoded)
        };
        let decoded = percent_decode_str(&spaced);
        match decoded.clone().decode_utf8() {
            Ok(key) => Ok(Self(key.into_owned())),
            Err(_) => Err(NotUtf8 {
                encoded: encoded.to_owned(),
                bytes: decoded.collect(),
            }),
        }
    }

    /// Makes a key. Fails if it is too long for S3.
    pub fn checked(key: String) -> Result<Self, KeyTooLong> {
        if key.len() > MAX_KEY_BYTES {
            return Err(KeyTooLong(key.len()));
        }
        Ok(Self(key))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The relative key: the part after the last `/` of a source's prefix. `None` if the key does not start with the
    /// prefix.
    ///
    /// ```
    /// use shared::object::{Key, Prefix};
    ///
    /// let key = Key::from("2024/07/a.jpg");
    /// assert_eq!(key.relative_to(&Prefix::from("2024/")), Some("07/a.jpg"));
    /// assert_eq!(key.relative_to(&Prefix::from("2024/0")), Some("07/a.jpg"));
    /// assert_eq!(key.relative_to(&Prefix::from("2023/")), None);
    /// ```
    #[must_use]
    pub fn relative_to(&self, prefix: &Prefix) -> Option<&str> {
        self.0.strip_prefix(prefix.as_str())?;
        Some(&self.0[prefix.folder().len()..])
    }

    /// The part after the last `/`.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Whether the key ends in `/`, which stands for a folder. Consoles create empty objects with such keys.
    #[must_use]
    pub fn is_folder_marker(&self) -> bool {
        self.0.ends_with('/')
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self(key.to_owned())
    }
}

impl PartialEq<str> for Key {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Key {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_s3_encodes() {
        for (encoded, plain) in [
            ("plain/a.jpg", "plain/a.jpg"),
            ("a+b.jpg", "a b.jpg"),
            ("a%20b.jpg", "a b.jpg"),
            ("a%2Bb.jpg", "a+b.jpg"),
            ("100%25.jpg", "100%.jpg"),
            ("%252B", "%2B"),
            ("%C3%A9t%C3%A9/%F0%9F%93%B7.jpg", "été/📷.jpg"),
            ("a%2F%2Fb", "a//b"),
            ("a//b/../c", "a//b/../c"),
            ("bell%07.jpg", "bell\u{7}.jpg"),
            ("%0A", "\n"),
        ] {
            assert_eq!(Key::decode(encoded), Ok(plain.into()), "{encoded}");
        }
        assert!(Key::decode("%FF.jpg").is_err());
    }

    #[test]
    fn relative_keys_keep_every_character() {
        for (key, prefix, relative_key) in [
            ("a.jpg", "", Some("a.jpg")),
            ("/a.jpg", "", Some("/a.jpg")),
            ("p//a.jpg", "p/", Some("/a.jpg")),
            ("2024-old/a.jpg", "2024", Some("2024-old/a.jpg")),
            ("p/../a.jpg", "p/", Some("../a.jpg")),
            ("p/", "p/", Some("")),
            ("q/a.jpg", "p/", None),
        ] {
            let (key, prefix) = (Key::from(key), Prefix::from(prefix));
            assert_eq!(key.relative_to(&prefix), relative_key, "{key} in {prefix}");
        }
    }

    #[test]
    fn long_keys_are_refused() {
        assert!(Key::checked("x".repeat(1024)).is_ok());
        assert_eq!(Key::checked("é".repeat(513)), Err(KeyTooLong(1026)));
    }

    #[test]
    fn the_last_part_is_the_name() {
        for (key, name, is_folder) in [("a/b.jpg", "b.jpg", false), ("b.jpg", "b.jpg", false), ("a/", "", true)] {
            let key = Key::from(key);
            assert_eq!((key.file_name(), key.is_folder_marker()), (name, is_folder), "{key}");
        }
    }
}
