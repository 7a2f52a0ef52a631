//! Huffman codes (T.81, annex C and F.2.2), as tables that are looked up with the next bits of the data.

/// The bits with which [`AcTable`] and [`DcTable`] are looked up. Most codes and their values are not longer.
const LOOKUP: u32 = 10;
/// The bits with which symbols are skipped. More bits hold more symbols.
const SKIP: u32 = 11;

/// A code that is longer than the look-up: found by its length.
#[derive(Clone, Debug)]
struct LongCodes {
    /// For each length: the first code that is longer, with 16 bits.
    limits: [u32; 17],
    /// For each length: what to add to a code for the index of its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl LongCodes {
    /// T.81, C.2: codes of one length follow each other. `None` if the lengths contradict each other.
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut codes = Self {
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
        };
        codes.symbols.get_mut(..symbols.len())?.copy_from_slice(symbols);
        let (mut code, mut index) = (0_u32, 0_u32);
        for (&count, length) in counts.iter().zip(1_usize..) {
            code <<= 1;
            codes.offsets[length] = index.cast_signed() - code.cast_signed();
            code += u32::from(count);
            index += u32::from(count);
            if code > 1 << length {
                return None;
            }
            codes.limits[length] = code << (16 - length);
        }
        Some(codes)
    }

    /// The length of the code at the front of 16 bits, and its symbol.
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let length = (1..=16).find(|&length| bits < self.limits[length])?;
        let code = (bits >> (16 - length)).cast_signed();
        let index = usize::try_from(code + self.offsets[length]).ok()?;
        Some((u32::try_from(length).ok()?, self.symbols[index & 255]))
    }
}

/// The value of `size` bits (T.81, F.2.2.1, EXTEND): the first bit is its sign.
pub fn extend(bits: u32, size: u32) -> i32 {
    if size == 0 {
        return 0;
    }
    let value = bits.cast_signed();
    let is_negative = bits >> (size - 1) == 0;
    if is_negative { value - (1 << size) + 1 } else { value }
}

/// A symbol and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The bits of the code and of the value.
    pub length: u32,
    /// How many coefficients are zero before this one. 64 or more: no coefficient follows in this block.
    pub run: usize,
    pub value: i32,
}

/// A [`Symbol`] in 32 bits: the value, the run, and the length, which is 0 if the look-up is too short.
#[derive(Clone, Copy, Debug, Default)]
struct Entry(u32);

impl Entry {
    fn new(symbol: Symbol) -> Self {
        let value = u32::from(symbol.value.cast_unsigned() as u16);
        Self(value << 16 | (symbol.run as u32) << 8 | symbol.length)
    }

    #[inline]
    fn symbol(self) -> Symbol {
        Symbol {
            length: self.0 & 255,
            run: (self.0 >> 8 & 255) as usize,
            value: self.0.cast_signed() >> 16,
        }
    }
}

/// The run that ends a block.
pub const END_OF_BLOCK: usize = 64;

/// How [`AcTable`] reads a symbol: the run, and the bits of the value (T.81, F.1.2.2.1).
fn ac_symbol(bits: u64, length: u32, symbol: u8) -> Symbol {
    let size = u32::from(symbol & 15);
    let run = match symbol {
        // Of the symbols without a value, only this one does not end a block (T.81, F.1.2.2.1).
        0xF0 => 15,
        _ if size == 0 => END_OF_BLOCK,
        _ => usize::from(symbol >> 4),
    };
    value_after(bits, length, size, run)
}

fn value_after(bits: u64, length: u32, size: u32, run: usize) -> Symbol {
    let value = if size == 0 {
        0
    } else {
        extend((bits << length >> (64 - size)) as u32, size)
    };
    Symbol {
        length: length + size,
        run,
        value,
    }
}

/// Finds an entry for each look-up of `bits` bits, if its symbol and value fit.
fn entries(bits: u32, symbol_of: impl Fn(u64) -> Option<Symbol>) -> Box<[Entry]> {
    let entry = |index: u64| {
        let symbol = symbol_of(index << (64 - bits)).filter(|symbol| symbol.length <= bits);
        symbol.map_or_else(Entry::default, Entry::new)
    };
    (0..1 << bits).map(entry).collect()
}

/// Decodes the DC coefficients of a component.
#[derive(Clone, Debug)]
pub struct DcTable {
    lookup: Box<[Entry]>,
    long: LongCodes,
}

impl DcTable {
    /// The table of a DHT segment: how many codes each length has, and their symbols.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let long = LongCodes::new(counts, symbols)?;
        // The difference of two DC coefficients has at most 11 bits; 16 is for other processes.
        if symbols.iter().any(|&size| size > 15) {
            return None;
        }
        let lookup = entries(LOOKUP, |bits| Self::slow(&long, bits));
        Some(Self { lookup, long })
    }

    fn slow(long: &LongCodes, bits: u64) -> Option<Symbol> {
        let (length, size) = long.find((bits >> 48) as u32)?;
        Some(value_after(bits, length, u32::from(size), 0))
    }

    /// The symbol at the front of `bits`, of which at least 32 must be valid. `None` if no code fits.
    #[inline]
    pub fn symbol(&self, bits: u64) -> Option<Symbol> {
        let symbol = self.lookup[(bits >> (64 - LOOKUP)) as usize].symbol();
        if symbol.length != 0 {
            return Some(symbol);
        }
        Self::slow(&self.long, bits)
    }
}

/// Several symbols whose values are not needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skipped {
    /// The bits of all of them.
    pub length: u8,
    /// How far they lead: past the end of the block, if they end it.
    pub advance: u8,
    /// The last index of a coefficient from which all of them belong to the same block. 0 if not even one fits.
    pub limit: u8,
}

/// Decodes the AC coefficients of a component.
#[derive(Clone, Debug)]
pub struct AcTable {
    lookup: Box<[Entry]>,
    skip: Box<[Skipped]>,
    long: LongCodes,
}

impl AcTable {
    /// The table of a DHT segment: how many codes each length has, and their symbols.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let long = LongCodes::new(counts, symbols)?;
        let lookup = entries(LOOKUP, |bits| Self::slow(&long, bits));
        let mut table = Self {
            lookup,
            skip: Box::default(),
            long,
        };
        table.skip = (0..1 << SKIP)
            .map(|bits: u64| table.skipped(bits << (64 - SKIP)))
            .collect();
        Some(table)
    }

    fn skipped(&self, bits: u64) -> Skipped {
        let mut skipped = Skipped::default();
        while let Some(symbol) = Self::slow(&self.long, bits << skipped.length) {
            let length = u32::from(skipped.length) + symbol.length;
            let ends = symbol.run == END_OF_BLOCK;
            let advance = usize::from(skipped.advance) + if ends { 0 } else { symbol.run + 1 };
            if length > SKIP || advance >= END_OF_BLOCK {
                break;
            }
            skipped = Skipped {
                length: length as u8,
                advance: if ends { END_OF_BLOCK as u8 } else { advance as u8 },
                limit: (END_OF_BLOCK - advance - usize::from(ends)) as u8,
            };
            if ends {
                break;
            }
        }
        skipped
    }

    fn slow(long: &LongCodes, bits: u64) -> Option<Symbol> {
        let (length, symbol) = long.find((bits >> 48) as u32)?;
        Some(ac_symbol(bits, length, symbol))
    }

    /// The symbol at the front of `bits`, of which at least 32 must be valid. `None` if no code fits.
    #[inline]
    pub fn symbol(&self, bits: u64) -> Option<Symbol> {
        let symbol = self.lookup[(bits >> (64 - LOOKUP)) as usize].symbol();
        if symbol.length != 0 {
            return Some(symbol);
        }
        Self::slow(&self.long, bits)
    }

    /// As many symbols as fit at the front of `bits`.
    #[inline]
    pub fn skip(&self, bits: u64) -> Skipped {
        self.skip[(bits >> (64 - SKIP)) as usize]
    }

    /// The code at the front of `bits`, without its value: its length and its symbol.
    #[inline]
    pub fn code(&self, bits: u64) -> Option<(u32, u8)> {
        self.long.find((bits >> 48) as u32)
    }
}
