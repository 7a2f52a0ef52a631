//! Turning upright.

use picture::Target;

use crate::files::Pixels;
use crate::{is_close, make, pixels};

const RED: [u8; 3] = [220, 30, 30];
const GREEN: [u8; 3] = [30, 200, 40];
const BLUE: [u8; 3] = [40, 40, 210];
const GRAY: [u8; 3] = [120, 120, 120];

/// The colour of the upright picture in each quarter.
fn upright(x: usize, y: usize, (width, height): (usize, usize)) -> [u8; 3] {
    match (x * 2 < width, y * 2 < height) {
        (true, true) => RED,
        (false, true) => GREEN,
        (true, false) => BLUE,
        (false, false) => GRAY,
    }
}

/// The stored pixels of an upright picture (Exif 3.0: where the 0th row and the 0th column are).
fn stored(orientation: u16, (width, height): (usize, usize)) -> Pixels {
    let size = if (5..=8).contains(&orientation) {
        (height, width)
    } else {
        (width, height)
    };
    Pixels::new(size.0, size.1, |x, y| {
        let (x, y) = match orientation {
            2 => (width - 1 - x, y),
            3 => (width - 1 - x, height - 1 - y),
            4 => (x, height - 1 - y),
            5 => (y, x),
            6 => (width - 1 - y, x),
            7 => (width - 1 - y, height - 1 - x),
            8 => (y, height - 1 - x),
            _ => (x, y),
        };
        upright(x, y, (width, height))
    })
}

#[test]
fn all_orientations_of_all_formats_become_upright() {
    for orientation in 0..=9 {
        for (size, max_edge, expected) in [
            ((80, 48), 80, (80, 48)),
            ((80, 48), 40, (40, 24)),
            ((81, 49), 81, (81, 49)),
            ((160, 97), 35, (35, 21)),
        ] {
            let source = stored(orientation, size);
            for (name, file) in [("jpeg", source.jpeg()), ("png", source.png()), ("webp", source.webp())] {
                for target in [Target::Jpeg, Target::Png, Target::WebP] {
                    let what = format!("{name} {orientation} {size:?} to {target:?} {max_edge}");
                    let (output, _) = make(&file, max_edge, target, orientation).unwrap();
                    assert_eq!((output.width, output.height), expected, "{what}");
                    let pixels = pixels(&output);
                    // In the middle of each quarter.
                    for (x, y) in [(1, 1), (3, 1), (1, 3), (3, 3)] {
                        let (x, y) = (x * expected.0 / 4, y * expected.1 / 4);
                        let found = &pixels[y * expected.0 + x];
                        let expected = upright(x, y, expected);
                        assert!(
                            is_close(found, &expected),
                            "{what}: {found:?}, not {expected:?}, at {x}, {y}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn chroma_stays_where_luma_is() {
    // A red line in the middle of an odd number of columns, so that half a pixel of chroma matters.
    for orientation in 1..=8 {
        let size = (65, 33);
        let stored_size = if (5..=8).contains(&orientation) {
            (size.1, size.0)
        } else {
            size
        };
        let middle = |x: usize, y: usize| if (5..=8).contains(&orientation) { y } else { x };
        let source = Pixels::new(stored_size.0, stored_size.1, |x, y| {
            if middle(x, y).abs_diff(32) <= 6 { RED } else { GRAY }
        });
        let (output, _) = make(&source.jpeg_with(|_| {}), 65, Target::Jpeg, orientation).unwrap();
        let row = &pixels(&output)[16 * 65..17 * 65];
        for (left, right) in row[..32].iter().zip(row[33..].iter().rev()) {
            let differs = left.iter().zip(right).any(|(left, right)| left.abs_diff(*right) > 40);
            assert!(!differs, "{orientation}: {row:?}");
        }
    }
}
