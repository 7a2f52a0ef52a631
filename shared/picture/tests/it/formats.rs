//! What each format is decoded to, and what each is encoded to.

use jpeg_encoder::ColorType;
use picture::{Error, Format, Orientation, Plan, Target};

use crate::files::{self, Pixels};
use crate::{LIMITS, is_close, make, pixels, rendition};

const TARGETS: [Target; 3] = [Target::Jpeg, Target::Png, Target::WebP];

#[test]
fn every_format_becomes_every_format() {
    let source = Pixels::new(60, 40, |x, _| if x < 30 { [200, 80, 20] } else { [20, 90, 180] });
    for (format, file) in [
        (Format::Jpeg, source.jpeg()),
        (Format::Png, source.png()),
        (Format::WebP, source.webp()),
        (Format::Tiff, source.tiff()),
        (Format::Gif, source.gif(2)),
    ] {
        assert_eq!(Format::of(&file), Some(format));
        for target in TARGETS {
            for (max_edge, size) in [(20, (20, 13)), (60, (60, 40)), (1000, (60, 40))] {
                let (output, warnings) = make(&file, max_edge, target, 1).unwrap();
                assert_eq!((output.width, output.height), size, "{format:?} {target:?}");
                assert_eq!(Some(output.format), Format::of(&output.file));
                assert!(warnings.is_empty(), "{warnings:?}");
                let pixels = pixels(&output);
                assert!(is_close(&pixels[size.0 + 3], &[200, 80, 20]), "{format:?} {target:?}");
                assert!(
                    is_close(&pixels[2 * size.0 - 3], &[20, 90, 180]),
                    "{format:?} {target:?}"
                );
            }
        }
    }
}

#[test]
fn a_format_is_kept_if_it_can_be_encoded() {
    let source = Pixels::any(10, 10);
    for (file, format) in [
        (source.jpeg(), Format::Jpeg),
        (source.png(), Format::Png),
        (source.webp(), Format::WebP),
    ] {
        assert_eq!(make(&file, 5, Target::Keep, 1).unwrap().0.format, format);
    }
    for file in [source.tiff(), source.gif(1)] {
        assert!(matches!(make(&file, 5, Target::Keep, 1), Err(Error::Unsupported(_))));
    }
}

#[test]
fn several_renditions_are_made_of_one_picture() {
    let file = Pixels::any(300, 200).jpeg();
    let renditions = [
        rendition(240, Target::Jpeg),
        rendition(64, Target::WebP),
        rendition(17, Target::Png),
    ];
    let plan = Plan::new(&file, &renditions, Orientation::from_exif(6), LIMITS).unwrap();
    let sizes: Vec<_> = plan
        .run()
        .unwrap()
        .0
        .iter()
        .map(|output| (output.width, output.height))
        .collect();
    assert_eq!(sizes, [(160, 240), (43, 64), (11, 17)]);
}

#[test]
fn gray_stays_gray() {
    let samples: Vec<u8> = (0..64_u32 * 64).map(|index| (index % 64 * 4) as u8).collect();
    let size = (64, 64);
    let gray = (png::ColorType::Grayscale, png::BitDepth::Eight);
    for file in [
        files::jpeg(&samples, size, ColorType::Luma, |_| {}),
        files::png(&samples, size, gray, |_| {}),
    ] {
        for max_edge in [64, 30] {
            let (output, _) = make(&file, max_edge, Target::Jpeg, 1).unwrap();
            assert_eq!(jpeg::Header::read(&output.file).unwrap().components.len(), 1);
            let (output, _) = make(&file, max_edge, Target::Png, 1).unwrap();
            assert_eq!(files::read_png(&output.file).1, 1);
        }
    }
}

#[test]
fn pngs_of_all_kinds_are_decoded() {
    use png::BitDepth as Depth;
    use png::ColorType as Color;
    // A grey of 16 bits: the higher byte counts.
    let file = files::png(
        &[0x80, 0xFF].repeat(16),
        (4, 4),
        (Color::Grayscale, Depth::Sixteen),
        |_| {},
    );
    assert_eq!(pixels(&make(&file, 4, Target::Png, 1).unwrap().0)[5], [0x80; 3]);
    // A palette of two colours. One is transparent.
    let file = files::png(&[0b0101_0000].repeat(4), (4, 4), (Color::Indexed, Depth::One), |info| {
        info.palette = Some(vec![10, 20, 30, 200, 100, 50].into());
        info.trns = Some(vec![255, 0].into());
    });
    let (output, _) = make(&file, 4, Target::Png, 1).unwrap();
    assert_eq!(pixels(&output)[..2], [vec![10, 20, 30, 255], vec![200, 100, 50, 0]]);
    // Transparent becomes white where there is no alpha.
    let file = files::png(&[9, 9, 9, 0].repeat(64), (8, 8), (Color::Rgba, Depth::Eight), |_| {});
    assert!(is_close(
        &pixels(&make(&file, 8, Target::Jpeg, 1).unwrap().0)[9],
        &[255; 3]
    ));
    let (output, _) = make(&file, 8, Target::WebP, 1).unwrap();
    assert_eq!(pixels(&output)[9][3], 0);
}

#[test]
fn jpegs_of_all_kinds_are_decoded() {
    let source = Pixels::new(50, 50, |_, _| [180, 60, 90]);
    for is_progressive in [false, true] {
        for interval in [0, 2] {
            let file = source.jpeg_with(|encoder| {
                encoder.set_progressive(is_progressive);
                encoder.set_restart_interval(interval);
            });
            let (output, _) = make(&file, 25, Target::Png, 1).unwrap();
            assert!(is_close(&pixels(&output)[300], &[180, 60, 90]));
        }
    }
    // Ink: Adobe's files, so 0 is full ink. Half the magenta, and no black.
    for color in [ColorType::Cmyk, ColorType::CmykAsYcck] {
        let file = files::jpeg(&[0, 128, 0, 0].repeat(2500), (50, 50), color, |_| {});
        let (output, _) = make(&file, 25, Target::Png, 1).unwrap();
        let found = &pixels(&output)[300];
        assert!(is_close(found, &[255, 127, 255]), "{color:?}: {found:?}");
    }
}

#[test]
fn the_first_picture_of_a_gif_is_placed_on_its_canvas() {
    let mut file = Vec::new();
    let mut encoder = gif::Encoder::new(&mut file, 8, 6, &[]).unwrap();
    let mut frame = gif::Frame::from_rgb(2, 2, &[200, 0, 0].repeat(4));
    (frame.left, frame.top) = (3, 4);
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    let (output, _) = make(&file, 8, Target::Png, 1).unwrap();
    let pixels = pixels(&output);
    assert_eq!(pixels[4 * 8 + 3], [200, 0, 0, 255]);
    assert_eq!(pixels[4 * 8 + 2][3], 0);
}

#[test]
fn tiffs_of_all_kinds_are_decoded() {
    // 4 × 2 pixels, each an index of 8 bits; the colour map has 256 reds, greens and blues.
    let indices = [0, 1, 2, 0, 1, 2, 0, 1];
    let map = (0..3_u16).flat_map(|channel| (0..256_u16).map(move |index| (index * 50 + channel * 10) << 8));
    let data: Vec<u8> = indices.into_iter().chain(map.flat_map(u16::to_le_bytes)).collect();
    let size = [(256, 3, 1, 4), (257, 3, 1, 2)];
    let palette = [
        (258, 3, 1, 8),
        (262, 3, 1, 3),
        (273, 4, 1, 512),
        (278, 3, 1, 2),
        (279, 4, 1, 8),
        (320, 3, 768, 520),
    ];
    let file = files::tiff(&[&size[..], &palette[..]].concat(), &data);
    let (output, _) = make(&file, 4, Target::Png, 1).unwrap();
    assert_eq!(
        pixels(&output)[..3],
        [vec![0, 10, 20], vec![50, 60, 70], vec![100, 110, 120]]
    );

    // 1 bit per pixel, with the lowest bit first; 0 is white.
    let fax = [
        (258, 3, 1, 1),
        (262, 3, 1, 0),
        (266, 3, 1, 2),
        (273, 4, 1, 512),
        (278, 3, 1, 2),
        (279, 4, 1, 2),
    ];
    let file = files::tiff(&[&size[..], &fax[..]].concat(), &[0b0000_0001, 0b0000_1000]);
    let (output, _) = make(&file, 4, Target::Png, 1).unwrap();
    let white: Vec<bool> = pixels(&output).iter().map(|pixel| pixel[0] == 255).collect();
    assert_eq!(white, [false, true, true, true, true, true, true, false]);

    // A preview, as in RAW files.
    let preview = [
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 512),
        (278, 3, 1, 2),
        (279, 4, 1, 8),
    ];
    let file = files::tiff(&[&[(254, 4, 1, 1)], &size[..], &preview[..]].concat(), &indices);
    assert!(matches!(make(&file, 4, Target::Png, 1), Err(Error::Unsupported(_))));
    let file = files::tiff(&[&size[..], &preview[..]].concat(), &indices);
    assert!(make(&file, 4, Target::Png, 1).is_ok());
}

#[test]
fn chroma_of_ink_is_not_stretched() {
    // Magenta on the left, yellow on the right; the width is just above a whole number of MCUs.
    for width in [17, 33, 65] {
        let inks = (0..40 * width).map(|place| {
            if place % width < width / 2 {
                [0, 255, 0, 0]
            } else {
                [0, 0, 255, 0]
            }
        });
        let inks: Vec<u8> = inks.flatten().collect();
        let file = files::jpeg(&inks, (width, 40), ColorType::CmykAsYcck, |encoder| {
            encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
        });
        let (output, _) = make(&file, 65, Target::Png, 1).unwrap();
        let row = &pixels(&output)[20 * width..][..width];
        let (left, right) = (&row[width / 2 - 4], &row[width / 2 + 4]);
        assert!(left[2] > 180 && right[2] < 80, "{width}: {left:?} {right:?}");
    }
}
