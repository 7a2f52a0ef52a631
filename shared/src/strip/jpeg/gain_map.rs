use std::collections::BTreeMap;
use std::ops::Range;

use super::super::{Stop, xmp};
use super::{APP1, APP2, GAIN_MAP_ID, Picture, XMP_ID, has_id};
use crate::metadata::view::FileView;
use crate::metadata::warnings::Warnings;
use crate::metadata::xmp::{self as packets, Name, Node};

const PREFIX: &str = "hdrgm:";
const VERSION: &str = "hdrgm:Version";

/// How Apple's XMP names a gain map. What it means is in a maker note.
const APPLES: &[u8] = b"aux:hdrgainmap";

/// What a picture says of a gain map.
#[derive(Default)]
pub struct GainMap {
    /// The properties in XMP.
    properties: BTreeMap<Name, Node>,
    /// What ISO 21496-1 has, without the identifier.
    pub iso: Vec<u8>,
}

impl GainMap {
    /// `None` if the picture is no gain map.
    pub fn of(file: &FileView, picture: &Picture) -> Result<Option<Self>, Stop> {
        let found = Self::of_main(file, picture)?;
        Ok((found.is_in_xmp() || !found.iso.is_empty()).then_some(found))
    }

    /// What the first picture says of its gain map.
    pub fn of_main(file: &FileView, picture: &Picture) -> Result<Self, Stop> {
        let mut found = Self::default();
        for segment in &picture.segments {
            let content = || file.get(segment.content.start, segment.content.end - segment.content.start);
            if segment.marker == APP2 && has_id(file, segment, GAIN_MAP_ID)? {
                found.iso = content()?[GAIN_MAP_ID.len()..].to_vec();
            } else if segment.marker == APP1 && has_id(file, segment, XMP_ID)? {
                let packet = &content()?[XMP_ID.len()..];
                let xmp = packets::read(&[packet.into()], &mut Warnings::default()).unwrap_or_default();
                let own = xmp.properties.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
                found.properties.extend(own);
            }
        }
        Ok(found)
    }

    pub fn is_in_xmp(&self) -> bool {
        self.properties.contains_key(VERSION)
    }

    /// XMP with what describes the gain map alone. Empty if there is nothing.
    pub fn packet(&self) -> Vec<u8> {
        if self.properties.is_empty() {
            return Vec::new();
        }
        xmp::packet(self.properties.iter().map(|(name, node)| (name.as_str(), node)), "")
    }

    /// XMP of a first picture: that it has a gain map of this length, and the copyright.
    pub fn packet_of_main(&self, copyright: &BTreeMap<Name, Node>, length: u64) -> Vec<u8> {
        let version = self.properties.get_key_value(VERSION);
        let properties = copyright.iter().chain(version);
        let directory = if version.is_some() {
            directory(length)
        } else {
            String::new()
        };
        xmp::packet(properties.map(|(name, node)| (name.as_str(), node)), &directory)
    }
}

/// Whether one of the pictures is a gain map that only a maker note describes.
pub fn is_apples(file: &FileView, others: &[Range<u64>]) -> Result<bool, Stop> {
    for range in others {
        let picture = Picture::walk(file, range.clone())?;
        for segment in picture.segments.iter().filter(|segment| segment.marker == APP1) {
            let content = file.get(segment.content.start, segment.content.end - segment.content.start)?;
            if memchr::memmem::find(content, APPLES).is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The list of a picture and of the gain map behind it, which has this length.
pub fn directory(length: u64) -> String {
    format!(
        "<Container:Directory xmlns:Container=\"http://ns.google.com/photos/1.0/container/\" \
         xmlns:Item=\"http://ns.google.com/photos/1.0/container/item/\"><rdf:Seq>\
         <rdf:li rdf:parseType=\"Resource\"><Container:Item Item:Semantic=\"Primary\" Item:Mime=\"image/jpeg\"/></rdf:li>\
         <rdf:li rdf:parseType=\"Resource\"><Container:Item Item:Semantic=\"GainMap\" Item:Mime=\"image/jpeg\" \
         Item:Length=\"{length}\"/></rdf:li></rdf:Seq></Container:Directory>"
    )
}
