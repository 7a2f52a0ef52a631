use std::ops::Range;

use bytes::Bytes;

/// A part of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes of the source.
    Source(Range<u64>),
    New(Bytes),
    /// As many zeros.
    Zeros(u64),
}

impl Piece {
    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Source(range) => range.end - range.start,
            Self::New(bytes) => bytes.len() as u64,
            Self::Zeros(length) => *length,
        }
    }
}

/// An output, as parts that follow each other. So a large image is copied without being held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    pieces: Vec<Piece>,
    length: u64,
}

impl Pieces {
    pub fn keep(&mut self, range: Range<u64>) {
        self.length += range.end.saturating_sub(range.start);
        match self.pieces.last_mut() {
            _ if range.is_empty() => {}
            Some(Piece::Source(last)) if last.end == range.start => last.end = range.end,
            _ => self.pieces.push(Piece::Source(range)),
        }
    }

    pub fn put(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.length += bytes.len() as u64;
            self.pieces.push(Piece::New(bytes));
        }
    }

    pub fn zeros(&mut self, length: u64) {
        if length > 0 {
            self.length += length;
            self.pieces.push(Piece::Zeros(length));
        }
    }

    pub fn append(&mut self, more: Self) {
        for piece in more.pieces {
            match piece {
                Piece::Source(range) => self.keep(range),
                Piece::New(bytes) => self.put(bytes),
                Piece::Zeros(length) => self.zeros(length),
            }
        }
    }

    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The pieces of a range of the output.
    #[must_use]
    pub fn within(&self, range: &Range<u64>) -> Self {
        let mut cut = Self::default();
        let mut start = 0;
        for piece in &self.pieces {
            let end = start + piece.length();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let (from, to) = (from - start, to - start);
                match piece {
                    Piece::Source(source) => cut.keep(source.start + from..source.start + to),
                    Piece::New(bytes) => cut.put(bytes.slice(index(from)..index(to))),
                    Piece::Zeros(_) => cut.zeros(to - from),
                }
            }
            start = end;
        }
        cut
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Piece] {
        &self.pieces
    }

    /// The output of a source that is in memory.
    ///
    /// # Panics
    ///
    /// If this is not the source that the parts were made for.
    #[must_use]
    pub fn of(&self, source: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(index(self.length));
        for piece in &self.pieces {
            match piece {
                Piece::Source(range) => out.extend_from_slice(&source[index(range.start)..index(range.end)]),
                Piece::New(bytes) => out.extend_from_slice(bytes),
                Piece::Zeros(length) => out.resize(out.len() + index(*length), 0),
            }
        }
        out
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("what is in memory has such an index")
}
