//! Stripping a file through windows gives the same output as stripping it in memory, and holds little of it.

use bytes::Bytes;
use shared::metadata::{FileView, Format, read_whole};
use shared::strip::{self, Options, Refused, Scope, Stripped, strip};

use crate::files::{chunk, image_data, png, segment};
use crate::strip::files_to_damage;

fn slice(file: &Bytes, start: u64, end: u64) -> Bytes {
    file.slice(usize::try_from(start).unwrap()..usize::try_from(end).unwrap())
}

/// Strips a file that is read through windows of this many bytes. Also gives how many bytes were kept of the windows.
fn through_windows(file: &Bytes, window: u64, options: Options) -> Result<(Stripped, u64), Refused> {
    let metadata = read_whole(file.clone());
    let mut view = FileView::new(file.len() as u64).with_windows();
    // Each step moves on: a window is seen twice at most, once for what it has, and once for what touches it.
    for _ in 0..10_000 {
        match strip(&view, &metadata, options)? {
            strip::Progress::Complete(stripped) => return Ok((stripped, view.held())),
            strip::Progress::NeedRange(range) => {
                if !view.keep_of_window(&range) {
                    let end = range.end.max(range.start + window).min(file.len() as u64);
                    view.move_window(range.start, slice(file, range.start, end));
                }
            }
        }
    }
    panic!("no end");
}

fn in_memory(file: &Bytes, options: Options) -> Result<Stripped, Refused> {
    match strip(&FileView::whole(file.clone()), &read_whole(file.clone()), options)? {
        strip::Progress::Complete(stripped) => Ok(stripped),
        strip::Progress::NeedRange(range) => panic!("{range:?}"),
    }
}

fn options() -> [Options; 3] {
    [(Scope::All, false), (Scope::Location, false), (Scope::All, true)]
        .map(|(scope, keep_copyright)| Options { scope, keep_copyright })
}

#[test]
fn windows_of_any_size_give_the_same_output() {
    for (name, file) in files_to_damage() {
        let file = Bytes::from(file);
        for options in options() {
            let expected = in_memory(&file, options).map(|stripped| stripped.pieces.of(&file));
            for window in [1, 7, 100, 4096] {
                let found = through_windows(&file, window, options).map(|(found, _)| found.pieces.of(&file));
                assert_eq!(found, expected, "{name}, {options:?}, windows of {window}");
            }
        }
    }
}

#[test]
fn coded_pictures_are_not_held() {
    const WINDOW: u64 = 4096;
    // 0xFF is a part of the data here, and lies at the edges of windows.
    let scan: Vec<u8> = (0..300_000_u32)
        .flat_map(|index| [u8::try_from(index % 251).unwrap(), 0xFF, 0])
        .collect();
    let jpeg = [&[0xFF, 0xD8], &segment(0xDA, &[0; 10])[..], &scan, &[0xFF, 0xD9]].concat();
    let pictures: Vec<Vec<u8>> = (0..200).map(|_| chunk(b"IDAT", &[7; 4000])).collect();
    let text = chunk(b"tEXt", b"Comment\0hello");
    let pictures = png(&[pictures.concat(), text, image_data(9)]);
    // Each begins with its length.
    let blocks = vec![255; 256 * 3000];
    let gif = [
        b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02",
        &blocks[..],
        b"\0;",
    ]
    .concat();
    for file in [jpeg, pictures, gif] {
        let file = Bytes::from(file);
        assert_ne!(read_whole(file.clone()).format, Format::Unknown);
        let (found, kept) = through_windows(&file, WINDOW, options()[0]).unwrap();
        assert!(kept < 2 * WINDOW, "{kept} of {}", file.len());
        assert_eq!(found, in_memory(&file, options()[0]).unwrap());
    }
}
