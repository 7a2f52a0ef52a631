//! What the mode `transform` makes of each image.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::settings;

/// The most pixels of a source by default: 16,384 × 16,384.
pub const DEFAULT_MAX_PIXELS: u64 = 268_435_456;

/// The most renditions of an image.
const MAX_RENDITIONS: usize = 8;

/// The longest side that a JPEG can have, in pixels.
const MAX_EDGE: u32 = 65_535;

/// What to make of each image.
///
/// Unknown fields are errors, in a chunk too: a processor that does not know a field would make other pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// From 1 to 8. An image is decoded once for all of them.
    pub renditions: Vec<Rendition>,
    #[serde(default)]
    pub metadata: Metadata,
}

/// One output of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendition {
    /// The folder of the outputs: up to 32 lower-case letters, digits and hyphens. A single rendition needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The longer side has at most this many pixels. A smaller image is not enlarged.
    pub max_edge: u32,
    #[serde(default)]
    pub format: Format,
    /// From 1 to 100. PNG is lossless and has no use for it.
    #[serde(default = "default_quality")]
    pub quality: u8,
}

const fn default_quality() -> u8 {
    80
}

/// The format of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// That of the image. Images that are not JPEG, PNG or WebP are unsupported.
    Keep,
    #[default]
    Jpeg,
    Png,
    Webp,
    /// A processor that is built without the feature `avif` refuses it.
    Avif,
}

/// Which metadata the outputs have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metadata {
    /// None but the colour profile.
    #[default]
    None,
    /// Who made the picture, and who may use it.
    Copyright,
    /// EXIF, XMP and IPTC, as far as they are true of the output.
    All,
}

/// A setting that is wrong: the path of its field, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadTransform {
    pub field: String,
    pub problem: String,
}

impl Transform {
    /// Checks all values, and those that contradict each other.
    pub fn check(&self) -> Result<(), BadTransform> {
        let bad = |field: &dyn fmt::Display, problem: String| {
            let field = format!("transform.{field}");
            Err(BadTransform { field, problem })
        };
        let count = self.renditions.len();
        if !(1..=MAX_RENDITIONS).contains(&count) {
            return bad(&"renditions", format!("{count} is not within 1 to {MAX_RENDITIONS}"));
        }
        for (index, rendition) in self.renditions.iter().enumerate() {
            let field = |name: &str| format!("renditions[{index}].{name}");
            match &rendition.name {
                None if count > 1 => {
                    let problem = "it is missing; with several renditions, each needs a name".to_owned();
                    return bad(&field("name"), problem);
                }
                Some(name) if !is_name(name) => {
                    let problem = format!("{name:?} is not a name of 1 to 32 lower-case letters, digits and hyphens");
                    return bad(&field("name"), problem);
                }
                Some(_)
                    if self.renditions[..index]
                        .iter()
                        .any(|other| other.name == rendition.name) =>
                {
                    return bad(&field("name"), "another rendition has the same name".to_owned());
                }
                _ => {}
            }
            if !(1..=MAX_EDGE).contains(&rendition.max_edge) {
                let problem = format!("{} is not within 1 to {MAX_EDGE}", rendition.max_edge);
                return bad(&field("max_edge"), problem);
            }
            if !(1..=100).contains(&rendition.quality) {
                return bad(
                    &field("quality"),
                    format!("{} is not within 1 to 100", rendition.quality),
                );
            }
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(is_valid)
}

impl Format {
    /// What is appended to the key of an output, so that two images never share one.
    #[must_use]
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::Keep => None,
            Self::Jpeg => Some("jpeg"),
            Self::Png => Some("png"),
            Self::Webp => Some("webp"),
            Self::Avif => Some("avif"),
        }
    }
}

/// Reads JSON, as in the environment variable `TRANSFORM`.
impl FromStr for Transform {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

/// Reads `TRANSFORM` and checks it.
pub fn from_environment(lookup: settings::Lookup<'_>) -> Result<Option<Transform>, settings::SettingError> {
    let transform = settings::parsed::<Transform>(lookup, "TRANSFORM")?;
    if let Some(transform) = &transform {
        transform
            .check()
            .map_err(|error| settings::SettingError::new("TRANSFORM", error))?;
    }
    Ok(transform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendition_needs_a_size_only() {
        let transform: Transform = r#"{"renditions": [{"max_edge": 1024}]}"#.parse().unwrap();
        assert_eq!(transform.check(), Ok(()));
        let rendition = &transform.renditions[0];
        assert_eq!((rendition.format, rendition.quality), (Format::Jpeg, 80));
    }

    #[test]
    fn avif_is_left_to_the_processor() {
        let transform: Transform = r#"{"renditions": [{"max_edge": 9, "format": "avif"}]}"#.parse().unwrap();
        assert_eq!(transform.check(), Ok(()));
        assert_eq!(transform.renditions[0].format.extension(), Some("avif"));
    }

    #[test]
    fn an_error_names_the_field() {
        for (text, part) in [
            (r#"{"renditions": []}"#, "transform.renditions: 0 is not within 1 to 8"),
            (
                r#"{"renditions": [{"max_edge": 0}]}"#,
                "transform.renditions[0].max_edge: 0 is not",
            ),
            (
                r#"{"renditions": [{"max_edge": 70000}]}"#,
                "max_edge: 70000 is not within 1 to 65535",
            ),
            (
                r#"{"renditions": [{"max_edge": 9, "quality": 0}]}"#,
                "quality: 0 is not within 1 to 100",
            ),
            (
                r#"{"renditions": [{"max_edge": 9, "name": "A"}]}"#,
                "name: \"A\" is not a name",
            ),
            (
                r#"{"renditions": [{"max_edge": 9, "name": "a"}, {"max_edge": 9}]}"#,
                "[1].name: it is missing",
            ),
            (
                r#"{"renditions": [{"max_edge": 9, "name": "a"}, {"max_edge": 5, "name": "a"}]}"#,
                "[1].name: another rendition has the same name",
            ),
        ] {
            let error = text.parse::<Transform>().unwrap().check().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        for (text, part) in [
            (
                r#"{"renditions": [{"max_edge": 9, "size": 1}]}"#,
                "unknown field `size`",
            ),
            (
                r#"{"renditions": [{"max_edge": 9, "format": "gif"}]}"#,
                "unknown variant `gif`",
            ),
            (r#"{"renditions": [{}]}"#, "missing field `max_edge`"),
            (
                r#"{"renditions": [{"max_edge": 9}], "metadata": "some"}"#,
                "unknown variant `some`",
            ),
            (r#"{"rendition": []}"#, "unknown field `rendition`"),
        ] {
            let error = text.parse::<Transform>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
