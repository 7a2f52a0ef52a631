//! The conditions of requests: `If-Match` and `If-None-Match`, and that an object to be read is not archived.

use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

use super::object::Object;

/// Storage classes from which an object must be restored before it can be read.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// Checks the conditions on the current `ETag` of a key. It is `None` if the key has no object.
pub fn check(
    etag: Option<&str>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let holds = |condition: &ETagCondition| match condition {
        ETagCondition::Any => etag.is_some(),
        ETagCondition::ETag(wanted) => etag == Some(wanted.value()),
    };
    if if_match.is_some_and(|condition| !holds(condition)) || if_none_match.is_some_and(holds) {
        return Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        ));
    }
    Ok(())
}

/// Checks the conditions on an object that is to be read, and that it is not archived.
pub fn check_readable(
    object: &Object,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    check(Some(&object.etag), if_match, if_none_match)?;
    match object.storage_class.as_deref() {
        Some(class) if ARCHIVES.contains(&class) && !object.restored => Err(s3_error!(
            InvalidObjectState,
            "The operation is not valid for the object's storage class"
        )),
        _ => Ok(()),
    }
}
