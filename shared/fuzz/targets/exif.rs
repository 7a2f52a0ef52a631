//! An EXIF block of any bytes is read without a panic and within limits.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|block: &[u8]| {
    fuzz::block(0x0422, block);
});
