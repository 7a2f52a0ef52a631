//! How a job ran over time: a series of points with the same distance.

use serde::{Deserialize, Serialize};

/// The most points. A series with more has pairs of them made into one.
const MAX_POINTS: usize = 120;

/// The distance of the points of a new series, in milliseconds.
const FIRST_INTERVAL_MS: u64 = 1_000;

/// What happened in one interval, as `[images, in flight, throttled]` in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub struct Point {
    /// Images that got an outcome.
    pub images: u64,
    /// The most processor invocations in flight.
    pub in_flight: u64,
    /// Requests and invocations that were throttled.
    pub throttled: u64,
}

impl From<[u64; 3]> for Point {
    fn from([images, in_flight, throttled]: [u64; 3]) -> Self {
        Self {
            images,
            in_flight,
            throttled,
        }
    }
}

impl From<Point> for [u64; 3] {
    fn from(point: Point) -> Self {
        [point.images, point.in_flight, point.throttled]
    }
}

impl Point {
    fn add(&mut self, other: Self) {
        self.images += other.images;
        self.in_flight = self.in_flight.max(other.in_flight);
        self.throttled += other.throttled;
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// The length of an interval.
    pub interval_ms: u64,
    /// One for each interval since the start of the job. The last one may be shorter.
    pub points: Vec<Point>,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            interval_ms: FIRST_INTERVAL_MS,
            points: Vec::new(),
        }
    }
}

impl Series {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Adds what happened at a time since the start of the job.
    pub fn add(&mut self, at_ms: u64, point: Point) {
        while at_ms / self.interval_ms >= MAX_POINTS as u64 {
            self.interval_ms *= 2;
            self.points = self.points.chunks(2).map(merged).collect();
        }
        let index = usize::try_from(at_ms / self.interval_ms).unwrap_or(MAX_POINTS - 1);
        if self.points.len() <= index {
            self.points.resize(index + 1, Point::default());
        }
        self.points[index].add(point);
    }
}

fn merged(points: &[Point]) -> Point {
    let mut sum = Point::default();
    for point in points {
        sum.add(*point);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_job_has_longer_intervals_and_the_same_sums() {
        let mut series = Series::default();
        for second in 0..1_000 {
            series.add(second * 1_000 + 500, Point::from([2, second % 7, 1]));
        }
        let sum = |field: fn(&Point) -> u64| series.points.iter().map(field).sum::<u64>();
        assert_eq!((series.interval_ms, series.points.len()), (16_000, 63));
        assert_eq!(
            (sum(|point| point.images), sum(|point| point.throttled)),
            (2_000, 1_000)
        );
        assert!(series.points.iter().all(|point| point.in_flight == 6));
        // A job may be continued after a long time.
        series.add(10_000_000_000, Point::default());
        assert!(series.points.len() <= MAX_POINTS);
    }

    #[test]
    fn points_are_lists_of_numbers() {
        let mut series = Series::default();
        series.add(1_200, Point::from([5, 3, 0]));
        assert_eq!(
            serde_json::to_string(&series).unwrap_or_default(),
            r#"{"interval_ms":1000,"points":[[0,0,0],[5,3,0]]}"#
        );
    }
}
