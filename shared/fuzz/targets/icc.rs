//! A colour profile of any bytes is read without a panic and within limits.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|block: &[u8]| {
    fuzz::block(0x040F, block);
});
