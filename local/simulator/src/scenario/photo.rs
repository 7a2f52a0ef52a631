//! The content of an object: a small JPEG that says which version of which key it is.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A JPEG with the EXIF `Make` that [`make`] gives. Its height is that of the version.
pub fn photo(key: &str, version: u32) -> Vec<u8> {
    let mut file = b"\xFF\xD8".to_vec();
    if let Some(make) = make(version) {
        // A big-endian TIFF with one entry of eight bytes, which are behind it.
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x0F\0\x02\0\0\0\x08\0\0\0\x1A\0\0\0\0".to_vec();
        exif.extend(make.as_bytes());
        exif.push(0);
        segment(&mut file, 0xE1, &exif);
    }
    // The size differs, too: a damaged response should not look like another version.
    let hash = hash(key, version);
    let comment = format!("{version} {hash} {}", "x".repeat(usize::from(hash.to_be_bytes()[0])));
    segment(&mut file, 0xFE, comment.as_bytes());
    file.extend(&picture(version)[2..]);
    file
}

/// A grey picture of 8 pixels by [`height`].
fn picture(version: u32) -> Vec<u8> {
    let (mut file, height) = (Vec::new(), height(version));
    let samples = vec![128; 8 * usize::from(height)];
    let encoder = jpeg_encoder::Encoder::new(&mut file, 80);
    encoder
        .encode(&samples, 8, height, jpeg_encoder::ColorType::Luma)
        .expect("it is a small picture");
    file
}

/// The height of a version, in pixels.
pub fn height(version: u32) -> u16 {
    8 + u16::try_from(version).unwrap_or_default()
}

/// The height of a whole JPEG; `None` if it has no end.
pub fn height_of(file: &[u8]) -> Option<u16> {
    file.strip_suffix(b"\xFF\xD9")?;
    let mut rest = file.strip_prefix(b"\xFF\xD8")?;
    loop {
        let (head, content) = rest.split_at_checked(4)?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]])).checked_sub(2)?;
        // The start of a frame: its precision, its height, its width.
        if matches!(head[1], 0xC0..=0xC2) {
            return Some(u16::from_be_bytes([*content.get(1)?, *content.get(2)?]));
        }
        rest = content.get(len..)?;
    }
}

/// What the record and the copy of a version must say. Every fifth version has no EXIF.
pub fn make(version: u32) -> Option<String> {
    (version % 5 != 4).then(|| format!("v{version:06}"))
}

fn segment(file: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let len = u16::try_from(content.len() + 2).expect("the content is short");
    file.extend([0xFF, marker]);
    file.extend(len.to_be_bytes());
    file.extend(content);
}

fn hash(key: &str, version: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, version).hash(&mut hasher);
    hasher.finish()
}
