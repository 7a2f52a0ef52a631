//! XMP: from packets to properties.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tree`] | the properties of a packet, with their structures |
//! | [`namespace`] | the customary prefixes of names |
//! | [`flat`] | the record's `xmp`: values without structures |

mod flat;
pub mod namespace;
pub mod tree;

use std::borrow::Cow;
use std::collections::BTreeMap;

use encoding_rs::{UTF_16BE, UTF_16LE};
use serde_json::Value;

use super::warnings::Warnings;
pub use tree::{Name, Node, name};

/// The most of a packet that is read.
pub const MAX_PACKET_BYTES: usize = 1024 * 1024;

/// The properties of all packets of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Xmp {
    /// With structures.
    pub properties: BTreeMap<Name, Node>,
    /// As the record has them.
    pub flat: BTreeMap<Name, Value>,
}

/// Reads the packets of a file. Of a property that occurs twice, the first one counts. `None` if nothing could be read.
pub fn read(packets: &[Cow<'_, [u8]>], warnings: &mut Warnings) -> Option<Xmp> {
    let mut properties = BTreeMap::new();
    for packet in packets {
        if packet.len() > MAX_PACKET_BYTES {
            warnings.omit(format!("XMP: {} bytes", packet.len()));
            continue;
        }
        let tree = tree::parse(&decoded(packet));
        if let Some(damage) = tree.damage {
            warnings.add(format!("XMP: {damage}"));
        }
        for (name, value) in tree.properties {
            properties.entry(name).or_insert(value);
        }
    }
    let flat = flat::of(&properties, warnings);
    (!properties.is_empty()).then_some(Xmp { properties, flat })
}

/// A packet as text. It is UTF-8, or says by its first bytes that it is UTF-16. Padding around it is left out.
fn decoded(packet: &[u8]) -> Cow<'_, str> {
    let text = match packet {
        [0xFE, 0xFF, ..] | [0, b'<', ..] => UTF_16BE.decode_with_bom_removal(packet).0,
        [0xFF, 0xFE, ..] | [b'<', 0, ..] => UTF_16LE.decode_with_bom_removal(packet).0,
        // The usual case first: looking for damage takes longer than finding none.
        _ => std::str::from_utf8(packet).map_or_else(|_| String::from_utf8_lossy(packet), Cow::Borrowed),
    };
    let inner = |text: &str| {
        let end = text.trim_end_matches(|c: char| c == '\0' || c.is_whitespace()).len();
        text.find('<').unwrap_or(end).min(end)..end
    };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[inner(text)]),
        Cow::Owned(text) => Cow::Owned(text[inner(&text)].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn packet(inside: &str) -> Cow<'static, [u8]> {
        format!(
            "<?xpacket begin='\u{feff}' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>\
             <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>{inside}</rdf:RDF></x:xmpmeta>\
             <?xpacket end='w'?>"
        )
        .into_bytes()
        .into()
    }

    fn read_flat(inside: &str) -> (Value, Vec<String>) {
        let mut warnings = Warnings::default();
        let xmp = read(&[packet(inside)], &mut warnings);
        (json!(xmp.map(|xmp| xmp.flat)), warnings.into_vec())
    }

    #[test]
    fn every_form_of_a_value_is_read() {
        let (flat, warnings) = read_flat(
            "<rdf:Description rdf:about='' xmlns:d='http://purl.org/dc/elements/1.1/' xmlns:own='http://own/'
               xmlns:xap='http://ns.adobe.com/xap/1.0/' xmlns:exif='http://ns.adobe.com/exif/1.0/'
               xap:Rating='5' own:Flag='True' own:blank=' ' exif:FNumber='28/10' exif:ExposureTime='1/0'
               exif:GPSLatitude='44,38.868N' exif:GPSLongitude='10,55,31.5W'>
               <d:title><rdf:Alt><rdf:li xml:lang='de'>Titel</rdf:li><rdf:li xml:lang='x-default'> A &amp; B&#33; </rdf:li></rdf:Alt></d:title>
               <d:description><rdf:Alt><rdf:li xml:lang='fr'>un</rdf:li><rdf:li xml:lang='de'>ein</rdf:li></rdf:Alt></d:description>
               <d:subject><rdf:Bag><rdf:li>one</rdf:li><rdf:li/><rdf:li><![CDATA[<two>]]></rdf:li></rdf:Bag></d:subject>
               <d:creator><rdf:Seq><rdf:li>Ann</rdf:li></rdf:Seq></d:creator>
               <own:list><rdf:Seq><rdf:li>1/2</rdf:li><rdf:li>false</rdf:li></rdf:Seq></own:list>
               <own:link rdf:resource='http://x/'/>
               <own:qualified rdf:parseType='Resource'><rdf:value>v</rdf:value><own:q>q</own:q></own:qualified>
               <own:structure rdf:parseType='Resource'><own:a>1</own:a></own:structure>
               <own:structures><rdf:Bag><rdf:li rdf:parseType='Resource'><own:a>1</own:a></rdf:li></rdf:Bag></own:structures>
             </rdf:Description>
             <rdf:Description xmlns:xap='http://ns.adobe.com/xap/1.0/'><xap:Rating>3</xap:Rating><xap:Label>Red</xap:Label></rdf:Description>",
        );
        let expected = json!({
            "dc:title": "A & B!", "dc:description": "un", "dc:subject": ["one", "<two>"], "dc:creator": ["Ann"],
            "xmp:Rating": "5", "xmp:Label": "Red", "own:Flag": true, "exif:FNumber": 2.8, "exif:GPSLatitude": 44.6478,
            "exif:GPSLongitude": -10.925_416_666_666_665, "own:list": [0.5, false], "own:link": "http://x/",
            "own:qualified": "v",
        });
        assert_eq!((flat, warnings), (expected, vec![]));
    }

    #[test]
    fn damage_and_tricks_give_what_came_before() {
        let before = "<rdf:Description xmlns:a='http://a/'><a:b>1</a:b>";
        for (rest, damage) in [
            ("<a:c>2</a:x>", "XMP: "),
            ("<a:c", "XMP: "),
            (&"<a:c>".repeat(10_000), "XMP: its elements are too deep"),
            (&"<a:c/>".repeat(30_000), "XMP: it has too many parts"),
        ] {
            let (flat, warnings) = read_flat(&format!("{before}{rest}"));
            assert_eq!(flat["a:b"], "1", "{rest:.20}");
            assert!(warnings[0].starts_with(damage), "{warnings:?}");
        }
        let laughs =
            "<!DOCTYPE lolz [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><rdf:Description xmlns:a='http://a/' a:b='&b;'/>";
        let mut warnings = Warnings::default();
        assert_eq!(read(&[laughs.as_bytes().into()], &mut warnings), None);
        assert!(warnings.into_vec()[0].contains("document type"));
        let (flat, _) =
            read_flat("<rdf:Description xmlns:a='http://a/' a:b='&c; &lt;'><a:d>&e;</a:d></rdf:Description>");
        assert_eq!(flat, json!({"a:b": "&c; &lt;", "a:d": "&e;"}));
        assert_eq!(read_flat("").0, Value::Null);
    }

    #[test]
    fn packets_can_be_utf_16() {
        let text = "<r xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:a='http://a/' a:b='é'/></r>";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_be_bytes)
            .collect();
        for bytes in [little, big, [text.as_bytes(), &[0; 9]].concat()] {
            let xmp = read(&[bytes.into()], &mut Warnings::default()).unwrap();
            assert_eq!(xmp.flat["a:b"], "é");
        }
    }
}
