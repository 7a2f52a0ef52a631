//! A second decoder, as T.81 describes it: bit by bit, and with the exact transform. It has no code of the crate.

use std::collections::HashMap;
use std::f64::consts::PI;
use std::ops::Range;

/// The coefficients of a component, dequantized.
pub struct Component {
    pub factors: (usize, usize),
    pub across: usize,
    /// For each block the coefficients by row and column.
    pub blocks: Vec<[[i32; 8]; 8]>,
    quantization: [i32; 64],
}

impl Component {
    /// The samples of all blocks, each as `n` × `n` samples of its lowest frequencies, and how many a row has.
    pub fn samples(&self, n: usize) -> (Vec<f64>, usize) {
        let width = self.across * n;
        let mut samples = vec![0.0; self.blocks.len() * n * n];
        for (index, block) in self.blocks.iter().enumerate() {
            let (left, top) = (index % self.across * n, index / self.across * n);
            for y in 0..n {
                for x in 0..n {
                    samples[(top + y) * width + left + x] = sample(block, n, x, y);
                }
            }
        }
        (samples, width)
    }
}

/// T.81, A.3.3, with `n` instead of 8 points.
fn sample(block: &[[i32; 8]; 8], n: usize, x: usize, y: usize) -> f64 {
    let weight = |frequency: usize, at: usize| {
        let norm = if frequency == 0 { 0.5_f64.sqrt() } else { 1.0 };
        norm * ((2 * at + 1) as f64 * frequency as f64 * PI / (2 * n) as f64).cos()
    };
    let mut sum = 0.0;
    for (v, row) in block.iter().enumerate().take(n) {
        for (u, &value) in row.iter().enumerate().take(n) {
            sum += f64::from(value) * weight(u, x) * weight(v, y);
        }
    }
    (sum / 4.0 + 128.0).clamp(0.0, 255.0)
}

type Codes = HashMap<(usize, i32), u8>;

#[derive(Default)]
struct Decoder {
    is_progressive: bool,
    size: (usize, usize),
    components: Vec<(u8, Component, u8)>,
    quantization: HashMap<u8, [i32; 64]>,
    codes: HashMap<u8, Codes>,
    interval: usize,
}

/// Decodes a whole and valid file.
pub fn decode(file: &[u8]) -> Vec<Component> {
    let mut decoder = Decoder::default();
    let mut at = 2;
    loop {
        let code = file[at + 1];
        if code == 0xD9 {
            break;
        }
        let length = usize::from(file[at + 2]) * 256 + usize::from(file[at + 3]);
        let segment = &file[at + 4..at + 2 + length];
        at += 2 + length;
        match code {
            0xC0..=0xC2 => decoder.frame(code == 0xC2, segment),
            0xC4 => decoder.huffman(segment),
            0xDB => decoder.quantization(segment),
            0xDD => decoder.interval = usize::from(segment[0]) * 256 + usize::from(segment[1]),
            0xDA => {
                let end = (at..file.len())
                    .find(|&at| file[at] == 0xFF && !matches!(file[at + 1], 0 | 0xD0..=0xD7))
                    .unwrap();
                decoder.scan(segment, &file[at..end]);
                at = end;
            }
            _ => {}
        }
    }
    let components = decoder.components.into_iter().map(|(_, mut component, _)| {
        for block in &mut component.blocks {
            for (value, factor) in block.as_flattened_mut().iter_mut().zip(component.quantization) {
                *value *= factor;
            }
        }
        component
    });
    components.collect()
}

/// T.81, figure 5: the row and column of each coefficient.
fn zigzag() -> Vec<(usize, usize)> {
    let mut places: Vec<(usize, usize)> = (0..64).map(|place| (place / 8, place % 8)).collect();
    places.sort_by_key(|&(row, column)| {
        let diagonal = row + column;
        (diagonal, if diagonal % 2 == 0 { column } else { row })
    });
    places
}

struct Bits {
    bits: Vec<u8>,
    at: usize,
}

impl Bits {
    fn take(&mut self, count: u32) -> i32 {
        (0..count).fold(0, |value, _| {
            let bit = self.bits.get(self.at).copied().unwrap_or(1);
            self.at += 1;
            value * 2 + i32::from(bit)
        })
    }

    fn symbol(&mut self, codes: &Codes) -> u8 {
        let mut code = 0;
        for length in 1..=16 {
            code = code * 2 + self.take(1);
            if let Some(&symbol) = codes.get(&(length, code)) {
                return symbol;
            }
        }
        panic!("there is no such code");
    }

    /// T.81, F.2.2.1, RECEIVE and EXTEND.
    fn value(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let value = self.take(size);
        if value < 1 << (size - 1) {
            value - (1 << size) + 1
        } else {
            value
        }
    }
}

impl Decoder {
    fn frame(&mut self, is_progressive: bool, segment: &[u8]) {
        self.is_progressive = is_progressive;
        let number = |at: usize| usize::from(segment[at]) * 256 + usize::from(segment[at + 1]);
        self.size = (number(3), number(1));
        let factors = |at: usize| match segment[5] {
            1 => (1, 1),
            _ => (usize::from(segment[at + 1] / 16), usize::from(segment[at + 1] % 16)),
        };
        let positions: Vec<usize> = (0..usize::from(segment[5])).map(|number| 6 + 3 * number).collect();
        let most = |of: fn((usize, usize)) -> usize| positions.iter().map(|&at| of(factors(at))).max().unwrap();
        let mcus = (
            self.size.0.div_ceil(8 * most(|factors| factors.0)),
            self.size.1.div_ceil(8 * most(|factors| factors.1)),
        );
        for at in positions {
            let factors = factors(at);
            let component = Component {
                factors,
                across: mcus.0 * factors.0,
                blocks: vec![[[0; 8]; 8]; mcus.0 * factors.0 * mcus.1 * factors.1],
                quantization: [0; 64],
            };
            self.components.push((segment[at], component, segment[at + 2]));
        }
    }

    fn quantization(&mut self, mut segment: &[u8]) {
        while let [head, rest @ ..] = segment {
            let bytes = if head / 16 == 0 { 1 } else { 2 };
            let mut table = [0; 64];
            for ((row, column), value) in zigzag().into_iter().zip(rest.chunks(bytes)) {
                table[row * 8 + column] = value.iter().fold(0, |sum, &byte| sum * 256 + i32::from(byte));
            }
            self.quantization.insert(head % 16, table);
            segment = &rest[64 * bytes..];
        }
    }

    fn huffman(&mut self, mut segment: &[u8]) {
        while let [head, rest @ ..] = segment {
            let (mut code, mut at) = (0, 16);
            let mut codes = Codes::new();
            for length in 1..=16 {
                for _ in 0..rest[length - 1] {
                    codes.insert((length, code), rest[at]);
                    code += 1;
                    at += 1;
                }
                code *= 2;
            }
            self.codes.insert(*head, codes);
            segment = &rest[at..];
        }
    }

    fn scan(&mut self, segment: &[u8], data: &[u8]) {
        let count = usize::from(segment[0]);
        let of_scan: Vec<(usize, u8)> = segment[1..]
            .chunks(2)
            .take(count)
            .map(|two| (self.index_of(two[0]), two[1]))
            .collect();
        let [first, last, approximation] = segment[1 + 2 * count..] else {
            panic!("a scan has three more bytes");
        };
        let band = usize::from(first)..usize::from(last) + 1;
        let (high, low) = (approximation / 16, approximation % 16);
        let mut intervals = intervals(data).into_iter();
        let mut bits = intervals.next().unwrap();
        let (mut predictions, mut end_of_band) = (vec![0; count], 0);
        for (mcu, blocks) in self.mcus(&of_scan).into_iter().enumerate() {
            if self.interval > 0 && mcu > 0 && mcu % self.interval == 0 {
                bits = intervals.next().unwrap();
                (predictions, end_of_band) = (vec![0; count], 0);
            }
            for (number, index) in blocks {
                let (component, tables) = of_scan[number];
                let dc = self.codes.get(&(tables / 16));
                let ac = self.codes.get(&(16 + tables % 16));
                let (_, component, quantization) = &mut self.components[component];
                component.quantization = self.quantization[quantization];
                let block = &mut component.blocks[index];
                let mut block = Zigzag {
                    block,
                    places: zigzag(),
                };
                if !self.is_progressive {
                    predictions[number] += dc_difference(&mut bits, dc.unwrap());
                    block.set(0, predictions[number]);
                    sequential(&mut bits, ac.unwrap(), &mut block);
                } else if first == 0 && high == 0 {
                    predictions[number] += dc_difference(&mut bits, dc.unwrap());
                    block.set(0, predictions[number] << low);
                } else if first == 0 {
                    block.set(0, block.get(0) | bits.take(1) << low);
                } else if high == 0 {
                    first_scan(
                        &mut bits,
                        ac.unwrap(),
                        &mut block,
                        (band.clone(), low),
                        &mut end_of_band,
                    );
                } else {
                    refine(
                        &mut bits,
                        ac.unwrap(),
                        &mut block,
                        (band.clone(), low),
                        &mut end_of_band,
                    );
                }
            }
        }
    }

    fn index_of(&self, id: u8) -> usize {
        self.components.iter().position(|component| component.0 == id).unwrap()
    }

    /// For each MCU of a scan its blocks: the number of the component in the scan, and the index of the block.
    fn mcus(&self, of_scan: &[(usize, u8)]) -> Vec<Vec<(usize, usize)>> {
        let most = |of: fn((usize, usize)) -> usize| self.components.iter().map(|c| of(c.1.factors)).max().unwrap();
        let (most_h, most_v) = (most(|factors| factors.0), most(|factors| factors.1));
        let mut mcus = Vec::new();
        if let [(index, _)] = of_scan {
            let component = &self.components[*index].1;
            let (h, v) = component.factors;
            let across = (self.size.0 * h).div_ceil(most_h).div_ceil(8);
            let down = (self.size.1 * v).div_ceil(most_v).div_ceil(8);
            for row in 0..down {
                mcus.extend((0..across).map(|column| vec![(0, row * component.across + column)]));
            }
            return mcus;
        }
        for row in 0..self.size.1.div_ceil(8 * most_v) {
            for column in 0..self.size.0.div_ceil(8 * most_h) {
                let mut blocks = Vec::new();
                for (number, &(index, _)) in of_scan.iter().enumerate() {
                    let component = &self.components[index].1;
                    let (h, v) = component.factors;
                    for y in 0..v {
                        for x in 0..h {
                            blocks.push((number, (row * v + y) * component.across + column * h + x));
                        }
                    }
                }
                mcus.push(blocks);
            }
        }
        mcus
    }
}

/// The bits between the restarts of a scan.
fn intervals(data: &[u8]) -> Vec<Bits> {
    let mut intervals = vec![Vec::new()];
    let mut bytes = data.iter();
    while let Some(&byte) = bytes.next() {
        let following = if byte == 0xFF { bytes.next() } else { Some(&0) };
        match following {
            Some(0) => intervals
                .last_mut()
                .unwrap()
                .extend((0..8).rev().map(|bit| byte >> bit & 1)),
            _ => intervals.push(Vec::new()),
        }
    }
    intervals.into_iter().map(|bits| Bits { bits, at: 0 }).collect()
}

/// A block, by the index of a coefficient in the file.
struct Zigzag<'a> {
    block: &'a mut [[i32; 8]; 8],
    places: Vec<(usize, usize)>,
}

impl Zigzag<'_> {
    fn get(&self, index: usize) -> i32 {
        let (row, column) = self.places[index];
        self.block[row][column]
    }

    fn set(&mut self, index: usize, value: i32) {
        let (row, column) = self.places[index];
        self.block[row][column] = value;
    }
}

fn dc_difference(bits: &mut Bits, codes: &Codes) -> i32 {
    let size = bits.symbol(codes);
    bits.value(size.into())
}

/// T.81, figure F.13.
fn sequential(bits: &mut Bits, codes: &Codes, block: &mut Zigzag) {
    let mut index = 1;
    while index < 64 {
        let symbol = bits.symbol(codes);
        let (run, size) = (usize::from(symbol / 16), symbol % 16);
        if size == 0 && run < 15 {
            break;
        }
        index += run;
        let value = bits.value(size.into());
        block.set(index, value);
        index += 1;
    }
}

/// T.81, figure G.3 and G.1.2.2.
fn first_scan(
    bits: &mut Bits,
    codes: &Codes,
    block: &mut Zigzag,
    (band, low): (Range<usize>, u8),
    end_of_band: &mut i32,
) {
    if *end_of_band > 0 {
        *end_of_band -= 1;
        return;
    }
    let mut index = band.start;
    while index < band.end {
        let symbol = bits.symbol(codes);
        let (run, size) = (symbol / 16, symbol % 16);
        if size == 0 && run < 15 {
            *end_of_band = (1 << run) + bits.take(run.into()) - 1;
            return;
        }
        index += usize::from(run);
        let value = bits.value(size.into()) << low;
        block.set(index, value);
        index += 1;
    }
}

/// T.81, figures G.7 and G.8.
fn refine(bits: &mut Bits, codes: &Codes, block: &mut Zigzag, (band, low): (Range<usize>, u8), end_of_band: &mut i32) {
    let correct = |bits: &mut Bits, block: &mut Zigzag, index: usize| {
        let value = block.get(index);
        if bits.take(1) == 1 {
            block.set(index, value + value.signum() * (1 << low));
        }
    };
    let mut index = band.start;
    while *end_of_band == 0 && index < band.end {
        let symbol = bits.symbol(codes);
        let (mut run, size) = (symbol / 16, symbol % 16);
        if size == 0 && run < 15 {
            *end_of_band = (1 << run) + bits.take(run.into());
            break;
        }
        let value = if size == 0 { 0 } else { (bits.take(1) * 2 - 1) << low };
        while index < band.end {
            if block.get(index) != 0 {
                correct(bits, block, index);
            } else if run == 0 {
                block.set(index, value);
                index += 1;
                break;
            } else {
                run -= 1;
            }
            index += 1;
        }
    }
    if *end_of_band > 0 {
        for index in index..band.end {
            if block.get(index) != 0 {
                correct(bits, block, index);
            }
        }
        *end_of_band -= 1;
    }
}
