//! Finds the right number of images in flight: as many as S3 serves without slowing down.

use std::time::Duration;

/// S3 counts as slowed down if its latency is more than this many times the best latency.
const TOLERANCE: f64 = 1.5;

/// Slowness alone does not lower the limit below this. So few images do not slow S3 down: something else is slow then,
/// such as this function's own CPU.
const MIN_WHEN_SLOW: f64 = 16.0;

/// The gradient algorithm of Netflix's `concurrency-limits`.
///
/// By Little's law, throughput grows with the images in flight as long as latency stays the same. So each round
/// multiplies the limit by the ratio of the best latency to the current latency. It then adds the square root of the
/// limit, to find out whether S3 can serve more.
///
/// - Throttled requests (429, 5xx) lower the limit by half of their share, as marked packets do in DCTCP. A few of them
///   cost little, and a storm halves the limit.
/// - From time to time, the limit is halved for a moment to measure the best latency again, as in BBR. S3 itself may
///   have become slower.
#[derive(Clone, Debug)]
pub struct Gradient {
    limit: f64,
    max: f64,
    /// The best latency since it was last measured.
    best: Option<Duration>,
    /// Whether S3 has not slowed down or throttled yet. While this is true, the limit grows by half each round, similar
    /// to TCP's slow start.
    starting: bool,
    /// Rounds until the best latency is measured again.
    rounds_left: u32,
}

/// Rounds from one measurement of the best latency to the next. The last two run at half of the limit: in the first of
/// them, earlier requests still end, and the second one is measured.
const ROUNDS_PER_CYCLE: u32 = 20;
const ROUNDS_AT_HALF: u32 = 2;

/// What the responses of one round show.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The median time to the first byte of a read; `None` if there was none.
    pub latency: Option<Duration>,
    /// The share of requests that were throttled, from 0 to 1.
    pub throttled: f64,
    /// Whether the limit was reached. If not, nothing shows that S3 can serve more.
    pub full: bool,
}

impl Gradient {
    pub fn new(start: usize, max: usize) -> Self {
        Self {
            limit: start as f64,
            max: max as f64,
            best: None,
            starting: true,
            rounds_left: ROUNDS_PER_CYCLE,
        }
    }

    /// How many images may be in flight now: the target, or half of it while the best latency is measured.
    pub fn limit(&self) -> usize {
        let target = self.target();
        if self.rounds_left > ROUNDS_AT_HALF {
            target
        } else {
            target.div_ceil(2)
        }
    }

    /// How many images should be in flight.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 1 to `max`"
    )]
    pub fn target(&self) -> usize {
        self.limit as usize
    }

    pub fn update(&mut self, round: Round) {
        self.rounds_left -= 1;
        if self.rounds_left == 0 {
            self.rounds_left = ROUNDS_PER_CYCLE;
            self.best = round.latency.or(self.best);
        } else if self.rounds_left >= ROUNDS_AT_HALF {
            self.adjust(round);
        }
    }

    fn adjust(&mut self, round: Round) {
        let slowed = match (round.latency, self.best) {
            (Some(latency), Some(best)) => TOLERANCE * best.as_secs_f64() / latency.as_secs_f64().max(1e-6),
            _ => 1.0,
        };
        self.best = self.best.into_iter().chain(round.latency).min();
        let slowed = slowed.clamp(0.5, 1.0);
        let accepted = 1.0 - round.throttled / 2.0;
        self.starting &= slowed * accepted > 0.9;
        let growth = match (round.full, self.starting) {
            (false, _) => 0.0,
            (true, true) => self.limit / 2.0,
            (true, false) => self.limit.sqrt(),
        };
        let fewer = (self.limit * slowed).max(self.limit.min(MIN_WHEN_SLOW));
        self.limit = (fewer * accepted + growth).clamp(1.0, self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server in simulated time. It serves rounds of requests, with as many in flight as the limit allows.
    struct Server {
        /// The latency without load, in milliseconds.
        latency: f64,
        /// Requests per second above which it slows down.
        capacity: f64,
        /// Requests per second above which it throttles.
        rate: f64,
    }

    const FAST: Server = Server {
        latency: 30.0,
        capacity: f64::INFINITY,
        rate: f64::INFINITY,
    };

    impl Server {
        fn serve(&self, in_flight: usize) -> Round {
            // By Little's law.
            let queued = in_flight as f64 / self.capacity * 1000.0;
            let latency = self.latency.max(queued);
            let sent = in_flight as f64 / latency * 1000.0;
            Round {
                latency: Some(Duration::from_secs_f64(latency / 1000.0)),
                throttled: (1.0 - self.rate / sent).max(0.0),
                full: true,
            }
        }

        fn run(&self, gradient: &mut Gradient, rounds: usize) -> usize {
            for _ in 0..rounds {
                gradient.update(self.serve(gradient.limit()));
            }
            gradient.target()
        }
    }

    #[test]
    fn it_grows_as_long_as_this_helps() {
        let mut gradient = Gradient::new(64, 900);
        assert!(FAST.run(&mut gradient, 1) >= 90);
        assert_eq!(FAST.run(&mut gradient, 7), 900);
    }

    #[test]
    fn it_settles_at_the_capacity_of_a_server() {
        // 3,000 requests per second at 30 ms are 90 in flight. More would only wait.
        let server = Server {
            capacity: 3000.0,
            ..FAST
        };
        for start in [8, 64, 90] {
            let limit = server.run(&mut Gradient::new(start, 900), 100);
            assert!((90..=180).contains(&limit), "from {start}: {limit}");
        }
    }

    #[test]
    fn it_settles_near_the_rate_above_which_a_server_throttles() {
        // 1,000 requests per second at 30 ms are 30 in flight.
        let server = Server { rate: 1000.0, ..FAST };
        for start in [8, 64, 500] {
            let limit = server.run(&mut Gradient::new(start, 900), 100);
            assert!((30..=60).contains(&limit), "from {start}: {limit}");
        }
    }

    #[test]
    fn slowness_alone_does_not_lower_it_below_a_minimum() {
        let mut gradient = Gradient::new(64, 900);
        FAST.run(&mut gradient, 1);
        for slowness in 1..=100_u32 {
            let latency = Some(Duration::from_millis(30) * slowness);
            gradient.update(Round {
                latency,
                throttled: 0.0,
                full: true,
            });
            assert!(gradient.target() >= 16, "{}", gradient.target());
        }
    }

    #[test]
    fn a_few_throttled_requests_do_not_stop_it() {
        let mut gradient = Gradient::new(64, 900);
        for _ in 0..100 {
            let throttled = 0.05;
            gradient.update(Round {
                throttled,
                ..FAST.serve(gradient.limit())
            });
        }
        assert!(gradient.target() > 600, "{}", gradient.target());
    }

    #[test]
    fn it_recovers_after_a_storm_of_throttled_requests() {
        let mut gradient = Gradient::new(64, 900);
        FAST.run(&mut gradient, 20);
        for _ in 0..10 {
            gradient.update(Round {
                latency: None,
                throttled: 1.0,
                full: true,
            });
        }
        assert!(gradient.target() < 10, "{}", gradient.target());
        assert!(FAST.run(&mut gradient, 60) > 600, "{}", gradient.target());
    }

    #[test]
    fn it_recovers_when_a_server_stays_slower() {
        let mut gradient = Gradient::new(64, 900);
        FAST.run(&mut gradient, 20);
        let slow = Server { latency: 90.0, ..FAST };
        assert!(slow.run(&mut gradient, 5) < 300, "{}", gradient.target());
        assert!(slow.run(&mut gradient, 150) > 600, "{}", gradient.target());
    }

    #[test]
    fn it_does_not_grow_if_the_limit_is_not_reached() {
        let mut gradient = Gradient::new(64, 900);
        for _ in 0..20 {
            gradient.update(Round {
                full: false,
                ..FAST.serve(5)
            });
        }
        assert_eq!(gradient.target(), 64);
    }
}
