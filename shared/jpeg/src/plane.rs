/// The samples of one component, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// In samples.
    pub width: usize,
    pub height: usize,
    /// `width × height` samples.
    pub samples: Vec<u8>,
}

impl Plane {
    /// A plane of one value.
    #[must_use]
    pub fn filled(width: usize, height: usize, value: u8) -> Self {
        Self {
            width,
            height,
            samples: vec![value; width * height],
        }
    }

    #[must_use]
    pub fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..][..self.width]
    }
}
