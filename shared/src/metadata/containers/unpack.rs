//! Packed blocks, under a limit: a few bytes can unpack to gigabytes.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use brotli_decompressor::reader::DecompressorCustomAlloc;
use brotli_decompressor::{Allocator, SliceWrapper as _, StandardAlloc};
use flate2::read::ZlibDecoder;

/// The most that is unpacked of a block: EXIF of 64 KiB as hexadecimal digits, with its line breaks.
pub const MAX_BYTES: u64 = 144 * 1024;

/// The buffer for packed bytes, in bytes.
const BUFFER_BYTES: usize = 4096;

/// The most memory of Brotli's decoder: its window, and about 50 tables. Blocks of metadata have few.
const DECODER_BYTES: usize = 512 * 1024;

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
    let memory = Memory(Rc::new(Cell::new(DECODER_BYTES)));
    let buffer = StandardAlloc::default().alloc_cell(BUFFER_BYTES);
    read(DecompressorCustomAlloc::new(
        [first].chain(rest),
        buffer,
        memory.clone(),
        memory.clone(),
        memory,
    ))
}

/// What is left of the memory of a decoder, in bytes. A file can ask for several megabytes of tables.
#[derive(Clone)]
struct Memory(Rc<Cell<usize>>);

impl<T: Clone + Default> Allocator<T> for Memory {
    type AllocatedMemory = <StandardAlloc as Allocator<T>>::AllocatedMemory;

    /// Nothing if too little is left. The decoder then ends with an error.
    fn alloc_cell(&mut self, length: usize) -> Self::AllocatedMemory {
        match self.0.get().checked_sub(length * size_of::<T>()) {
            Some(left) => {
                self.0.set(left);
                StandardAlloc::default().alloc_cell(length)
            }
            None => Self::AllocatedMemory::default(),
        }
    }

    fn free_cell(&mut self, memory: Self::AllocatedMemory) {
        self.0.set(self.0.get() + size_of_val(memory.slice()));
    }
}

fn read(unpacking: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before an error is kept.
    let _ = unpacking.take(MAX_BYTES).read_to_end(&mut bytes);
    bytes.shrink_to_fit();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packed in Node, with a window of 16 MiB.
    const PACKED: &str = "1f6c00e81d056ef3b16af436f9472d8a7802550e75292e333968e9eab65445f37817f6d4a7e7d1702da688db9c530ed803cc030c\
        bc2d90940ec0871db0fd0c936b6b2704d515490586f136013e83018cc4ff3c3dba83cfc829974fa91285fc9269d745bba34c590e";

    #[test]
    fn a_smaller_window_gives_the_same_bytes() {
        let packed = hex::decode(PACKED).unwrap();
        assert_eq!(packed[0] & WINDOW_BITS, 0b1111);
        let text = "<r xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description xmlns:a=\"http://a/\" a:b=\"c\"/></r>";
        assert_eq!(String::from_utf8(brotli(&packed)).unwrap(), text);
        for end in 0..packed.len() {
            assert!(text.as_bytes().starts_with(&brotli(&packed[..end])));
        }
    }
}
