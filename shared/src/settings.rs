//! Settings from environment variables.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StrDeserializer};

/// Looks up an environment variable. An empty value counts as not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: {problem}")]
pub struct SettingError {
    name: String,
    problem: String,
}

impl SettingError {
    pub fn new(name: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self {
            name: name.into(),
            problem: problem.to_string(),
        }
    }
}

/// Looks up a variable in the environment of the process.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a value with `FromStr`.
pub fn parsed<T>(lookup: Lookup<'_>, name: &'static str) -> Result<Option<T>, SettingError>
where
    T: FromStr,
    T::Err: ToString,
{
    lookup(name)
        .map(|text| {
            text.parse()
                .map_err(|error: T::Err| SettingError::new(name, format!("{text:?}: {}", error.to_string())))
        })
        .transpose()
}

/// Reads a value that is one of the JSON names of an enum.
pub fn named<T: DeserializeOwned>(lookup: Lookup<'_>, name: &'static str) -> Result<Option<T>, SettingError> {
    lookup(name)
        .map(|text| {
            T::deserialize(StrDeserializer::<ValueError>::new(&text)).map_err(|error| SettingError::new(name, error))
        })
        .transpose()
}

/// Reads a list separated by commas. Empty items are left out.
#[must_use]
pub fn list(lookup: Lookup<'_>, name: &str) -> Option<Vec<String>> {
    lookup(name).map(|text| {
        text.split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modes::Images;

    #[test]
    fn errors_name_the_variable() {
        let env = |name: &str| match name {
            "CONCURRENCY" => Some("many".to_owned()),
            "IMAGES" => Some("move".to_owned()),
            "INCLUDE" => Some("*.jpg, *.png,".to_owned()),
            _ => None,
        };
        let error = parsed::<u32>(&env, "CONCURRENCY").unwrap_err().to_string();
        assert!(
            error.starts_with("environment variable CONCURRENCY: \"many\""),
            "{error}"
        );
        let error = named::<Images>(&env, "IMAGES").unwrap_err().to_string();
        assert!(error.contains("IMAGES") && error.contains("`copy`"), "{error}");
        assert_eq!(list(&env, "INCLUDE").unwrap(), ["*.jpg", "*.png"]);
        assert_eq!(parsed::<u32>(&env, "PARALLEL"), Ok(None));
    }
}
