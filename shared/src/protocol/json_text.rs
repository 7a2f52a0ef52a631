//! The size of a text as JSON.

/// How many bytes a character takes in a JSON string, as `serde_json` writes it.
fn character(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

/// How many bytes a text takes in a JSON string, without the quotes.
#[must_use]
pub fn size(text: &str) -> usize {
    text.chars().map(character).sum()
}

/// The beginning of a text that takes at most `max` bytes in a JSON string.
#[must_use]
pub fn cut(text: &str, max: usize) -> &str {
    let mut size = 0;
    let end = text.char_indices().find(|&(_, next)| {
        size += character(next);
        size > max
    });
    end.map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_serde_json() {
        for text in [
            "",
            "plain",
            "a\"b\\c",
            "\u{0}\u{8}\u{9}\u{a}\u{c}\u{d}\u{1f}\u{7f}",
            "é日😀",
        ] {
            let json = serde_json::to_string(text).unwrap_or_default();
            assert_eq!(size(text) + 2, json.len(), "{json}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("a\u{1}b", 6), "a");
        assert_eq!(cut("", 0), "");
    }
}
