//! From the bytes of a JPEG to its record, in memory, beside other libraries on the same files:
//!
//!     EXIF_CORPUS=DIR cargo bench --bench exif
//!
//! takes the JPEG files in `DIR/images`; without `EXIF_CORPUS`, sample photos. An item is a file.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::cell::RefCell;
use std::hint::black_box;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::LazyLock;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use nom_exif::{MediaParser, MediaSource};
use shared::exif::{Format, read_whole};
use shared::record::{Origin, Record};

fn main() {
    divan::main();
}

const SAMPLES: usize = 64;

static JPEGS: LazyLock<Vec<Bytes>> = LazyLock::new(|| match std::env::var_os("EXIF_CORPUS") {
    Some(folder) => {
        let folder = PathBuf::from(folder).join("images");
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        files
            .map(|file| Bytes::from(std::fs::read(file.unwrap().path()).unwrap()))
            .filter(|bytes| Format::of(bytes) == Format::Jpeg)
            .collect()
    }
    None => (0..SAMPLES)
        .map(|index| local::dataset::photo(index).unwrap().into())
        .collect(),
});

fn all(bencher: Bencher, read: impl Fn(&Bytes)) {
    bencher
        .counter(ItemsCount::new(JPEGS.len()))
        .bench_local(|| JPEGS.iter().for_each(&read));
}

/// Ours, every field and tag, up to the record.
#[divan::bench]
fn s3_exif(bencher: Bencher) {
    all(bencher, |bytes| {
        black_box(Record::new(Origin::default(), read_whole(bytes.clone())));
    });
}

/// The same library that reads our tables, finding the EXIF by itself; every field turned to a value.
#[divan::bench]
fn kamadak_exif(bencher: Bencher) {
    all(bencher, |bytes| {
        let exif = exif::Reader::new()
            .continue_on_error(true)
            .read_from_container(&mut Cursor::new(bytes))
            .or_else(|error| error.distill_partial_result(|_| {}));
        if let Ok(exif) = exif {
            exif.fields().for_each(|field| {
                black_box(field);
            });
        }
    });
}

/// Its in-memory entry, with the parser kept between files as its documentation asks; every entry
/// turned to a value.
#[divan::bench]
fn nom_exif(bencher: Bencher) {
    let parser = RefCell::new(MediaParser::new());
    all(bencher, |bytes| {
        let Ok(source) = MediaSource::from_memory(bytes.clone()) else {
            return;
        };
        if let Ok(entries) = parser.borrow_mut().parse_exif(source) {
            entries.for_each(|entry| {
                black_box(entry);
            });
        }
    });
}
