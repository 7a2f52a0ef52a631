//! What the server was asked.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared::protocol::usage::Requests;

/// Everything since the server started, the requests that were to fail too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub requests: Requests,
    /// Of objects, sent.
    pub bytes_read: u64,
    /// Of objects, received.
    pub bytes_written: u64,
}

#[derive(Debug, Default)]
pub struct Served(Mutex<Totals>);

impl Served {
    #[must_use]
    pub fn totals(&self) -> Totals {
        *self.0.lock()
    }

    fn change(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.0.lock());
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.change(|totals| totals.bytes_read += bytes);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.change(|totals| totals.bytes_written += bytes);
    }

    /// One request, by the name that S3 gives it.
    pub(super) fn count(&self, operation: &str) {
        self.change(|totals| totals.requests += Requests::one(operation));
    }
}
