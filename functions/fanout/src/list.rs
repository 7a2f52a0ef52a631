//! The source, page by page.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::EncodingType;
use futures::Stream;
use futures::stream::try_unfold;
use shared::chunk::ObjectRef;
use shared::failure::{Class, Failure};
use shared::key;
use shared::s3::unquoted;
use shared::uri::S3Uri;

/// An object as it is listed, its key decoded.
#[derive(Debug)]
pub struct Listed {
    pub object: ObjectRef,
    pub last_modified: Option<DateTime>,
}

/// The pages of a listing, in key order. Keys are asked for URL-encoded, since XML cannot carry every
/// character that a key may hold.
pub fn pages(client: &Client, source: &S3Uri) -> impl Stream<Item = Result<Vec<Listed>, Failure>> {
    let request = client
        .list_objects_v2()
        .bucket(&source.bucket)
        .prefix(&source.prefix)
        .encoding_type(EncodingType::Url);
    let source = source.to_string();
    try_unfold(request.into_paginator().send(), move |mut pages| {
        let what = format!("ListObjectsV2 {source}");
        async move {
            match pages.next().await {
                None => Ok(None),
                Some(Err(error)) => Err(Failure::of(what, &error)),
                Some(Ok(page)) => Ok(Some((decoded(page)?, pages))),
            }
        }
    })
}

fn decoded(page: ListObjectsV2Output) -> Result<Vec<Listed>, Failure> {
    page.contents
        .unwrap_or_default()
        .into_iter()
        .map(|object| {
            let encoded = object.key.unwrap_or_default();
            let key = key::decode(&encoded)
                .map_err(|error| Failure::new(Class::Internal, format!("ListObjectsV2: {error}")))?;
            Ok(Listed {
                object: ObjectRef {
                    key,
                    size: object
                        .size
                        .and_then(|size| u64::try_from(size).ok())
                        .unwrap_or_default(),
                    etag: unquoted(&object.e_tag.unwrap_or_default()).to_owned(),
                    version_id: None,
                },
                last_modified: object.last_modified,
            })
        })
        .collect()
}
