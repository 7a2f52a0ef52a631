//! Until when an invocation may work.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Lambda's longest time-out, and what is assumed where nothing is configured.
pub const LONGEST: Duration = Duration::from_mins(15);

/// The deadline of an invocation. Local emulators send none, or 1970: a deadline that has passed
/// before the work starts means `timeout` from now.
#[must_use]
pub fn of(deadline_ms: u64, timeout: Duration) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(deadline_ms)
        .checked_sub(now)
        .filter(|left| !left.is_zero())
        .unwrap_or(timeout);
    Instant::now() + left.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(deadline_ms: u64) -> Duration {
        of(deadline_ms, Duration::from_secs(60)) - Instant::now()
    }

    #[test]
    fn a_past_deadline_means_the_configured_time_out() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        assert!(left(0) > Duration::from_secs(59));
        assert!(left(ms(now) - 1) > Duration::from_secs(59));
        assert!(left(ms(now) + 10_000) <= Duration::from_secs(10));
        assert!(left(u64::MAX) <= LONGEST);
    }
}
