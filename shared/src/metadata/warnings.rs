use super::view::Missing;

/// The most warnings of one file. A file with damage everywhere would give one for each place.
const MAX_WARNINGS: usize = 32;

/// What could not be read in an image, and what was left out on purpose, up to [`MAX_WARNINGS`] each.
#[derive(Debug, Default)]
pub struct Warnings {
    damage: List,
    omitted: List,
}

#[derive(Debug, Default)]
struct List {
    kept: Vec<String>,
    more: usize,
}

impl List {
    fn add(&mut self, text: String) {
        if self.kept.len() < MAX_WARNINGS {
            self.kept.push(text);
        } else {
            self.more += 1;
        }
    }

    fn into_vec(mut self, what: &str) -> Vec<String> {
        if self.more > 0 {
            self.kept.push(format!("{} more {what}", self.more));
        }
        self.kept
    }
}

impl Warnings {
    /// Something is damaged.
    pub fn add(&mut self, warning: impl Into<String>) {
        self.damage.add(warning.into());
    }

    /// A file that ends early is damaged, and what was found before its end counts. Other missing bytes must be read.
    pub fn unless_cut(&mut self, searched: Result<(), Missing>) -> Result<(), Missing> {
        if searched == Err(Missing::PastEnd) {
            self.add("the file ends before all of it could be searched");
            return Ok(());
        }
        searched
    }

    /// Something is left out on purpose: what it is, and how large.
    pub fn omit(&mut self, what: impl Into<String>) {
        self.omitted.add(what.into());
    }

    /// The damage, and what was left out.
    pub fn into_lists(self) -> (Vec<String>, Vec<String>) {
        (self.damage.into_vec("warnings"), self.omitted.into_vec("omitted"))
    }
}

#[cfg(test)]
impl Warnings {
    pub fn into_vec(self) -> Vec<String> {
        self.into_lists().0
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
            warnings.omit("a maker note");
        }
        let (damage, omitted) = warnings.into_lists();
        assert_eq!((damage.len(), omitted.len()), (MAX_WARNINGS + 1, MAX_WARNINGS + 1));
        assert_eq!(damage[0], "0");
        assert_eq!(damage[MAX_WARNINGS], "968 more warnings");
        assert_eq!(omitted[MAX_WARNINGS], "968 more omitted");
    }
}
