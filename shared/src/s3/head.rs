use aws_sdk_s3::Client;

use super::agreement::{Agreed, GET_OBJECT, NO_LENGTH};
use super::error::Error;
use super::meter::count;
use super::raw;
use crate::object::{Bucket, ETag, ObjectRef};

/// Asks for the size, the `ETag` and the version of the object that a key, or one version of it, holds now.
pub async fn head_object(client: &Client, bucket: &Bucket, object: &ObjectRef) -> Result<ObjectRef, Error> {
    const HEAD_OBJECT: &str = "HeadObject";
    let request = || {
        client
            .head_object()
            .bucket(bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(object.version_id.clone())
            .set_if_match(object.if_match())
    };
    let output = match request().send().await {
        Ok(output) => output,
        Err(error) => {
            let failed = Error::from_sdk(HEAD_OBJECT, object.location(bucket), &error);
            if !raw::has_unreadable_headers(&error) {
                return Err(failed);
            }
            let asking = Box::pin(async {
                let signed = request().presigned(raw::signing()).await.map_err(|_| failed.clone())?;
                count(HEAD_OBJECT);
                raw::head(signed).await.map_err(|problem| failed.with_cause(problem))
            });
            asking.await?
        }
    };
    let corrupt = |problem: &str| Error::corrupt(HEAD_OBJECT, object.location(bucket), problem);
    let size = output.content_length.and_then(|length| u64::try_from(length).ok());
    let etag = output.e_tag.as_deref().and_then(ETag::parse);
    Ok(ObjectRef {
        key: object.key.clone(),
        size: Some(size.ok_or_else(|| corrupt(NO_LENGTH))?),
        etag: Some(etag.ok_or_else(|| corrupt("the response has no ETag"))?),
        version_id: output.version_id,
        storage_class: None,
    })
}

/// Why the size of an object is not what a response says.
pub(super) enum Unconfirmed {
    Failed(Error),
    Wrong(Error),
}

/// Asks for the size of an object whose response did not say that it is a range.
pub(super) async fn confirm(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    agreed: &Agreed,
) -> Result<(), Unconfirmed> {
    let same = ObjectRef {
        etag: Some(agreed.etag.clone()),
        ..object.clone()
    };
    let found = head_object(client, bucket, &same).await.map_err(Unconfirmed::Failed)?;
    if found.size == Some(agreed.size) {
        return Ok(());
    }
    let problem = format!(
        "the response has {} bytes and no range, but the object has {}",
        agreed.size,
        found.size.unwrap_or_default()
    );
    Err(Unconfirmed::Wrong(Error::corrupt(
        GET_OBJECT,
        object.location(bucket),
        problem,
    )))
}
