//! Finds out whether the destination's store honours the conditions of writes. Some stores that speak S3's protocol
//! ignore them.
//!
//! A record file is written once because of `If-None-Match`, and a checkpoint is replaced by one invocation only because
//! of `If-Match`. Without them, records could be written twice and keys be lost.

use aws_sdk_s3::Client;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, ready};
use shared::object::{ETag, ObjectUri};
use shared::s3::{self, Condition, ConditionalWrite};

/// An `ETag` that no object has.
const NO_ETAG: &str = "00000000000000000000000000000000";

#[derive(Clone, Debug, thiserror::Error)]
pub enum ConditionsError {
    #[error("the conditional writes of the destination cannot be checked: {0}")]
    Request(#[from] s3::Error),
    #[error(
        "the store of the destination ignores {header} when it writes {file}; without this header, no job can count \
         its keys exactly: use a store that supports conditional writes, as Amazon S3 does"
    )]
    Ignored { header: &'static str, file: ObjectUri },
    #[error("the check of the conditional writes ended early: {0}")]
    Task(String),
}

impl ConditionsError {
    /// Whether it is known that conditions are not honoured. Otherwise, nothing is known.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Ignored { .. })
    }
}

/// Whether conditions are honoured, as soon as this is known. Clones share the answer.
#[derive(Clone, Debug)]
pub struct Conditions(Shared<BoxFuture<'static, Result<(), ConditionsError>>>);

impl Conditions {
    /// An earlier invocation of the job has found out that they are.
    pub fn honoured() -> Self {
        Self(ready(Ok(())).boxed().shared())
    }

    /// Starts to find out, with a file that exists. A store that honours the conditions writes nothing. Any other store
    /// writes `body`.
    pub fn probe(s3: Client, file: ObjectUri, body: Bytes) -> Self {
        let probing = tokio::spawn(async move { probe(&s3, &file, body).await });
        let result = probing.map(|result| result.unwrap_or_else(|error| Err(ConditionsError::Task(error.to_string()))));
        Self(result.boxed().shared())
    }

    /// Waits until it is known, and fails if they are not honoured.
    pub async fn check(&self) -> Result<(), ConditionsError> {
        self.0.clone().await
    }

    /// Whether it is known already that they are honoured.
    pub fn are_honoured(&self) -> bool {
        matches!(self.0.peek(), Some(Ok(())))
    }
}

async fn probe(s3: &Client, file: &ObjectUri, body: Bytes) -> Result<(), ConditionsError> {
    let other = ETag::parse(NO_ETAG).expect("it is not empty");
    for (header, condition) in [
        ("If-None-Match", Condition::Absent),
        ("If-Match", Condition::Matches(&other)),
    ] {
        match s3::put_object_if(s3, file, s3::JSON, body.clone(), condition).await? {
            ConditionalWrite::ConditionFailed => {}
            ConditionalWrite::Written(_) => {
                return Err(ConditionsError::Ignored {
                    header,
                    file: file.clone(),
                });
            }
        }
    }
    Ok(())
}
