use super::{Body, Lines};

/// A file with the objects of several chunks that is not written yet.
#[derive(Debug)]
pub struct BodyFile {
    generation: u32,
    number: u64,
    parts: Vec<Lines>,
    len: usize,
}

impl BodyFile {
    /// The first file of a generation.
    pub fn first(generation: u32) -> Self {
        Self {
            generation,
            number: 1,
            parts: Vec::new(),
            len: 0,
        }
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds the objects of a chunk. Returns where they will be.
    pub fn add(&mut self, lines: Lines) -> Body {
        let (start, len) = (self.len, lines.bytes().len());
        self.len += len;
        self.parts.push(lines);
        Body {
            generation: self.generation,
            number: self.number,
            start: start as u64,
            len: len as u64,
            job_id: None,
        }
    }

    /// Takes the file to be written. The next chunk goes into the next file.
    pub fn take(&mut self) -> Self {
        let next = Self {
            number: self.number + 1,
            ..Self::first(self.generation)
        };
        std::mem::replace(self, next)
    }

    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        for part in self.parts {
            bytes.extend_from_slice(part.bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use shared::object::ObjectRef;

    use super::*;

    #[test]
    fn parts_are_found_again() {
        let lines = |keys: &[&str]| {
            Lines::new(
                &keys
                    .iter()
                    .map(|&key| ObjectRef::latest(key.into()))
                    .collect::<Vec<_>>(),
            )
        };
        let mut file = BodyFile::first(3);
        let parts = [lines(&["a", "b"]), lines(&["c"])];
        let bodies = parts.clone().map(|part| file.add(part));
        let whole = file.take().into_bytes();
        for (part, body) in parts.iter().zip(&bodies) {
            let [start, len] = [body.start, body.len].map(|bytes| usize::try_from(bytes).unwrap());
            assert_eq!((body.generation, body.number), (3, 1));
            assert_eq!(whole[start..start + len], part.bytes()[..]);
        }
        assert!(file.is_empty());
        let next = file.add(lines(&["d"]));
        assert_eq!((next.number, next.start), (2, 0));
        let json = serde_json::to_string(&next).unwrap();
        assert_eq!(serde_json::from_str::<Body>(&json).unwrap(), next, "{json}");
    }
}
