use std::borrow::Cow;
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
    /// In place of all others.
    counted: Option<Counted>,
}

/// More objects than memory could hold, all the same but for their keys, which are made as they are
/// asked for: `photos/000000000.jpg` and so on.
#[derive(Clone, Debug)]
pub struct Counted {
    pub count: u64,
    pub object: Arc<Object>,
}

impl Counted {
    #[must_use]
    pub fn key(number: u64) -> String {
        format!("photos/{number:09}.jpg")
    }

    fn number(key: &str) -> Option<u64> {
        key.strip_prefix("photos/")?.strip_suffix(".jpg")?.parse().ok()
    }

    /// The number of the first key that `is_before` does not hold for.
    fn first(&self, is_before: impl Fn(&str) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(&Self::key(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
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
            counted: None,
        }
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Object>> {
        match &self.counted {
            None => self.objects.get(key),
            Some(counted) => Counted::number(key)
                .filter(|&number| number < counted.count && Counted::key(number) == key)
                .map(|_| &counted.object),
        }
    }

    pub fn put(&mut self, key: String, object: Object) {
        self.objects.insert(key, Arc::new(object));
    }

    pub fn delete(&mut self, key: &str) {
        self.objects.remove(key);
    }

    /// Objects from a key on, in key order.
    pub fn range<'a>(&'a self, from: Bound<&'a str>) -> impl Iterator<Item = (Cow<'a, str>, &'a Arc<Object>)> {
        let objects = self
            .objects
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(key, object)| (Cow::from(key), object));
        let counted = self.counted.iter().flat_map(move |counted| {
            let first = counted.first(|key| match from {
                Bound::Included(from) => key < from,
                Bound::Excluded(from) => key <= from,
                Bound::Unbounded => false,
            });
            (first..counted.count).map(|number| (Cow::from(Counted::key(number)), &counted.object))
        });
        objects.chain(counted)
    }
}

impl Store {
    /// Makes a bucket unless it is there.
    pub fn create_bucket(&self, name: &str) {
        self.write().entry(name.to_owned()).or_insert_with(Bucket::new);
    }

    /// Makes a bucket of objects that are all the same.
    pub fn create_counted(&self, name: &str, counted: Counted) {
        let bucket = Bucket {
            counted: Some(counted),
            ..Bucket::new()
        };
        self.write().insert(name.to_owned(), bucket);
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
            .map(|(key, _)| key.into_owned())
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
