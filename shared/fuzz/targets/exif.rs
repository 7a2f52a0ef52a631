//! Any bytes are read without a panic and within limits, and reading by ranges gives the same as reading the whole
//! file.

#![no_main]

// Only these modules: building all of `shared` for the fuzzer would also build the SDK.
#[allow(dead_code, unused_imports, reason = "only the functions use the rest")]
#[path = "../../src/metadata/mod.rs"]
mod metadata;
#[allow(dead_code, unused_imports, reason = "only the functions use the rest")]
#[path = "../../src/object/mod.rs"]
mod object;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use metadata::{FileView, Metadata, Progress, read, read_whole};

fuzz_target!(|input: &[u8]| {
    // The last byte says how much of the file is read first. So every image can be an input as it is.
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

/// Reads a file, and checks that it takes at most four times the file's size and 1 MiB of memory.
fn bounded(file: &Bytes) -> Metadata {
    let mut metadata = None;
    let counted = allocation_counter::measure(|| metadata = Some(read_whole(file.clone())));
    let bound = 4 * file.len() as u64 + 1024 * 1024;
    assert!(
        counted.bytes_max <= bound,
        "{} bytes, more than {bound}",
        counted.bytes_max
    );
    metadata.unwrap()
}

fn by_ranges(file: &Bytes, front: usize) -> (Metadata, usize) {
    let mut parts = FileView::new(file.len() as u64);
    parts.insert(0, file.slice(..front));
    let mut requests = 1;
    loop {
        match read(&parts) {
            Progress::Complete(metadata) => return (metadata, requests),
            Progress::NeedStream(mut skim) => {
                requests += 1;
                let start = usize::try_from(skim.from()).unwrap();
                for piece in file[start..].chunks(1 + file.len() % 97) {
                    skim.feed(piece);
                }
                skim.finish(&mut parts);
            }
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
