//! Huffman codes made for the symbols of one picture (T.81, K.2).

/// How often each symbol occurs.
#[derive(Clone, Debug)]
pub struct Frequencies([u32; 256]);

impl Default for Frequencies {
    fn default() -> Self {
        Self([0; 256])
    }
}

/// The longest code that a file may use.
const MAX_LENGTH: usize = 16;

/// The longest code that 257 symbols can have.
const MAX_TREE: usize = 257;

impl Frequencies {
    #[inline]
    pub fn add(&mut self, symbol: u8) {
        self.0[usize::from(symbol)] += 1;
    }

    /// The code that makes these symbols shortest.
    pub fn optimal_code(&self) -> Code {
        let lengths = self.code_lengths();
        let mut symbols: Vec<(usize, u8)> = Vec::new();
        for symbol in 0..=255_u8 {
            let length = lengths[usize::from(symbol)];
            if length > 0 {
                symbols.push((length, symbol));
            }
        }
        // Shorter codes are for the symbols that had shorter codes before the lengths were limited.
        symbols.sort_unstable();
        Code::new(
            limited(&lengths),
            symbols.into_iter().map(|(_, symbol)| symbol).collect(),
        )
    }

    /// The length of the code of each symbol (T.81, figure K.1). The 257th symbol keeps the code of ones free.
    fn code_lengths(&self) -> [usize; MAX_TREE] {
        let mut frequencies = [0_u64; MAX_TREE];
        for (frequency, &count) in frequencies.iter_mut().zip(&self.0) {
            *frequency = count.into();
        }
        frequencies[256] = 1;
        let mut lengths = [0; MAX_TREE];
        let mut next: [Option<usize>; MAX_TREE] = [None; MAX_TREE];
        loop {
            let Some((least, second)) = two_least(&frequencies) else {
                return lengths;
            };
            frequencies[least] += std::mem::take(&mut frequencies[second]);
            // All symbols of both trees get a bit more, and the second tree is appended to the first.
            let mut at = least;
            lengths[at] += 1;
            while let Some(following) = next[at] {
                at = following;
                lengths[at] += 1;
            }
            next[at] = Some(second);
            let mut at = second;
            lengths[at] += 1;
            while let Some(following) = next[at] {
                at = following;
                lengths[at] += 1;
            }
        }
    }
}

/// The two symbols that occur least. Of equal ones, the higher symbols.
fn two_least(frequencies: &[u64; MAX_TREE]) -> Option<(usize, usize)> {
    let (mut least, mut second) = (None, None);
    for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency > 0) {
        let candidate = Some((frequency, symbol));
        let is_less = |other: Option<(u64, usize)>| other.is_none_or(|(least, _)| frequency <= least);
        if is_less(least) {
            (least, second) = (candidate, least);
        } else if is_less(second) {
            second = candidate;
        }
    }
    Some((least?.1, second?.1))
}

/// How many codes each length has, with none longer than 16 bits (T.81, figure K.3).
fn limited(lengths: &[usize; MAX_TREE]) -> [u8; MAX_LENGTH] {
    let mut counts = [0_usize; MAX_TREE + 1];
    for &length in lengths.iter().filter(|&&length| length > 0) {
        counts[length] += 1;
    }
    for length in (MAX_LENGTH + 1..=MAX_TREE).rev() {
        while counts[length] > 0 {
            // Two codes of this length become one that is a bit shorter, and a shorter code becomes two.
            let shorter = (1..length - 1).rev().find(|&shorter| counts[shorter] > 0).unwrap_or(1);
            counts[length] -= 2;
            counts[length - 1] += 1;
            counts[shorter + 1] += 2;
            counts[shorter] -= 1;
        }
    }
    // The code of ones stays free.
    if let Some(longest) = (1..=MAX_LENGTH).rev().find(|&length| counts[length] > 0) {
        counts[longest] -= 1;
    }
    std::array::from_fn(|index| counts[index + 1] as u8)
}

/// A Huffman code.
#[derive(Clone, Debug)]
pub struct Code {
    /// How many codes each length from 1 to 16 has, and their symbols: the content of a DHT segment.
    pub counts: [u8; MAX_LENGTH],
    pub symbols: Vec<u8>,
    /// The code of each symbol, and its length.
    codes: [(u32, u32); 256],
}

impl Code {
    fn new(counts: [u8; MAX_LENGTH], symbols: Vec<u8>) -> Self {
        let mut codes = [(0, 0); 256];
        let mut next = 0;
        let mut rest = symbols.iter();
        for (&count, length) in counts.iter().zip(1..) {
            for &symbol in rest.by_ref().take(count.into()) {
                codes[usize::from(symbol)] = (next, length);
                next += 1;
            }
            next <<= 1;
        }
        Self { counts, symbols, codes }
    }

    /// The code of a symbol, and its length in bits.
    #[inline]
    pub fn of(&self, symbol: u8) -> (u32, u32) {
        self.codes[usize::from(symbol)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(frequencies: impl IntoIterator<Item = (u8, u32)>) -> (Code, f64) {
        let mut all = Frequencies::default();
        let (mut total, mut bits) = (0.0, 0.0);
        for (symbol, frequency) in frequencies {
            all.0[usize::from(symbol)] = frequency;
        }
        let code = all.optimal_code();
        for (symbol, &frequency) in (0..=255).zip(&all.0) {
            total += f64::from(frequency);
            bits += f64::from(frequency) * f64::from(code.of(symbol).1);
        }
        (code, bits / total)
    }

    #[test]
    fn frequent_symbols_have_short_codes() {
        // The best code without the reserved one has 1.75 bits per symbol.
        let (code, mean) = code([(7, 50), (3, 25), (200, 13), (0, 12)]);
        assert_eq!(code.symbols, [7, 3, 200, 0]);
        assert_eq!(code.counts[..4], [1, 1, 1, 1]);
        assert!(mean < 1.9, "{mean}");
        assert_eq!(
            [7, 3, 200, 0].map(|symbol| code.of(symbol)),
            [(0, 1), (0b10, 2), (0b110, 3), (0b1110, 4)]
        );
    }

    #[test]
    fn no_code_is_longer_than_16_bits_or_all_ones() {
        // Frequencies like these make the longest codes.
        let mut fibonacci = (1, 1);
        let (code, _) = code((0..40).map(|symbol| {
            fibonacci = (fibonacci.1, fibonacci.0 + fibonacci.1);
            (symbol, fibonacci.0)
        }));
        assert_eq!(code.symbols.len(), 40);
        let mut sum = 0;
        for symbol in 0..40 {
            let (bits, length) = code.of(symbol);
            assert!((1..=16).contains(&length), "{length}");
            assert!(bits < (1 << length) - 1, "{bits:b}");
            sum += 1_u32 << (16 - length);
        }
        // No code is the front of another one, and one is free.
        assert!(sum < 1 << 16);
        let (alone, _) = self::code([(9, 5)]);
        assert_eq!(alone.of(9), (0, 1));
        assert!(self::code([]).0.symbols.is_empty());
    }
}
