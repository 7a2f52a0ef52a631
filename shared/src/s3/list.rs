use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{EncodingType, Object, ObjectStorageClass, OptionalObjectAttributes};

use super::error::Error;
use crate::object::{ETag, Key, ObjectRef, S3Uri};

/// An object as it is listed, with its key decoded.
#[derive(Clone, Debug)]
pub struct ListedObject {
    pub object: ObjectRef,
    pub last_modified: Option<DateTime>,
}

/// One page of a listing, in key order.
#[derive(Debug, Default)]
pub struct Page {
    pub objects: Vec<ListedObject>,
    /// Whether more keys follow.
    pub truncated: bool,
}

/// Which keys to list.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    pub source: &'a S3Uri,
    /// Only keys after this one are listed. It need not exist. Empty for all keys.
    pub after: &'a Key,
    /// The most keys in one page. S3 returns at most 1,000.
    pub max_keys: i32,
}

/// Lists one page.
///
/// Keys are requested URL-encoded, because XML cannot hold every character that a key may have. A page starts after a
/// key, not at a token, so that a listing can continue anywhere.
pub async fn list(client: &Client, span: Span<'_>) -> Result<Page, Error> {
    let output = client
        .list_objects_v2()
        .bucket(span.source.bucket.as_str())
        .prefix(span.source.prefix.as_str())
        .set_start_after(Some(span.after.to_string()).filter(|after| !after.is_empty()))
        .max_keys(span.max_keys)
        .encoding_type(EncodingType::Url)
        .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
        .send()
        .await
        .map_err(|error| Error::from_sdk("ListObjectsV2", span.source, &error))?;
    let objects = output.contents.unwrap_or_default().into_iter().map(|object| {
        let storage_class = archived(&object);
        let key = Key::decode(&object.key.unwrap_or_default())
            .map_err(|error| Error::corrupt("ListObjectsV2", span.source, error.to_string()))?;
        Ok(ListedObject {
            object: ObjectRef {
                key,
                size: object.size.and_then(|size| u64::try_from(size).ok()),
                etag: object.e_tag.as_deref().and_then(ETag::parse),
                version_id: None,
                storage_class,
            },
            last_modified: object.last_modified,
        })
    });
    Ok(Page {
        objects: objects.collect::<Result<_, Error>>()?,
        truncated: output.is_truncated.unwrap_or_default(),
    })
}

/// The storage class of an object that must be restored before it can be read.
///
/// An object in Intelligent-Tiering may be archived, too, but only a read shows that.
fn archived(object: &Object) -> Option<String> {
    let class = object.storage_class.as_ref()?;
    let is_archive = matches!(class, ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive);
    let is_restored = object.restore_status.as_ref().is_some_and(|restored| {
        restored.is_restore_in_progress != Some(true) && restored.restore_expiry_date.is_some()
    });
    (is_archive && !is_restored).then(|| class.as_str().to_owned())
}
