//! How many images in flight are right: as many as S3 serves without slowing down.

use std::time::Duration;

/// S3 may be so much slower than at its best before that counts as a sign of too many requests.
const TOLERANCE: f64 = 1.5;

/// So few in flight slow nobody down: what is slow then is something else, such as this function's own CPU.
const MIN_WHEN_SLOW: f64 = 16.0;

/// The gradient algorithm of Netflix's `concurrency-limits`: by Little's law, throughput grows with the
/// images in flight for as long as latency does not, so each window multiplies the limit with the ratio
/// of the best latency seen to the latency now, and adds its square root to find out whether more goes.
/// Throttled requests (429, 5xx) shrink it as marks do in DCTCP: by half of their share, so that a few
/// cost little and a storm halves it. Now and then, as BBR does, it goes down to half for a moment to
/// measure the best latency anew, since S3 itself may have slowed down.
#[derive(Clone, Debug)]
pub struct Gradient {
    limit: f64,
    max: f64,
    best: Option<Duration>,
    /// Nothing has slowed down yet: the limit grows by halves, as TCP starts.
    starting: bool,
    /// Until the next measuring of the best.
    windows_left: u32,
}

/// Windows from one measuring of the best to the next. The last two are at half of the limit: one for
/// what was in flight before, and the one that is measured.
const WINDOWS_PER_CYCLE: u32 = 20;
const WINDOWS_AT_HALF: u32 = 2;

/// What happened since the last update.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The median time to the first byte of a read; `None` if there was none.
    pub latency: Option<Duration>,
    /// The share of requests that were throttled, from 0 to 1.
    pub throttled: f64,
    /// Whether the limit was reached: otherwise nothing shows that more would go.
    pub full: bool,
}

impl Gradient {
    pub fn new(start: usize, max: usize) -> Self {
        Self {
            limit: start as f64,
            max: max as f64,
            best: None,
            starting: true,
            windows_left: WINDOWS_PER_CYCLE,
        }
    }

    /// How many may be in flight now: half of the target for a moment, to measure the best latency anew.
    pub fn limit(&self) -> usize {
        let target = self.target();
        if self.windows_left > WINDOWS_AT_HALF {
            target
        } else {
            target.div_ceil(2)
        }
    }

    /// How many should be in flight.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 1 to `max`"
    )]
    pub fn target(&self) -> usize {
        self.limit as usize
    }

    pub fn update(&mut self, window: Window) {
        self.windows_left -= 1;
        if self.windows_left == 0 {
            self.windows_left = WINDOWS_PER_CYCLE;
            self.best = window.latency.or(self.best);
        } else if self.windows_left >= WINDOWS_AT_HALF {
            self.adjust(window);
        }
    }

    fn adjust(&mut self, window: Window) {
        let slowed = match (window.latency, self.best) {
            (Some(latency), Some(best)) => TOLERANCE * best.as_secs_f64() / latency.as_secs_f64().max(1e-6),
            _ => 1.0,
        };
        self.best = self.best.into_iter().chain(window.latency).min();
        let slowed = slowed.clamp(0.5, 1.0);
        let accepted = 1.0 - window.throttled / 2.0;
        self.starting &= slowed * accepted > 0.9;
        let growth = match (window.full, self.starting) {
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

    /// A server in simulated time, which serves a window of requests with the limit in flight.
    struct Server {
        /// Without load, in milliseconds.
        latency: f64,
        /// Requests a second above which it slows down.
        capacity: f64,
        /// Requests a second above which it throttles.
        rate: f64,
    }

    const FAST: Server = Server {
        latency: 30.0,
        capacity: f64::INFINITY,
        rate: f64::INFINITY,
    };

    impl Server {
        fn serve(&self, in_flight: usize) -> Window {
            // By Little's law.
            let queued = in_flight as f64 / self.capacity * 1000.0;
            let latency = self.latency.max(queued);
            let sent = in_flight as f64 / latency * 1000.0;
            Window {
                latency: Some(Duration::from_secs_f64(latency / 1000.0)),
                throttled: (1.0 - self.rate / sent).max(0.0),
                full: true,
            }
        }

        fn run(&self, gradient: &mut Gradient, windows: usize) -> usize {
            for _ in 0..windows {
                gradient.update(self.serve(gradient.limit()));
            }
            gradient.target()
        }
    }

    #[test]
    fn it_grows_as_long_as_that_helps() {
        let mut gradient = Gradient::new(64, 900);
        assert!(FAST.run(&mut gradient, 1) >= 90);
        assert_eq!(FAST.run(&mut gradient, 7), 900);
    }

    #[test]
    fn it_settles_where_a_server_is_full() {
        // 3,000 a second at 30 ms are 90 in flight; more only wait.
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
    fn it_keeps_near_a_rate_that_is_throttled_above() {
        // 1,000 a second at 30 ms are 30 in flight.
        let server = Server { rate: 1000.0, ..FAST };
        for start in [8, 64, 500] {
            let limit = server.run(&mut Gradient::new(start, 900), 100);
            assert!((30..=60).contains(&limit), "from {start}: {limit}");
        }
    }

    #[test]
    fn it_does_not_starve_on_slowness_alone() {
        let mut gradient = Gradient::new(64, 900);
        FAST.run(&mut gradient, 1);
        for slowness in 1..=100_u32 {
            let latency = Some(Duration::from_millis(30) * slowness);
            gradient.update(Window {
                latency,
                throttled: 0.0,
                full: true,
            });
            assert!(gradient.target() >= 16, "{}", gradient.target());
        }
    }

    #[test]
    fn a_few_throttles_do_not_stop_it() {
        let mut gradient = Gradient::new(64, 900);
        for _ in 0..100 {
            let throttled = 0.05;
            gradient.update(Window {
                throttled,
                ..FAST.serve(gradient.limit())
            });
        }
        assert!(gradient.target() > 600, "{}", gradient.target());
    }

    #[test]
    fn a_storm_shrinks_it_and_it_comes_back() {
        let mut gradient = Gradient::new(64, 900);
        FAST.run(&mut gradient, 20);
        for _ in 0..10 {
            gradient.update(Window {
                latency: None,
                throttled: 1.0,
                full: true,
            });
        }
        assert!(gradient.target() < 10, "{}", gradient.target());
        assert!(FAST.run(&mut gradient, 60) > 600, "{}", gradient.target());
    }

    #[test]
    fn a_server_that_slows_down_for_good_is_the_new_best() {
        let mut gradient = Gradient::new(64, 900);
        FAST.run(&mut gradient, 20);
        let slow = Server { latency: 90.0, ..FAST };
        assert!(slow.run(&mut gradient, 5) < 300, "{}", gradient.target());
        assert!(slow.run(&mut gradient, 150) > 600, "{}", gradient.target());
    }

    #[test]
    fn it_does_not_grow_on_what_it_does_not_use() {
        let mut gradient = Gradient::new(64, 900);
        for _ in 0..20 {
            gradient.update(Window {
                full: false,
                ..FAST.serve(5)
            });
        }
        assert_eq!(gradient.target(), 64);
    }
}
