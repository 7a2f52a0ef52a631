//! The coefficients of progressive pictures (T.81, annex G).

use crate::bits::Reader;
use crate::error::Error;
use crate::header::{Markers, ScanHeader};
use crate::huffman::{AcTable, DcTable, extend};
use crate::inverse_dct::PLACES;
use crate::scan::{BlockDecoder, ComponentLayout, Target};

/// The coefficients of a component, until all scans are read.
#[derive(Debug)]
pub struct Coefficients {
    /// How many blocks a row has.
    across: usize,
    /// How many coefficients of a block are needed. Only these are kept.
    kept: usize,
    /// The kept coefficients of one block after the other, in the order of the file.
    values: Vec<i16>,
    /// For each block the coefficients that are not zero, because later scans depend on that. The first is the lowest bit.
    nonzero: Vec<u64>,
}

impl Coefficients {
    pub fn new(layout: &ComponentLayout, kept: usize) -> Self {
        let (across, down) = layout.padded;
        Self {
            across,
            kept,
            values: vec![0; across * down * kept],
            nonzero: vec![0; across * down],
        }
    }

    /// Writes the samples of all blocks.
    pub fn write(&self, target: &mut Target) {
        for (index, (values, nonzero)) in self.values.chunks_exact(self.kept).zip(&self.nonzero).enumerate() {
            let mut block = [0.0; PLACES];
            for (index, &value) in values.iter().enumerate() {
                target.set(&mut block, index, value.into());
            }
            let is_flat = nonzero >> 1 << 1 & mask(1, self.kept) == 0;
            target.write(&block, is_flat, index % self.across, index / self.across);
        }
    }
}

/// The bits of the coefficients from `start` up to `end`, without it.
fn mask(start: usize, end: usize) -> u64 {
    let below = |end: usize| if end >= 64 { u64::MAX } else { (1 << end) - 1 };
    below(end) & !below(start)
}

/// What a progressive scan adds to the coefficients (T.81, G.1.1.1).
enum Kind<'a> {
    DcFirst(Vec<&'a DcTable>),
    DcRefine,
    AcFirst(&'a AcTable),
    AcRefine(&'a AcTable),
}

/// A progressive scan.
pub struct Progressive<'a> {
    kind: Kind<'a>,
    components: Vec<&'a mut Coefficients>,
    /// The DC coefficients of the last blocks.
    predictions: [i32; 4],
    /// How many more blocks have no new coefficient in this scan (T.81, G.1.2.2).
    end_of_band: u32,
    first: usize,
    /// The coefficient after the last one of the scan.
    end: usize,
    /// The bit position that the scan adds.
    low: u8,
}

impl<'a> Progressive<'a> {
    pub fn new(
        scan: &ScanHeader,
        markers: &'a Markers<'_>,
        coefficients: &'a mut [Coefficients],
    ) -> Result<Self, Error> {
        const DAMAGED: Error = Error::Damaged("the header of a scan is damaged");
        const NO_TABLE: Error = Error::Damaged("a scan uses a Huffman table that is not defined");
        let is_dc = scan.first == 0;
        if is_dc != (scan.last == 0) || (!is_dc && scan.components.len() != 1) || scan.low > 13 {
            return Err(DAMAGED);
        }
        let ac = || markers.ac[scan.components[0].ac].as_ref().ok_or(NO_TABLE);
        let kind = match (is_dc, scan.high) {
            (true, 0) => {
                let tables = scan
                    .components
                    .iter()
                    .map(|c| markers.dc[c.dc].as_ref().ok_or(NO_TABLE));
                Kind::DcFirst(tables.collect::<Result<_, _>>()?)
            }
            (true, _) => Kind::DcRefine,
            (false, 0) => Kind::AcFirst(ac()?),
            (false, _) => Kind::AcRefine(ac()?),
        };
        let mut all: Vec<Option<&mut Coefficients>> = coefficients.iter_mut().map(Some).collect();
        let components = scan.components.iter().map(|c| all[c.index].take().ok_or(DAMAGED));
        Ok(Self {
            kind,
            components: components.collect::<Result<_, _>>()?,
            predictions: [0; 4],
            end_of_band: 0,
            first: scan.first.into(),
            end: usize::from(scan.last) + 1,
            low: scan.low,
        })
    }
}

impl BlockDecoder for Progressive<'_> {
    fn restart(&mut self) {
        self.predictions = [0; 4];
        self.end_of_band = 0;
    }

    #[inline]
    fn block(&mut self, bits: &mut Reader<'_>, number: usize, column: usize, row: usize) -> Option<()> {
        let coefficients = &mut *self.components[number];
        let index = row * coefficients.across + column;
        let values = &mut coefficients.values[index * coefficients.kept..][..coefficients.kept];
        let mut block = Block {
            values,
            nonzero: &mut coefficients.nonzero[index],
            first: self.first,
            end: self.end,
            low: self.low,
        };
        match &self.kind {
            Kind::DcFirst(tables) => {
                let difference = tables[number].symbol(bits.peek())?;
                bits.skip(difference.length);
                let prediction = &mut self.predictions[number];
                *prediction = prediction.wrapping_add(difference.value);
                block.values[0] = (*prediction << self.low) as i16;
            }
            Kind::DcRefine => block.values[0] |= (bits.take(1) << self.low) as i16,
            Kind::AcFirst(table) => block.first_scan(bits, table, &mut self.end_of_band)?,
            Kind::AcRefine(table) => block.refine(bits, table, &mut self.end_of_band)?,
        }
        Some(())
    }
}

/// The AC coefficients of one block.
struct Block<'a> {
    values: &'a mut [i16],
    nonzero: &'a mut u64,
    first: usize,
    end: usize,
    low: u8,
}

impl Block<'_> {
    /// T.81, G.1.2.2.
    #[inline]
    fn first_scan(&mut self, bits: &mut Reader<'_>, table: &AcTable, end_of_band: &mut u32) -> Option<()> {
        if *end_of_band > 0 {
            *end_of_band -= 1;
            return Some(());
        }
        let mut index = self.first;
        while index < self.end {
            let (length, symbol) = table.code(bits.peek())?;
            bits.skip(length);
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    *end_of_band = (1 << run) - 1 + bits.take(run);
                    break;
                }
                index += 16;
                continue;
            }
            index += run as usize;
            let value = extend(bits.take(size), size) << self.low;
            self.set(index, value as i16);
            index += 1;
        }
        Some(())
    }

    /// T.81, G.1.2.3.
    #[inline]
    fn refine(&mut self, bits: &mut Reader<'_>, table: &AcTable, end_of_band: &mut u32) -> Option<()> {
        let mut index = self.first;
        if *end_of_band == 0 {
            while index < self.end {
                let (length, symbol) = table.code(bits.peek())?;
                bits.skip(length);
                let (run, size) = (u32::from(symbol >> 4), symbol & 15);
                let value = match size {
                    0 if run < 15 => {
                        *end_of_band = (1 << run) + bits.take(run);
                        break;
                    }
                    0 => 0,
                    _ => ((bits.take(1).cast_signed() * 2 - 1) << self.low) as i16,
                };
                index = self.correct(bits, index, run);
                if value != 0 {
                    self.set(index, value);
                }
                index += 1;
            }
        }
        if *end_of_band > 0 {
            self.correct(bits, index, u32::MAX);
            *end_of_band -= 1;
        }
        Some(())
    }

    /// Reads a correction bit for each coefficient that is not zero, up to the zero after `run` others. Returns its index.
    #[inline]
    fn correct(&mut self, bits: &mut Reader<'_>, from: usize, mut run: u32) -> usize {
        let mut rest = *self.nonzero & mask(from, self.end);
        if run == u32::MAX && rest == 0 {
            return self.end;
        }
        let mut index = from;
        while index < self.end {
            if rest >> index & 1 == 0 {
                if run == 0 {
                    break;
                }
                run -= 1;
            } else {
                rest &= !(1 << index);
                if bits.take(1) == 1
                    && let Some(value) = self.values.get_mut(index)
                {
                    // The bit is not set yet, unless the file is damaged.
                    let bit = 1 << self.low;
                    *value = value.wrapping_add(if *value < 0 { -bit } else { bit });
                }
            }
            index += 1;
        }
        index
    }

    #[inline]
    fn set(&mut self, index: usize, value: i16) {
        if let Some(kept) = self.values.get_mut(index) {
            *kept = value;
        }
        *self.nonzero |= 1_u64.checked_shl(index as u32).unwrap_or(0);
    }
}
