//! A record read by ranges is that of the whole file, and takes few of them.

use std::ops::Range;

use bytes::Bytes;
use shared::exif::{Answer, Metadata, Parts, read, read_whole};

use crate::files::{self, Item, Store, app1, chunk, heif, image_data, jpeg, png, riff_chunk, segment, vp8x, webp};
use crate::tiff::{self, Tiff};

/// Reads a file by ranges, from its first `front` bytes; all the ranges it took.
pub fn by_ranges(file: &Bytes, front: usize) -> (Metadata, Vec<Range<u64>>) {
    let mut parts = Parts::new(file.len() as u64);
    let mut ranges = vec![0..front.min(file.len()) as u64];
    let mut read_so_far: Vec<Range<u64>> = Vec::new();
    loop {
        for range in ranges {
            let twice = read_so_far
                .iter()
                .find(|other| range.start < other.end && other.start < range.end);
            assert_eq!(twice, None, "{range:?} was read already");
            let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            parts.insert(range.start, file.slice(start..end));
            read_so_far.push(range);
        }
        match read(&parts) {
            Answer::Done(metadata) => return (metadata, read_so_far),
            Answer::Need(needed) => ranges = needed,
        }
    }
}

#[test]
fn every_first_read_leads_to_the_same_record() {
    for (name, file) in files::all() {
        let file = Bytes::from(file);
        let whole = read_whole(file.clone());
        for front in 1..=file.len() {
            let (metadata, ranges) = by_ranges(&file, front);
            assert_eq!(metadata, whole, "{name}, first read of {front}");
            assert!(ranges.len() <= 6, "{name}, first read of {front}: {ranges:?}");
        }
    }
}

#[test]
fn requests_are_few() {
    const FRONT: usize = 128 * 1024;
    let block = tiff::full(false).bytes();
    let icc = segment(0xE2, &vec![0; 0xF000]);
    let scan = vec![0x55; 5_000_000];
    let exif = Item::exif(2, &block, Some(1));
    let video = 5_000_000;
    for (name, file, most, bytes) in [
        ("JPEG", [jpeg(&[app1(&block)]), scan.clone()].concat(), 1, FRONT),
        (
            "JPEG, 64 KiB of EXIF behind 64 KiB",
            [
                jpeg(&[
                    icc.clone(),
                    segment(0xE0, &[0; 8000]),
                    app1(
                        &Tiff {
                            gap: 12_500,
                            ..tiff::full(false)
                        }
                        .bytes(),
                    ),
                ]),
                scan.clone(),
            ]
            .concat(),
            2,
            FRONT + 0x1_0000,
        ),
        ("JPEG, without", [jpeg(&[]), scan.clone()].concat(), 1, FRONT),
        (
            "JPEG, 1 MB first",
            [jpeg(&[icc.repeat(16), app1(&block)]), scan.clone()].concat(),
            2,
            FRONT * 8,
        ),
        (
            "JPEG, 7 MB first",
            [jpeg(&[icc.repeat(114), app1(&block)]), scan.clone()].concat(),
            3,
            FRONT * 64,
        ),
        ("PNG", png(&[chunk(b"eXIf", &block), image_data(5_000_000)]), 1, FRONT),
        ("PNG, one chunk of data", png(&[image_data(5_000_000)]), 2, FRONT + 100),
        (
            "PNG, one chunk of data, EXIF last",
            png(&[image_data(5_000_000), chunk(b"eXIf", &block)]),
            2,
            FRONT + 2000,
        ),
        (
            "PNG, many chunks of data",
            png(&[image_data(8192).repeat(600)]),
            2,
            FRONT + 0x1_0000,
        ),
        (
            "PNG, many chunks of data, EXIF last",
            png(&[image_data(8192).repeat(600), chunk(b"eXIf", &block)]),
            2,
            FRONT + 0x1_0000,
        ),
        (
            "PNG, a few large chunks",
            png(&[image_data(700_000).repeat(3), chunk(b"eXIf", &block)]),
            3,
            3_000_000,
        ),
        ("WebP, without", webp(&[riff_chunk(b"VP8 ", &scan)]), 1, FRONT),
        (
            "WebP",
            webp(&[vp8x(8), riff_chunk(b"VP8 ", &scan), riff_chunk(b"EXIF", &block)]),
            2,
            FRONT + 2000,
        ),
        (
            "WebP, animated",
            webp(&[
                vp8x(8),
                riff_chunk(b"ANMF", &[1; 50_000]).repeat(80),
                riff_chunk(b"EXIF", &block),
            ]),
            3,
            5_000_000,
        ),
        (
            "HEIC",
            heif(
                b"heic",
                Store::Behind,
                &[Item::image(1, 100), exif, Item::image(3, video)],
            ),
            1,
            FRONT,
        ),
        (
            "HEIC, at its end",
            heif(
                b"heic",
                Store::Behind,
                &[Item::image(1, video), Item::exif(2, &block, Some(1))],
            ),
            2,
            FRONT + 2000,
        ),
        (
            "HEIC, all at its end",
            heif(
                b"heic",
                Store::Before,
                &[Item::image(1, video), Item::exif(2, &block, Some(1))],
            ),
            3,
            FRONT + 4000,
        ),
        (
            "AVIF, without",
            heif(b"avif", Store::Behind, &[Item::image(1, video)]),
            1,
            FRONT,
        ),
        ("TIFF, tables last", with_image_data(&block, video), 2, FRONT + 2000),
        (
            "TIFF, tables far apart",
            Tiff {
                gap: 1_000_000,
                ..tiff::full(false)
            }
            .bytes(),
            6,
            FRONT + 6 * 0x1_0000,
        ),
    ] {
        let file = Bytes::from(file);
        let (metadata, ranges) = by_ranges(&file, FRONT);
        assert_eq!(metadata, read_whole(file), "{name}");
        let read: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        assert!(
            ranges.len() <= most && read <= bytes as u64,
            "{name}: {read} bytes in {ranges:?}"
        );
    }
}

/// A TIFF whose tables come after its image data.
fn with_image_data(block: &[u8], length: usize) -> Vec<u8> {
    // Offsets count from the front: the tables are built at their place.
    let mut file = Tiff {
        gap: length,
        ifd0: tiff::full(false).ifd0,
        ..Tiff::default()
    }
    .bytes();
    assert!(block.len() < length);
    file[8..length].fill(0x55);
    file
}
