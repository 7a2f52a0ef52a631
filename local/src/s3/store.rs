use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use md5::{Digest, Md5};
use s3s::dto::Timestamp;

/// Buckets of objects, in memory.
#[derive(Debug, Default)]
pub struct Store {
    buckets: RwLock<BTreeMap<String, Bucket>>,
}

#[derive(Debug)]
pub struct Bucket {
    pub created: SystemTime,
    objects: BTreeMap<String, Arc<Object>>,
}

/// One object: its bytes and all that comes back with them.
#[derive(Clone, Debug)]
pub struct Object {
    pub body: Bytes,
    /// MD5 of the bytes, as S3 has it for objects uploaded in one piece.
    pub etag: String,
    /// Whole seconds, as S3 keeps it.
    pub last_modified: SystemTime,
    pub headers: Headers,
    pub storage_class: Option<String>,
}

/// What a PUT sets and a GET gives back.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_type: Option<String>,
    pub expires: Option<Timestamp>,
    pub user_metadata: HashMap<String, String>,
}

impl Object {
    #[must_use]
    pub fn new(body: Bytes, headers: Headers) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            etag: hex::encode(Md5::digest(&body)),
            last_modified: UNIX_EPOCH + Duration::from_secs(since_1970.as_secs()),
            headers,
            storage_class: None,
            body,
        }
    }
}

impl Bucket {
    fn new() -> Self {
        Self {
            created: SystemTime::now(),
            objects: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    pub fn put(&mut self, key: String, object: Object) {
        self.objects.insert(key, Arc::new(object));
    }

    pub fn delete(&mut self, key: &str) {
        self.objects.remove(key);
    }

    /// Objects from a key on, in key order.
    pub fn range<'a>(&'a self, from: Bound<&'a str>) -> impl Iterator<Item = (&'a str, &'a Arc<Object>)> {
        self.objects
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(key, object)| (key.as_str(), object))
    }
}

impl Store {
    /// Makes a bucket unless it is there.
    pub fn create_bucket(&self, name: &str) {
        self.write().entry(name.to_owned()).or_insert_with(Bucket::new);
    }

    /// Puts an object, making its bucket where needed: for loading data without HTTP.
    pub fn load(&self, bucket: &str, key: &str, object: Object) {
        let mut buckets = self.write();
        let bucket = buckets.entry(bucket.to_owned()).or_insert_with(Bucket::new);
        bucket.put(key.to_owned(), object);
    }

    /// One object as it is now.
    #[must_use]
    pub fn get(&self, bucket: &str, key: &str) -> Option<Arc<Object>> {
        self.read().get(bucket)?.get(key).cloned()
    }

    pub fn delete(&self, bucket: &str, key: &str) {
        if let Some(bucket) = self.write().get_mut(bucket) {
            bucket.delete(key);
        }
    }

    /// The keys that start with a prefix.
    #[must_use]
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let buckets = self.read();
        let Some(bucket) = buckets.get(bucket) else {
            return Vec::new();
        };
        bucket
            .range(Bound::Included(prefix))
            .map(|(key, _)| key.to_owned())
            .take_while(|key| key.starts_with(prefix))
            .collect()
    }

    // A panic in a handler leaves the maps whole: each change is one insert or remove.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.write().unwrap_or_else(PoisonError::into_inner)
    }
}
