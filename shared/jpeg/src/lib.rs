//! A JPEG codec for scaling pictures down: it decodes at a fraction of the size, keeps colour planes apart, and encodes
//! planes.
//!
//! A picture that is scaled down needs few of its frequencies. The decoder reads the others without computing anything
//! from them, and never makes pixels of full size. Nor does it convert colours: luma and chroma stay planes of their
//! own, from the decoder to the encoder. Clauses are those of ITU-T T.81 (ISO/IEC 10918-1).
//!
//! | module | content |
//! |---|---|
//! | [`header`] | markers: what a file says about its picture, and where its scans are |
//! | [`bits`], [`huffman`] | entropy-coded data, and the tables that decode it |
//! | [`scan`], [`progressive`] | the coefficients of sequential and of progressive pictures |
//! | [`scale`], [`inverse_dct`] | which frequencies a size needs, and the samples that they make |
//! | [`decode`] | a file to planes |
//! | [`lanes`] | arithmetic on eight numbers at a time |
//! | [`forward_dct`], [`quantize`], [`tokens`] | planes to quantized coefficients, and those to symbols |
//! | [`optimal_code`] | the shortest Huffman codes for these symbols |
//! | [`encode`] | planes to a file |

#![expect(
    clippy::cast_possible_truncation,
    reason = "codecs put small numbers into narrow types all the time; the format bounds each of them"
)]

mod bits;
mod decode;
mod encode;
mod error;
mod forward_dct;
mod header;
mod huffman;
mod inverse_dct;
mod lanes;
mod optimal_code;
mod plane;
mod progressive;
mod quantize;
mod scale;
mod scan;
mod tokens;
mod zigzag;

pub use decode::{Decoded, decode};
pub use encode::{Encoding, encode};
pub use error::Error;
pub use header::{Color, Component, Header, Process};
pub use plane::Plane;
pub use scale::Scale;
