//! The prefixes whose plans are compared with their jobs.

use std::path::Path;

use bytes::Bytes;
use local::dataset;
use local::s3::{Headers, Object, Store};

use crate::photos::SOURCE;

/// A source of one kind.
pub struct Prefix {
    pub name: &'static str,
    pub mode: &'static str,
    /// The key of the object with this number.
    key: fn(usize) -> String,
    objects: usize,
    photos: Vec<Bytes>,
}

impl Prefix {
    pub fn load(&self, store: &Store) {
        for number in 0..self.objects {
            let key = (self.key)(number);
            let is_photo = Path::new(&key).extension().is_some_and(|ending| ending == "jpg");
            let body = if is_photo {
                self.photos[number % self.photos.len()].clone()
            } else {
                Bytes::from_static(b"not a photo")
            };
            store.load(SOURCE, &key, Object::new(body.into(), Headers::default()));
        }
    }
}

/// Each with one in `part` of its objects.
pub fn prefixes(part: usize) -> anyhow::Result<[Prefix; 5]> {
    let small: Vec<Bytes> = (0..20)
        .map(|index| dataset::photo(index).map(Bytes::from))
        .collect::<Result<_, _>>()?;
    let large: Vec<Bytes> = (0..4)
        .map(|index| dataset::camera_photo(index, 4_000, 3_000).map(Bytes::from))
        .collect::<Result<_, _>>()?;
    let tiny = vec![Bytes::from(dataset::camera_photo(0, 32, 32)?)];
    Ok([
        Prefix {
            name: "flat",
            mode: "copy",
            key: |number| format!("{number:07}.jpg"),
            objects: 12_000 / part,
            photos: small.clone(),
        },
        Prefix {
            name: "deep",
            mode: "none",
            key: |number| {
                let (year, month, day) = (2000 + number % 24, 1 + number % 12, 1 + number % 28);
                format!("camera-{}/{year}/{month:02}/{day:02}/card/raw/{number}.jpg", number % 7)
            },
            objects: 24_000 / part,
            photos: small.clone(),
        },
        Prefix {
            name: "few large",
            mode: "upload",
            key: |number| format!("{number}.jpg"),
            objects: 600 / part,
            photos: large,
        },
        Prefix {
            name: "many small",
            mode: "none",
            key: |number| format!("thumbs/{number:07}.jpg"),
            objects: 60_000 / part,
            photos: tiny,
        },
        Prefix {
            name: "mixed with junk",
            mode: "upload",
            key: |number| {
                let ending = ["jpg", "xmp", "json", "txt"][number % 4];
                format!("shoot-{:03}/{number:07}.{ending}", number / 500)
            },
            objects: 32_000 / part,
            photos: small,
        },
    ])
}
