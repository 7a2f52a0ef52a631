use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::bucket::Bucket;
use super::counted::Counted;
use super::object::Object;

/// Buckets of objects, in memory.
#[derive(Debug, Default)]
pub struct Store {
    buckets: RwLock<BTreeMap<String, Bucket>>,
}

impl Store {
    /// Creates a bucket, unless it exists.
    pub fn create_bucket(&self, name: &str) {
        self.write().entry(name.to_owned()).or_insert_with(Bucket::new);
    }

    /// Creates a bucket that keeps every version of a key.
    pub fn create_versioned(&self, name: &str) {
        self.write().insert(name.to_owned(), Bucket::versioned());
    }

    /// Creates a bucket whose requester pays.
    pub fn create_requester_pays(&self, name: &str) {
        self.write().insert(name.to_owned(), Bucket::requester_pays());
    }

    /// Creates a bucket of objects that are all the same.
    pub fn create_counted(&self, name: &str, counted: Counted) {
        self.write().insert(name.to_owned(), Bucket::counted(counted));
    }

    /// Puts an object without HTTP, and creates its bucket if needed.
    pub fn load(&self, bucket: &str, key: &str, object: Object) {
        let mut buckets = self.write();
        let bucket = buckets.entry(bucket.to_owned()).or_insert_with(Bucket::new);
        bucket.put(key.to_owned(), object);
    }

    /// The current object of a key.
    #[must_use]
    pub fn get(&self, bucket: &str, key: &str) -> Option<Arc<Object>> {
        self.read().get(bucket)?.get(key).cloned()
    }

    /// Deletes a key, like a DELETE without a version.
    pub fn delete(&self, bucket: &str, key: &str) {
        if let Some(bucket) = self.write().get_mut(bucket) {
            bucket.delete(key, None);
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

    /// The number of multipart uploads of a bucket that were started, and neither completed nor aborted.
    #[must_use]
    pub fn uploads(&self, bucket: &str) -> usize {
        self.read().get(bucket).map_or(0, |bucket| bucket.uploads.len())
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.read()
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.write()
    }
}
