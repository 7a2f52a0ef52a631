use std::fmt;

use serde::{Deserialize, Serialize};

/// What keys start with, plain (not URL-encoded). Empty for all keys.
///
/// As in S3, it need not end at a `/`: `2024` also matches `2024-old/a.jpg`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prefix(String);

impl Prefix {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The prefix up to its last `/`, which is included. Relative keys start after it.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.0[..self.0.rfind('/').map_or(0, |slash| slash + 1)]
    }

    /// Whether a key can start with both prefixes.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }
}

impl From<String> for Prefix {
    fn from(prefix: String) -> Self {
        Self(prefix)
    }
}

impl From<&str> for Prefix {
    fn from(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_keys_start_after_the_folder() {
        for (prefix, folder) in [
            ("", ""),
            ("2024", ""),
            ("2024/", "2024/"),
            ("a/b/c", "a/b/"),
            ("/", "/"),
        ] {
            assert_eq!(Prefix::from(prefix).folder(), folder, "{prefix}");
        }
    }

    #[test]
    fn a_prefix_overlaps_one_that_it_starts_with() {
        for (one, other, overlaps) in [
            ("", "a/", true),
            ("a/", "a/b", true),
            ("a/b", "a/", true),
            ("a/", "b/", false),
            ("2024", "2024-old/", true),
        ] {
            assert_eq!(Prefix::from(one).overlaps(&other.into()), overlaps, "{one} and {other}");
        }
    }
}
