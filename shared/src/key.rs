//! Object keys. A key is any UTF-8 text of at most 1,024 bytes, and every byte of it counts:
//! `a//b`, `/a`, `..`, spaces, `%`, `+` and control characters are all different keys.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The longest key S3 accepts, in bytes of UTF-8.
pub const MAX_BYTES: usize = 1024;

/// Everything but RFC 3986's unreserved characters and `/`.
const COPY_SOURCE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no URL-encoded key: decoded it is not UTF-8")]
pub struct NotUtf8(String);

/// Decodes a key as S3 notifications and listings with `encoding-type=url` carry it:
/// `+` is a space, then `%XX`. `EventBridge` events and chunks carry keys plain: never decode those.
///
/// ```
/// assert_eq!(shared::key::decode("my+photos/100%25+%C3%A9%2B.jpg").unwrap(), "my photos/100% é+.jpg");
/// ```
pub fn decode(encoded: &str) -> Result<String, NotUtf8> {
    let spaced = if encoded.contains('+') {
        Cow::Owned(encoded.replace('+', " "))
    } else {
        Cow::Borrowed(encoded)
    };
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(Cow::into_owned)
        .map_err(|_| NotUtf8(encoded.to_owned()))
}

/// The value of `x-amz-copy-source` for an object, percent-encoded (the SDK sends it as it is).
#[must_use]
pub fn copy_source(bucket: &str, key: &str, version_id: Option<&str>) -> String {
    let mut source = format!("{bucket}/{}", utf8_percent_encode(key, COPY_SOURCE));
    if let Some(version) = version_id {
        source.push_str("?versionId=");
        source.extend(utf8_percent_encode(version, COPY_SOURCE));
    }
    source
}

/// What follows the last `/` of the source's prefix, or `None` for a key outside the prefix.
///
/// ```
/// use shared::key::relative;
///
/// assert_eq!(relative("2024/07/a.jpg", "2024/"), Some("07/a.jpg"));
/// assert_eq!(relative("2024/07/a.jpg", "2024/0"), Some("07/a.jpg"));
/// assert_eq!(relative("2023/a.jpg", "2024/"), None);
/// ```
#[must_use]
pub fn relative<'a>(key: &'a str, prefix: &str) -> Option<&'a str> {
    key.strip_prefix(prefix)?;
    Some(&key[prefix.rfind('/').map_or(0, |slash| slash + 1)..])
}

/// What follows the last `/` of a key: its file name.
#[must_use]
pub fn file_name(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
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
            assert_eq!(decode(encoded).as_deref(), Ok(plain), "{encoded}");
        }
        assert!(decode("%FF.jpg").is_err());
    }

    #[test]
    fn encodes_copy_sources() {
        for (key, source) in [
            ("a/b.jpg", "photos/a/b.jpg"),
            ("a b+c%é.jpg", "photos/a%20b%2Bc%25%C3%A9.jpg"),
            ("//x?y", "photos///x%3Fy"),
            ("bell\u{7}", "photos/bell%07"),
        ] {
            assert_eq!(copy_source("photos", key, None), source);
        }
        assert_eq!(copy_source("photos", "a", Some("v/1")), "photos/a?versionId=v/1");
    }

    #[test]
    fn relative_keeps_every_character() {
        for (key, prefix, relative_key) in [
            ("a.jpg", "", Some("a.jpg")),
            ("/a.jpg", "", Some("/a.jpg")),
            ("p//a.jpg", "p/", Some("/a.jpg")),
            ("2024-old/a.jpg", "2024", Some("2024-old/a.jpg")),
            ("p/../a.jpg", "p/", Some("../a.jpg")),
            ("p/", "p/", Some("")),
            ("q/a.jpg", "p/", None),
        ] {
            assert_eq!(relative(key, prefix), relative_key, "{key} in {prefix}");
        }
    }
}
