//! XMP without places, and XMP that holds a few properties alone.
//!
//! | module | what it holds |
//! |---|---|
//! | [`packet`] | packets of our own |

mod packet;

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{UTF_16BE, UTF_16LE};
use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{LocalName, QName, ResolveResult};

use super::places::tells_place;
use crate::metadata::xmp::name;
use crate::metadata::xmp::namespace::{RDF, XML};
pub use packet::packet;

/// What describes parts of a file that outputs do not have (the videos of motion photos, other pictures), and maker notes. Names
/// start with these.
const OF_PARTS: [&str; 7] = [
    "GCamera:MicroVideo",
    "GCamera:MotionPhoto",
    "GCamera:HdrPlusMakernote",
    "GCamera:hdrp_makernote",
    "GCamera:shot_log_data",
    "Container:Directory",
    "Container:Version",
];

/// Steps of editing, which repeat former values.
const HISTORY: &str = "xmpMM:History";

/// How base64 of a JPEG begins, and what its metadata begins with.
const JPEG_IN_BASE64: &str = "/9j/";
const IN_JPEG: [&[u8]; 4] = [b"Exif\0", b"http://ns.adobe.com/", b"Photoshop 3.0\0", b"JP\0\0"];

/// A packet without places: their bytes are blanks, so the packet keeps its length. `directory` takes the place of the
/// list of pictures, if there is one.
///
/// `None` if the packet is damaged. Then nobody knows what is in it.
pub fn without_places(packet: &[u8], directory: Option<&str>) -> Option<Vec<u8>> {
    changed(
        packet,
        Changes {
            removes_places: true,
            is_removed: |name| name.starts_with(HISTORY) || is_of_parts(name),
            directory,
            values: &[],
        },
    )
}

/// Whether a property describes what outputs do not have.
pub fn is_of_parts(name: &str) -> bool {
    OF_PARTS.iter().any(|start| name.starts_with(start))
}

/// A packet without some properties, and with new values of others.
///
/// `None` if the packet is damaged.
pub fn corrected(packet: &[u8], is_removed: fn(&str) -> bool, values: &[(&str, String)]) -> Option<Vec<u8>> {
    changed(
        packet,
        Changes {
            removes_places: false,
            is_removed,
            directory: None,
            values,
        },
    )
}

/// What becomes of a packet.
#[derive(Clone, Copy)]
struct Changes<'e> {
    /// Whether places go, and whatever may hide one.
    removes_places: bool,
    /// Whether the property with this name goes, too.
    is_removed: fn(&str) -> bool,
    /// Takes the place of the list of pictures.
    directory: Option<&'e str>,
    /// New values of properties, if they are there.
    values: &'e [(&'e str, String)],
}

fn changed(packet: &[u8], changes: Changes<'_>) -> Option<Vec<u8>> {
    let (text, encode) = decoded(packet)?;
    let start = text.find('<')?;
    let end = text.trim_end_matches(|c: char| c == '\0' || c.is_whitespace()).len();
    let mut search = Search {
        reader: NsReader::from_str(text.get(start..end)?),
        offset: start,
        changes,
        edits: vec![(0..start, None)],
    };
    search.run()?;
    Some(encode(&edited(&text, search.edits)))
}

type Edit<'a> = (Range<usize>, Option<&'a str>);

/// A text with some ranges replaced, by default with blanks. The ranges are in order.
fn edited(text: &str, edits: Vec<Edit<'_>>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        out.push_str(&text[at..range.start]);
        match new {
            Some(new) => out.push_str(new),
            // A character of several bytes becomes as many blanks, so that UTF-8 keeps its length.
            None => out.extend(std::iter::repeat_n(' ', range.len())),
        }
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

type Encode = fn(&str) -> Vec<u8>;

/// The text of a packet, and how to encode it again.
fn decoded(packet: &[u8]) -> Option<(Cow<'_, str>, Encode)> {
    let utf_16 = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
    Some(match packet {
        [0xFE, 0xFF, ..] | [0, b'<', ..] => (
            utf_16(UTF_16BE.decode_without_bom_handling_and_without_replacement(packet))?,
            |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ),
        [0xFF, 0xFE, ..] | [b'<', 0, ..] => (
            utf_16(UTF_16LE.decode_without_bom_handling_and_without_replacement(packet))?,
            |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        _ => (std::str::from_utf8(packet).ok()?.into(), |text| {
            text.as_bytes().to_vec()
        }),
    })
}

struct Search<'a, 'e> {
    reader: NsReader<&'a [u8]>,
    /// Where the reader's text starts in the packet.
    offset: usize,
    changes: Changes<'e>,
    edits: Vec<Edit<'e>>,
}

impl<'e> Search<'_, 'e> {
    fn position(&self) -> Option<usize> {
        Some(self.offset + usize::try_from(self.reader.buffer_position()).ok()?)
    }

    fn run(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        // Where an element begins that is removed, and how deep it is.
        let mut removed: Option<(usize, usize)> = None;
        // The new value of the element that has just begun.
        let mut value = None;
        let is_strict = self.changes.removes_places;
        loop {
            let start = self.position()?;
            let event = self.reader.read_event().ok()?;
            let end = self.position()?;
            match event {
                Event::Start(element) => {
                    depth += 1;
                    if removed.is_some() {
                        continue;
                    }
                    if self.is_removed(&element) {
                        removed = Some((start, depth));
                    } else {
                        self.attributes(&element, start)?;
                    }
                    let (namespace, local) = self.reader.resolver().resolve_element(element.name());
                    value = self.value(&name(&namespace, element.name(), local));
                }
                Event::Empty(element) if removed.is_none() => {
                    if self.is_removed(&element) {
                        self.edits.push((start..end, None));
                    } else {
                        self.attributes(&element, start)?;
                    }
                }
                Event::End(element) => {
                    depth = depth.checked_sub(1)?;
                    value = None;
                    if let Some((from, _)) = removed.take_if(|(_, of)| *of == depth + 1) {
                        let is_directory = element.local_name().as_ref() == b"Directory";
                        let new = self.changes.directory.take_if(|_| is_directory);
                        self.edits.push((from..end, new));
                    }
                }
                Event::Text(_) if removed.is_none() && value.is_some() => self.edits.push((start..end, value.take())),
                Event::Text(text) if removed.is_none() && is_strict && has_metadata(&text) => {
                    self.edits.push((start..end, None));
                }
                Event::CData(text) if removed.is_none() && is_strict && has_metadata(&text) => {
                    self.edits.push((start..end, None));
                }
                Event::Comment(_) if removed.is_none() && is_strict => self.edits.push((start..end, None)),
                Event::PI(instruction) if removed.is_none() && is_strict && instruction.target() != b"xpacket" => {
                    self.edits.push((start..end, None));
                }
                Event::DocType(_) => return None,
                Event::Eof => return (depth == 0).then_some(()),
                _ => {}
            }
        }
    }

    fn is_removed(&self, element: &BytesStart<'_>) -> bool {
        let (namespace, local) = self.reader.resolver().resolve_element(element.name());
        self.is_removed_name(&namespace, element.name(), local)
    }

    fn is_removed_name(&self, namespace: &ResolveResult<'_>, whole: QName<'_>, local: LocalName<'_>) -> bool {
        let uri = match namespace {
            ResolveResult::Bound(uri) => std::str::from_utf8(uri.as_ref()).unwrap_or_default(),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => "",
        };
        if matches!(uri, RDF | XML | "adobe:ns:meta/") {
            return false;
        }
        if self.changes.removes_places && std::str::from_utf8(local.as_ref()).map_or(true, tells_place) {
            return true;
        }
        // As the reader names it.
        (self.changes.is_removed)(&name(namespace, whole, local))
    }

    /// The new value of a property.
    fn value(&self, name: &str) -> Option<&'e str> {
        let found = self.changes.values.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Removes attributes of the element that starts here.
    fn attributes(&mut self, element: &BytesStart<'_>, start: usize) -> Option<()> {
        // The bytes of the element follow its `<`.
        let origin = element.as_ptr() as usize;
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.ok()?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (namespace, local) = self.reader.resolver().resolve_attribute(attribute.key);
            let new = self.value(&name(&namespace, attribute.key, local));
            let is_removed = self.is_removed_name(&namespace, attribute.key, local)
                || self.changes.removes_places && has_metadata(&attribute.value);
            if !is_removed && new.is_none() {
                continue;
            }
            let Cow::Borrowed(value) = attribute.value else {
                return None;
            };
            let value_start = start + 1 + (value.as_ptr() as usize).checked_sub(origin)?;
            if !is_removed {
                self.edits.push((value_start..value_start + value.len(), new));
                continue;
            }
            let from = start + 1 + (attribute.key.as_ref().as_ptr() as usize).checked_sub(origin)?;
            // With the quote behind it.
            self.edits.push((from..value_start + value.len() + 1, None));
        }
        Some(())
    }
}

/// Whether a value is a JPEG that holds metadata of its own.
fn has_metadata(value: &[u8]) -> bool {
    let Some(start) = memchr::memmem::find(value, JPEG_IN_BASE64.as_bytes()) else {
        return false;
    };
    let digits: Vec<u8> = value[start..]
        .iter()
        .copied()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    let whole = digits.len() / 4 * 4;
    let jpeg = STANDARD.decode(&digits[..whole]).unwrap_or_default();
    IN_JPEG.iter().any(|start| memchr::memmem::find(&jpeg, start).is_some())
}

/// Whether a property says who made the picture, or who may use it.
pub fn is_copyright(name: &str) -> bool {
    matches!(name, "dc:creator" | "dc:rights" | "photoshop:Credit")
        || name.starts_with("xmpRights:")
        || name.starts_with("plus:")
}
