//! Any bytes are read as a file, without a panic and within limits. Reading by ranges gives the same as reading the whole
//! file.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The last byte says how much of the file is read first. So every image can be an input as it is.
    let Some((&first, file)) = input.split_last() else {
        return;
    };
    let file = Bytes::copy_from_slice(file);
    let whole = fuzz::whole(&file);
    let front = file.len().min(usize::from(first) * usize::from(first));
    let (by_ranges, requests) = fuzz::by_ranges(&file, front);
    assert_eq!(by_ranges, whole);
    assert!(requests <= 100, "{requests} requests");
});
