//! A few images of a job, which a processor measures for a plan.
//!
//! | module | what it does |
//! |---|---|
//! | [`measure`] | lets a processor measure the sample |

mod measure;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use shared::object::ObjectRef;

pub use measure::{TIME_TO_MEASURE, measure};

/// Images in a sample: enough to keep the CPU threads of any processor busy.
const IMAGES: usize = 16;

/// The images whose keys have the lowest hashes. So every image is as likely to be chosen as every other, and the choice
/// does not depend on the order in which the ranges of the source are listed.
#[derive(Debug, Default)]
pub struct Sample(BTreeMap<u64, ObjectRef>);

impl Sample {
    /// Takes an image, or does not.
    pub fn offer(&mut self, object: &ObjectRef) {
        let mut hasher = DefaultHasher::new();
        object.key.hash(&mut hasher);
        let hash = hasher.finish();
        let is_full = self.0.len() == IMAGES;
        if !is_full || self.0.last_key_value().is_some_and(|(last, _)| hash < *last) {
            self.0.insert(hash, object.clone());
        }
        if self.0.len() > IMAGES {
            self.0.pop_last();
        }
    }

    pub fn into_objects(self) -> Vec<ObjectRef> {
        self.0.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut sample = Sample::default();
        for number in numbers {
            sample.offer(&ObjectRef::latest(format!("2024/{number}.jpg").into()));
        }
        let number = |object: ObjectRef| object.key.as_str()[5..].trim_end_matches(".jpg").parse().unwrap();
        sample.into_objects().into_iter().map(number).collect()
    }

    #[test]
    fn a_sample_has_no_more_than_its_number_of_images() {
        assert!(sample(0..0).is_empty());
        assert_eq!(sample(0..5).len(), 5);
        assert_eq!(sample(0..=IMAGES).len(), IMAGES);
    }

    #[test]
    fn the_order_of_the_listing_does_not_matter() {
        let forwards = sample(0..5_000);
        assert_eq!(forwards.len(), IMAGES);
        assert_eq!(forwards, sample((0..5_000).rev()));
        assert_eq!(forwards, sample((2_500..5_000).chain(0..2_500)));
    }

    #[test]
    fn a_sample_is_spread_over_all_images() {
        for images in [100, 1_000, 100_000] {
            let sample = sample(0..images);
            for part in 0..4 {
                let part = part * images / 4..(part + 1) * images / 4;
                let chosen = sample.iter().filter(|number| part.contains(number)).count();
                assert!(
                    (1..=9).contains(&chosen),
                    "{chosen} of {IMAGES} in {part:?}: {sample:?}"
                );
            }
        }
    }
}
