//! IPTC without places, and IPTC that holds a few fields alone.

use crate::metadata::iptc::{APPLICATION, Datasets, MARKER};

/// `ContentLocationCode` and `ContentLocationName`, `City`, `Sub-location`, `Province-State`, and the code and the name of
/// the country.
const PLACES: [u8; 7] = [26, 27, 90, 92, 95, 100, 101];

/// `By-line`, `Credit` and `CopyrightNotice`.
const COPYRIGHT: [u8; 3] = [80, 110, 116];

/// The envelope record has the encoding of texts.
const ENVELOPE: u8 = 1;
const CODED_CHARACTER_SET: u8 = 90;

/// The fields that tell no place. What follows damage is left out.
pub fn without_places(block: &[u8]) -> Vec<u8> {
    only(block, |record, number| {
        record != APPLICATION || !PLACES.contains(&number)
    })
}

/// The fields of the copyright, with the encoding of their texts. Empty if there are none.
pub fn copyright(block: &[u8]) -> Vec<u8> {
    let is_one = |number| COPYRIGHT.contains(&number);
    if !Datasets::new(block).any(|set| set.record == APPLICATION && is_one(set.number)) {
        return Vec::new();
    }
    only(block, |record, number| match record {
        ENVELOPE => number == CODED_CHARACTER_SET,
        APPLICATION => is_one(number),
        _ => false,
    })
}

fn only(block: &[u8], is_kept: impl Fn(u8, u8) -> bool) -> Vec<u8> {
    let kept = Datasets::new(block).filter(|set| is_kept(set.record, set.number));
    kept.flat_map(|set| set.whole).copied().collect()
}

/// Whether a block begins like one.
pub fn is_block(bytes: &[u8]) -> bool {
    bytes.first() == Some(&MARKER)
}
