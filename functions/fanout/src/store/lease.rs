//! The lease of the invocation that works on a job, its owner.
//!
//! S3's clock alone judges it: the lease lasts for some time after S3 has written the checkpoint. Any other invocation
//! compares the `Last-Modified` of the checkpoint with the `Date` of the response. The owner need not know the time: a
//! write that it has begun cannot be older than its beginning.

use std::time::Duration;

use shared::clock::Clock;
use tokio::time::Instant;

/// How long the lease lasts after each write of the checkpoint.
pub const LEASE: Duration = Duration::from_secs(60);

/// Both dates are in whole seconds, so a lease counts as ended only this long after its end.
const PRECISION: Duration = Duration::from_secs(1);

/// The owner renews its lease this long after the last write began, even if nothing has changed.
const RENEW_AFTER: Duration = Duration::from_secs(15);

/// The owner sends no attempt when less than this is left of the lease.
const MARGIN: Duration = Duration::from_secs(10);

/// Whether a lease of `lease` still holds, if S3 wrote the checkpoint at `written` and its time is `now`. Both are since
/// 1970.
pub fn holds(lease: Duration, written: Duration, now: Duration) -> bool {
    !lease.is_zero() && now.saturating_sub(written) < lease + PRECISION
}

/// The owner's own view of its lease.
#[derive(Debug)]
pub struct Lease {
    clock: Clock,
    /// When the last write began that has succeeded.
    renewed: Option<Instant>,
}

impl Lease {
    pub fn new(clock: Clock) -> Self {
        Self { clock, renewed: None }
    }

    /// A write that began at `began` has succeeded.
    pub fn renew(&mut self, began: Instant) {
        self.renewed = Some(began);
    }

    /// Whether attempts may be sent.
    pub fn holds(&self) -> bool {
        self.renewed
            .is_some_and(|renewed| self.clock.now() < renewed + LEASE - MARGIN)
    }

    pub fn is_due(&self) -> bool {
        self.renewed
            .is_none_or(|renewed| self.clock.now() >= renewed + RENEW_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lasts_after_the_write() {
        let at = Duration::from_secs;
        for (lease, now, expected) in [
            (LEASE, 1_000, true),
            (LEASE, 1_060, true),
            (LEASE, 1_061, false),
            // S3's hosts may differ a little.
            (LEASE, 999, true),
            (Duration::ZERO, 1_000, false),
        ] {
            assert_eq!(holds(lease, at(1_000), at(now)), expected, "{now}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_owner_renews_early_and_stops_before_the_end() {
        let clock = Clock::default();
        let mut lease = Lease::new(clock.clone());
        assert!(lease.is_due() && !lease.holds());
        lease.renew(clock.now());
        assert!(!lease.is_due() && lease.holds());
        clock.advance(RENEW_AFTER);
        assert!(lease.is_due() && lease.holds());
        clock.advance(LEASE.saturating_sub(RENEW_AFTER + MARGIN));
        assert!(!lease.holds());
    }
}
