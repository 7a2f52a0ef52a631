//! Any bytes are stripped or refused, without a panic and within limits. Nothing is left in an output.

#![no_main]

use bytes::Bytes;
use fuzz::metadata::{FileView, Metadata, read_whole};
use fuzz::strip::{Options, Progress, Refused, Scope, Stripped, Whole, strip, strip_whole};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The last byte says what is stripped. So every image can be an input as it is.
    let Some((&choice, file)) = input.split_last() else {
        return;
    };
    let options = Options {
        scope: if choice & 1 == 0 { Scope::All } else { Scope::Location },
        keep_copyright: choice & 2 != 0,
    };
    if let Some(Whole { bytes, .. }) = stripped(&Bytes::copy_from_slice(file), options) {
        stripped(&bytes, options);
    }
});

/// Strips an image, and checks that it takes at most six times the file's size and 1 MiB of memory.
fn stripped(file: &Bytes, options: Options) -> Option<Whole> {
    let metadata = read_whole(file.clone());
    let mut stripped = None;
    let source = Bytes::copy_from_slice(file);
    let counted = allocation_counter::measure(|| stripped = Some(strip_whole(source, &metadata, options)));
    let bound = 6 * file.len() as u64 + 1024 * 1024;
    assert!(
        counted.bytes_max <= bound,
        "{} bytes, more than {bound}",
        counted.bytes_max
    );
    match stripped? {
        Ok(stripped) => {
            let output = through_windows(file, &metadata, options).expect("what was stripped in memory");
            assert_eq!(output.pieces.of(file), stripped.bytes);
            Some(stripped)
        }
        Err(Refused::Unsupported(_)) => None,
        Err(Refused::Left(what)) => panic!("{what}"),
    }
}

/// Strips an image that is read through small windows.
fn through_windows(file: &Bytes, metadata: &Metadata, options: Options) -> Result<Stripped, Refused> {
    let mut view = FileView::new(file.len() as u64).with_windows();
    let window = 64 + file.len() as u64 / 16;
    loop {
        match strip(&view, metadata, options)? {
            Progress::Complete(stripped) => return Ok(stripped),
            Progress::NeedRange(range) if view.keep_of_window(&range) => {}
            Progress::NeedRange(range) => {
                let end = range.end.max(range.start + window).min(file.len() as u64);
                let index = |at: u64| usize::try_from(at).unwrap();
                view.move_window(range.start, file.slice(index(range.start)..index(end)));
            }
        }
    }
}
