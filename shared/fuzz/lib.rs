//! The readers, with checks of what they take and of what they say.

// Only these modules: building all of `shared` for the fuzzer would also build the SDK.
#[path = "../src/metadata/mod.rs"]
pub mod metadata;
#[allow(dead_code, reason = "only the functions use the rest")]
#[path = "../src/object/mod.rs"]
pub mod object;
#[path = "../src/strip/mod.rs"]
pub mod strip;

use bytes::Bytes;
use metadata::{FileView, Metadata, Progress, read, read_whole};

/// Reads a file, and checks that it takes at most four times the file's size and 1 MiB of memory.
pub fn whole(file: &Bytes) -> Metadata {
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

/// Reads a file by ranges, `front` bytes first. Returns the number of requests, too.
pub fn by_ranges(file: &Bytes, front: usize) -> (Metadata, usize) {
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

/// Reads one block of metadata. It stands alone in a Photoshop file, as the resource with this number.
pub fn block(resource: u16, data: &[u8]) -> Metadata {
    const HEADER: &[u8] = b"8BPS\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x01\0\0\0\x01\0\x08\0\x03\0\0\0\0";
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let head = [&b"8BIM"[..], &resource.to_be_bytes(), &[0, 0], &length(data.len())].concat();
    let resources = length(head.len() + data.len());
    whole(&[HEADER, &resources, &head, data].concat().into())
}
