//! Photoshop's resources without places, and resources that hold IPTC alone.

use md5::{Digest as _, Md5};

use super::{embedded, exif, iptc, xmp};
use crate::metadata::containers::photoshop::{EXIF, IPTC, IPTC_DIGEST, Resource, XMP, resources};

/// Thumbnails: a header, and then a JPEG.
const THUMBNAILS: [u16; 2] = [0x0409, 0x040C];
const THUMBNAIL_HEADER_BYTES: usize = 28;

/// The resources without places. Damage ends them.
pub fn without_places(bytes: &[u8]) -> Vec<u8> {
    let found: Vec<Resource<'_>> = resources(bytes).collect();
    let of = |id| found.iter().find(|resource| resource.id == id).map(|found| found.data);
    let old_iptc = of(IPTC);
    let new_iptc = old_iptc.map(iptc::without_places);
    // A digest that did not fit says that IPTC was edited later. It must not fit afterwards.
    let digest_fits = of(IPTC_DIGEST)
        .zip(old_iptc)
        .is_some_and(|(digest, iptc)| digest == &Md5::digest(iptc)[..]);
    let mut out = Vec::new();
    for Resource { id, data, whole } in found {
        match id {
            IPTC => put(&mut out, id, &iptc::without_places(data)),
            IPTC_DIGEST if digest_fits => {
                let digest = new_iptc.as_deref().map(|block| Md5::digest(block).to_vec());
                put(&mut out, id, digest.as_deref().unwrap_or(data));
            }
            XMP => {
                if let Some(packet) = xmp::without_places(data, None) {
                    put(&mut out, id, &packet);
                }
            }
            EXIF => {
                if let Some(block) = exif::without_places(data) {
                    put(&mut out, id, &block);
                }
            }
            _ if THUMBNAILS.contains(&id) => {
                let jpeg = data.get(THUMBNAIL_HEADER_BYTES..).unwrap_or_default();
                if !embedded::has_metadata(jpeg) {
                    out.extend_from_slice(whole);
                }
            }
            _ => out.extend_from_slice(whole),
        }
    }
    out
}

/// The resource with an IPTC block.
pub fn with_iptc(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, IPTC, block);
    out
}

/// Adds a resource without a name.
fn put(out: &mut Vec<u8>, id: u16, data: &[u8]) {
    let length = u32::try_from(data.len()).expect("resources come from a file of this size");
    out.extend_from_slice(b"8BIM");
    out.extend(id.to_be_bytes());
    out.extend([0, 0]);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(data);
    out.extend(vec![0; data.len() % 2]);
}
