//! Reading by ranges gives the same record as reading the whole file, and takes few ranges.

use std::ops::Range;

use bytes::Bytes;
use shared::metadata::{FileView, Metadata, Progress, read, read_whole};

use crate::files::{self, Item, Store, app1, chunk, heif, image_data, jpeg, png, riff_chunk, segment, vp8x, webp};
use crate::formats;
use crate::tiff::{self, Tiff};

/// Reads a file by ranges, starting with its first `front` bytes. Returns the ranges that it took.
pub fn by_ranges(file: &Bytes, front: usize) -> (Metadata, Vec<Range<u64>>) {
    let mut parts = FileView::new(file.len() as u64);
    let mut ranges: Vec<_> = std::iter::once(0..front.min(file.len()) as u64).collect();
    let mut read_so_far: Vec<Range<u64>> = Vec::new();
    loop {
        for range in ranges {
            // A small gap between ranges is read with them, also if it is known.
            let twice = read_so_far
                .iter()
                .find(|other| other.start <= range.start && range.end <= other.end);
            assert_eq!(twice, None, "{range:?} was read already");
            let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            parts.insert(range.start, file.slice(start..end));
            read_so_far.push(range);
        }
        match read(&parts) {
            Progress::Complete(metadata) => return (metadata, read_so_far),
            Progress::NeedRanges(needed) => ranges = needed,
            Progress::NeedStream(mut skim) => {
                // A byte at a time shows that no piece is special.
                let start = usize::try_from(skim.from()).unwrap();
                file[start..].chunks(1).for_each(|piece| skim.feed(piece));
                ranges = Vec::new();
                read_so_far.push(skim.from()..file.len() as u64);
                skim.finish(&mut parts);
            }
        }
    }
}

#[test]
fn every_first_read_leads_to_the_same_record() {
    for (name, file) in files::all().into_iter().chain(formats::all()) {
        let file = Bytes::from(file);
        let whole = read_whole(file.clone());
        for front in 1..=file.len() {
            let (metadata, ranges) = by_ranges(&file, front);
            assert_eq!(metadata, whole, "{name}, first read of {front}");
            assert!(ranges.len() <= 6, "{name}, first read of {front}: {ranges:?}");
        }
    }
}

const FRONT: usize = 128 * 1024;

/// The length of image data that is not needed.
const DATA: usize = 5_000_000;

/// Reads a file as the processor does. Checks that this takes at most `most` requests, and at most `bytes` bytes
/// after the front.
#[track_caller]
fn takes(most: usize, bytes: usize, file: Vec<u8>) {
    let file = Bytes::from(file);
    let (metadata, ranges) = by_ranges(&file, FRONT);
    assert_eq!(metadata, read_whole(file));
    let read: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let bound = (FRONT + bytes) as u64;
    assert!(ranges.len() <= most && read <= bound, "{read} bytes in {ranges:?}");
}

fn block() -> Vec<u8> {
    tiff::full(false).bytes()
}

#[test]
fn a_jpeg_takes_one_request_or_few() {
    let photo = |segments: &[Vec<u8>]| [jpeg(segments), vec![0x55; DATA]].concat();
    takes(1, 0, photo(&[app1(&block())]));
    takes(1, 0, photo(&[]));
    // A segment full of EXIF, which ends behind the front, as does all that comes before the size of the picture.
    let icc = segment(0xE2, &vec![0; 0xF000]);
    let long = Tiff {
        gap: 12_500,
        ..tiff::full(false)
    };
    takes(
        2,
        7 * FRONT,
        photo(&[icc.clone(), segment(0xE0, &[0; 8000]), app1(&long.bytes())]),
    );
    // EXIF comes after 1 MB, and after 7 MB.
    takes(2, 7 * FRONT, photo(&[icc.repeat(16), app1(&block())]));
    takes(3, 63 * FRONT, photo(&[icc.repeat(114), app1(&block())]));
}

#[test]
fn a_png_takes_its_front_and_its_tail() {
    let exif = chunk(b"eXIf", &block());
    takes(1, 0, png(&[exif.clone(), image_data(DATA)]));
    takes(2, 100, png(&[image_data(DATA)]));
    takes(2, 2000, png(&[image_data(DATA), exif.clone()]));
    let many = image_data(8192).repeat(600);
    takes(2, 0x1_0000, png(std::slice::from_ref(&many)));
    takes(2, 0x1_0000, png(&[many, exif.clone()]));
    // The last chunk of data begins before the tail.
    takes(3, DATA, png(&[image_data(700_000).repeat(3), exif]));
}

#[test]
fn a_webp_takes_its_end() {
    let exif = riff_chunk(b"EXIF", &block());
    let data = riff_chunk(b"VP8 ", &vec![0x55; DATA]);
    takes(1, 0, webp(std::slice::from_ref(&data)));
    takes(1, 0, webp(&[vp8x(0), data.clone()]));
    takes(2, 2000, webp(&[vp8x(8), data, exif.clone()]));
    let frames = riff_chunk(b"ANMF", &vec![1; 50_000]).repeat(80);
    takes(3, DATA, webp(&[vp8x(8), frames, exif]));
}

#[test]
fn a_heif_takes_what_its_tables_say() {
    let image = |length| Item::image(1, length);
    let exif = || Item::exif(2, &block(), Some(1));
    takes(
        1,
        0,
        heif(b"heic", Store::Behind, &[image(100), exif(), Item::image(3, DATA)]),
    );
    takes(1, 0, heif(b"avif", Store::Behind, &[image(DATA)]));
    takes(2, 2000, heif(b"heic", Store::Behind, &[image(DATA), exif()]));
    // The data comes first, then EXIF, then the tables.
    takes(3, 4000, heif(b"heic", Store::Before, &[image(DATA), exif()]));
}

#[test]
fn a_tiff_takes_its_tables() {
    let behind_data = Tiff {
        gap: DATA,
        ifd0: tiff::full(false).ifd0,
        ..Tiff::default()
    };
    takes(2, 2000, behind_data.bytes());
    let far_apart = Tiff {
        gap: DATA,
        ..tiff::full(false)
    };
    takes(6, 5 * 0x1_0000, far_apart.bytes());
}
