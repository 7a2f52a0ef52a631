use std::fmt::Write as _;
use std::time::Duration;

/// A number with a comma after each three digits.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun, which gets an `s` unless the number is one.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A time, with two units at most.
#[must_use]
pub fn time(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..10 => format!("{:.1} s", milliseconds as f64 / 1e3),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// The same for seconds.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    self::time(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// A number of bytes, in units of 1,000.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["bytes", "KB", "MB", "GB", "TB"] {
        if size < 999.5 {
            let decimals = usize::from(size < 9.95 && unit != "bytes");
            return format!("{size:.decimals$} {unit}");
        }
        size /= 1_000.0;
    }
    format!("{size:.1} PB")
}

/// US dollars, with more decimals for small sums.
#[must_use]
pub fn dollars(dollars: f64) -> String {
    let decimals = if dollars >= 1.0 { 2 } else { 4 };
    format!("${dollars:.decimals$}")
}

/// A text from a stranger as one line. Characters that control a terminal, end a line, change the direction of writing or
/// are invisible are shown as `\u{..}`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if deceives(character) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Unicode Technical Report 36, "Unicode Security Considerations": bidirectional controls and invisible characters.
fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(counted(1, "image"), "1 image");
        assert_eq!(counted(2_000, "image"), "2,000 images");
        assert_eq!(
            [7, 1_250, 59_000, 61_000, 7_260_000, 90_000_000].map(time),
            ["7 ms", "1.2 s", "59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]
        );
        assert_eq!([-1.0, 0.5, 61.2].map(seconds), ["0 ms", "500 ms", "1 min 1 s"]);
        assert_eq!(
            [12, 1_400, 999_600, 15_200_000_000].map(bytes),
            ["12 bytes", "1.4 KB", "1.0 MB", "15 GB"]
        );
        assert_eq!([0.001_23, 12.345].map(dollars), ["$0.0012", "$12.35"]);
    }

    #[test]
    fn nothing_in_a_key_controls_a_terminal_or_the_direction() {
        assert_eq!(visible("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\u{a}");
        assert_eq!(visible("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
        assert_eq!(visible("é 日 👨‍👩‍👧"), "é 日 👨‍👩‍👧");
    }
}
