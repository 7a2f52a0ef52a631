//! Bodies of objects: they can have any length, and need little memory.

use std::iter;
use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The pattern repeats after this number of bytes.
const PERIOD_BYTES: u64 = 64 * 1024;

/// Two periods of the pattern, so that each stretch of up to one period is one slice. The pattern is noise without
/// 0xFF, because this byte starts every JPEG marker.
static PATTERN: LazyLock<Bytes> = LazyLock::new(|| {
    let mut pattern = vec![0; index(PERIOD_BYTES)];
    ChaCha8Rng::seed_from_u64(0x000b_0d1e).fill_bytes(&mut pattern);
    for byte in &mut pattern {
        *byte = (*byte).min(0xFE);
    }
    pattern.extend_from_within(..);
    pattern.into()
});

/// The bytes of an object: a sequence of real bytes and of runs. A run is a stretch of one fixed pattern, and takes no
/// memory. Two bodies are equal if their bytes are equal, even if their segments differ.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// No segment is empty, and neighbouring runs are joined where the pattern continues.
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
enum Segment {
    Bytes(Bytes),
    /// `len` bytes of the pattern, starting `phase` bytes after its beginning.
    Run {
        phase: u64,
        len: u64,
    },
}

/// A body that arrives in pieces. A piece that matches the pattern at its offset becomes a run. Other pieces are
/// joined, so an ordinary body is one segment.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    body: Body,
    len: u64,
    /// The bytes since the last run.
    open: BytesMut,
}

impl Body {
    /// A body of `len` bytes: `front`, and then the pattern. Each byte of the pattern depends only on its offset in the
    /// body. If `front` is longer than `len`, it is cut.
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

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// A part of the body, which shares its bytes. A range beyond the end is cut.
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

    /// All bytes in one piece. They are copied, unless the body is already one piece.
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

    /// Joins bodies. The result shares their bytes.
    #[must_use]
    pub fn concat(bodies: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for segment in bodies.into_iter().flat_map(|body| body.segments) {
            all.push(segment);
        }
        all
    }

    /// The bytes in pieces, without a copy: each segment of real bytes as one piece, runs in pieces of up to 64 KiB.
    pub fn chunks(self) -> impl Iterator<Item = Bytes> + Send + Sync + 'static {
        self.segments.into_iter().flat_map(Segment::chunks)
    }

    /// The MD5 of the bytes, if all are real. A run of gigabytes should take no time, so only its phase and length
    /// enter the digest.
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

    /// The CRC-64/NVME of the bytes, as S3 sends it. `None` for a body with runs.
    pub(super) fn checksum(&self) -> Option<String> {
        let mut digest = crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme);
        for segment in &self.segments {
            match segment {
                Segment::Bytes(bytes) => digest.update(bytes),
                Segment::Run { .. } => return None,
            }
        }
        Some(BASE64.encode(digest.finalize().to_be_bytes()))
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

    /// A part of the segment. The range must lie within it.
    fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.slice(index(range.start)..index(range.end))),
            Self::Run { phase, .. } => Self::Run {
                phase: (phase + range.start) % PERIOD_BYTES,
                len: range.end - range.start,
            },
        }
    }

    /// Whether two segments of the same length have the same bytes.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Bytes(bytes), Self::Run { phase, .. }) | (Self::Run { phase, .. }, Self::Bytes(bytes)) => {
                is_pattern(bytes, *phase)
            }
            (Self::Run { phase: a, len }, Self::Run { phase: b, .. }) => {
                // If one period is equal, everything is.
                a == b || PATTERN[pattern(*a, *len)] == PATTERN[pattern(*b, *len)]
            }
        }
    }

    fn chunks(self) -> impl Iterator<Item = Bytes> + Send + Sync + 'static {
        let (bytes, phase, mut left) = match self {
            Self::Bytes(bytes) => (Some(bytes), 0, 0),
            Self::Run { phase, len } => (None, phase, len),
        };
        // All pieces except the last are whole periods, so each starts at the same phase.
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
            // Most bodies arrive in one piece, which then needs no copy.
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

/// The range of [`PATTERN`] that starts at `phase` and has at most one period.
fn pattern(phase: u64, len: u64) -> Range<usize> {
    index(phase)..index(phase + len.min(PERIOD_BYTES))
}

fn is_pattern(bytes: &[u8], phase: u64) -> bool {
    bytes
        .chunks(index(PERIOD_BYTES))
        .all(|piece| *piece == PATTERN[pattern(phase, piece.len() as u64)])
}

/// Converts an offset of real bytes. It fits into `usize`, because the bytes are in memory.
fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
