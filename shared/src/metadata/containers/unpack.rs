//! Packed blocks, under a limit: a few bytes can unpack to gigabytes.

use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::read::ZlibDecoder;

/// The most that is unpacked of a block.
pub const MAX_BYTES: u64 = 192 * 1024;

/// The buffer for packed bytes, in bytes.
const BUFFER_BYTES: usize = 4096;

/// How Brotli's first byte says its window (RFC 7932, 9.1): four bits for those of 256 KiB and more.
const WINDOW_BITS: u8 = 0b1111;
const WINDOW_256_KIB: u8 = 0b0011;
const IS_LARGER: u8 = 0b0001;

/// Unpacks at most [`MAX_BYTES`] of zlib's format. Damage ends them.
pub fn zlib(packed: &[u8]) -> Vec<u8> {
    read(ZlibDecoder::new(packed))
}

/// Unpacks at most [`MAX_BYTES`] of Brotli. Damage ends them.
pub fn brotli(packed: &[u8]) -> Vec<u8> {
    let [first, rest @ ..] = packed else {
        return Vec::new();
    };
    // A decoder takes as much memory as the window, up to 16 MiB. A smaller one gives the same bytes, because fewer than
    // 256 KiB are unpacked.
    let is_larger = first & IS_LARGER != 0 && first & WINDOW_BITS > WINDOW_256_KIB;
    let first = if is_larger {
        first & !WINDOW_BITS | WINDOW_256_KIB
    } else {
        *first
    };
    read(Decompressor::new([first].chain(rest), BUFFER_BYTES))
}

fn read(unpacking: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before an error is kept.
    let _ = unpacking.take(MAX_BYTES).read_to_end(&mut bytes);
    bytes
}
