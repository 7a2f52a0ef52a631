//! The objects of a chunk as text.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;
use shared::object::ObjectRef;

/// Objects as JSON, one per line.
///
/// A body file has these bytes, and the request to a processor has the same objects. As text, they take a third of the
/// memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Lines {
    bytes: Bytes,
    count: usize,
}

impl Lines {
    pub fn new<'a>(objects: impl IntoIterator<Item = &'a ObjectRef>) -> Self {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for object in objects {
            serde_json::to_writer(&mut bytes, object).expect("an object is valid JSON");
            bytes.push(b'\n');
            count += 1;
        }
        // Thousands of them wait in memory.
        bytes.shrink_to_fit();
        Self {
            bytes: bytes.into(),
            count,
        }
    }

    /// The lines of a file.
    pub fn of_file(bytes: Bytes) -> Self {
        let count = memchr::memchr_iter(b'\n', &bytes).count();
        Self { bytes, count }
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many objects these are.
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn objects(&self) -> serde_json::Result<Vec<ObjectRef>> {
        serde_json::Deserializer::from_slice(&self.bytes).into_iter().collect()
    }

    /// The objects as a JSON array.
    pub fn to_array(&self) -> serde_json::Result<Box<RawValue>> {
        // JSON has no line break inside of a string, so each one ends an object.
        let inner = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let mut array = Vec::with_capacity(inner.len() + 2);
        array.push(b'[');
        array.extend(inner.iter().map(|&byte| if byte == b'\n' { b',' } else { byte }));
        array.push(b']');
        RawValue::from_string(String::from_utf8(array).map_err(de::Error::custom)?)
    }

    /// The first `count` objects, and the others.
    pub fn split_at(&self, count: usize) -> (Self, Self) {
        let ends = memchr::memchr_iter(b'\n', &self.bytes);
        let end = ends.take(count).last().map_or(0, |line_break| line_break + 1);
        let count = count.min(self.count);
        let front = Self {
            bytes: self.bytes.slice(..end),
            count,
        };
        let back = Self {
            bytes: self.bytes.slice(end..),
            count: self.count - count,
        };
        (front, back)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lines({} objects, {} bytes)", self.count, self.bytes.len())
    }
}

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_array().map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<ObjectRef>::deserialize(deserializer).map(|objects| Self::new(&objects))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Vec<ObjectRef> {
        let keys = ["a.jpg", "line\nbreak.jpg", "é.jpg"];
        keys.into_iter().map(|key| ObjectRef::latest(key.into())).collect()
    }

    #[test]
    fn lines_are_a_file_and_an_array() {
        let lines = Lines::new(&objects());
        assert_eq!((lines.count(), lines.objects().unwrap()), (3, objects()));
        let read = Lines::of_file(lines.bytes().clone());
        assert_eq!(read, lines);
        let array = serde_json::to_string(&lines).unwrap();
        assert_eq!(serde_json::from_str::<Vec<ObjectRef>>(&array).unwrap(), objects());
        assert_eq!(serde_json::from_str::<Lines>(&array).unwrap(), lines);
        let none = Lines::new(&[]);
        assert_eq!(
            (none.count(), serde_json::to_string(&none).unwrap().as_str()),
            (0, "[]")
        );
        assert!(Lines::of_file("{\"key\":\n".into()).to_array().is_err());
    }

    #[test]
    fn lines_are_split_between_objects() {
        let lines = Lines::new(&objects());
        for count in 0..5 {
            let (front, back) = lines.split_at(count);
            assert_eq!(front.count() + back.count(), 3);
            let (front, back) = (front.objects().unwrap(), back.objects().unwrap());
            assert_eq!(front.len(), count.min(3));
            assert_eq!([front, back].concat(), objects());
        }
    }
}
