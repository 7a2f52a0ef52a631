//! How long a processor takes for a chunk.

use shared::bottleneck::{MAX_CONNECTIONS, NETWORK_BYTES_PER_SECOND};

/// A chunk of average images, and what a processor has for it.
#[derive(Clone, Copy, Debug)]
pub struct ChunkWork {
    pub images: f64,
    /// The requests of an image, one after the other.
    pub requests: f64,
    /// The requests for the whole chunk: its record file.
    pub last_requests: f64,
    pub request_seconds: f64,
    /// CPU time of all images on the vCPUs of the processor.
    pub cpu_seconds: f64,
    /// Bytes to read and to send.
    pub bytes: f64,
    /// Images in flight at the start of a new processor.
    pub concurrency: f64,
}

/// In seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChunkTime {
    /// For the first chunk of a processor, which still finds out how many images may be in flight.
    pub first: f64,
    pub later: f64,
    /// For a later chunk, if its requests were everything.
    pub waiting: f64,
}

/// While S3 does not slow down, each round of responses raises the images in flight to this many times as many.
const GROWTH: f64 = 1.5;

impl ChunkWork {
    pub fn time(&self) -> ChunkTime {
        let (first, learned) = self.rounds(self.concurrency);
        let (later, _) = self.rounds(learned);
        let image = self.requests * self.request_seconds;
        let end = self.last_requests * self.request_seconds;
        // The first and the last images only wait.
        let busy = image + self.cpu_seconds.max(self.bytes / NETWORK_BYTES_PER_SECOND);
        ChunkTime {
            first: busy.max(first) + end,
            later: busy.max(later) + end,
            waiting: later + end,
        }
    }

    /// The time of the requests of all images, if a processor starts with `in_flight` of them. Also returns the images in
    /// flight at the end.
    fn rounds(&self, mut in_flight: f64) -> (f64, f64) {
        // Each request of an image may have a bucket of its own, and so connections of its own.
        let most = (MAX_CONNECTIONS as f64 * self.requests).max(in_flight);
        let (mut started, mut seconds) = (in_flight, self.requests * self.request_seconds);
        while started < self.images {
            // In each round, as many images end as begin.
            started += in_flight / self.requests;
            seconds += self.request_seconds;
            in_flight = (in_flight * GROWTH).min(most);
        }
        (seconds, in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: ChunkWork = ChunkWork {
        images: 500.0,
        requests: 2.0,
        last_requests: 1.0,
        request_seconds: 0.1,
        cpu_seconds: 0.0,
        bytes: 0.0,
        concurrency: 64.0,
    };

    fn same(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    /// The expected numbers were calculated by hand.
    #[test]
    fn the_slowest_part_decides() {
        // 64, 96, 144, 216, 324, 486 and then 729 images have started.
        let time = WORK.time();
        assert!(same(time.first, 0.2 + 0.6 + 0.1), "{time:?}");
        // 729 images are in flight now.
        assert!(same(time.later, 0.2 + 0.1) && same(time.waiting, 0.3), "{time:?}");
        let computing = ChunkWork {
            cpu_seconds: 2.0,
            ..WORK
        }
        .time();
        assert!(
            same(computing.first, 2.3) && same(computing.later, 2.3),
            "{computing:?}"
        );
        let bytes = NETWORK_BYTES_PER_SECOND * 5.0;
        let moving = ChunkWork { bytes, ..WORK }.time();
        assert!(same(moving.later, 5.3), "{moving:?}");
        let few = ChunkWork { images: 3.0, ..WORK }.time();
        assert!(same(few.first, 0.3) && same(few.later, 0.3), "{few:?}");
        let none = ChunkWork { images: 0.0, ..WORK }.time();
        assert!(same(none.later, 0.3), "{none:?}");
    }
}
