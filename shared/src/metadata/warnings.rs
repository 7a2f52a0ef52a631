/// The most warnings of one file. A file with damage everywhere would give one for each place.
const MAX_WARNINGS: usize = 32;

/// What could not be read in an image, up to [`MAX_WARNINGS`].
#[derive(Debug, Default)]
pub struct Warnings {
    kept: Vec<String>,
    more: usize,
}

impl Warnings {
    pub fn add(&mut self, warning: impl Into<String>) {
        if self.kept.len() < MAX_WARNINGS {
            self.kept.push(warning.into());
        } else {
            self.more += 1;
        }
    }

    pub fn into_vec(mut self) -> Vec<String> {
        if self.more > 0 {
            self.kept.push(format!("{} more warnings", self.more));
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_warnings_is_limited() {
        let mut warnings = Warnings::default();
        for number in 0..1000 {
            warnings.add(number.to_string());
        }
        let kept = warnings.into_vec();
        assert_eq!(kept.len(), MAX_WARNINGS + 1);
        assert_eq!(kept[0], "0");
        assert_eq!(kept[MAX_WARNINGS], "968 more warnings");
    }
}
