//! Which objects are images to process.

use aws_sdk_s3::primitives::DateTime;
use glob::{MatchOptions, Pattern};

use crate::object::Key;
use crate::protocol::ignored::IgnoreReason;

/// The extensions that are accepted by default: those of the formats from which EXIF is read.
pub const IMAGE_ENDINGS: [&str; 13] = [
    "jpg", "jpeg", "jpe", "jfif", "mpo", "tif", "tiff", "heic", "heif", "hif", "avif", "png", "webp",
];

/// The largest object that one `CopyObject` or `PutObject` can write: 5 GiB.
pub const MAX_OBJECT_BYTES: u64 = 5 * 1024 * 1024 * 1024;

const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: false,
    require_literal_separator: false,
    require_literal_leading_dot: false,
};

/// Accepts objects by name, size in bytes, and age. An unknown size or age is accepted.
#[derive(Clone, Debug)]
pub struct Filter {
    pub names: Names,
    pub min_bytes: u64,
    pub max_bytes: u64,
    /// Only objects that were modified later than this are accepted.
    pub modified_after: Option<DateTime>,
}

/// Globs for the file name, which is the part of the key after the last `/`. They ignore case.
#[derive(Clone, Debug)]
pub struct Names {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{glob:?} is not a valid glob: {problem}")]
pub struct GlobError {
    glob: String,
    problem: &'static str,
}

impl Names {
    /// Without `include`, the names of images are accepted.
    pub fn new(include: Option<&[String]>, exclude: &[String]) -> Result<Self, GlobError> {
        let images = || IMAGE_ENDINGS.map(|ending| format!("*.{ending}"));
        Ok(Self {
            include: match include {
                Some(globs) => compile(globs)?,
                None => compile(&images())?,
            },
            exclude: compile(exclude)?,
        })
    }

    #[must_use]
    pub fn accept(&self, key: &Key) -> bool {
        let name = key.file_name();
        let any = |globs: &[Pattern]| globs.iter().any(|glob| glob.matches_with(name, MATCHING));
        any(&self.include) && !any(&self.exclude)
    }
}

fn compile(globs: &[String]) -> Result<Vec<Pattern>, GlobError> {
    globs
        .iter()
        .map(|glob| {
            Pattern::new(glob).map_err(|error| GlobError {
                glob: glob.clone(),
                problem: error.msg,
            })
        })
        .collect()
}

impl Filter {
    /// Why an object is left out. `None` if it is accepted.
    #[must_use]
    pub fn rejects(&self, key: &Key, size: Option<u64>, modified: Option<&DateTime>) -> Option<IgnoreReason> {
        let young_enough = match (&self.modified_after, modified) {
            (Some(after), Some(modified)) => modified > after,
            _ => true,
        };
        let right_size = size.is_none_or(|size| (self.min_bytes..=self.max_bytes).contains(&size));
        let reason = if !self.names.accept(key) {
            IgnoreReason::Name
        } else if !right_size {
            IgnoreReason::Size
        } else if !young_enough {
            IgnoreReason::Date
        } else {
            return None;
        };
        // A marker has no name and, as a rule, no bytes.
        let is_folder = key.file_name().is_empty() && reason != IgnoreReason::Date;
        Some(if is_folder { IgnoreReason::Folder } else { reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn images_are_accepted_by_default() {
        let names = Names::new(None, &[]).unwrap();
        for (key, accepted) in [
            ("a/b.jpg", true),
            ("a/B.JPG", true),
            ("a/b.HeIc", true),
            ("a/.jpg", true),
            ("a/b.txt", false),
            ("a.jpg/", false),
            ("a.jpg/b", false),
            ("jpg", false),
        ] {
            assert_eq!(names.accept(&key.into()), accepted, "{key}");
        }
    }

    #[test]
    fn exclude_wins_over_include() {
        let names = Names::new(Some(&globs(&["IMG_*"])), &globs(&["*thumb*"])).unwrap();
        assert!(names.accept(&"x/img_1.cr2".into()));
        assert!(!names.accept(&"x/IMG_1_thumb.jpg".into()));
        assert!(!names.accept(&"IMG_1/other.jpg".into()));
        let error = Names::new(Some(&globs(&["[a"])), &[]).unwrap_err();
        assert!(error.to_string().starts_with("\"[a\" is not a valid glob"));
    }

    #[test]
    fn size_and_age_are_limited() {
        let filter = Filter {
            names: Names::new(None, &[]).unwrap(),
            min_bytes: 1,
            max_bytes: 10,
            modified_after: Some(DateTime::from_secs(100)),
        };
        let at = |secs| Some(DateTime::from_secs(secs));
        for (key, size, modified, expected) in [
            ("a.jpg", Some(10), at(101), None),
            ("a.jpg", Some(1), None, None),
            ("a.jpg", None, None, None),
            ("a.jpg", Some(0), at(101), Some(IgnoreReason::Size)),
            ("a.jpg", Some(11), at(101), Some(IgnoreReason::Size)),
            ("a.jpg", Some(5), at(100), Some(IgnoreReason::Date)),
            ("a.txt", Some(0), at(100), Some(IgnoreReason::Name)),
            ("a/", Some(0), at(101), Some(IgnoreReason::Folder)),
        ] {
            assert_eq!(filter.rejects(&key.into(), size, modified.as_ref()), expected, "{key}");
        }
    }
}
