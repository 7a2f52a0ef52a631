//! What one page of a range found, or one batch of a list.

use shared::object::Key;

use super::candidate::Candidate;
use super::cursor::Cursor;

/// Some objects of the source, in the order of the part of the source that they come from.
#[derive(Debug)]
pub struct Portion {
    pub candidates: Vec<Candidate>,
    /// What must be listed again to find the candidates again.
    pub cursor: Cursor,
}

impl Cursor {
    /// The part after a key, which is that of row `row` (from 1) of its portion.
    #[must_use]
    pub fn after(self, key: &Key, row: usize) -> Self {
        match self {
            Self::Keys(mut range) => {
                range.after = key.clone();
                Self::Keys(range)
            }
            Self::List(mut list) => {
                list.rows += row as u64;
                Self::List(list)
            }
        }
    }
}

/// Adds a cursor to others. If it begins where one of them ends, they become one.
pub fn add(cursors: &mut Vec<Cursor>, cursor: Cursor) {
    let joined = match &cursor {
        Cursor::Keys(range) => cursors.iter_mut().any(|other| match other {
            Cursor::Keys(other) if other.until.as_ref() == Some(&range.after) => {
                other.until.clone_from(&range.until);
                true
            }
            _ => false,
        }),
        // A list is read from its earliest row on.
        Cursor::List(list) => cursors.iter_mut().any(|other| match other {
            Cursor::List(other) if other.uri == list.uri => {
                other.rows = other.rows.min(list.rows);
                true
            }
            _ => false,
        }),
    };
    if !joined {
        cursors.push(cursor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::cursor::{Format, KeyList, KeyRange};

    fn range(after: &str, until: Option<&str>) -> Cursor {
        Cursor::Keys(KeyRange {
            after: after.into(),
            until: until.map(Key::from),
        })
    }

    fn list(rows: u64) -> Cursor {
        Cursor::List(KeyList {
            uri: "s3://lists/keys.csv".parse().unwrap(),
            etag: None,
            format: Format::Csv,
            rows,
        })
    }

    #[test]
    fn cursors_that_touch_become_one() {
        let mut cursors = Vec::new();
        for cursor in [
            range("", Some("c")),
            range("x", Some("y")),
            list(1_000),
            range("c", Some("f")),
            list(2_000),
            range("f", None),
        ] {
            add(&mut cursors, cursor);
        }
        assert_eq!(cursors, [range("", None), range("x", Some("y")), list(1_000)]);
    }

    #[test]
    fn a_cursor_moves_behind_a_key() {
        assert_eq!(range("a", Some("z")).after(&"k".into(), 7), range("k", Some("z")));
        assert_eq!(list(1_000).after(&"k".into(), 7), list(1_007));
    }
}
