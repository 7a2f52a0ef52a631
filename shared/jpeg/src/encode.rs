//! Planes to a file: baseline, with codes made for this picture.

use crate::forward_dct::forward_dct;
use crate::lanes::{Block, Lanes};
use crate::optimal_code::Code;
use crate::plane::Plane;
use crate::quantize::Quantizer;
use crate::tokens::Tokens;

/// How a picture is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Encoding<'a> {
    /// From 1 to 100, as in libjpeg.
    pub quality: u8,
    /// An ICC profile, which is put into the file as it is. One of more than 16 MB does not fit, and is left out.
    pub icc_profile: Option<&'a [u8]>,
}

/// An ICC profile is cut into segments of at most 65,535 bytes, each with 16 bytes of headers.
const MAX_ICC_CHUNK: usize = 65_535 - 16;

/// Encodes a picture of one plane (grey), or of three (`YCbCr`, with chroma of half the size in both directions).
///
/// # Panics
/// If there is another number of planes, if a plane has another size than that, or if the picture is empty or larger
/// than 65,535 pixels in a direction.
#[must_use]
pub fn encode(planes: &[Plane], encoding: Encoding<'_>) -> Vec<u8> {
    let [luma, chroma @ ..] = planes else {
        panic!("there must be a plane");
    };
    assert!(
        (1..=65_535).contains(&luma.width) && (1..=65_535).contains(&luma.height),
        "a JPEG has 1 to 65,535 pixels in each direction"
    );
    let half = (luma.width.div_ceil(2), luma.height.div_ceil(2));
    assert!(
        chroma.is_empty() || (chroma.len() == 2 && chroma.iter().all(|plane| (plane.width, plane.height) == half)),
        "there must be two planes of chroma, with half the size"
    );
    let quantizers = [Quantizer::luma(encoding.quality), Quantizer::chroma(encoding.quality)];
    let tokens = tokens(luma, chroma, &quantizers);
    let codes = tokens.codes();

    let mut file = vec![0xFF, 0xD8];
    // JFIF 1.01, pixels are square.
    segment(&mut file, 0xE0, &[b"JFIF\0", &[1, 1, 0, 0, 1, 0, 1, 0, 0]]);
    if let Some(profile) = encoding
        .icc_profile
        .filter(|profile| profile.len() <= 255 * MAX_ICC_CHUNK)
    {
        let chunks = profile.chunks(MAX_ICC_CHUNK);
        let count = chunks.len() as u8;
        for (number, chunk) in (1..=count).zip(chunks) {
            segment(&mut file, 0xE2, &[b"ICC_PROFILE\0", &[number, count], chunk]);
        }
    }
    let components = if chroma.is_empty() { 1 } else { 3 };
    let tables = if chroma.is_empty() { 1 } else { 2 };
    for (number, quantizer) in (0..tables).zip(&quantizers) {
        segment(&mut file, 0xDB, &[&[number], &quantizer.steps]);
    }
    frame(&mut file, luma, components);
    for (number, codes) in (0..tables).zip(codes.chunks_exact(2)) {
        for (class, code) in (0..).zip(codes) {
            huffman_table(&mut file, class << 4 | number, code);
        }
    }
    let mut scan = vec![components];
    for component in 0..components {
        let table = u8::from(component > 0);
        scan.extend([component + 1, table << 4 | table]);
    }
    segment(&mut file, 0xDA, &[&scan, &[0, 63, 0]]);
    tokens.write(&codes, &mut file);
    file.extend([0xFF, 0xD9]);
    file
}

/// Appends a segment with the marker 0xFF `code`.
fn segment(file: &mut Vec<u8>, code: u8, parts: &[&[u8]]) {
    let length = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    file.extend([0xFF, code, (length >> 8) as u8, length as u8]);
    for part in parts {
        file.extend_from_slice(part);
    }
}

/// T.81, B.2.2.
fn frame(file: &mut Vec<u8>, luma: &Plane, components: u8) {
    let mut frame = vec![8];
    for size in [luma.height, luma.width] {
        frame.extend([(size >> 8) as u8, size as u8]);
    }
    frame.push(components);
    for component in 0..components {
        let factors = if components == 3 && component == 0 { 0x22 } else { 0x11 };
        frame.extend([component + 1, factors, u8::from(component > 0)]);
    }
    segment(file, 0xC0, &[&frame]);
}

/// T.81, B.2.4.2.
fn huffman_table(file: &mut Vec<u8>, number: u8, code: &Code) {
    segment(file, 0xC4, &[&[number], &code.counts, &code.symbols]);
}

/// The symbols of all blocks, MCU by MCU (T.81, A.2).
fn tokens(luma: &Plane, chroma: &[Plane], quantizers: &[Quantizer; 2]) -> Tokens {
    let mut tokens = Tokens::default();
    let mut previous = [0; 3];
    let factor = if chroma.is_empty() { 1 } else { 2 };
    let mcus = (luma.width.div_ceil(8 * factor), luma.height.div_ceil(8 * factor));
    for row in 0..mcus.1 {
        for column in 0..mcus.0 {
            for y in 0..factor {
                for x in 0..factor {
                    let block = block(luma, column * factor + x, row * factor + y);
                    add(&mut tokens, block, &quantizers[0], &mut previous[0], false);
                }
            }
            for (plane, previous) in chroma.iter().zip(&mut previous[1..]) {
                add(&mut tokens, block(plane, column, row), &quantizers[1], previous, true);
            }
        }
    }
    tokens
}

#[inline]
fn add(tokens: &mut Tokens, mut block: Block, quantizer: &Quantizer, previous: &mut i16, is_chroma: bool) {
    forward_dct(&mut block);
    tokens.add_block(&quantizer.quantize(&block), previous, is_chroma);
}

/// The samples of a block, with 0 in the middle of their range. At the edges, the last samples are repeated.
#[inline]
fn block(plane: &Plane, column: usize, row: usize) -> Block {
    let (x, y) = (column * 8, row * 8);
    if x + 8 <= plane.width && y + 8 <= plane.height {
        let rows = &plane.samples[y * plane.width + x..];
        return std::array::from_fn(|row| {
            let samples = &rows[row * plane.width..][..8];
            Lanes(std::array::from_fn(|lane| f32::from(samples[lane]) - 128.0))
        });
    }
    std::array::from_fn(|row| {
        let samples = plane.row((y + row).min(plane.height - 1));
        Lanes(std::array::from_fn(|lane| {
            f32::from(samples[(x + lane).min(plane.width - 1)]) - 128.0
        }))
    })
}
