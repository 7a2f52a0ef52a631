//! The name of an ICC profile: its description (ICC.1:2022, 9.2.41 and 10.15; ICC.1:2001-04, 6.5.17).

use encoding_rs::WINDOWS_1252;

/// The header of a profile, and an entry of its tag table.
const HEADER_BYTES: usize = 128;
const ENTRY_BYTES: usize = 12;

/// The most tags that are looked at. Real profiles have fewer than 30.
const MAX_TAGS: usize = 256;

/// The most languages of a name that are looked at.
const MAX_RECORDS: usize = 256;

/// The description of a profile, or of the front of one. `None` if it has none, or ends before it.
pub fn description(profile: &[u8]) -> Option<String> {
    let count = number(profile, HEADER_BYTES)?.min(MAX_TAGS);
    let table = profile.get(HEADER_BYTES + 4..)?;
    let entry = table
        .chunks_exact(ENTRY_BYTES)
        .take(count)
        .find(|entry| entry.starts_with(b"desc"))?;
    let (start, length) = (number(entry, 4)?, number(entry, 8)?);
    let tag = profile.get(start..)?;
    let tag = &tag[..length.min(tag.len())];
    let text = match tag.get(..4)? {
        // An ASCII text with its length.
        b"desc" => {
            let length = number(tag, 8)?;
            let text = tag.get(12..)?;
            let text = &text[..length.min(text.len())];
            let text = text.split(|&byte| byte == 0).next()?;
            match std::str::from_utf8(text) {
                Ok(text) => text.to_owned(),
                Err(_) => WINDOWS_1252.decode_without_bom_handling(text).0.into_owned(),
            }
        }
        b"mluc" => localised(tag)?,
        _ => return None,
    };
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.to_owned())
}

/// A text in several languages: the English one of the United States, or another English one, or the first.
fn localised(tag: &[u8]) -> Option<String> {
    let (count, size) = (number(tag, 8)?.min(MAX_RECORDS), number(tag, 12)?);
    if size < 12 {
        return None;
    }
    let records = || tag.get(16..).unwrap_or_default().chunks_exact(size).take(count);
    let record = records()
        .find(|record| record.starts_with(b"enUS"))
        .or_else(|| records().find(|record| record.starts_with(b"en")))
        .or_else(|| records().next())?;
    let (length, start) = (number(record, 4)?, number(record, 8)?);
    let text = tag.get(start..)?;
    let units = text[..length.min(text.len())]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u16::from_be_bytes(*pair));
    Some(
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A profile with one tag.
    fn profile(tag: &[u8]) -> Vec<u8> {
        let mut profile = vec![0; HEADER_BYTES];
        profile.extend([0, 0, 0, 1]);
        profile.extend(b"desc");
        profile.extend([0, 0, 0, 144]);
        profile.extend(u32::try_from(tag.len()).unwrap().to_be_bytes());
        profile.extend(tag);
        profile
    }

    fn mluc(texts: &[(&str, &str)]) -> Vec<u8> {
        let mut tag = b"mluc\0\0\0\0".to_vec();
        tag.extend(u32::try_from(texts.len()).unwrap().to_be_bytes());
        tag.extend([0, 0, 0, 12]);
        let mut strings = Vec::new();
        for (language, text) in texts {
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            tag.extend(language.as_bytes());
            tag.extend(u32::try_from(units.len()).unwrap().to_be_bytes());
            tag.extend(
                u32::try_from(16 + 12 * texts.len() + strings.len())
                    .unwrap()
                    .to_be_bytes(),
            );
            strings.extend(units);
        }
        [tag, strings].concat()
    }

    #[test]
    fn the_name_is_found_in_both_forms() {
        let old = profile(b"desc\0\0\0\0\0\0\0\x06sRGB \0rest");
        assert_eq!(description(&old).as_deref(), Some("sRGB"));
        for (texts, name) in [
            (&[("deDE", "Bildschirm"), ("enUS", "Display P3")][..], "Display P3"),
            (&[("deDE", "Bildschirm"), ("enGB", "Screen")], "Screen"),
            (&[("jaJP", "画面")], "画面"),
        ] {
            assert_eq!(description(&profile(&mluc(texts))).as_deref(), Some(name));
        }
    }

    #[test]
    fn every_prefix_of_a_profile_is_survived() {
        for whole in [
            profile(b"desc\0\0\0\0\0\0\0\x06sRGB \0rest"),
            profile(&mluc(&[("enUS", "Display P3")])),
        ] {
            for end in 0..whole.len() {
                description(&whole[..end]);
            }
            for at in 0..whole.len() {
                let mut wild = whole.clone();
                wild[at] = 0xFF;
                description(&wild);
            }
        }
    }
}
