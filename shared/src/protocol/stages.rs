//! Latency histograms of the stages of the pipeline. Those of several invocations can be merged.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The latencies of one stage in microseconds, accurate to 1 %.
///
/// In JSON, pairs of a time and how often it occurred.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyHistogram(Histogram<u64>);

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self(Histogram::new(2).expect("two significant digits are valid"))
    }
}

impl LatencyHistogram {
    pub fn record(&mut self, time: Duration) {
        /// A day is longer than any invocation, and short enough for the histogram.
        const MAX_TIME: Duration = Duration::from_hours(24);
        let micros = u64::try_from(time.min(MAX_TIME).as_micros()).expect("the microseconds of a day fit into 64 bits");
        self.0
            .record(micros)
            .expect("an auto-resizing histogram can hold a day");
    }

    pub fn merge(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("an auto-resizing histogram can hold all values of another");
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sum of all times, in milliseconds.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        self.0.mean() * self.0.len() as f64 / 1000.0
    }

    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let millis = |quantile| {
            let micros = self.0.value_at_quantile(quantile);
            (micros as f64 / 10.0).round() / 100.0
        };
        Percentiles {
            p50_ms: millis(0.50),
            p95_ms: millis(0.95),
            p99_ms: millis(0.99),
        }
    }
}

impl Serialize for LatencyHistogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value())),
        )
    }
}

impl<'de> Deserialize<'de> for LatencyHistogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut times = Self::default();
        for (value, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            times.0.record_n(value, count).map_err(D::Error::custom)?;
        }
        Ok(times)
    }
}

/// The stages of one invocation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stages {
    /// From the first request for an object to the last byte that is needed of it.
    pub download: LatencyHistogram,
    /// From bytes to record.
    pub exif: LatencyHistogram,
    /// Decoding, scaling and encoding on a CPU thread, without the wait for it. Only in the mode `transform`.
    pub transform: LatencyHistogram,
    /// Writing or copying the image.
    pub upload: LatencyHistogram,
}

impl Stages {
    pub fn merge(&mut self, other: &Self) {
        self.download.merge(&other.download);
        self.exif.merge(&other.exif);
        self.transform.merge(&other.transform);
        self.upload.merge(&other.upload);
    }

    /// How many images went through the stages.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.download.0.len()
    }

    /// The time of all images in all stages, in milliseconds. Divided by the elapsed time, it is the average number
    /// of images in flight.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        let stages = [&self.download, &self.exif, &self.transform, &self.upload];
        stages.iter().map(|stage| stage.total_ms()).sum()
    }

    #[must_use]
    pub fn summary(&self) -> StagesSummary {
        StagesSummary {
            download: self.download.percentiles(),
            exif: self.exif.percentiles(),
            transform: self.transform.percentiles(),
            upload: self.upload.percentiles(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StagesSummary {
    pub download: Percentiles,
    pub exif: Percentiles,
    #[serde(default)]
    pub transform: Percentiles,
    pub upload: Percentiles,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_over_json_keeps_the_counts() {
        let (mut a, mut b) = (LatencyHistogram::default(), LatencyHistogram::default());
        (1..=90).for_each(|_| a.record(Duration::from_millis(10)));
        (1..=10).for_each(|_| b.record(Duration::from_secs(2)));
        let b: LatencyHistogram = serde_json::from_str(&serde_json::to_string(&b).unwrap()).unwrap();
        a.merge(&b);
        let percentiles = a.percentiles();
        assert!((percentiles.p50_ms - 10.0).abs() < 0.2, "{percentiles:?}");
        assert!((percentiles.p99_ms - 2000.0).abs() < 20.0, "{percentiles:?}");
        assert_eq!(a.0.len(), 100);
        assert!((a.total_ms() / 20_900.0 - 1.0).abs() < 0.01, "{}", a.total_ms());
    }

    #[test]
    fn all_stages_count_towards_the_total() {
        let mut stages = Stages::default();
        assert_eq!((stages.images(), stages.total_ms()), (0, 0.0));
        for (times, ms) in [
            (&mut stages.download, 800),
            (&mut stages.exif, 120),
            (&mut stages.upload, 400),
        ] {
            times.record(Duration::from_millis(ms));
            times.record(Duration::from_millis(ms));
        }
        assert_eq!(stages.images(), 2);
        assert!((stages.total_ms() / 2640.0 - 1.0).abs() < 0.01, "{}", stages.total_ms());
    }

    #[test]
    fn percentiles_of_no_times_are_zero() {
        assert_eq!(LatencyHistogram::default().percentiles(), Percentiles::default());
    }

    #[test]
    fn very_long_times_are_accepted() {
        let mut times = LatencyHistogram::default();
        times.record(Duration::MAX);
        assert!(times.percentiles().p50_ms > 86e6);
    }
}
