use std::ops::Range;

/// Ranges of the file with at most this gap between them are read together: the bytes in the gap cost less than a
/// request.
const MAX_GAP_BYTES: u64 = 128 * 1024;

/// The most ranges that are asked for at once. If a file is more scattered, the smallest gaps are read too.
const MAX_RANGES: usize = 8;

/// Joins ranges that are near each other. The result is in the order of the file.
pub fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(MAX_GAP_BYTES) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    while joined.len() > MAX_RANGES {
        let gaps = joined.windows(2).map(|pair| pair[1].start - pair[0].end);
        let (before, _) = gaps
            .enumerate()
            .min_by_key(|&(_, gap)| gap)
            .expect("there are several ranges");
        joined[before].end = joined.remove(before + 1).end;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_joined_and_so_are_too_many() {
        let kib = |start: u64, end: u64| start * 1024..end * 1024;
        let near = vec![kib(300, 301), kib(0, 1), kib(429, 430), kib(600, 602), kib(100, 103)];
        assert_eq!(coalesce(near), [kib(0, 103), kib(300, 430), kib(600, 602)]);
        let scattered = (1..=20).map(|number| kib(number * number * 1000, number * number * 1000 + 1));
        let joined = coalesce(scattered.collect());
        assert_eq!(joined.len(), MAX_RANGES);
        assert_eq!((&joined[0], &joined[7]), (&kib(1000, 169_001), &kib(400_000, 400_001)));
    }
}
