//! Reads an output again, as the reader of metadata sees it.

use serde_json::Value;

use super::places::tells_place;
use super::{Options, Scope, xmp};
use crate::metadata::{Format, Metadata};

/// Datasets of IPTC that tell a place, by the names of the record.
const IPTC_PLACES: [&str; 7] = [
    "ContentLocationCode",
    "ContentLocationName",
    "City",
    "Sub-location",
    "Province-State",
    "Country-PrimaryLocationCode",
    "Country-PrimaryLocationName",
];

const IPTC_COPYRIGHT: [&str; 3] = ["By-line", "Credit", "CopyrightNotice"];

/// Whether an output has the picture of its source, as far as its headers say. It may have another one if parts of a damaged
/// file overlap.
pub fn is_same_picture(source: &Metadata, output: &Metadata) -> bool {
    let image = |metadata: &Metadata| metadata.image.as_deref().cloned().unwrap_or_default();
    let (before, after) = (image(source), image(output));
    // Of a large or damaged file, they may not be known.
    let same =
        |before: Option<u32>, after: Option<u32>| before.zip(after).is_none_or(|(before, after)| before == after);
    output.format == source.format
        && same(before.width, after.width)
        && same(before.height, after.height)
        && same(before.frames, after.frames)
}

/// What is in an output but should be gone. `None` if nothing is.
pub fn left(source: &Metadata, output: &Metadata, options: Options) -> Option<String> {
    if output.image.as_ref().is_some_and(|image| image.motion_photo.is_some()) {
        return Some("the video of a motion photo".to_owned());
    }
    if let Some(name) = output
        .tags
        .keys()
        .map(ToString::to_string)
        .find(|name| !is_allowed_tag(name, source, options))
    {
        return Some(name);
    }
    if let Some(name) = output.omitted.iter().find(|text| text.contains("MakerNote")) {
        return Some(name.clone());
    }
    let mut names = output.xmp.iter().flatten().map(|(name, _)| name.as_str());
    if let Some(name) = names.find(|name| !is_allowed_property(name, options)) {
        return Some(name.to_owned());
    }
    let mut fields = output.iptc.iter().flatten().map(|(name, _): (&&str, &Value)| *name);
    fields
        .find(|name| !is_allowed_dataset(name, options))
        .map(|name| format!("IPTC:{name}"))
}

fn is_allowed_tag(name: &str, source: &Metadata, options: Options) -> bool {
    match options.scope {
        Scope::Location => !name.starts_with("GPS:") && !name.contains("MakerNote"),
        // The tags of a TIFF describe its picture. The writer has a list of them.
        Scope::All if source.format == Format::Tiff => {
            name.starts_with("IFD") && !TEXTS.contains(&name) || options.keep_copyright && is_copyright_tag(name)
        }
        Scope::All => name == "IFD0:Orientation" || options.keep_copyright && is_copyright_tag(name),
    }
}

/// Texts and times of the main table of a TIFF.
const TEXTS: [&str; 12] = [
    "IFD0:ImageDescription",
    "IFD0:Make",
    "IFD0:Model",
    "IFD0:Software",
    "IFD0:DateTime",
    "IFD0:Artist",
    "IFD0:Copyright",
    "IFD0:0x013c",
    "IFD0:0x9c9b",
    "IFD0:0x9c9c",
    "IFD0:0x9c9e",
    "IFD0:0x9c9f",
];

fn is_copyright_tag(name: &str) -> bool {
    matches!(name, "IFD0:Artist" | "IFD0:Copyright")
}

fn is_allowed_property(name: &str, options: Options) -> bool {
    match options.scope {
        Scope::Location => !tells_place(name.rsplit(':').next().unwrap_or(name)),
        Scope::All => name.starts_with("hdrgm:") || options.keep_copyright && xmp::is_copyright(name),
    }
}

fn is_allowed_dataset(name: &str, options: Options) -> bool {
    match options.scope {
        Scope::Location => !IPTC_PLACES.contains(&name),
        Scope::All => options.keep_copyright && IPTC_COPYRIGHT.contains(&name),
    }
}
