//! Any bytes are read without a panic and within bounds, and by ranges as in one piece.

#![no_main]

// These modules alone: to build all of `shared` for the fuzzer would build the SDK for it, too.
#[allow(dead_code, unused_imports, reason = "what only the functions use")]
#[path = "../../src/metadata/mod.rs"]
mod metadata;
#[allow(dead_code, unused_imports, reason = "what only the functions use")]
#[path = "../../src/object/mod.rs"]
mod object;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use metadata::{FileView, Metadata, Progress, read, read_whole};

fuzz_target!(|input: &[u8]| {
    // The last byte says how much of the file is read first, so that images are inputs as they are.
    let Some((&first, file)) = input.split_last() else {
        return;
    };
    let file = Bytes::copy_from_slice(file);
    let whole = bounded(&file);
    let front = file.len().min(usize::from(first) * usize::from(first));
    let (by_ranges, requests) = by_ranges(&file, front);
    assert_eq!(by_ranges, whole);
    assert!(requests <= 100, "{requests} requests");
});

/// What a file may take: four times its size and 1 MiB.
fn bounded(file: &Bytes) -> Metadata {
    let mut metadata = None;
    let counted = allocation_counter::measure(|| metadata = Some(read_whole(file.clone())));
    let bound = 4 * file.len() as u64 + 1024 * 1024;
    assert!(counted.bytes_max <= bound, "{} of {bound} bytes", counted.bytes_max);
    metadata.unwrap()
}

fn by_ranges(file: &Bytes, front: usize) -> (Metadata, usize) {
    let mut parts = FileView::new(file.len() as u64);
    parts.insert(0, file.slice(..front));
    let mut requests = 1;
    loop {
        match read(&parts) {
            Progress::Complete(metadata) => return (metadata, requests),
            Progress::NeedRanges(ranges) => {
                for range in ranges {
                    requests += 1;
                    let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
                    assert!(start < end, "an empty range");
                    parts.insert(range.start, file.slice(start..end));
                }
            }
        }
    }
}
