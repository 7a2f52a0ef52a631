//! Files that are damaged, or made to be too much. Each gives a picture or an error, within its limits.

use picture::{Error, Limits, Orientation, Plan, Target};

use crate::files::{self, Pixels};
use crate::{LIMITS, make, pixels, rendition};

/// Replaces the size in the frame header of a JPEG.
fn with_size(mut file: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let frame = (0..file.len())
        .find(|&at| matches!(file[at..], [0xFF, 0xC0..=0xC2, ..]))
        .unwrap();
    file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    file
}

#[test]
fn a_header_alone_takes_no_memory() {
    let small = Pixels::any(8, 8).jpeg();
    let renditions = [rendition(1024, Target::Jpeg)];
    let plan =
        |file: &[u8], limits| Plan::new(file, &renditions, Orientation::default(), limits).map(|plan| plan.memory());
    let huge = with_size(small.clone(), 65_535, 65_535);
    assert!(matches!(plan(&huge, LIMITS), Err(Error::TooLarge(_))));
    let large = with_size(small, 16_000, 16_000);
    let limits = Limits {
        max_memory: 10 << 20,
        ..LIMITS
    };
    assert!(matches!(plan(&large, limits), Err(Error::TooLarge(_))));
    // With enough memory, the picture is what is there.
    assert!(plan(&large, LIMITS).is_ok());
    let (_, warnings) = make(&large, 64, Target::Jpeg, 1).unwrap();
    assert_eq!(warnings.len(), 1);
}

#[test]
fn a_png_that_unpacks_to_much_more_is_too_large() {
    let rgb = (png::ColorType::Grayscale, png::BitDepth::One);
    let file = files::png(&vec![0; 2500 * 20_000], (20_000, 20_000), rgb, |_| {});
    assert!(file.len() < 300_000, "{}", file.len());
    assert!(matches!(make(&file, 64, Target::Jpeg, 1), Err(Error::TooLarge(_))));
}

#[test]
fn a_file_that_is_cut_in_half_gives_what_is_there_or_an_error() {
    let source = Pixels::any(200, 150);
    for is_progressive in [false, true] {
        let file = source.jpeg_with(|encoder| {
            encoder.set_progressive(is_progressive);
        });
        let (output, warnings) = make(&file[..file.len() / 2], 100, Target::Jpeg, 1).unwrap();
        assert_eq!((output.width, warnings.len()), (100, 1), "{warnings:?}");
    }
    for file in [source.png(), source.webp(), source.tiff(), source.gif(1)] {
        match make(&file[..file.len() / 2], 100, Target::Jpeg, 1) {
            Err(Error::Damaged(_)) => {}
            other => panic!("{:?}", other.map(|(output, warnings)| (output.width, warnings))),
        }
    }
}

#[test]
fn thousands_of_scans_are_not_decoded() {
    let file = Pixels::any(64, 64).jpeg_with(|encoder| {
        encoder.set_progressive(true);
    });
    let scan = file.windows(2).rposition(|two| two == [0xFF, 0xDA]).unwrap();
    let mut many = file[..scan].to_vec();
    for _ in 0..10_000 {
        many.extend_from_slice(&file[scan..file.len() - 2]);
    }
    assert!(matches!(make(&many, 64, Target::Jpeg, 1), Err(Error::Unsupported(_))));
}

#[test]
fn thin_and_tiny_pictures_keep_a_pixel() {
    for (size, max_edge, expected) in [
        ((1, 1), 1024, (1, 1)),
        ((1, 20_000), 1024, (1, 1024)),
        ((20_000, 1), 64, (64, 1)),
        ((3, 2), 1, (1, 1)),
    ] {
        let source = Pixels::any(size.0, size.1);
        let mut files = vec![source.jpeg(), source.png(), source.tiff(), source.gif(1)];
        if size.0.max(size.1) <= 16_383 {
            files.push(source.webp());
        }
        for file in files {
            for target in [Target::Jpeg, Target::Png, Target::WebP] {
                let (output, _) = make(&file, max_edge, target, 1).unwrap();
                assert_eq!((output.width, output.height), expected);
                assert_eq!(pixels(&output).len(), expected.0 * expected.1);
            }
        }
    }
}

#[test]
fn only_the_first_of_ten_thousand_frames_is_decoded() {
    let (output, _) = make(&Pixels::any(30, 20).gif(10_000), 30, Target::Jpeg, 1).unwrap();
    assert_eq!((output.width, output.height), (30, 20));
}

#[test]
fn large_segments_before_the_picture_are_skipped() {
    let file = Pixels::any(30, 20).jpeg();
    let mut large = file[..2].to_vec();
    for _ in 0..32 {
        large.extend([0xFF, 0xED, 0xFF, 0xFF]);
        large.resize(large.len() + 65_533, 0xFF);
    }
    large.extend_from_slice(&file[2..]);
    assert!(large.len() > 2_000_000);
    assert_eq!(
        make(&large, 15, Target::Jpeg, 1).unwrap().0.file,
        make(&file, 15, Target::Jpeg, 1).unwrap().0.file
    );
}

#[test]
fn what_is_no_picture_is_unsupported() {
    for file in [&b""[..], b"text", b"\xFF", b"%PDF-1.7", b"\0\0\0\x18ftypheic"] {
        assert!(
            matches!(make(file, 10, Target::Jpeg, 1), Err(Error::Unsupported(_))),
            "{file:?}"
        );
    }
}

#[cfg(not(feature = "heic"))]
#[test]
fn the_reason_names_the_feature_that_decodes() {
    let file = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    let error = make(file, 10, Target::Jpeg, 1).unwrap_err();
    assert!(error.to_string().contains("the feature heic"), "{error}");
    assert!(matches!(error, Error::Unsupported(_)));
}

#[cfg(not(feature = "avif"))]
#[test]
fn the_reason_names_the_feature_that_encodes() {
    let error = make(&Pixels::any(8, 8).png(), 8, Target::Avif, 1).unwrap_err();
    assert!(error.to_string().contains("the feature avif"), "{error}");
    assert!(matches!(error, Error::Unsupported(_)));
}

#[test]
fn too_many_pixels_for_a_format_are_too_large() {
    let file = Pixels::any(1, 20_000).png();
    assert!(matches!(make(&file, 20_000, Target::WebP, 1), Err(Error::TooLarge(_))));
}

#[test]
fn pieces_of_a_tiff_that_overlap_take_little_time() {
    // Each of 60,000 strips is the whole file, and their bits are to be reversed.
    const STRIPS: u32 = 60_000;
    let numbers = |value: u32| std::iter::repeat_n(value.to_le_bytes(), STRIPS as usize).flatten();
    let data: Vec<u8> = numbers(0).chain(numbers(400_000)).collect();
    let entries = [
        (256, 3, 1, 8),
        (257, 4, 1, STRIPS),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (266, 3, 1, 2),
        (273, 4, STRIPS, 512),
        (278, 3, 1, 1),
        (279, 4, STRIPS, 512 + 4 * STRIPS),
    ];
    // Any result is fine. It would take a minute if all of them were reversed.
    let _ = make(&files::tiff(&entries, &data), 8, Target::Png, 1);
}

#[test]
fn a_large_jpeg_in_a_small_tiff_is_not_decoded() {
    let strip = with_size(Pixels::any(8, 8).jpeg(), 16_000, 16_000);
    let entries = [
        (256, 3, 1, 8),
        (257, 3, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 7),
        (262, 3, 1, 1),
        (273, 4, 1, 512),
        (278, 3, 1, 8),
        (279, 4, 1, strip.len() as u32),
    ];
    assert!(matches!(
        make(&files::tiff(&entries, &strip), 8, Target::Png, 1),
        Err(Error::Damaged(_))
    ));
}

#[test]
fn a_profile_of_many_megabytes_is_left_out() {
    let rgb = (png::ColorType::Rgb, png::BitDepth::Eight);
    let mut profile = vec![0; 20 << 20];
    profile[16..20].copy_from_slice(b"RGB ");
    let png = files::png(&[9; 192], (8, 8), rgb, |info| {
        info.icc_profile = Some(profile.clone().into());
    });
    assert!(png.len() < 100_000, "{}", png.len());
    let jpeg = Pixels::any(8, 8).jpeg_with(|encoder| encoder.add_icc_profile(&profile[..5 << 20]).unwrap());
    for (file, target) in [
        (&png, Target::Jpeg),
        (&png, Target::WebP),
        (&jpeg, Target::Jpeg),
        (&jpeg, Target::WebP),
    ] {
        match make(file, 8, target, 1) {
            Ok((output, _)) => assert!(output.file.len() < 10_000),
            Err(error) => assert!(matches!(error, Error::TooLarge(_)), "{error}"),
        }
    }
}
