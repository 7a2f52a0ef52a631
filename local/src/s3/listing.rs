//! `ListObjectsV2` over one bucket.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
    OptionalObjectAttributes, RestoreStatus,
};
use s3s::{S3Result, s3_error};
use shared::key;

use super::bucket::Bucket;

/// What `encoding-type=url` leaves as it is; a space becomes `+`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b'/');

const MAX_KEYS: i32 = 1000;

/// How long a restored object can still be read.
const RESTORED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub fn list(bucket: &Bucket, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let url = input
        .encoding_type
        .as_ref()
        .is_some_and(|kind| kind.as_str() == EncodingType::URL);
    let encoded = |text: &str| if url { encode(text) } else { text.to_owned() };
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let max_keys = input.max_keys.unwrap_or(MAX_KEYS).clamp(0, MAX_KEYS);
    // Our continuation token is the last key or common prefix of the page before, encoded.
    let resumed = input.continuation_token.as_deref().map(key::decode).transpose();
    let resumed = resumed.map_err(|_| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?;
    let after = resumed.as_deref().or(input.start_after.as_deref());

    let with_restores = input
        .optional_object_attributes
        .iter()
        .flatten()
        .any(|attribute| attribute.as_str() == OptionalObjectAttributes::RESTORE_STATUS);

    let mut contents = Vec::new();
    let mut common = BTreeSet::new();
    let mut last = None;
    let mut truncated = false;
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    for (key, object) in bucket.range(from).take_while(|(key, _)| key.starts_with(prefix)) {
        let group = delimiter.and_then(|delimiter| {
            let end = key[prefix.len()..].find(delimiter)? + delimiter.len();
            Some(key[..prefix.len() + end].to_owned())
        });
        if let Some(group) = &group
            && (common.contains(group) || resumed.as_ref() == Some(group))
        {
            continue;
        }
        if contents.len() + common.len() == usize::try_from(max_keys).unwrap_or_default() {
            truncated = true;
            break;
        }
        if let Some(group) = group {
            last = Some(group.clone());
            common.insert(group);
            continue;
        }
        contents.push(Object {
            key: Some(encoded(&key)),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.last_modified.into()),
            size: i64::try_from(object.body.len()).ok(),
            storage_class: Some(ObjectStorageClass::from(
                object.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned()),
            )),
            restore_status: (with_restores && object.restored).then(|| RestoreStatus {
                is_restore_in_progress: Some(false),
                restore_expiry_date: Some((SystemTime::now() + RESTORED).into()),
            }),
            ..Object::default()
        });
        last = Some(key.into_owned());
    }
    Ok(ListObjectsV2Output {
        key_count: i32::try_from(contents.len() + common.len()).ok(),
        contents: Some(contents),
        common_prefixes: Some(
            common
                .iter()
                .map(|group| CommonPrefix {
                    prefix: Some(encoded(group)),
                })
                .collect(),
        ),
        is_truncated: Some(truncated),
        next_continuation_token: last.filter(|_| truncated).as_deref().map(encode),
        continuation_token: input.continuation_token.clone(),
        name: Some(input.bucket.clone()),
        prefix: Some(encoded(prefix)),
        delimiter: delimiter.map(encoded),
        start_after: input.start_after.as_deref().map(encoded),
        max_keys: Some(max_keys),
        encoding_type: input.encoding_type,
        ..ListObjectsV2Output::default()
    })
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string().replace("%20", "+")
}
