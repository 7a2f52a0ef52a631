//! Markers, and the segments that some of them begin. Source: ITU-T T.81, annex B.

use std::ops::Range;

use crate::metadata::view::{FileView, MAX_STEPS, Missing};

/// ITU-T T.81, table B.1.
pub const TEM: u8 = 0x01;
pub const SOF0: u8 = 0xC0;
pub const DHT: u8 = 0xC4;
pub const JPG: u8 = 0xC8;
pub const DAC: u8 = 0xCC;
pub const SOF15: u8 = 0xCF;
pub const RST0: u8 = 0xD0;
pub const RST7: u8 = 0xD7;
pub const SOI: u8 = 0xD8;
pub const EOI: u8 = 0xD9;
pub const SOS: u8 = 0xDA;
pub const EXP: u8 = 0xDF;
pub const APP0: u8 = 0xE0;
pub const APP1: u8 = 0xE1;
pub const APP2: u8 = 0xE2;
pub const APP12: u8 = 0xEC;
pub const APP13: u8 = 0xED;
pub const APP14: u8 = 0xEE;
pub const APP15: u8 = 0xEF;
pub const COM: u8 = 0xFE;

/// Walks from marker to marker.
pub struct Markers<'a> {
    file: &'a FileView,
    at: u64,
    steps_left: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Marker {
    pub code: u8,
    /// Where its first byte is.
    pub start: u64,
}

impl<'a> Markers<'a> {
    pub fn new(file: &'a FileView, at: u64) -> Self {
        Self {
            file,
            at,
            steps_left: MAX_STEPS,
        }
    }

    /// The next marker. `None` if there were too many, or too much rubbish between them.
    pub fn next(&mut self) -> Result<Option<Marker>, Missing> {
        while self.steps_left > 0 {
            self.steps_left -= 1;
            let start = self.at;
            let [0xFF, code @ ..=0xFE] = self.file.array(start)? else {
                // T.81, B.1.1.2: fill bytes may come before a marker. Anything else is damage.
                self.at += 1;
                continue;
            };
            self.at += 2;
            return Ok(Some(Marker { code, start }));
        }
        Ok(None)
    }

    /// The content of the segment that a marker begins. The next marker comes after it.
    pub fn content(&mut self, marker: Marker) -> Result<Range<u64>, Missing> {
        let at = marker.start + 2;
        // The length counts its own two bytes.
        let length = u64::from(u16::from_be_bytes(self.file.array(at)?)).max(2);
        self.at = at + length;
        Ok(at + 2..self.at)
    }

    /// Goes on at another place.
    pub fn go_to(&mut self, at: u64) {
        self.at = at;
    }
}

impl Marker {
    /// Whether no segment follows.
    pub fn is_alone(self) -> bool {
        matches!(self.code, 0 | TEM | RST0..=EOI)
    }
}
