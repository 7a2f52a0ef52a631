//! The blocks of a scan, and the coefficients of sequential pictures (T.81, F.2).

use std::ops::Range;

use crate::bits::{Bits, Reader};
use crate::error::Error;
use crate::header::{Header, Markers, ScanHeader};
use crate::huffman::{AcTable, DcTable, END_OF_BLOCK, SkipTable};
use crate::inverse_dct::{InverseDct, LEFT_OUT, PLACES};
use crate::plane::Plane;
use crate::scale::Scale;

/// How many blocks the picture and its components have.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The number of MCUs in each direction, if all components are in one scan.
    pub mcus: (usize, usize),
    pub components: Vec<ComponentLayout>,
}

#[derive(Clone, Copy, Debug)]
pub struct ComponentLayout {
    /// The sampling factors.
    pub factors: (usize, usize),
    /// The number of blocks in each direction that have samples of the picture (T.81, A.2.2).
    pub blocks: (usize, usize),
    /// The same, with the blocks that fill the last MCUs (T.81, A.2.3).
    pub padded: (usize, usize),
}

impl Layout {
    pub fn new(header: &Header) -> Self {
        let (horizontal, vertical) = header.largest_factors();
        let mcus = (
            header.width.div_ceil(8 * horizontal),
            header.height.div_ceil(8 * vertical),
        );
        let component = |component: &crate::header::Component| {
            let factors = (usize::from(component.horizontal), usize::from(component.vertical));
            let samples = |size: usize, factor: usize, largest: usize| (size * factor).div_ceil(largest);
            ComponentLayout {
                factors,
                blocks: (
                    samples(header.width, factors.0, horizontal).div_ceil(8),
                    samples(header.height, factors.1, vertical).div_ceil(8),
                ),
                padded: (mcus.0 * factors.0, mcus.1 * factors.1),
            }
        };
        Self {
            mcus,
            components: header.components.iter().map(component).collect(),
        }
    }
}

/// Decodes the blocks of one scan: what a sequential and a progressive scan do differently.
pub trait BlockDecoder {
    /// Starts an interval: nothing before it counts.
    fn restart(&mut self);

    /// Decodes one block of the scan's component `number`. `None` if the data is damaged.
    fn block(&mut self, bits: &mut Reader<'_>, number: usize, column: usize, row: usize) -> Option<()>;
}

/// What could be decoded of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedScan {
    pub mcus: usize,
    pub is_whole: bool,
}

/// Decodes the blocks of a scan. After damage, it goes on at the next restart.
pub fn decode_blocks(
    bits: &mut Bits<'_>,
    layout: &Layout,
    scan: &ScanHeader,
    interval: usize,
    decoder: &mut impl BlockDecoder,
) -> DecodedScan {
    let components: Vec<ComponentLayout> = scan.components.iter().map(|c| layout.components[c.index]).collect();
    let (across, down) = match components[..] {
        [only] => only.blocks,
        _ => layout.mcus,
    };
    let total = across * down;
    let interval = if interval == 0 { total } else { interval };
    let (mut start, mut mcus, mut expected) = (0, 0, 0);
    while start < total {
        decoder.restart();
        let end = (start + interval).min(total);
        mcus += decode_interval(bits, &components, across, start..end, decoder);
        if end == total {
            break;
        }
        let Some(number) = bits.restart() else {
            break;
        };
        // The number tells how many intervals are missing, if they are fewer than eight (T.81, E.1.4).
        let missing = usize::from(number.wrapping_sub(expected) & 7);
        start = end + missing * interval;
        expected = number.wrapping_add(1) & 7;
    }
    DecodedScan {
        mcus,
        is_whole: mcus == total,
    }
}

/// Returns how many MCUs could be decoded.
#[inline]
fn decode_interval(
    bits: &mut Bits<'_>,
    components: &[ComponentLayout],
    across: usize,
    mcus: Range<usize>,
    decoder: &mut impl BlockDecoder,
) -> usize {
    let (mut column, mut row) = (mcus.start % across, mcus.start / across);
    for decoded in 0..mcus.len() {
        if !bits.fill() {
            return decoded;
        }
        let mut reader = bits.reader();
        if decode_mcu(&mut reader, components, column, row, decoder).is_none() {
            return decoded;
        }
        let state = reader.state;
        bits.keep(state);
        if bits.is_over() {
            return decoded;
        }
        column += 1;
        if column == across {
            (column, row) = (0, row + 1);
        }
    }
    mcus.len()
}

/// T.81, A.2. `None` if the data is damaged.
#[inline]
fn decode_mcu(
    bits: &mut Reader<'_>,
    components: &[ComponentLayout],
    column: usize,
    row: usize,
    decoder: &mut impl BlockDecoder,
) -> Option<()> {
    if components.len() == 1 {
        return decoder.block(bits, 0, column, row);
    }
    for (number, component) in components.iter().enumerate() {
        let (horizontal, vertical) = component.factors;
        for y in 0..vertical {
            for x in 0..horizontal {
                decoder.block(bits, number, column * horizontal + x, row * vertical + y)?;
            }
        }
    }
    Some(())
}

/// Where the samples of a component go.
#[derive(Debug)]
pub struct Target {
    pub plane: Plane,
    pub dct: InverseDct,
    pub scale: Scale,
    /// The factor of each coefficient, and its place in a block. Those behind the 64 ones are for what is left out.
    places: [(f32, u8); 128],
}

impl Target {
    pub fn new(layout: &ComponentLayout, scale: Scale) -> Self {
        let dct = InverseDct::new(scale.samples());
        Self {
            plane: Plane::filled(
                layout.padded.0 * scale.samples(),
                layout.padded.1 * scale.samples(),
                128,
            ),
            dct,
            scale,
            places: [(0.0, LEFT_OUT); 128],
        }
    }

    pub fn set_quantization(&mut self, table: &[u16; 64]) {
        self.places[..64].copy_from_slice(&self.dct.places(table));
    }

    /// Sets a coefficient of a block, in the order of the file.
    #[inline]
    pub fn set(&self, block: &mut [f32; PLACES], index: usize, value: i32) {
        let (factor, place) = self.places[index & 127];
        block[usize::from(place)] = value as f32 * factor;
    }

    /// Writes the samples of a block.
    #[inline]
    pub fn write(&mut self, block: &[f32; PLACES], is_flat: bool, column: usize, row: usize) {
        let samples = self.scale.samples();
        let stride = self.plane.width;
        let output = &mut self.plane.samples[row * samples * stride + column * samples..];
        if is_flat {
            self.dct.write_flat(block[0], output, stride);
        } else {
            self.dct.write(block, output, stride);
        }
    }
}

struct ScanComponent<'a> {
    target: &'a mut Target,
    dc: &'a DcTable,
    ac: &'a AcTable,
    /// Present if coefficients are left out.
    skip: Option<&'a SkipTable>,
    prediction: i32,
    coefficients: usize,
}

/// A sequential scan. Each block is transformed as soon as it is decoded.
pub struct Sequential<'a> {
    components: Vec<ScanComponent<'a>>,
    block: [f32; PLACES],
}

impl<'a> Sequential<'a> {
    pub fn new(scan: &ScanHeader, markers: &'a Markers<'_>, targets: &'a mut [Target]) -> Result<Self, Error> {
        let mut targets: Vec<Option<&mut Target>> = targets.iter_mut().map(Some).collect();
        let mut components = Vec::with_capacity(scan.components.len());
        for component in &scan.components {
            const NO_TABLE: Error = Error::Damaged("a scan uses a Huffman table that is not defined");
            let target = targets[component.index].take().ok_or(NO_TABLE)?;
            let ac = markers.ac[component.ac].as_ref().ok_or(NO_TABLE)?;
            components.push(ScanComponent {
                dc: markers.dc[component.dc].as_ref().ok_or(NO_TABLE)?,
                ac,
                skip: (target.scale != Scale::FULL).then(|| ac.skip_table()),
                prediction: 0,
                coefficients: target.scale.coefficients(),
                target,
            });
        }
        Ok(Self {
            components,
            block: [0.0; PLACES],
        })
    }
}

impl BlockDecoder for Sequential<'_> {
    fn restart(&mut self) {
        for component in &mut self.components {
            component.prediction = 0;
        }
    }

    #[inline]
    fn block(&mut self, bits: &mut Reader<'_>, number: usize, column: usize, row: usize) -> Option<()> {
        let component = &mut self.components[number];
        let target = &mut *component.target;
        let block = &mut self.block;
        let mut reader = *bits;
        block[..8 * target.scale.samples()].fill(0.0);
        let difference = component.dc.symbol(reader.peek())?;
        reader.skip(difference.length);
        component.prediction = component.prediction.wrapping_add(difference.value);
        target.set(block, 0, component.prediction);

        let mut index = 1;
        while index < component.coefficients {
            let symbol = component.ac.symbol(reader.peek())?;
            reader.skip(symbol.length);
            index += symbol.run;
            target.set(block, index, symbol.value);
            index += 1;
        }
        // Nothing but the mean is there, or is needed.
        let is_flat = index == 1 || index == END_OF_BLOCK + 2;
        // The other coefficients are read, and that is all.
        if let Some(skip) = component.skip {
            while index < END_OF_BLOCK {
                let skipped = skip.symbols(reader.peek());
                if index <= usize::from(skipped.limit) {
                    reader.skip(skipped.length.into());
                    index += usize::from(skipped.advance);
                } else {
                    let symbol = component.ac.symbol(reader.peek())?;
                    reader.skip(symbol.length);
                    index += symbol.run + 1;
                }
            }
        }
        *bits = reader;
        target.write(block, is_flat, column, row);
        Some(())
    }
}
