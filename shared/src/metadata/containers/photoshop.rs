//! Photoshop's image resources, in JPEG, TIFF, PNG and PSD. Source: Adobe Photoshop File Formats Specification, "Image
//! Resource Blocks".

use std::borrow::Cow;

use crate::metadata::blocks::Blocks;
use crate::metadata::tiff::block::Block;
use crate::metadata::view::MAX_STEPS;
use crate::metadata::warnings::Warnings;

pub const IPTC: u16 = 0x0404;
const ICC: u16 = 0x040F;
pub const EXIF: u16 = 0x0422;
pub const XMP: u16 = 0x0424;
pub const IPTC_DIGEST: u16 = 0x0425;

/// One resource.
pub struct Resource<'a> {
    pub id: u16,
    pub data: &'a [u8],
    /// With its signature, number, name and length, and with its padding.
    pub whole: &'a [u8],
}

/// The resources in some bytes. Damage ends them.
pub fn resources(mut rest: &[u8]) -> impl Iterator<Item = Resource<'_>> {
    std::iter::from_fn(move || {
        // Photoshop itself and other programs write their own signatures.
        let [b'8' | b'M' | b'P' | b'A' | b'D', _, _, _, high, low, name, after @ ..] = rest else {
            return None;
        };
        // The name has a length byte, and both together are padded to an even length.
        let name = usize::from(*name);
        let after = after.get(name + usize::from(name % 2 == 0)..)?;
        let (size, after) = after.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        let data = after.get(..size)?;
        let all = rest;
        rest = after.get(size + size % 2..).unwrap_or_default();
        Some(Resource {
            id: u16::from_be_bytes([*high, *low]),
            data,
            whole: &all[..all.len() - rest.len()],
        })
    })
    .take(MAX_STEPS)
}

/// Adds the blocks among some resources. Of two blocks of a kind, the first counts.
pub fn add(bytes: &[u8], blocks: &mut Blocks<'_>, warnings: &mut Warnings) {
    let mut is_any = false;
    for Resource { id, data, .. } in resources(bytes) {
        is_any = true;
        let owned = || Cow::Owned(data.to_vec());
        match id {
            IPTC if blocks.iptc.is_none() => blocks.iptc = Some(owned()),
            IPTC_DIGEST if blocks.iptc_digest.is_none() => blocks.iptc_digest = data.first_chunk().copied(),
            XMP if blocks.xmp.is_empty() => blocks.xmp.push(owned()),
            ICC if blocks.icc.is_none() => blocks.icc = Some(owned()),
            EXIF if blocks.exif.is_none() => {
                blocks.exif = Some(Block::owned(data.to_vec().into()));
            }
            _ => {}
        }
    }
    if !is_any && bytes.iter().any(|&byte| byte != 0) {
        warnings.add("Photoshop resources: none can be read");
    }
}
