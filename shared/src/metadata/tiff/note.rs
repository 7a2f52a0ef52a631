use super::order::Order;

/// A maker note, as its maker wrote it.
#[derive(Clone, Copy, Debug)]
pub struct MakerNote<'a> {
    pub bytes: &'a [u8],
    /// Where it starts in the EXIF block. Some makers count offsets from the start of the block.
    pub offset: u64,
    /// The byte order of the block. A note may have another one.
    pub order: Order,
}

impl<'a> MakerNote<'a> {
    /// A note that lies outside of the EXIF block.
    pub fn apart(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            order: Order::Little,
        }
    }
}
