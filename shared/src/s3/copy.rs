//! Copies inside S3: their bytes do not pass through the function.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{AnnotationDirective, CopyObjectResult, MetadataDirective, TaggingDirective};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::contradiction::{sent, written};
use super::error::Error;
use super::headers::with_headers;
use crate::object::{Bucket, ObjectMeta, ObjectRef, ObjectUri};

/// Everything but `/` and the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// What to copy. Its text is the value of `x-amz-copy-source`, percent-encoded because the SDK sends it unchanged.
#[derive(Clone, Copy, Debug)]
pub struct CopySource<'a> {
    pub bucket: &'a Bucket,
    pub object: &'a ObjectRef,
}

impl fmt::Display for CopySource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = utf8_percent_encode(self.object.key.as_str(), ENCODED);
        write!(f, "{}/{key}", self.bucket)?;
        match &self.object.version_id {
            Some(version) => write!(f, "?versionId={}", utf8_percent_encode(version, ENCODED)),
            None => Ok(()),
        }
    }
}

/// Copies an image. Tags and annotations are not copied, since that would need further permissions.
///
/// With `added` metadata, S3 drops all headers and user metadata that the request does not repeat. So the request
/// repeats all of `meta`. Without `added` metadata, S3 keeps them by itself.
pub async fn copy_image(
    client: &Client,
    source: CopySource<'_>,
    target: &ObjectUri,
    meta: ObjectMeta,
    added: HashMap<String, String>,
) -> Result<(), Error> {
    const COPY_OBJECT: &str = "CopyObject";
    let location = || format!("{} to {target}", source.object.location(source.bucket));
    sent(|| {
        let mut request = client
            .copy_object()
            .bucket(target.bucket.as_str())
            .key(target.key.as_str())
            .copy_source(source.to_string())
            .set_copy_source_if_match(source.object.if_match())
            .tagging_directive(TaggingDirective::Replace)
            .annotation_directive(AnnotationDirective::Exclude);
        if !added.is_empty() {
            request = with_headers!(
                request.metadata_directive(MetadataDirective::Replace),
                meta.clone(),
                added.clone()
            );
        }
        async move {
            let output = request.send().await;
            let output = output.map_err(|error| Error::from_sdk(COPY_OBJECT, location(), &error))?;
            written(output.copy_object_result().and_then(CopyObjectResult::e_tag))
                .map_err(|problem| Error::corrupt(COPY_OBJECT, location(), problem))?;
            Ok(())
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_sources_are_encoded() {
        let bucket = &Bucket::new("photos").unwrap();
        for (key, version_id, source) in [
            ("a/b.jpg", None, "photos/a/b.jpg"),
            ("a b+c%é.jpg", None, "photos/a%20b%2Bc%25%C3%A9.jpg"),
            ("//x?y", None, "photos///x%3Fy"),
            ("bell\u{7}", None, "photos/bell%07"),
            ("a", Some("v/1"), "photos/a?versionId=v/1"),
        ] {
            let object = &ObjectRef {
                version_id: version_id.map(str::to_owned),
                ..ObjectRef::latest(key.into())
            };
            assert_eq!(CopySource { bucket, object }.to_string(), source);
        }
    }
}
