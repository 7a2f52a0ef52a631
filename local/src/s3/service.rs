//! What all operations share: the store, the injected faults, and the counts.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::RequestPayer;
use s3s::{S3Error, S3Result, s3_error};
use shared::clock::Clock;

use super::bucket::Bucket;
use super::effect::Aftermath;
use super::faults::Faults;
use super::object::Object;
use super::served::Served;
use super::store::Store;

#[derive(Clone, Debug, Default)]
pub struct Service {
    pub store: Arc<Store>,
    pub faults: Arc<Faults>,
    pub served: Arc<Served>,
    pub clock: Clock,
}

impl Service {
    /// Counts a request, waits for its latency and injects its fault. Returns the fault that is to happen later.
    pub async fn admit(&self, operation: &str, key: &str) -> S3Result<Aftermath> {
        self.served.count(operation);
        self.faults.inject(operation, key).await
    }

    /// Reads an existing bucket.
    pub fn with<T>(&self, bucket: &str, read: impl FnOnce(&Bucket) -> S3Result<T>) -> S3Result<T> {
        self.store.read().get(bucket).ok_or_else(no_such_bucket).and_then(read)
    }

    /// Changes an existing bucket, as one atomic step.
    pub fn change<T>(&self, bucket: &str, change: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        let mut buckets = self.store.write();
        buckets.get_mut(bucket).ok_or_else(no_such_bucket).and_then(change)
    }

    /// The time of the server in whole seconds, as in S3.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.clock.since_epoch().as_secs())
    }

    /// Refuses a read that does not say who pays, if it must.
    pub fn check_payer(&self, bucket: &str, payer: Option<&RequestPayer>) -> S3Result<()> {
        self.with(bucket, |bucket| bucket.check_payer(payer))
    }

    pub fn object(&self, bucket: &str, key: &str, version_id: Option<&str>) -> S3Result<Arc<Object>> {
        self.with(bucket, |bucket| bucket.find(key, version_id).cloned())
    }
}

fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}
