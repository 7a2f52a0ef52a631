/// A file that is damaged in every place would otherwise say so in every place.
const MAX_WARNINGS: usize = 32;

/// What of an image could not be read, up to a bound.
#[derive(Debug, Default)]
pub struct Warnings {
    told: Vec<String>,
    more: usize,
}

impl Warnings {
    pub fn add(&mut self, warning: impl Into<String>) {
        if self.told.len() < MAX_WARNINGS {
            self.told.push(warning.into());
        } else {
            self.more += 1;
        }
    }

    pub fn into_vec(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("{} more warnings", self.more));
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_number_is_bounded() {
        let mut warnings = Warnings::default();
        for number in 0..1000 {
            warnings.add(number.to_string());
        }
        let told = warnings.into_vec();
        assert_eq!(told.len(), MAX_WARNINGS + 1);
        assert_eq!(told[0], "0");
        assert_eq!(told[MAX_WARNINGS], "968 more warnings");
    }
}
