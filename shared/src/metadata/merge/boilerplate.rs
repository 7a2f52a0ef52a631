//! Captions that cameras and programs write into every file. They say nothing of the picture.

/// Whole captions, compared without regard to case and to the width of white space.
const CAPTIONS: [&str; 35] = [
    "olympus digital camera",
    "sanyo digital camera",
    "traveler digital camera",
    "minolta digital camera",
    "konica minolta digital camera",
    "ge digital camera",
    "kodak digital still camera",
    "kodak action cam",
    "pentax digital camera",
    "samsung digital camera",
    "nikon digital camera",
    "fujifilm digital camera",
    "ricoh digital camera",
    "sony digital camera",
    "hp digital camera",
    "vivitar digital camera",
    "polaroid digital camera",
    "digital camera",
    "digital still camera",
    "sony dsc",
    "minolta dsc",
    "konica minolta dsc",
    "epson dsc picture",
    "samsung",
    "exif jpeg",
    "exif_jpeg_picture",
    "jpeg_picture",
    "dcf 1.0",
    "gc-x1e image",
    "created with gimp",
    "created with the gimp",
    "created with gimp on a mac",
    "adobe photoshop 7.0",
    "default",
    "null",
];

/// Whether a caption is one of these.
pub fn is_boilerplate(caption: &str) -> bool {
    let caption = caption
        .split_whitespace()
        .collect::<Vec<&str>>()
        .join(" ")
        .to_lowercase();
    CAPTIONS.contains(&&*caption)
        || is_camera_path(&caption)
        || is_samsung(&caption)
        || is_file_number(&caption)
        || is_jpegmini(&caption)
        || is_photoshop(&caption)
        || caption.chars().all(|c| matches!(c, '?' | '*') || c.is_whitespace())
}

/// `GoPro`, DJI and others: `DCIM\100GOPRO\GOPR0482.JPG`, perhaps after a drive.
fn is_camera_path(caption: &str) -> bool {
    let mut rest = caption;
    if let [b'a'..=b'z', b':', b'\\', ..] = caption.as_bytes() {
        rest = &caption[3..];
    }
    let Some(rest) = rest.strip_prefix("dcim\\") else {
        return false;
    };
    let is_name =
        |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let (folder, file) = match rest.split_once('\\') {
        Some((folder, file)) => (folder, Some(file)),
        None => (rest, None),
    };
    let is_folder = is_name(folder, 8) && folder.bytes().take(3).all(|b| b.is_ascii_digit());
    let is_file = |file: &str| {
        let (name, ending) = file.split_once('.').unwrap_or((file, "."));
        let is_ending =
            matches!(ending, "" | ".") || ending.len() == 3 && ending.bytes().all(|b| b.is_ascii_lowercase());
        is_name(name, 8) && is_ending
    };
    is_folder && file.is_none_or(is_file)
}

/// `<KENOX S730  / Samsung S730>`, `<Digimax S500>`.
fn is_samsung(caption: &str) -> bool {
    let inside = caption.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let model = inside.and_then(|text| text.strip_prefix("kenox ").or_else(|| text.strip_prefix("digimax ")));
    model.is_some_and(|model| (1..=40).contains(&model.chars().count()) && !model.contains(['<', '>']))
}

/// `DSC_0001`, `DSCF1234`.
fn is_file_number(caption: &str) -> bool {
    let Some(rest) = caption.strip_prefix("dsc") else {
        return false;
    };
    let digits = rest.strip_prefix(['f', 'n', '_']).unwrap_or(rest);
    (4..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// `Optimized by JPEGmini 3.14.2.84235 0x9e5f0c2d`.
fn is_jpegmini(caption: &str) -> bool {
    let Some((version, number)) = caption
        .strip_prefix("optimized by jpegmini ")
        .and_then(|rest| rest.split_once(" 0x"))
    else {
        return false;
    };
    is_version(version) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `File written by Adobe Photoshop® 4.0`, with any sign for the mark.
fn is_photoshop(caption: &str) -> bool {
    let Some(rest) = caption.strip_prefix("file written by adobe photoshop") else {
        return false;
    };
    let sign: usize = rest
        .chars()
        .take(3)
        .take_while(|c| !c.is_alphanumeric() && *c != '_' && *c != ' ')
        .map(char::len_utf8)
        .sum();
    rest[sign..].strip_prefix(' ').is_some_and(is_version)
}

fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_captions_count() {
        for (caption, expected) in [
            ("OLYMPUS DIGITAL CAMERA         ", true),
            ("Minolta DSC", true),
            ("DCIM\\100GOPRO\\GOPR0482.JPG", true),
            ("C:\\DCIM\\100MEDIA\\DJI_0001.JPG", true),
            ("DCIM\\100MEDIA", true),
            ("<KENOX S730  / Samsung S730>", true),
            ("<Digimax S500>", true),
            ("DSC_0001", true),
            ("DSCF12345", true),
            ("Optimized by JPEGmini 3.14.2.84235 0x9e5f0c2d", true),
            ("File written by Adobe Photoshop¨ 4.0", true),
            ("File written by Adobe Photoshop 5.0", true),
            ("???", true),
            ("Kodak digital camera museum, Rochester", false),
            ("Digital camera on a table", false),
            ("Sony DSC-F1 on show", false),
            ("Samsung headquarters", false),
            ("Created with GIMP by Ann", false),
            ("DCF 1.0 explained", false),
            ("DCIM\\picnic", false),
            ("DSC1", false),
            ("<KENOX >", false),
            ("4", false),
        ] {
            assert_eq!(is_boilerplate(caption), expected, "{caption}");
        }
    }
}
