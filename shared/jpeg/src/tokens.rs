//! Coefficients as symbols (T.81, F.1.2), kept until the best codes for them are known.

use crate::optimal_code::{Code, Frequencies};

/// The four codes of a file: for DC and AC of luma, and for DC and AC of chroma.
pub const CODES: usize = 4;

/// A symbol, the code that it belongs to, and the bits behind it.
///
/// The bits are the highest 16; then 6 bits are unused, 2 have the number of the code, and 8 the symbol. How many bits
/// follow a symbol is in its lowest four bits.
#[derive(Clone, Copy, Debug)]
struct Token(u32);

/// The symbols of a whole picture.
#[derive(Debug, Default)]
pub struct Tokens {
    tokens: Vec<Token>,
    frequencies: [Frequencies; CODES],
}

/// The number of bits of a value (T.81, tables F.1 and F.2), and the bits.
#[inline]
fn sized(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = if value < 0 { value - 1 } else { value };
    (size, bits.cast_unsigned() & ((1 << size) - 1))
}

impl Tokens {
    #[inline]
    fn push(&mut self, code: usize, symbol: u32, bits: u32) {
        self.frequencies[code & 3].add(symbol as u8);
        self.tokens.push(Token(bits << 16 | (code as u32) << 8 | symbol));
    }

    /// Adds the coefficients of a block, in the order of the file. `previous` is the DC coefficient of the block before.
    #[inline]
    pub fn add_block(&mut self, coefficients: &[i16; 64], previous: &mut i16, is_chroma: bool) {
        let (dc, ac) = if is_chroma { (2, 3) } else { (0, 1) };
        let (size, bits) = sized(i32::from(coefficients[0]) - i32::from(*previous));
        *previous = coefficients[0];
        self.push(dc, size, bits);
        let mut last = 0;
        // Four coefficients at a time, because most are zero.
        for (four, start) in coefficients.as_chunks::<4>().0.iter().zip((0_u32..).step_by(4)) {
            let joined = four.map(i16::cast_unsigned).map(u64::from);
            let mut rest = joined[0] | joined[1] << 16 | joined[2] << 32 | joined[3] << 48;
            if start == 0 {
                rest &= !0xFFFF;
            }
            while rest != 0 {
                let lane = rest.trailing_zeros() / 16;
                let value = ((rest >> (lane * 16)) as u16).cast_signed();
                rest &= !(0xFFFF << (lane * 16));
                let index = start + lane;
                let mut run = index - last - 1;
                while run > 15 {
                    self.push(ac, 0xF0, 0);
                    run -= 16;
                }
                let (size, bits) = sized(value.into());
                self.push(ac, run << 4 | size, bits);
                last = index;
            }
        }
        if last < 63 {
            self.push(ac, 0, 0);
        }
    }

    /// The best codes for these symbols.
    pub fn codes(&self) -> [Code; CODES] {
        std::array::from_fn(|code| self.frequencies[code].optimal_code())
    }

    /// Appends the entropy-coded data of all symbols.
    pub fn write(&self, codes: &[Code; CODES], output: &mut Vec<u8>) {
        let mut bits = 0_u64;
        let mut count = 0;
        for &Token(token) in &self.tokens {
            let (code, length) = codes[(token >> 8 & 3) as usize].of(token as u8);
            let size = token & 15;
            bits = bits << length | u64::from(code);
            bits = bits << size | u64::from(token >> 16);
            count += length + size;
            if count >= 32 {
                count -= 32;
                append((bits >> count) as u32, output);
            }
        }
        // Ones fill the last byte (T.81, F.1.2.3).
        let padding = 7 - (count + 7) % 8;
        bits = bits << padding | ((1 << padding) - 1);
        count += padding;
        while count > 0 {
            count -= 8;
            append_byte((bits >> count) as u8, output);
        }
    }
}

#[inline]
fn append(word: u32, output: &mut Vec<u8>) {
    // Whether a byte of the complement is zero.
    let other = !word;
    if other.wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
        output.extend_from_slice(&word.to_be_bytes());
    } else {
        for byte in word.to_be_bytes() {
            append_byte(byte, output);
        }
    }
}

/// A byte 0xFF is followed by 0 (T.81, F.1.2.3).
#[inline]
fn append_byte(byte: u8, output: &mut Vec<u8>) {
    output.push(byte);
    if byte == 0xFF {
        output.push(0);
    }
}
