use std::ops::Range;

use bytes::Bytes;

/// How much that is not needed may be read between two pieces, besides as much as is needed.
const SPARE_BYTES: u64 = 64 * 1024;

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
            self.add(piece);
        }
    }

    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Source(range) => self.keep(range),
            Piece::New(bytes) => self.put(bytes),
            Piece::Zeros(length) => self.zeros(length),
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
        self.append_to(&mut out, 0, source);
        out
    }

    /// The same, of a source that is not needed any more. Its largest piece stays where it is, because a copy of a photo takes as
    /// long as all other work on it.
    ///
    /// # Panics
    ///
    /// If this is not the source that the parts were made for.
    #[must_use]
    pub fn of_owned(&self, source: Bytes) -> Bytes {
        let Some((before, kept, after)) = self.around_largest() else {
            return self.of(&source).into();
        };
        let (head, tail) = (before.of(&source), after.of(&source));
        let (Some(start), end) = (kept.start.checked_sub(head.len()), kept.end + tail.len()) else {
            return self.of(&source).into();
        };
        if end > source.len() {
            return self.of(&source).into();
        }
        match source.try_into_mut() {
            Ok(mut bytes) => {
                bytes[start..kept.start].copy_from_slice(&head);
                bytes[kept.end..end].copy_from_slice(&tail);
                bytes.freeze().slice(start..end)
            }
            // Somebody else needs it.
            Err(source) => self.of(&source).into(),
        }
    }

    /// The largest piece of the source, and the pieces before and after it.
    fn around_largest(&self) -> Option<(Self, Range<usize>, Self)> {
        let ranges = self
            .pieces
            .iter()
            .enumerate()
            .filter_map(|(number, piece)| match piece {
                Piece::Source(range) => Some((number, range)),
                Piece::New(_) | Piece::Zeros(_) => None,
            });
        let (number, range) = ranges.max_by_key(|(_, range)| range.end - range.start)?;
        let some = |pieces: &[Piece]| {
            let mut some = Self::default();
            pieces.iter().cloned().for_each(|piece| some.add(piece));
            some
        };
        let (before, after) = (some(&self.pieces[..number]), some(&self.pieces[number + 1..]));
        Some((before, index(range.start)..index(range.end), after))
    }

    /// Appends the output of a source of which the bytes from `start` on are in memory.
    ///
    /// # Panics
    ///
    /// If these are not all bytes of the source that the output has.
    pub fn append_to(&self, out: &mut Vec<u8>, start: u64, source: &[u8]) {
        for piece in &self.pieces {
            match piece {
                Piece::Source(range) => {
                    out.extend_from_slice(&source[index(range.start - start)..index(range.end - start)]);
                }
                Piece::New(bytes) => out.extend_from_slice(bytes),
                Piece::Zeros(length) => out.resize(out.len() + index(*length), 0),
            }
        }
    }

    /// The same pieces, in groups that each need one read of the source: this range of it. Pieces near each other are read
    /// together, with what lies between them, as long as most of this is needed. A range is empty if the group needs nothing.
    #[must_use]
    pub fn reads(&self) -> Vec<(Range<u64>, Self)> {
        let mut reads: Vec<(Range<u64>, Self)> = Vec::new();
        // How many bytes of the last read are needed.
        let mut needed = 0;
        for piece in &self.pieces {
            let range = match piece {
                Piece::Source(range) => range.clone(),
                Piece::New(_) | Piece::Zeros(_) => 0..0,
            };
            let length = range.end - range.start;
            let is_near = |joined: &Range<u64>| joined.end - joined.start <= 2 * (needed + length) + SPARE_BYTES;
            let joined = reads.last().map(|(read, _)| union(read, &range)).filter(is_near);
            if let Some((joined, (read, group))) = joined.zip(reads.last_mut()) {
                needed += length;
                *read = joined;
                group.add(piece.clone());
            } else {
                needed = length;
                let mut group = Self::default();
                group.add(piece.clone());
                reads.push((range, group));
            }
        }
        reads
    }
}

/// The least range with both. An empty one has no place.
fn union(one: &Range<u64>, other: &Range<u64>) -> Range<u64> {
    if one.is_empty() || other.is_empty() {
        return if one.is_empty() { other } else { one }.clone();
    }
    one.start.min(other.start)..one.end.max(other.end)
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("what is in memory has such an index")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Pieces {
        let mut pieces = Pieces::default();
        pieces.put(&b"head"[..]);
        pieces.keep(10..20);
        pieces.zeros(5);
        pieces.keep(40..60);
        pieces.keep(1_000_000..1_000_010);
        pieces.put(&b"tail"[..]);
        pieces.keep(30..35);
        pieces
    }

    #[test]
    fn reads_give_any_range_of_the_output() {
        let source: Vec<u8> = (0..=250).cycle().take(1_100_000).collect();
        let whole = pieces().of(&source);
        assert_eq!((whole.len() as u64, &whole[..4]), (pieces().length(), &b"head"[..]));
        for start in 0..whole.len() {
            for end in start..=whole.len() {
                let cut = pieces().within(&(start as u64..end as u64));
                let mut found = Vec::new();
                for (range, group) in cut.reads() {
                    group.append_to(&mut found, range.start, &source[index(range.start)..index(range.end)]);
                }
                assert_eq!(found, whole[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn an_output_in_place_is_the_same() {
        let source: Vec<u8> = (0..=250).cycle().take(1_100_000).collect();
        let pieces_of = |ranges: &[(Range<u64>, &'static [u8])]| {
            let mut pieces = Pieces::default();
            for (range, new) in ranges {
                pieces.put(*new);
                pieces.keep(range.clone());
            }
            pieces
        };
        for pieces in [
            pieces(),
            pieces_of(&[(100..1_000_000, b"head"), (5..9, b"")]),
            // There is no room before it, and none behind it.
            pieces_of(&[(2..1_000_000, b"head")]),
            pieces_of(&[(0..1_100_000, b""), (0..1, b"tail")]),
            pieces_of(&[(0..0, b"new alone")]),
            Pieces::default(),
        ] {
            let expected = pieces.of(&source);
            let shared = Bytes::from(source.clone());
            assert!(pieces.of_owned(shared.clone()) == expected);
            assert!(shared == source, "what somebody else holds stays");
            assert!(pieces.of_owned(shared) == expected);
        }
    }

    #[test]
    fn near_pieces_are_read_together() {
        let ranges: Vec<_> = pieces().reads().into_iter().map(|(range, _)| range).collect();
        assert_eq!(ranges, [10..60, 1_000_000..1_000_010, 30..35]);
    }
}
