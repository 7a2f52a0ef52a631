//! Huffman codes (T.81, annex C and F.2.2), as tables that are looked up with the next bits of the data.

use std::cell::OnceCell;

/// The bits with which [`AcTable`] and [`DcTable`] are looked up. Most codes and their values are not longer.
const LOOKUP: u32 = 11;
/// The bits with which symbols are skipped. More bits hold more symbols.
const SKIP: u32 = 12;

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

/// A [`Symbol`] in 32 bits: the value, the run, and the length.
///
/// If only its code fits into the look-up, the length is 0, and the symbol and the length of the code take the places
/// of value and run. If not even the code fits, all bits are 0.
#[derive(Clone, Copy, Debug, Default)]
struct Entry(u32);

impl Entry {
    fn new(symbol: Symbol) -> Self {
        let value = u32::from(symbol.value.cast_unsigned() as u16);
        Self(value << 16 | (symbol.run as u32) << 8 | symbol.length)
    }

    fn of_code(length: u32, symbol: u8) -> Self {
        Self(u32::from(symbol) << 16 | length << 8)
    }

    /// The length of the code and its symbol, if only the code fits.
    #[inline]
    fn code(self) -> Option<(u32, u8)> {
        (self.0 != 0).then_some((self.0 >> 8 & 255, (self.0 >> 16) as u8))
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

/// A table that is looked up with the next bits. Its size is known to the compiler, which then checks no index.
type Lookup<T, const ENTRIES: usize> = Box<[T; ENTRIES]>;

#[expect(clippy::unnecessary_box_returns, reason = "tables of 4 to 8 KB should not be moved")]
fn lookup<T: Copy + Default, const ENTRIES: usize>(entry_of: impl Fn(u64) -> T) -> Lookup<T, ENTRIES> {
    let mut table = Box::new([T::default(); ENTRIES]);
    for (entry, index) in table.iter_mut().zip(0_u64..) {
        *entry = entry_of(index << (64 - ENTRIES.ilog2()));
    }
    table
}

/// The entry for the symbol at the front of `bits`. `symbol_of` adds the value to a code.
fn entry(long: &LongCodes, bits: u64, symbol_of: impl Fn(u64, u32, u8) -> Symbol) -> Entry {
    let code = long.find((bits >> 48) as u32).filter(|&(length, _)| length <= LOOKUP);
    code.map_or_else(Entry::default, |(length, code)| {
        let symbol = symbol_of(bits, length, code);
        if symbol.length <= LOOKUP {
            Entry::new(symbol)
        } else {
            Entry::of_code(length, code)
        }
    })
}

/// How [`DcTable`] reads a symbol: the bits of the difference (T.81, F.1.2.1).
fn dc_symbol(bits: u64, length: u32, size: u8) -> Symbol {
    value_after(bits, length, size.into(), 0)
}

/// A Huffman table: the symbols of short codes by look-up, and those of long codes by their length.
#[derive(Clone, Debug)]
struct Codes {
    lookup: Lookup<Entry, { 1 << LOOKUP }>,
    long: LongCodes,
}

impl Codes {
    /// The table of a DHT segment. `symbol_of` adds the value to a code.
    fn new(counts: &[u8; 16], symbols: &[u8], symbol_of: impl Fn(u64, u32, u8) -> Symbol) -> Option<Self> {
        let long = LongCodes::new(counts, symbols)?;
        let lookup = lookup(|bits| entry(&long, bits, &symbol_of));
        Some(Self { lookup, long })
    }

    /// The symbol at the front of `bits`. At least 32 bits must be valid. `None` if no code fits.
    #[inline]
    fn symbol(&self, bits: u64, symbol_of: impl Fn(u64, u32, u8) -> Symbol) -> Option<Symbol> {
        let entry = self.lookup[(bits >> (64 - LOOKUP)) as usize];
        let symbol = entry.symbol();
        if symbol.length != 0 {
            return Some(symbol);
        }
        self.long_symbol(entry, bits, symbol_of)
    }

    #[cold]
    fn long_symbol(&self, entry: Entry, bits: u64, symbol_of: impl Fn(u64, u32, u8) -> Symbol) -> Option<Symbol> {
        let (length, code) = entry.code().or_else(|| self.long.find((bits >> 48) as u32))?;
        Some(symbol_of(bits, length, code))
    }
}

/// Decodes the DC coefficients of a component.
#[derive(Clone, Debug)]
pub struct DcTable(Codes);

impl DcTable {
    /// The table of a DHT segment: how many codes each length has, and their symbols.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        // The difference of two DC coefficients has at most 11 bits; 16 is for other processes.
        if symbols.iter().any(|&size| size > 15) {
            return None;
        }
        Codes::new(counts, symbols, dc_symbol).map(Self)
    }

    /// The symbol at the front of `bits`. At least 32 bits must be valid. `None` if no code fits.
    #[inline]
    pub fn symbol(&self, bits: u64) -> Option<Symbol> {
        self.0.symbol(bits, dc_symbol)
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
    codes: Codes,
    skip: OnceCell<SkipTable>,
}

impl AcTable {
    /// The table of a DHT segment: how many codes each length has, and their symbols.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        Some(Self {
            codes: Codes::new(counts, symbols, ac_symbol)?,
            skip: OnceCell::new(),
        })
    }

    /// The symbol at the front of `bits`. At least 32 bits must be valid. `None` if no code fits.
    #[inline]
    pub fn symbol(&self, bits: u64) -> Option<Symbol> {
        self.codes.symbol(bits, ac_symbol)
    }

    /// The table that skips symbols. It is made when it is first needed.
    pub fn skip_table(&self) -> &SkipTable {
        self.skip.get_or_init(|| SkipTable::new(self))
    }

    /// The code at the front of `bits`, without its value: its length and its symbol.
    #[inline]
    pub fn code(&self, bits: u64) -> Option<(u32, u8)> {
        self.codes.long.find((bits >> 48) as u32)
    }
}

/// Skips symbols whose values are not needed, several at a time.
#[derive(Clone, Debug)]
pub struct SkipTable(Lookup<Skipped, { 1 << SKIP }>);

impl SkipTable {
    fn new(table: &AcTable) -> Self {
        Self(lookup(|bits| {
            let mut skipped = Skipped::default();
            while let Some(symbol) = table.symbol(bits << skipped.length) {
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
        }))
    }

    /// As many symbols as fit at the front of `bits`.
    #[inline]
    pub fn symbols(&self, bits: u64) -> Skipped {
        self.0[(bits >> (64 - SKIP)) as usize]
    }
}
