use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of one dispatch of a chunk, `<generation>-<sequence>`. It is never reused within a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Attempt {
    /// The invocation of fanout that sent the chunk, from 1.
    pub generation: u32,
    pub sequence: u64,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an attempt number: it must be <generation>-<sequence>, as in 1-23")]
pub struct AttemptError(String);

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, self.sequence)
    }
}

impl FromStr for Attempt {
    type Err = AttemptError;

    fn from_str(text: &str) -> Result<Self, AttemptError> {
        let parse = || -> Option<Result<Self, ParseIntError>> {
            let (generation, sequence) = text.split_once('-')?;
            Some(generation.parse().and_then(|generation| {
                Ok(Self {
                    generation,
                    sequence: sequence.parse()?,
                })
            }))
        };
        parse()
            .and_then(Result::ok)
            .ok_or_else(|| AttemptError(text.to_owned()))
    }
}

impl TryFrom<String> for Attempt {
    type Error = AttemptError;

    fn try_from(text: String) -> Result<Self, AttemptError> {
        text.parse()
    }
}

impl From<Attempt> for String {
    fn from(attempt: Attempt) -> Self {
        attempt.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_round_trip() {
        let attempt: Attempt = "1-23".parse().unwrap();
        assert_eq!((attempt.generation, attempt.sequence), (1, 23));
        assert_eq!(attempt.to_string(), "1-23");
        for bad in ["", "1", "1-", "-1", "a-b", "1-2-3"] {
            assert!(bad.parse::<Attempt>().is_err(), "{bad}");
        }
    }
}
