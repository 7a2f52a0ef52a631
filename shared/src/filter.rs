//! Which objects are images to process.

use aws_sdk_s3::primitives::DateTime;
use glob::{MatchOptions, Pattern};

use crate::modes::Images;
use crate::object::Key;
use crate::protocol::ignored::IgnoreReason;

/// The endings of the formats that every mode can do something with.
pub const COMMON_ENDINGS: [&str; 13] = [
    "jpg", "jpeg", "jpe", "jfif", "mpo", "tif", "tiff", "heic", "heif", "hif", "avif", "png", "webp",
];

/// The endings of formats from which metadata is read, but which are not decoded: RAW files, and others.
pub const READ_ENDINGS: [&str; 29] = [
    "3fr", "arw", "cr2", "cr3", "crw", "dng", "iiq", "kdc", "mrw", "nef", "nrw", "orf", "pef", "raf", "rw2", "rwl",
    "sr2", "srw", "x3f", "bmp", "gif", "jp2", "jpf", "jpx", "jxl", "jxr", "psb", "psd", "wdp",
];

/// Endings of images that are stripped, beside [`COMMON_ENDINGS`].
pub const STRIPPED_ENDINGS: [&str; 2] = ["gif", "jxl"];

/// Further endings of images. Nothing is read from such files, except from those that are TIFF files inside.
const OTHER_ENDINGS: [&str; 20] = [
    "ai", "dcr", "dib", "eps", "erf", "exr", "hdr", "ico", "j2k", "mef", "mos", "pbm", "pgm", "pnm", "ppm", "srf",
    "svg", "tga", "xcf", "xbm",
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
    /// Without `include`, the names of images are accepted with which the mode can do something.
    pub fn new(include: Option<&[String]>, exclude: &[String], images: Images) -> Result<Self, GlobError> {
        let names = || -> Vec<String> { endings(images).map(|ending| format!("*.{ending}")).collect() };
        Ok(Self {
            include: match include {
                Some(globs) => compile(globs)?,
                None => compile(&names())?,
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

/// The endings of the images with which a mode can do something.
pub fn endings(images: Images) -> impl Iterator<Item = &'static str> {
    let read: &[&str] = match images {
        Images::None | Images::Copy | Images::Upload => &READ_ENDINGS,
        Images::Strip => &STRIPPED_ENDINGS,
        Images::Transform => &[],
    };
    COMMON_ENDINGS.iter().chain(read).copied()
}

/// The ending of a key, if it is that of an image.
#[must_use]
pub fn image_ending(key: &Key) -> Option<&'static str> {
    let (_, ending) = key.file_name().rsplit_once('.')?;
    let mut all = COMMON_ENDINGS.iter().chain(&READ_ENDINGS).chain(&OTHER_ENDINGS);
    all.find(|known| known.eq_ignore_ascii_case(ending)).copied()
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
        let names = Names::new(None, &[], Images::Copy).unwrap();
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
    fn each_mode_takes_what_it_can_do_something_with() {
        for (key, copied, stripped, transformed) in [
            ("a.NEF", true, false, false),
            ("a.gif", true, true, false),
            ("a.jxl", true, true, false),
            ("a.png", true, true, true),
            ("a.svg", false, false, false),
        ] {
            for (images, accepted) in [
                (Images::None, copied),
                (Images::Upload, copied),
                (Images::Strip, stripped),
                (Images::Transform, transformed),
            ] {
                let names = Names::new(None, &[], images).unwrap();
                assert_eq!(names.accept(&key.into()), accepted, "{key}, {images:?}");
            }
        }
    }

    #[test]
    fn endings_of_images_are_known() {
        for (key, ending) in [
            ("a/b.JPG", Some("jpg")),
            ("b.tar.Nef", Some("nef")),
            ("b.svg", Some("svg")),
            ("b.txt", None),
            ("jpg", None),
            ("a.jpg/b", None),
        ] {
            assert_eq!(image_ending(&key.into()), ending, "{key}");
        }
    }

    #[test]
    fn exclude_wins_over_include() {
        let names = Names::new(Some(&globs(&["IMG_*"])), &globs(&["*thumb*"]), Images::Copy).unwrap();
        assert!(names.accept(&"x/img_1.cr2".into()));
        assert!(!names.accept(&"x/IMG_1_thumb.jpg".into()));
        assert!(!names.accept(&"IMG_1/other.jpg".into()));
        let error = Names::new(Some(&globs(&["[a"])), &[], Images::Copy).unwrap_err();
        assert!(error.to_string().starts_with("\"[a\" is not a valid glob"));
    }

    #[test]
    fn size_and_age_are_limited() {
        let filter = Filter {
            names: Names::new(None, &[], Images::Copy).unwrap(),
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
