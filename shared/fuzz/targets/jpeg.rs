//! Any bytes are decoded without a panic and within limits, and what was decoded can be encoded.

#![no_main]

use jpeg::{Encoding, Header, Plane, Scale, decode, encode};
use libfuzzer_sys::fuzz_target;

/// More pixels than this take longer, and find nothing else.
const MAX_PIXELS: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    // The last byte says how the picture is scaled. So every image can be an input as it is.
    let Some((&samples, file)) = input.split_last() else {
        return;
    };
    let Ok(header) = Header::read(file) else {
        return;
    };
    let pixels = header.width * header.height;
    if pixels > MAX_PIXELS {
        return;
    }
    let scales = vec![Scale::for_size(8, usize::from(samples % 8) + 1); header.components.len()];
    let mut decoded = None;
    let counted = allocation_counter::measure(|| decoded = decode(file, &scales).ok());
    // A plane may cover whole MCUs of 32 × 32 pixels for each 8 × 8 samples of another one. A coefficient takes two
    // bytes, and a window of the data 64 KiB.
    let padded = (header.width + 31) * (header.height + 31);
    let bound = (header.components.len() * padded * 4 + (1 << 20)) as u64;
    assert!(
        counted.bytes_max <= bound,
        "{} bytes, more than {bound}",
        counted.bytes_max
    );
    let Some(decoded) = decoded else {
        return;
    };
    let Plane { width, height, samples } = decoded.planes[0].clone();
    assert_eq!(samples.len(), width * height);
    if width <= 65_535 && height <= 65_535 {
        let encoding = Encoding {
            quality: samples[0] % 100 + 1,
            icc_profile: None,
        };
        let file = encode(&[Plane { width, height, samples }], encoding);
        assert!(!decode(&file, &[Scale::FULL]).unwrap().is_damaged);
    }
});
