//! What a job found in its images, as numbers that can be added.
//!
//! | module | what it holds |
//! |---|---|
//! | [`excerpt`] | what is taken from one record |
//! | [`cell`] | a cell of the map |
//! | [`tally`] | what the records of some images say |

mod cell;
mod excerpt;
mod tally;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use cell::Cell;
pub use excerpt::{Excerpt, RecordLine};
pub use tally::Tally;

/// A camera that is found when this many are known already is counted as [`OTHER`].
pub const MAX_CAMERAS: usize = 400;

/// The same for years. Archives of photos begin about 1840, and few have all years.
const MAX_YEARS: usize = 100;

/// The same for formats. No version of processor writes more.
const MAX_FORMATS: usize = 64;

/// The name of what is not counted by its own name.
pub const OTHER: &str = "other";

/// Counts of images that are `ok`. All numbers are exact, except that late cameras and strange years are [`OTHER`].
///
/// The counts of one chunk name all cameras, so that those of a job do not depend on the chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// By the format of the content, not by the name.
    pub formats: BTreeMap<String, u64>,
    /// Images with warnings.
    pub damaged: u64,
    pub with_gps: u64,
    /// Images that do not say when they were taken.
    pub without_date: u64,
    /// By make and model. Images without both are in none of them.
    pub cameras: BTreeMap<String, u64>,
    /// By the year in which they were taken.
    pub years: BTreeMap<String, u64>,
    /// By the hour in which they were taken, of the camera's clock.
    pub hours: [u64; 24],
    /// By the cell of the map. A cell has 10 degrees in each direction.
    pub grid: BTreeMap<Cell, u64>,
}

impl Found {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.formats.is_empty()
    }

    /// The number of images.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.formats.values().sum()
    }

    /// Counts an image.
    pub fn add(&mut self, excerpt: &Excerpt) {
        let one = |counts: &mut BTreeMap<String, u64>, name: &str| match counts.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                counts.insert(name.to_owned(), 1);
            }
        };
        one(&mut self.formats, &excerpt.format);
        self.damaged += u64::from(excerpt.is_damaged);
        match &excerpt.taken {
            Some(taken) => {
                one(&mut self.years, &taken.year);
                if let Some(hour) = taken.hour {
                    self.hours[hour] += 1;
                }
            }
            None => self.without_date += 1,
        }
        if let Some(camera) = &excerpt.camera {
            one(&mut self.cameras, camera);
        }
        if let Some(cell) = excerpt.cell {
            self.with_gps += 1;
            *self.grid.entry(cell).or_default() += 1;
        }
    }

    /// Adds the counts of a chunk to those of a job.
    pub fn merge(&mut self, chunk: Self) {
        add_bounded(&mut self.formats, chunk.formats, MAX_FORMATS);
        add_bounded(&mut self.cameras, chunk.cameras, MAX_CAMERAS);
        add_bounded(&mut self.years, chunk.years, MAX_YEARS);
        self.damaged += chunk.damaged;
        self.with_gps += chunk.with_gps;
        self.without_date += chunk.without_date;
        for (sum, hour) in self.hours.iter_mut().zip(chunk.hours) {
            *sum += hour;
        }
        for (cell, count) in chunk.grid {
            *self.grid.entry(cell).or_default() += count;
        }
    }
}

/// Adds counts. A name that is new when there are `max` is [`OTHER`], which does not count as one of them.
fn add_bounded(counts: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>, max: usize) {
    for (name, count) in more {
        let named = counts.len() - usize::from(counts.contains_key(OTHER));
        let name = if counts.contains_key(&name) || named < max {
            name
        } else {
            OTHER.to_owned()
        };
        *counts.entry(name).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(name: &str, count: u64) -> Found {
        Found {
            cameras: BTreeMap::from([(name.to_owned(), count)]),
            ..Found::default()
        }
    }

    #[test]
    fn a_camera_that_is_known_is_counted_exactly_for_ever() {
        let mut job = Found::default();
        for number in 0..MAX_CAMERAS + 10 {
            job.merge(camera(&format!("camera {number:04}"), 1));
        }
        job.merge(camera("camera 0007", 5));
        job.merge(camera("camera 0405", 3));
        assert_eq!(job.cameras.len(), MAX_CAMERAS + 1);
        assert_eq!((job.cameras["camera 0007"], job.cameras[OTHER]), (6, 13));
        assert_eq!(job.cameras.values().sum::<u64>(), MAX_CAMERAS as u64 + 18);
    }

    #[test]
    fn the_counts_of_chunks_add_up_to_those_of_all_images() {
        let record = |number: usize| RecordLine {
            format: if number.is_multiple_of(7) { "png" } else { "jpeg" }.to_owned(),
            ..serde_json::from_value(serde_json::json!({
                "key": "a", "format": "", "warnings": if number.is_multiple_of(5) { vec!["w"] } else { vec![] },
                "exif": {"make": "Canon", "model": format!("EOS {}", number % 3),
                    "taken_at": format!("20{:02}-01-01T{:02}:00:00", number % 30, number % 24),
                    "gps": {"latitude": number % 90, "longitude": 1.5}},
            }))
            .unwrap_or_else(|error| panic!("{error}"))
        };
        let mut whole = Found::default();
        let mut job = Found::default();
        for chunk in (0..100).collect::<Vec<_>>().chunks(30) {
            let mut found = Found::default();
            for &number in chunk {
                whole.add(&record(number).excerpt());
                found.add(&record(number).excerpt());
            }
            job.merge(found);
        }
        assert_eq!(job, whole);
        assert_eq!((job.images(), job.damaged, job.with_gps), (100, 20, 100));
        assert_eq!(job.grid.len(), 9);
    }
}
