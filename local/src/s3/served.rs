//! Counts of what the server did.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared::protocol::usage::Requests;

/// All requests since the server started, including those that failed by an injected fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub requests: Requests,
    /// Bytes of objects that the server sent.
    pub bytes_read: u64,
    /// Bytes of objects that the server received.
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

    /// Counts one request. `operation` is the name of the S3 operation, such as `GetObject`.
    pub(super) fn count(&self, operation: &str) {
        self.change(|totals| totals.requests += Requests::one(operation));
    }
}
