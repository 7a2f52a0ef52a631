//! Facts of the picture itself, from its container.

use serde::Serialize;

use super::xmp::{Node, Xmp};

/// What the container says of the picture, before its orientation. What it does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Picture {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Of each sample; with a palette, that of its indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_alpha: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub animated: Option<bool>,
    /// Present only if the picture is animated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u32>,
    /// The description of the colour profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icc_profile: Option<String>,
    /// `equirectangular`, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub motion_photo: Option<Span>,
    #[serde(skip_serializing_if = "is_false")]
    pub gain_map: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub depth: bool,
    /// The JPEG that EXIF embeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Span>,
}

/// Bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    pub offset: u64,
    pub length: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Picture {
    /// A picture of this size, if it has one.
    pub fn sized(width: impl Into<u64>, height: impl Into<u64>) -> Self {
        let side = |side: u64| u32::try_from(side).ok().filter(|side| *side > 0);
        let (width, height) = (side(width.into()), side(height.into()));
        Self {
            height: height.filter(|_| width.is_some()),
            width: width.filter(|_| height.is_some()),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what XMP says of the picture. `size` is that of the file.
    pub(super) fn add_xmp(&mut self, xmp: &Xmp, size: u64) {
        let text = |name: &str| xmp.properties.get(name).and_then(Node::text);
        self.projection = text("GPano:ProjectionType").map(str::to_owned);
        let items = items(xmp);
        let has = |semantic: &str| items.iter().any(|item| item.semantic == semantic);
        self.gain_map |= text("hdrgm:Version").is_some() || has("GainMap");
        self.depth |= has("Depth") || has("DepthMap") || xmp.properties.keys().any(|name| name.starts_with("GDepth:"));
        // The video is the last thing in the file, or comes before other items.
        let video = items.iter().position(|item| item.semantic == "MotionPhoto");
        let length = match video {
            Some(at) => Some((items[at].length, items[at + 1..].iter().map(|item| item.length).sum())),
            None => text("GCamera:MicroVideoOffset").and_then(|offset| Some((offset.parse().ok()?, 0))),
        };
        if let Some((length, after)) = length
            && self.motion_photo.is_none()
        {
            let offset = size
                .checked_sub(u64::saturating_add(length, after))
                .filter(|offset| *offset > 0 && length > 0);
            self.motion_photo = offset.map(|offset| Span { offset, length });
        }
    }
}

/// An item of Google's container format: what follows the picture in the file.
struct Item {
    semantic: String,
    length: u64,
}

fn items(xmp: &Xmp) -> Vec<Item> {
    let Some(Node::Items(directory)) = xmp.properties.get("Container:Directory") else {
        return Vec::new();
    };
    let field = |node: &Node, name: &str| match node {
        Node::Fields(fields) => fields.get(name).and_then(Node::text).map(str::to_owned),
        _ => None,
    };
    let items = directory.iter().filter_map(|entry| {
        let Node::Fields(fields) = entry else { return None };
        let item = fields.get("Container:Item").unwrap_or(entry);
        Some(Item {
            semantic: field(item, "Item:Semantic")?,
            length: field(item, "Item:Length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0),
        })
    });
    items.collect()
}
