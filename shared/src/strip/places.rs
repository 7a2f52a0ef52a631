//! Names of fields that tell a place.

/// The starts of words that tell a place, whatever follows: vendors misspell them.
const STARTS: [&str; 13] = [
    "gps", "geocod", "geograph", "geohash", "geoloc", "geotag", "latit", "longi", "longt", "altit", "city", "countr",
    "location",
];

/// Whole words that tell a place.
const WORDS: [&str; 8] = ["geo", "lat", "lon", "lng", "long", "province", "state", "sublocation"];

/// Whether the local name of a property, or a keyword, tells a place.
pub fn tells_place(name: &str) -> bool {
    words(name).any(|word| {
        let word = word.to_ascii_lowercase();
        WORDS.contains(&word.as_str()) || STARTS.iter().any(|start| word.starts_with(start))
    })
}

/// The words of a name: `GPSLatitude` is `GPS` and `Latitude`, `gps_lat` is `gps` and `lat`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let bytes = name.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        while start < bytes.len() && !bytes[start].is_ascii_alphanumeric() {
            start += 1;
        }
        if start == bytes.len() {
            return None;
        }
        let mut end = start + 1;
        while end < bytes.len() && !is_boundary(bytes, end) {
            end += 1;
        }
        let word = name.get(start..end);
        start = end;
        Some(word.unwrap_or_default())
    })
}

/// Whether a word ends before this byte.
fn is_boundary(bytes: &[u8], at: usize) -> bool {
    let (before, here) = (bytes[at - 1], bytes[at]);
    let ends_capitals = || here.is_ascii_uppercase() && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
    !here.is_ascii_alphanumeric()
        || here.is_ascii_digit() != before.is_ascii_digit()
        || before.is_ascii_lowercase() && here.is_ascii_uppercase()
        || before.is_ascii_uppercase() && ends_capitals()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_by_words() {
        for name in [
            "GPSLatitude",
            "GpsLongtitude",
            "AbsoluteAltitude",
            "RtkStdLat",
            "lat",
            "MAPLatitude",
            "City",
            "CountryCode",
            "State",
            "ProvinceState",
            "LocationShown",
            "Sublocation",
            "geo:long",
            "gps_lat",
            "Geotag",
        ] {
            assert!(tells_place(name), "{name}");
        }
        for name in [
            "Platform",
            "DocumentStates",
            "Translation",
            "AltTextAccessibility",
            "FlatField",
            "Keywords",
            "Longevity2",
            "é",
            "",
            "CalculatedLatency",
            "Geometry",
        ] {
            assert!(!tells_place(name), "{name}");
        }
    }
}
