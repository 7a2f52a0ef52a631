//! CR3: Canon's RAW files, in boxes. EXIF is in four boxes, and each holds one table as a TIFF file of its own. Source: the
//! description of the format by L. Bourgois (`canon_cr3`).

use std::borrow::Cow;
use std::ops::Range;

use super::iso_box::FileBox;
use crate::metadata::blocks::Blocks;
use crate::metadata::tiff::block::Block;
use crate::metadata::tiff::join;
use crate::metadata::tiff::note::MakerNote;
use crate::metadata::view::{FileView, MAX_STEPS, Missing, TOO_MANY_STEPS};
use crate::metadata::warnings::Warnings;

const CANON: [u8; 16] = 0x85C0_B687_820F_11E0_8111_F4CE_462B_6A48_u128.to_be_bytes();
const XMP: [u8; 16] = 0xBE7A_CFCB_97A9_42E8_9C71_9994_91E3_AFAC_u128.to_be_bytes();
const ID_BYTES: u64 = 16;

/// Larger boxes are not read.
const MAX_BLOCK_BYTES: u64 = 1024 * 1024;

/// Boxes of interest are not deeper: `moov`, Canon's box, and the tables.
const MAX_DEPTH: u32 = 3;

pub fn walk<'a>(file: &'a FileView, warnings: &mut Warnings) -> Result<Blocks<'a>, Missing> {
    let mut walk = Walk {
        file,
        blocks: Blocks::default(),
        main: None,
        exif: None,
        gps: None,
        warnings,
    };
    let searched = walk.boxes(0..file.size(), MAX_DEPTH);
    walk.warnings.unless_cut(searched)?;
    if let Some(main) = walk.main {
        match join::tables(main, walk.exif, walk.gps) {
            Some(joined) => walk.blocks.exif = Some(Block::owned(joined.into())),
            None => walk.warnings.add("EXIF: its tables cannot be joined"),
        }
    }
    Ok(walk.blocks)
}

struct Walk<'a, 'w> {
    file: &'a FileView,
    blocks: Blocks<'a>,
    /// The tables of EXIF.
    main: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
    gps: Option<&'a [u8]>,
    warnings: &'w mut Warnings,
}

impl<'a> Walk<'a, '_> {
    /// The boxes in this range. Those that hold others are entered.
    fn boxes(&mut self, range: Range<u64>, depth: u32) -> Result<(), Missing> {
        let mut at = range.start;
        for _ in 0..MAX_STEPS {
            if at >= range.end || depth == 0 {
                return Ok(());
            }
            let found = FileBox::at(self.file, at)?;
            let body = found.body.start..found.body.end.min(range.end);
            let length = body.end.saturating_sub(body.start);
            match &found.kind {
                b"moov" => self.boxes(body, depth - 1)?,
                b"CMT1" => self.main = self.bytes(body)?,
                b"CMT2" => self.exif = self.bytes(body)?,
                b"CMT3" => self.blocks.maker_note = self.bytes(body)?.map(MakerNote::apart),
                b"CMT4" => self.gps = self.bytes(body)?,
                b"uuid" if length > ID_BYTES => {
                    let id = self.file.array(body.start)?;
                    let content = body.start + ID_BYTES..body.end;
                    match id {
                        CANON => self.boxes(content, depth - 1)?,
                        XMP => {
                            let packet = self.bytes(content)?;
                            self.blocks.xmp.extend(packet.map(Cow::Borrowed));
                        }
                        _ => {}
                    }
                }
                // The pictures come last.
                b"mdat" => return Ok(()),
                _ => {}
            }
            at = found.body.end;
        }
        self.warnings.add(TOO_MANY_STEPS);
        Ok(())
    }

    fn bytes(&mut self, range: Range<u64>) -> Result<Option<&'a [u8]>, Missing> {
        let length = range.end.saturating_sub(range.start);
        if length > MAX_BLOCK_BYTES {
            self.warnings.omit(format!("a box of metadata: {length} bytes"));
            return Ok(None);
        }
        self.file.ahead(range.start, length).map(Some)
    }
}
