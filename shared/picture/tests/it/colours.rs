//! Profiles and descriptions of colours.

use moxcms::ColorProfile;
use picture::{Format, Target};

use crate::files::{self, Pixels};
use crate::{make, pixels};

fn profile_of(format: Format, file: &[u8]) -> Option<Vec<u8>> {
    match format {
        Format::Jpeg => jpeg::Header::read(file).unwrap().icc_profile,
        Format::Png => {
            let reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
            reader.info().icc_profile.as_ref().map(|profile| profile.to_vec())
        }
        _ => image_webp::WebPDecoder::new(std::io::Cursor::new(file))
            .unwrap()
            .icc_profile()
            .unwrap(),
    }
}

#[test]
fn a_profile_is_kept_byte_for_byte() {
    let profile = ColorProfile::new_display_p3().encode().unwrap();
    let source = Pixels::any(40, 30);
    let rgb = (png::ColorType::Rgb, png::BitDepth::Eight);
    let sources = [
        source.jpeg_with(|encoder| encoder.add_icc_profile(&profile).unwrap()),
        files::png(&source.samples, (40, 30), rgb, |info| {
            info.icc_profile = Some(profile.clone().into());
        }),
    ];
    for file in sources {
        for target in [Target::Jpeg, Target::Png, Target::WebP] {
            let (output, _) = make(&file, 20, target, 1).unwrap();
            assert!(
                profile_of(output.format, &output.file).as_ref() == Some(&profile),
                "{target:?}"
            );
            // And the colours are as they were.
            assert_eq!(pixels(&output).len(), 20 * 15);
            // From there on as well.
            let (again, _) = make(&output.file, 10, Target::Keep, 1).unwrap();
            assert!(
                profile_of(again.format, &again.file).as_ref() == Some(&profile),
                "{target:?}"
            );
        }
    }
}

#[test]
fn a_profile_of_other_colours_is_left_out() {
    let profile = ColorProfile::new_display_p3().encode().unwrap();
    let file = files::jpeg(&[100; 64], (8, 8), jpeg_encoder::ColorType::Luma, |encoder| {
        encoder.add_icc_profile(&profile).unwrap();
    });
    let (output, _) = make(&file, 8, Target::Jpeg, 1).unwrap();
    assert_eq!(profile_of(output.format, &output.file), None);
}

#[test]
fn a_profile_stays_beside_alpha() {
    let profile = ColorProfile::new_display_p3().encode().unwrap();
    let samples = [200, 100, 50, 128].repeat(100);
    let rgba = (png::ColorType::Rgba, png::BitDepth::Eight);
    let file = files::png(&samples, (10, 10), rgba, |info| {
        info.icc_profile = Some(profile.clone().into());
    });
    let (output, _) = make(&file, 10, Target::WebP, 1).unwrap();
    assert!(profile_of(output.format, &output.file) == Some(profile));
    assert_eq!(pixels(&output)[55][3], 128);
}

#[test]
fn colours_without_a_profile_become_srgb() {
    let rgb = (png::ColorType::Rgb, png::BitDepth::Eight);
    let file = files::png(&[128; 300], (10, 10), rgb, |info| {
        info.source_gamma = Some(png::ScaledFloat::new(1.0));
    });
    let (output, _) = make(&file, 10, Target::Png, 1).unwrap();
    let found = &pixels(&output)[50];
    assert!(found.iter().all(|value| value.abs_diff(188) <= 1), "{found:?}");
    assert_eq!(profile_of(output.format, &output.file), None);
}
