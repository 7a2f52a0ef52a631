//! Text from EXIF values.

use std::collections::BTreeSet;

use encoding_rs::{ISO_2022_JP, WINDOWS_1252};

/// The bytes of a text, up to its first NUL.
fn stored(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Text up to the first NUL, without the padding around it. `None` if nothing is left.
///
/// Bytes that are not UTF-8 are read as Windows-1252, which older cameras and programs wrote.
pub fn clean(bytes: &[u8]) -> Option<String> {
    clean_or_warn(bytes, &mut |_: &str| ())
}

/// Like [`clean`], with a warning if the text is not UTF-8.
pub fn clean_or_warn(bytes: &[u8], warn: &mut impl FnMut(&str)) -> Option<String> {
    let bytes = stored(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return trimmed(text);
    }
    warn("not UTF-8, read as Windows-1252");
    trimmed(&WINDOWS_1252.decode_without_bom_handling(bytes).0)
}

fn trimmed(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Little-endian UTF-16, as in the `XP*` tags of Windows.
pub fn utf16_le(bytes: &[u8]) -> Option<String> {
    utf16(bytes, u16::from_le_bytes)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, _) = bytes.as_chunks();
    let units = pairs.iter().map(|&pair| unit(pair)).take_while(|&unit| unit != 0);
    let text: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    trimmed(text.trim_start_matches('\u{FEFF}'))
}

/// A text that starts with one of EXIF's eight-byte character codes (CIPA DC-008, 4.6.6.9).
///
/// Some writers pad the code with blanks, or leave it out.
pub fn with_character_code(bytes: &[u8], little_endian: bool, warn: &mut impl FnMut(&str)) -> Option<String> {
    let (code, rest) = bytes.split_first_chunk::<8>().unwrap_or((b"ASCII\0\0\0", bytes));
    let name = code.trim_ascii_end();
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    match name {
        b"ASCII" | b"" => clean_or_warn(rest, warn),
        b"UNICODE" => {
            let little_endian = is_little_endian(rest).unwrap_or(little_endian);
            utf16(
                rest,
                if little_endian {
                    u16::from_le_bytes
                } else {
                    u16::from_be_bytes
                },
            )
        }
        b"JIS" => {
            let (text, broken) = ISO_2022_JP.decode_without_bom_handling(stored(rest));
            if broken {
                warn("some of its bytes are not JIS");
            }
            trimmed(&text)
        }
        _ => {
            warn("no character code");
            clean_or_warn(bytes, warn).filter(|text| text.chars().all(|c| !c.is_control() || c.is_whitespace()))
        }
    }
}

/// The byte order of UTF-16, which can differ from that of the EXIF block around it.
///
/// A byte order mark decides, or else which half of the units is mostly zero, or else which half varies less.
fn is_little_endian(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0xFF, 0xFE, ..] => return Some(true),
        [0xFE, 0xFF, ..] => return Some(false),
        _ => {}
    }
    let (pairs, _) = bytes.as_chunks::<2>();
    let little = pairs.iter().filter(|[low, high]| *low != 0 && *high == 0).count();
    let big = pairs.iter().filter(|[high, low]| *low != 0 && *high == 0).count();
    if little == big {
        let distinct = |half: usize| pairs.iter().map(|pair| pair[half]).collect::<BTreeSet<u8>>().len();
        let (first, second) = (distinct(0), distinct(1));
        return (first != second).then_some(second < first);
    }
    Some(little > big)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_removed_and_text_is_kept() {
        for (bytes, text) in [
            (&b"Canon\0\0\0"[..], Some("Canon")),
            (b"  NIKON  ", Some("NIKON")),
            (b"caf\xC3\xA9", Some("café")),
            (b"caf\xE9 \x80", Some("café €")),
            (b"\0rest", None),
            (b"   ", None),
        ] {
            assert_eq!(clean(bytes).as_deref(), text, "{bytes:?}");
        }
    }

    #[test]
    fn character_codes_choose_the_encoding() {
        for (bytes, text, warned) in [
            (&b"ASCII\0\0\0hello\0"[..], Some("hello"), false),
            (b"ASCII   hello", Some("hello"), false),
            (b"ASCII\0\0\0caf\xE9", Some("café"), true),
            (b"\0\0\0\0\0\0\0\0hello", Some("hello"), false),
            (b"UNICODE\0h\0i\0", Some("hi"), false),
            (b"UNICODE\0\0h\0i", Some("hi"), false),
            (b"UNICODE\0\xFE\xFF\0h\0i", Some("hi"), false),
            // Both orders are equally likely, so that of the block counts.
            (b"UNICODE\0\x42\x30", Some("あ"), false),
            (b"JIS\0\0\0\0\0\x1B$B$\"\x1B(B", Some("あ"), false),
            (b"a comment without\na code", Some("a comment without\na code"), true),
            (b"sans code caf\xE9", Some("sans code café"), true),
            // Hiragana and an ideograph, without a zero that shows the order.
            (b"UNICODE\0\x30\x42\x30\x44\x30\x46\x6F\x22", Some("あいう漢"), false),
            (b"\x01\x02\x03\x04\x05\x06\x07\x08\x09", None, true),
            (b"short", Some("short"), false),
            (b"UNICODE\0", None, false),
            (b"", None, false),
        ] {
            let mut warnings = 0;
            let found = with_character_code(bytes, true, &mut |_: &str| warnings += 1);
            assert_eq!(found.as_deref(), text, "{bytes:?}");
            assert_eq!(warnings > 0, warned, "{bytes:?}");
        }
        assert_eq!(utf16_le(b"h\0i\0\0\0x\0").as_deref(), Some("hi"));
    }
}
