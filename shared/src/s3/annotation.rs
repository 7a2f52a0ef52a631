//! Attaches text to an object, without writing the object itself.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::contradiction::{sent, written};
use super::error::{Error, LIST_OBJECT_ANNOTATIONS};
use super::error_kind::ErrorKind;
use crate::object::{Bucket, ObjectRef};

/// Fails with [`ErrorKind::Incompatible`] if the store does not know annotations. Such a store would take an annotation
/// for the object itself, and replace the object.
///
/// `object` must be one that was just read. So a store that refuses this request knows what is asked for.
pub async fn expect_annotations(client: &Client, bucket: &Bucket, object: &ObjectRef) -> Result<(), Error> {
    let request = client
        .list_object_annotations()
        .bucket(bucket.as_str())
        .key(object.key.as_str())
        .set_version_id(object.version_id.clone())
        .max_annotation_results(1);
    let Err(error) = request.send().await else {
        return Ok(());
    };
    let error = Error::from_sdk(LIST_OBJECT_ANNOTATIONS, object.location(bucket), &error);
    match error.kind {
        ErrorKind::AccessDenied => Ok(()),
        // The response is not a list of annotations, or the store says that it does not know the operation.
        ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::Unknown => Err(Error::incompatible(
            LIST_OBJECT_ANNOTATIONS,
            object.location(bucket),
            "this store does not know annotations; nothing was written",
        )),
        _ => Err(error),
    }
}

/// Attaches an annotation to an object, or to one version of it, if it has the `ETag` of `object`. Replaces an
/// annotation of the same name.
///
/// # Errors
/// [`ErrorKind::PreconditionFailed`] if the object was replaced.
pub async fn put_annotation(
    client: &Client,
    bucket: &Bucket,
    object: &ObjectRef,
    name: &str,
    body: Bytes,
) -> Result<(), Error> {
    const PUT_OBJECT_ANNOTATION: &str = "PutObjectAnnotation";
    sent(|| {
        let request = client
            .put_object_annotation()
            .bucket(bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(object.version_id.clone())
            .set_object_if_match(object.if_match())
            .annotation_name(name)
            .annotation_payload(ByteStream::from(body.clone()));
        async move {
            let output = request.send().await;
            let output =
                output.map_err(|error| Error::from_sdk(PUT_OBJECT_ANNOTATION, object.location(bucket), &error))?;
            written(output.e_tag())
                .map_err(|problem| Error::corrupt(PUT_OBJECT_ANNOTATION, object.location(bucket), problem))?;
            Ok(())
        }
    })
    .await
}
