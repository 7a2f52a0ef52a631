//! What the picture shows, and whose it is. A record has one answer, although EXIF, XMP and IPTC may each have another.

use serde::Serialize;
use serde_json::{Number, Value};

use super::Sources;
use super::boilerplate::is_boilerplate;
use crate::metadata::tiff::table::Table;
use crate::metadata::xmp::Node;

/// Tags of Windows and of Exif 3.0, and where they are.
const XP_TITLE: u16 = 0x9C9B;
const XP_COMMENT: u16 = 0x9C9C;
const XP_AUTHOR: u16 = 0x9C9D;
const XP_KEYWORDS: u16 = 0x9C9E;
const IMAGE_DESCRIPTION: u16 = 0x010E;
const ARTIST: u16 = 0x013B;
const RATING: u16 = 0x4746;
const IMAGE_TITLE: u16 = 0xA436;
const PHOTOGRAPHER: u16 = 0xA437;

/// The reconciled description of an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Description {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub creators: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copyright: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sublocation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
}

/// `None` if the blocks say nothing.
pub fn of(sources: &Sources<'_>) -> Option<Description> {
    let xmp_or_iptc = |xmp: Option<&str>, iptc: &str| sources.one(xmp, sources.iptc(iptc));
    let caption = sources
        .tag(Table::Ifd0, IMAGE_DESCRIPTION)
        .filter(|caption| !is_boilerplate(caption));
    let artists = sources
        .tag(Table::Ifd0, ARTIST)
        .map(split)
        .filter(|artists| !artists.is_empty());
    let description = Description {
        title: xmp_or_iptc(sources.xmp("dc:title"), "ObjectName")
            .or_else(|| sources.tag(Table::Ifd0, XP_TITLE).map(str::to_owned))
            .or_else(|| sources.tag(Table::Exif, IMAGE_TITLE).map(str::to_owned)),
        description: caption
            .map(str::to_owned)
            .or_else(|| xmp_or_iptc(sources.xmp("dc:description"), "Caption-Abstract"))
            .or_else(|| sources.tag(Table::Ifd0, XP_COMMENT).map(str::to_owned)),
        keywords: sources
            .many("dc:subject", "Keywords")
            .or_else(|| sources.tag(Table::Ifd0, XP_KEYWORDS).map(split))
            .unwrap_or_default(),
        creators: artists
            .or_else(|| sources.many("dc:creator", "By-line"))
            .or_else(|| sources.tag(Table::Ifd0, XP_AUTHOR).map(split))
            .or_else(|| sources.tag(Table::Exif, PHOTOGRAPHER).map(|one| vec![one.to_owned()]))
            .unwrap_or_default(),
        copyright: sources
            .exif
            .and_then(|exif| exif.copyright.clone())
            .or_else(|| xmp_or_iptc(sources.xmp("dc:rights"), "CopyrightNotice")),
        headline: xmp_or_iptc(sources.xmp("photoshop:Headline"), "Headline"),
        credit: xmp_or_iptc(sources.xmp("photoshop:Credit"), "Credit"),
        city: xmp_or_iptc(sources.place("City", "photoshop:City"), "City"),
        state: xmp_or_iptc(sources.place("ProvinceState", "photoshop:State"), "Province-State"),
        country: xmp_or_iptc(
            sources.place("CountryName", "photoshop:Country"),
            "Country-PrimaryLocationName",
        ),
        sublocation: xmp_or_iptc(sources.place("Sublocation", "Iptc4xmpCore:Location"), "Sub-location"),
        rating: sources.rating(),
        people: people(sources),
    };
    (description != Description::default()).then_some(description)
}

/// Names in one text, with semicolons between them.
fn split(text: &str) -> Vec<String> {
    let names = text.split(';').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl Sources<'_> {
    /// The value of XMP or of IPTC. IPTC wins if it was edited later, unless it is only the beginning of the other.
    fn one(&self, xmp: Option<&str>, iptc: Option<&str>) -> Option<String> {
        let blank = |text: &&str| !text.trim().is_empty();
        let chosen = match (xmp.filter(blank), iptc.filter(blank)) {
            (Some(xmp), Some(iptc)) if self.iptc_is_newer && !begins(xmp, iptc) => iptc,
            (Some(xmp), _) => xmp,
            (None, iptc) => iptc?,
        };
        Some(chosen.to_owned())
    }

    /// The same for lists. `None` if there is none.
    fn many(&self, xmp: &str, iptc: &str) -> Option<Vec<String>> {
        let property = self.xmp.and_then(|block| block.properties.get(xmp));
        let of_xmp: Vec<&str> = match property {
            Some(Node::Items(items)) => items.iter().filter_map(Node::text).collect(),
            Some(node) => node.text().into_iter().collect(),
            None => Vec::new(),
        };
        let of_iptc: Vec<&str> = match self.iptc.and_then(|block| block.get(iptc)) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let begins_all =
            || of_xmp.len() == of_iptc.len() && of_xmp.iter().zip(&of_iptc).all(|(xmp, iptc)| begins(xmp, iptc));
        let chosen = if of_xmp.is_empty() || self.iptc_is_newer && !of_iptc.is_empty() && !begins_all() {
            of_iptc
        } else {
            of_xmp
        };
        (!chosen.is_empty()).then(|| chosen.into_iter().map(str::to_owned).collect())
    }

    /// A part of the place that is shown, or else an older property.
    fn place(&self, field: &str, older: &str) -> Option<&str> {
        let shown = self.xmp?.properties.get("Iptc4xmpExt:LocationShown");
        let places = match shown {
            Some(Node::Items(places)) => places.as_slice(),
            Some(place) => std::slice::from_ref(place),
            None => &[],
        };
        let field = format!("Iptc4xmpExt:{field}");
        let mut parts = places.iter().filter_map(|place| match place {
            Node::Fields(fields) => fields.get(&field)?.text().filter(|text| !text.trim().is_empty()),
            _ => None,
        });
        parts.next().or_else(|| self.xmp(older))
    }

    fn rating(&self) -> Option<Number> {
        let of_xmp = self.xmp("xmp:Rating").and_then(|text| text.trim().parse::<f64>().ok());
        of_xmp.and_then(crate::metadata::exif::number_json).or_else(|| {
            match self.tags.get(&Table::Ifd0.tag(RATING))? {
                Value::Number(number) => Some(number.clone()),
                _ => None,
            }
        })
    }
}

/// Whether a text of IPTC, whose length is limited, is the beginning of another one.
fn begins(whole: &str, start: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<&str>>().join(" ");
    plain(whole).starts_with(&plain(start))
}

/// The names of faces, and of people that are shown. Each is named once.
fn people(sources: &Sources<'_>) -> Vec<String> {
    let Some(xmp) = sources.xmp else {
        return Vec::new();
    };
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: Option<&str>| {
        if let Some(name) = name.map(str::trim).filter(|name| !name.is_empty())
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    };
    for region in list(xmp.properties.get("mwg-rs:Regions"), "mwg-rs:RegionList") {
        let text = |name: &str| region.get(name).and_then(Node::text);
        if text("mwg-rs:Type").is_none_or(|kind| kind == "Face") {
            add(text("mwg-rs:Name"));
        }
    }
    for region in list(xmp.properties.get("MP:RegionInfo"), "MPRI:Regions") {
        add(region.get("MPReg:PersonDisplayName").and_then(Node::text));
    }
    match xmp.properties.get("Iptc4xmpExt:PersonInImage") {
        Some(Node::Items(people)) => people.iter().for_each(|one| add(one.text())),
        Some(one) => add(one.text()),
        None => {}
    }
    names
}

/// The structures in a list, which is a field of a structure.
fn list<'a>(
    structure: Option<&'a Node>,
    field: &str,
) -> impl Iterator<Item = &'a std::collections::BTreeMap<String, Node>> {
    let items = match structure {
        Some(Node::Fields(fields)) => match fields.get(field) {
            Some(Node::Items(items)) => items.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    items.iter().filter_map(|item| match item {
        Node::Fields(fields) => Some(fields),
        _ => None,
    })
}
