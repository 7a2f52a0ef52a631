use serde::{Deserialize, Serialize};
use shared::object::Key;

/// The deepest folder that holds some keys, as the part of their keys up to a `/`. `None` until there is a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommonFolder(Option<String>);

impl CommonFolder {
    /// A folder, as a text that ends in `/` or is empty.
    pub fn of(folder: &str) -> Self {
        Self(Some(folder.to_owned()))
    }

    /// Whether all keys up to this one, from one in the folder on, are in the folder.
    pub fn holds(&self, end: &Key) -> bool {
        let Some(folder) = &self.0 else { return false };
        // `0` is the character after `/`.
        let after = folder.strip_suffix('/').map(|name| format!("{name}0"));
        end.as_str().starts_with(folder.as_str()) || after.as_deref() == Some(end.as_str())
    }

    pub fn add(&mut self, key: &Key) {
        let key = key.as_str();
        let common = match &self.0 {
            None => key.len(),
            Some(folder) if key.starts_with(folder.as_str()) => return,
            Some(folder) => {
                let same = folder.bytes().zip(key.bytes()).take_while(|(a, b)| a == b);
                same.count()
            }
        };
        // A `/` is one byte, so the folder ends between two characters.
        let end = key.as_bytes()[..common].iter().rposition(|&byte| byte == b'/');
        self.0 = Some(key[..end.map_or(0, |slash| slash + 1)].to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_holds_all_keys_and_is_the_deepest() {
        for (keys, folder) in [
            (&[][..], None),
            (&["a/b/1.jpg"], Some("a/b/")),
            (&["a/b/1.jpg", "a/b/2.jpg"], Some("a/b/")),
            (&["a/b/1.jpg", "a/b/c/2.jpg"], Some("a/b/")),
            (&["a/bc/1.jpg", "a/bd/2.jpg"], Some("a/")),
            (&["a/b/1.jpg", "c.jpg"], Some("")),
            (&["a/b/1.jpg", "c.jpg", "a/b/2.jpg"], Some("")),
            (&["é/1.jpg", "è/1.jpg"], Some("")),
            (&["1.jpg"], Some("")),
        ] {
            let mut found = CommonFolder::default();
            for &key in keys {
                found.add(&key.into());
            }
            assert_eq!(found.0.as_deref(), folder, "{keys:?}");
        }
    }
}
