/// Big-endian numbers and boxes, one after the other (ISO/IEC 14496-12, 4.2).
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of up to eight bytes. A number of no bytes is 0.
    pub fn number(&mut self, width: usize) -> Option<u64> {
        let bytes = self.take(width)?;
        (width <= 8).then(|| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    /// The number of an item, of two or four bytes.
    pub fn id(&mut self, width: usize) -> Option<u32> {
        self.number(width)?.try_into().ok()
    }

    /// The version and the flags of a full box.
    pub fn full_box(&mut self) -> Option<(u8, u64)> {
        let version = self.take(1)?[0];
        Some((version, self.number(3)?))
    }

    /// The boxes from here on, each with its type and content, up to the first that does not fit.
    pub fn boxes(mut self) -> impl Iterator<Item = (&'a [u8; 4], Self)> {
        std::iter::from_fn(move || self.next_box())
    }

    fn next_box(&mut self) -> Option<(&'a [u8; 4], Self)> {
        let mut rest = *self;
        let size = rest.number(4)?;
        let kind = rest.take(4)?.first_chunk()?;
        let size = match size {
            0 => self.0.len() as u64,
            1 => rest.number(8)?,
            size => size,
        };
        let header = self.0.len() - rest.0.len();
        let body = usize::try_from(size).ok()?.checked_sub(header)?;
        let body = rest.take(body)?;
        *self = rest;
        Some((kind, Self(body)))
    }
}
