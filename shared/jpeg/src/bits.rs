//! The bits of entropy-coded data, without its stuffed bytes.

/// Where the bytes of a scan are unstuffed to. It is small, so that it stays in the cache.
const WINDOW: usize = 32 * 1024;

/// The most bytes that are read between two calls of [`Bits::fill`]. An MCU has at most 10 blocks of 64 coefficients,
/// and a coefficient at most 32 bits.
const RESERVE: usize = 4096;

/// How far the window is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// The next byte of the window.
    at: usize,
    /// The next bits, from the highest one on.
    bits: u64,
    /// How many of them are valid.
    left: u32,
}

/// Reads bits of the entropy-coded data of a scan.
///
/// In the data, each 0xFF is followed by 0, which is not part of it; any other byte would be a marker (T.81, B.1.1.5).
#[derive(Debug)]
pub struct Bits<'a> {
    file: &'a [u8],
    /// The next byte of the file. At the end of an interval, it is that of the marker.
    next: usize,
    /// Unstuffed bytes, and zeros behind them.
    window: Vec<u8>,
    /// The number of unstuffed bytes in the window.
    filled: usize,
    state: State,
    /// All data up to the next marker is in the window.
    is_complete: bool,
}

impl<'a> Bits<'a> {
    /// Reads from a position of the file.
    pub fn new(file: &'a [u8], position: usize) -> Self {
        let mut bits = Self {
            file,
            next: position,
            window: vec![0; WINDOW + RESERVE + 8],
            filled: 0,
            state: State::default(),
            is_complete: false,
        };
        bits.refill();
        bits
    }

    /// Where the data ends in the file, once all of it was read.
    pub fn position(&self) -> usize {
        self.next
    }

    /// Makes sure that the bits of one MCU can be read. Returns false if the data is at its end.
    #[inline]
    pub fn fill(&mut self) -> bool {
        if self.state.at + RESERVE <= self.filled {
            return true;
        }
        if !self.is_complete {
            self.refill();
        }
        !self.is_over()
    }

    /// Whether more bits were read than there are. The bits behind the data are zeros.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.state.at * 8 > self.filled * 8 + self.state.left as usize
    }

    /// Reads from the window. What is read counts once it is given to [`Bits::keep`].
    #[inline]
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            window: &self.window,
            state: self.state,
        }
    }

    #[inline]
    pub fn keep(&mut self, state: State) {
        self.state = state;
    }

    /// Moves what was not read to the front of the window, and unstuffs bytes behind it.
    #[cold]
    fn refill(&mut self) {
        let rest = self.state.at.min(self.filled)..self.filled;
        self.state.at -= rest.start;
        self.filled = rest.len();
        self.window.copy_within(rest, 0);
        while self.filled < WINDOW {
            let room = WINDOW - self.filled;
            let source = &self.file[self.next.min(self.file.len())..];
            let source = &source[..source.len().min(room)];
            let plain = memchr::memchr(0xFF, source).unwrap_or(source.len());
            self.window[self.filled..][..plain].copy_from_slice(&source[..plain]);
            self.filled += plain;
            self.next += plain;
            if plain == room {
                break;
            }
            match self.file.get(self.next..self.next + 2) {
                Some(&[_, 0]) => {
                    self.window[self.filled] = 0xFF;
                    self.filled += 1;
                    self.next += 2;
                }
                // Fill bytes before a marker.
                Some(&[_, 0xFF]) => self.next += 1,
                _ => {
                    self.is_complete = true;
                    break;
                }
            }
        }
        // More is never read before the next call.
        self.window[self.filled..][..RESERVE + 8].fill(0);
    }

    /// Ends an interval: goes to the next marker, and behind it if it is RST. Returns its number, from 0 to 7, or `None`
    /// if another marker or the end of the file is next.
    pub fn restart(&mut self) -> Option<u8> {
        while !self.is_complete {
            self.state.at = self.filled;
            self.refill();
        }
        let found = match self.file.get(self.next..self.next + 2) {
            Some(&[_, code @ 0xD0..=0xD7]) => Some(code - 0xD0),
            _ => None,
        };
        if found.is_some() {
            self.next += 2;
            self.is_complete = false;
        }
        (self.filled, self.state) = (0, State::default());
        self.refill();
        found
    }
}

/// Reads the bits of one MCU. It is small and copied, so that it stays in registers.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    window: &'a [u8],
    pub state: State,
}

impl Reader<'_> {
    /// The next bits. At least 32 of them are valid.
    #[inline]
    pub fn peek(&mut self) -> u64 {
        if self.state.left < 32 {
            let next = self.window.get(self.state.at..).and_then(<[u8]>::first_chunk);
            let next = u64::from_be_bytes(*next.unwrap_or(&[0; 8]));
            self.state.bits |= next >> self.state.left;
            let bytes = (63 - self.state.left) / 8;
            self.state.at += bytes as usize;
            self.state.left += bytes * 8;
        }
        self.state.bits
    }

    /// Goes on after `length` bits. At least as many must be valid.
    #[inline]
    pub fn skip(&mut self, length: u32) {
        self.state.bits <<= length;
        self.state.left = self.state.left.wrapping_sub(length);
    }

    /// Takes up to 16 bits.
    #[inline]
    pub fn take(&mut self, length: u32) -> u32 {
        if length == 0 {
            return 0;
        }
        let bits = (self.peek() >> (64 - length)) as u32;
        self.skip(length);
        bits
    }
}
