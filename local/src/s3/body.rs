//! What objects hold: bodies of any length, in little memory.

use std::iter;
use std::ops::Range;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The pattern repeats after so many bytes.
const PERIOD_BYTES: u64 = 64 * 1024;

/// The pattern, twice: whatever begins in the first half and is no longer than it is one slice.
/// It is noise without 0xFF, the byte that begins every JPEG marker.
static PATTERN: LazyLock<Bytes> = LazyLock::new(|| {
    let mut pattern = vec![0; index(PERIOD_BYTES)];
    ChaCha8Rng::seed_from_u64(0x000b_0d1e).fill_bytes(&mut pattern);
    for byte in &mut pattern {
        *byte = (*byte).min(0xFE);
    }
    pattern.extend_from_within(..);
    pattern.into()
});

/// The bytes of an object: a rope of real bytes and of runs of one fixed pattern, which take no memory.
/// Two bodies are equal when their bytes are, however they are made up.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// None is empty, and no two runs that could be one stand side by side.
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
enum Segment {
    Bytes(Bytes),
    /// The pattern, from `phase` bytes after its beginning on.
    Run {
        phase: u64,
        len: u64,
    },
}

/// A body that comes in by pieces. Pieces that are the pattern at their offset become runs; the others
/// are joined, so that an ordinary body is one stretch of bytes.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    body: Body,
    len: u64,
    /// What came since the last run.
    open: BytesMut,
}

impl Body {
    /// `front`, then the pattern up to a length in all: a byte of the pattern depends on its offset in
    /// the body only. A `front` that is longer is cut.
    #[must_use]
    pub fn long(front: Bytes, len: u64) -> Self {
        let end = front.len() as u64;
        let mut body = Self::from(front).slice(0..end.min(len));
        body.push(Segment::Run {
            phase: end % PERIOD_BYTES,
            len: len.saturating_sub(end),
        });
        body
    }

    /// In bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// A part, which shares the bytes. What lies beyond the end is left out.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let mut part = Self::default();
        let mut start = 0;
        for segment in &self.segments {
            let end = start + segment.len();
            let (from, to) = (range.start.clamp(start, end), range.end.clamp(start, end));
            if from < to {
                part.push(segment.slice(from - start..to - start));
            }
            start = end;
        }
        part
    }

    /// All bytes in one stretch: copied, unless they are.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        if let [Segment::Bytes(bytes)] = &self.segments[..] {
            return bytes.clone();
        }
        let mut bytes = BytesMut::with_capacity(index(self.len()));
        for piece in self.clone().chunks() {
            bytes.extend_from_slice(&piece);
        }
        bytes.freeze()
    }

    /// One body after the other, which shares the bytes.
    #[must_use]
    pub fn concat(bodies: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for segment in bodies.into_iter().flat_map(|body| body.segments) {
            all.push(segment);
        }
        all
    }

    /// The bytes piece by piece, none copied: real bytes as they lie, runs in pieces of up to 64 KiB.
    pub fn chunks(self) -> impl Iterator<Item = Bytes> + Send + Sync + 'static {
        self.segments.into_iter().flat_map(Segment::chunks)
    }

    /// The MD5 of real bytes. Gigabytes that take no memory should take no time either, so that runs
    /// count with their phase and length only.
    pub(super) fn digest(&self) -> String {
        let mut digest = Md5::new();
        for segment in &self.segments {
            match segment {
                Segment::Bytes(bytes) => digest.update(bytes),
                Segment::Run { phase, len } => digest.update([phase.to_le_bytes(), len.to_le_bytes()].concat()),
            }
        }
        hex::encode(digest.finalize())
    }

    fn push(&mut self, segment: Segment) {
        if segment.len() == 0 {
            return;
        }
        if let (Some(Segment::Run { phase, len }), &Segment::Run { phase: next, len: more }) =
            (self.segments.last_mut(), &segment)
            && (*phase + *len) % PERIOD_BYTES == next
        {
            *len += more;
        } else {
            self.segments.push(segment);
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let mut body = Self::default();
        body.push(Segment::Bytes(bytes));
        body
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        let (mut left, mut right) = (self.segments.iter().cloned(), other.segments.iter().cloned());
        let (mut a, mut b) = (left.next(), right.next());
        while let (Some(x), Some(y)) = (&a, &b) {
            let len = x.len().min(y.len());
            if !x.slice(0..len).is_same(&y.slice(0..len)) {
                return false;
            }
            let (rest_of_x, rest_of_y) = (x.slice(len..x.len()), y.slice(len..y.len()));
            a = Some(rest_of_x).filter(|rest| rest.len() > 0).or_else(|| left.next());
            b = Some(rest_of_y).filter(|rest| rest.len() > 0).or_else(|| right.next());
        }
        true
    }
}

impl Eq for Body {}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Body {
    fn eq(&self, other: &T) -> bool {
        let mut rest = other.as_ref();
        let begins = |piece: Bytes| rest.split_off(..piece.len()).is_some_and(|begin| begin == piece);
        self.clone().chunks().all(begins) && rest.is_empty()
    }
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Run { len, .. } => *len,
        }
    }

    /// A range that lies within.
    fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.slice(index(range.start)..index(range.end))),
            Self::Run { phase, .. } => Self::Run {
                phase: (phase + range.start) % PERIOD_BYTES,
                len: range.end - range.start,
            },
        }
    }

    /// Whether two segments of one length are the same bytes.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Bytes(bytes), Self::Run { phase, .. }) | (Self::Run { phase, .. }, Self::Bytes(bytes)) => {
                is_pattern(bytes, *phase)
            }
            (Self::Run { phase: a, len }, Self::Run { phase: b, .. }) => {
                // What is the same for one period is the same for ever.
                a == b || PATTERN[pattern(*a, *len)] == PATTERN[pattern(*b, *len)]
            }
        }
    }

    fn chunks(self) -> impl Iterator<Item = Bytes> + Send + Sync + 'static {
        let (bytes, phase, mut left) = match self {
            Self::Bytes(bytes) => (Some(bytes), 0, 0),
            Self::Run { phase, len } => (None, phase, len),
        };
        // All pieces but the last are whole periods, so that each begins at the same phase.
        let run = iter::from_fn(move || {
            let piece = PATTERN.slice(pattern(phase, left));
            left -= piece.len() as u64;
            Some(piece).filter(|piece| !piece.is_empty())
        });
        bytes.into_iter().chain(run)
    }
}

impl Gathering {
    pub fn push(&mut self, piece: Bytes) {
        let (phase, len) = (self.len % PERIOD_BYTES, piece.len() as u64);
        self.len += len;
        if is_pattern(&piece, phase) {
            self.close();
            self.body.push(Segment::Run { phase, len });
        } else if self.open.is_empty() {
            // Most bodies come in one piece.
            self.open = BytesMut::from(piece);
        } else {
            self.open.extend_from_slice(&piece);
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn finish(mut self) -> Body {
        self.close();
        self.body
    }

    fn close(&mut self) {
        self.body.push(Segment::Bytes(std::mem::take(&mut self.open).freeze()));
    }
}

/// Where the pattern lies from a phase on, one period of it at most.
fn pattern(phase: u64, len: u64) -> Range<usize> {
    index(phase)..index(phase + len.min(PERIOD_BYTES))
}

fn is_pattern(bytes: &[u8], phase: u64) -> bool {
    bytes
        .chunks(index(PERIOD_BYTES))
        .all(|piece| *piece == PATTERN[pattern(phase, piece.len() as u64)])
}

/// Real bytes lie in memory, so that their offsets fit.
fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
