use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use md5::{Digest, Md5};

use crate::scenario::Scenario;

/// Scenarios whose content tells one generator from another.
const SCENARIOS: u64 = 200;

/// The name of the generator of this version. If the generator changes, so does its name.
static GENERATOR: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Md5::new();
    for seed in 0..SCENARIOS {
        hash.update(format!("{:?}", Scenario::new(seed)));
    }
    hex::encode(&hash.finalize()[..3])
});

/// Names a scenario. The text of a seed is `GENERATOR-NUMBER`, because another generator makes another scenario of the
/// same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", *GENERATOR, self.0)
    }
}

/// Why a text names no scenario of this version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnknownSeed {
    #[error("a seed is a generator and a number, like {}", Seed(0))]
    NoSeed,
    #[error("a seed also names its generator; the generator of this version has {}", Seed(*.0))]
    NoGenerator(u64),
    #[error(
        "this seed does not exist in this version: it belongs to generator {0}, and here the generator is {here}; run \
         the commit that printed it",
        here = *GENERATOR
    )]
    OtherGenerator(String),
}

impl FromStr for Seed {
    type Err = UnknownSeed;

    fn from_str(text: &str) -> Result<Self, UnknownSeed> {
        if let Ok(number) = text.parse() {
            return Err(UnknownSeed::NoGenerator(number));
        }
        let (generator, number) = text.split_once('-').ok_or(UnknownSeed::NoSeed)?;
        let number = number.parse().map_err(|_| UnknownSeed::NoSeed)?;
        if generator != *GENERATOR {
            return Err(UnknownSeed::OtherGenerator(generator.to_owned()));
        }
        Ok(Self(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_exists_only_in_its_generator() {
        assert_eq!(Seed(7).to_string().parse(), Ok(Seed(7)));
        let other = "000000-7".parse::<Seed>();
        assert_eq!(other, Err(UnknownSeed::OtherGenerator("000000".to_owned())));
        assert_eq!("7".parse::<Seed>(), Err(UnknownSeed::NoGenerator(7)));
        assert_eq!("seven".parse::<Seed>(), Err(UnknownSeed::NoSeed));
        assert_eq!(format!("{}-x", *GENERATOR).parse::<Seed>(), Err(UnknownSeed::NoSeed));
    }
}
