//! Text out of EXIF values.

/// UTF-8 as it is; any other bytes as Latin-1, which older cameras and Windows programs wrote.
pub fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// Text up to the first NUL without the padding around it; `None` when nothing is left.
pub fn clean(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let text = decode(&bytes[..end]);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// UTF-16, little-endian, as the `XP*` tags of Windows hold it.
pub fn utf16_le(bytes: &[u8]) -> Option<String> {
    let (pairs, _) = bytes.as_chunks::<2>();
    utf16(pairs.iter().map(|&pair| u16::from_le_bytes(pair)))
}

fn utf16(units: impl Iterator<Item = u16>) -> Option<String> {
    let text: String = char::decode_utf16(units.take_while(|&unit| unit != 0))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A value that starts with one of EXIF's eight-byte character codes (CIPA DC-008, table 9).
pub fn with_character_code(bytes: &[u8], little_endian: bool) -> Option<String> {
    let (code, rest) = bytes.split_first_chunk::<8>()?;
    match code {
        b"UNICODE\0" => {
            let (pairs, _) = rest.as_chunks::<2>();
            let unit = if little_endian {
                u16::from_le_bytes
            } else {
                u16::from_be_bytes
            };
            utf16(pairs.iter().map(|&pair| unit(pair)))
        }
        b"ASCII\0\0\0" | b"\0\0\0\0\0\0\0\0" => clean(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_goes_and_bytes_stay() {
        for (bytes, text) in [
            (&b"Canon\0\0\0"[..], Some("Canon")),
            (b"  NIKON  ", Some("NIKON")),
            (b"caf\xC3\xA9", Some("café")),
            (b"caf\xE9", Some("café")),
            (b"\0rest", None),
            (b"   ", None),
        ] {
            assert_eq!(clean(bytes).as_deref(), text, "{bytes:?}");
        }
    }

    #[test]
    fn character_codes_choose_the_encoding() {
        assert_eq!(
            with_character_code(b"ASCII\0\0\0hello\0", true).as_deref(),
            Some("hello")
        );
        assert_eq!(with_character_code(b"UNICODE\0h\0i\0", true).as_deref(), Some("hi"));
        assert_eq!(with_character_code(b"UNICODE\0\0h\0i", false).as_deref(), Some("hi"));
        assert_eq!(with_character_code(b"short", true), None);
        assert_eq!(utf16_le(b"h\0i\0\0\0x\0").as_deref(), Some("hi"));
    }
}
