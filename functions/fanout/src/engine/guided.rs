//! Guided self-scheduling (Polychronopoulos and Kuck, 1987): towards the end of a job, each attempt gets a share of the
//! keys that are left, so that all processors end at about the same time.

/// Chunks are not made smaller than this. A processor works on several images at the same time, so an even smaller one
/// would take as long.
pub const MIN_KEYS: usize = 16;

/// A share has at least this part of the usual number of keys: each share is an invocation, and writes files of its own.
const MIN_PART: usize = 8;

/// How many of the keys that are left the next attempt gets. `slots` invocations may be in flight.
pub fn share(left: usize, slots: usize, chunk_keys: usize) -> usize {
    let min = MIN_KEYS.max(chunk_keys / MIN_PART);
    min.max(left / (2 * slots))
}

/// How many invocations the waiting chunks become that are left at the end of the listing.
pub fn shares(chunks: usize, slots: usize, chunk_keys: usize) -> u64 {
    let (mut left, mut shares) = (chunks * chunk_keys, 0);
    while left > 0 {
        left = left.saturating_sub(share(left, slots, chunk_keys));
        shares += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_smaller() {
        assert_eq!(share(100_000, 100, 500), 500);
        assert_eq!(share(50_000, 100, 500), 250);
        // An eighth of a chunk, and never fewer than 16 keys.
        assert_eq!(share(10, 100, 500), 62);
        assert_eq!(share(10, 100, 50), 16);
        assert_eq!(shares(0, 100, 500), 0);
        // 640, 320, 160, 80 and 80 keys.
        assert_eq!(shares(2, 1, 640), 5);
    }
}
