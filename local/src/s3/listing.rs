//! `ListObjectsV2` over one bucket.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Bound;
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
    OptionalObjectAttributes, RestoreStatus,
};
use s3s::{S3Result, s3_error};
use shared::object::Key;

use super::bucket::Bucket;
use super::effect::{Aftermath, Effect};
use super::object::Object as StoredObject;

/// The characters that `encoding-type=url` does not encode, besides letters and digits. A space becomes `+`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b'/');

/// The most keys in one page.
const MAX_KEYS: i32 = 1000;

/// How long a restored object can still be read.
const RESTORED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The request for one page.
struct Query<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    /// The last key or common prefix of the previous page.
    resumed: Option<&'a str>,
    start_after: Option<&'a str>,
    /// Whether `start_after` itself is listed, which S3 does not do.
    includes_start: bool,
    max_keys: usize,
}

#[derive(Default)]
struct Page<'a> {
    objects: Vec<(Cow<'a, str>, &'a StoredObject)>,
    common_prefixes: BTreeSet<String>,
    /// The last key or common prefix of this page, if there are more after it.
    resume: Option<String>,
}

impl<'a> Page<'a> {
    fn read(bucket: &'a Bucket, query: &Query<'a>) -> Self {
        let Query { prefix, delimiter, .. } = *query;
        let from = match query.resumed.or(query.start_after) {
            Some(after) if after >= prefix && query.includes_start && query.resumed.is_none() => Bound::Included(after),
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut page = Self::default();
        let mut last = None;
        for (key, object) in bucket.range(from).take_while(|(key, _)| key.starts_with(prefix)) {
            let group = delimiter.and_then(|delimiter| {
                let end = key[prefix.len()..].find(delimiter)? + delimiter.len();
                Some(key[..prefix.len() + end].to_owned())
            });
            if let Some(group) = &group
                && (page.common_prefixes.contains(group) || query.resumed == Some(group))
            {
                continue;
            }
            if page.len() == query.max_keys {
                page.resume = last;
                break;
            }
            if let Some(group) = group {
                last = Some(group.clone());
                page.common_prefixes.insert(group);
            } else {
                last = Some(key.clone().into_owned());
                page.objects.push((key, object));
            }
        }
        page
    }

    /// Leaves out the objects from the `count`th on. The token leads to them.
    fn cut(&mut self, count: usize, query: &Query<'a>) {
        if count < self.objects.len() {
            self.objects.truncate(count);
            let last = self.objects.last().map(|(key, _)| key.as_ref());
            self.resume = Some(
                last.or(query.resumed)
                    .or(query.start_after)
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }

    fn len(&self) -> usize {
        self.objects.len() + self.common_prefixes.len()
    }
}

pub fn list(bucket: &Bucket, input: &ListObjectsV2Input, after: &Aftermath) -> S3Result<ListObjectsV2Output> {
    let url = input
        .encoding_type
        .as_ref()
        .is_some_and(|kind| kind.as_str() == EncodingType::URL && !after.is(&Effect::PlainKeys));
    let encoded = |text: &str| match url {
        true if after.is(&Effect::NotUtf8) => encode(text).replace("%EF%BF%BD", "%FF"),
        true => encode(text),
        false => text.to_owned(),
    };
    let resumed = input.continuation_token.as_deref().map(Token::parse).transpose()?;
    let max_keys = input.max_keys.unwrap_or(MAX_KEYS).clamp(0, MAX_KEYS);
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
        resumed: resumed.as_ref().map(|token| token.after.as_str()),
        start_after: input
            .start_after
            .as_deref()
            .filter(|_| !after.is(&Effect::NoStartAfter)),
        includes_start: after.is(&Effect::FromStartAfter),
        max_keys: usize::try_from(max_keys).unwrap_or_default(),
    };
    let mut page = Page::read(bucket, &query);
    if after.is(&Effect::EmptyPage) || after.is(&Effect::NoProgress) {
        page.cut(0, &query);
    } else if after.is(&Effect::ShortPage) {
        page.cut(page.objects.len() / 2, &query);
    }
    let with_restores = input
        .optional_object_attributes
        .iter()
        .flatten()
        .any(|attribute| attribute.as_str() == OptionalObjectAttributes::RESTORE_STATUS);
    let contents = page
        .objects
        .iter()
        .map(|(key, object)| entry(encoded(key), object, with_restores));
    let common_prefixes = page.common_prefixes.iter().map(|group| CommonPrefix {
        prefix: Some(encoded(group)),
    });
    Ok(ListObjectsV2Output {
        key_count: i32::try_from(page.len()).ok(),
        is_truncated: Some(page.resume.is_some()),
        contents: Some(contents.collect()),
        common_prefixes: Some(common_prefixes.collect()),
        next_continuation_token: page.resume.map(|last| match &input.continuation_token {
            Some(token) if after.is(&Effect::NoProgress) => token.clone(),
            _ => Token::next(resumed.as_ref(), last).to_string(),
        }),
        continuation_token: input.continuation_token.clone(),
        name: Some(input.bucket.clone()),
        prefix: Some(encoded(query.prefix)),
        delimiter: query.delimiter.map(encoded),
        start_after: query.start_after.map(encoded),
        max_keys: Some(max_keys),
        encoding_type: input.encoding_type.clone().filter(|_| url),
        ..ListObjectsV2Output::default()
    })
}

/// A continuation token. It leads to what follows a key or common prefix.
struct Token {
    /// No two responses of a listing have the same token, even if one of them has no keys.
    number: u32,
    after: String,
}

impl Token {
    fn next(previous: Option<&Self>, after: String) -> Self {
        Self {
            number: previous.map_or(0, |previous| previous.number + 1),
            after,
        }
    }

    fn parse(text: &str) -> S3Result<Self> {
        let parts = text.split_once('-');
        let token = parts.and_then(|(number, after)| {
            Some(Self {
                number: number.parse().ok()?,
                after: Key::decode(after).ok()?.into_string(),
            })
        });
        token.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, encode(&self.after))
    }
}

fn entry(key: String, object: &StoredObject, with_restores: bool) -> Object {
    let class = object.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
    Object {
        key: Some(key),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(object.last_modified.into()),
        size: i64::try_from(object.body.len()).ok(),
        storage_class: Some(ObjectStorageClass::from(class)),
        restore_status: (with_restores && object.restored).then(|| RestoreStatus {
            is_restore_in_progress: Some(false),
            restore_expiry_date: Some((SystemTime::now() + RESTORED_FOR).into()),
        }),
        ..Object::default()
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string().replace("%20", "+")
}
