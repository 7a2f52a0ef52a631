use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use md5::{Digest, Md5};
use s3s::dto::CompletedPart;
use s3s::{S3Result, s3_error};

use super::body::Body;
use super::headers::Headers;
use super::object::Object;

/// The minimum size of each part, except the last one: 5 MiB.
const MIN_PART_BYTES: u64 = 5 << 20;

const PART_NUMBERS: RangeInclusive<i32> = 1..=10_000;

/// The multipart uploads of a bucket that were started, and neither completed nor aborted.
#[derive(Debug, Default)]
pub struct Uploads {
    open: BTreeMap<String, Upload>,
    begun: usize,
}

#[derive(Debug)]
pub struct Upload {
    key: String,
    headers: Headers,
    storage_class: Option<String>,
    parts: BTreeMap<i32, Part>,
}

#[derive(Debug)]
pub struct Part {
    pub body: Body,
    pub etag: String,
}

impl Uploads {
    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn begin(&mut self, upload: Upload) -> String {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.open.insert(id.clone(), upload);
        id
    }

    pub fn get(&mut self, id: &str, key: &str) -> S3Result<&mut Upload> {
        self.open
            .get_mut(id)
            .filter(|upload| upload.key == key)
            .ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))
    }

    pub fn remove(&mut self, id: &str) {
        self.open.remove(id);
    }
}

impl Upload {
    pub fn new(key: String, headers: Headers, storage_class: Option<String>) -> Self {
        Self {
            key,
            headers,
            storage_class,
            parts: BTreeMap::new(),
        }
    }

    /// Stores a part. It replaces an existing part with the same number.
    pub fn put(&mut self, number: i32, part: Part) -> S3Result<()> {
        if !PART_NUMBERS.contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        self.parts.insert(number, part);
        Ok(())
    }

    /// Joins the parts that the client lists into an object.
    pub fn object(&self, listed: &[CompletedPart]) -> S3Result<Object> {
        if listed.is_empty() {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        }
        if !listed.is_sorted_by(|a, b| a.part_number < b.part_number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order."
            ));
        }
        let parts: Vec<&Part> = listed.iter().map(|listed| self.part(listed)).collect::<S3Result<_>>()?;
        if parts[..parts.len() - 1]
            .iter()
            .any(|part| part.body.len() < MIN_PART_BYTES)
        {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ));
        }
        let mut digest = Md5::new();
        for part in &parts {
            // The server itself made each ETag, so all are hexadecimal.
            digest.update(hex::decode(&part.etag).unwrap_or_default());
        }
        let etag = format!("{}-{}", hex::encode(digest.finalize()), parts.len());
        let body = Body::concat(parts.iter().map(|part| part.body.clone()));
        let mut object = Object::with_etag(body, etag, self.headers.clone());
        object.storage_class.clone_from(&self.storage_class);
        Ok(object)
    }

    fn part(&self, listed: &CompletedPart) -> S3Result<&Part> {
        listed
            .part_number
            .and_then(|number| self.parts.get(&number))
            .filter(|part| listed.e_tag.as_ref().is_some_and(|etag| etag.value() == part.etag))
            .ok_or_else(|| s3_error!(InvalidPart, "One or more of the specified parts could not be found."))
    }
}
