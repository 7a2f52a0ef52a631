use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{EncodingType, Object, ObjectStorageClass, OptionalObjectAttributes};

use super::error::Error;
use crate::object::{ETag, Key, NotUtf8, ObjectRef, S3Uri};

const LIST: &str = "ListObjectsV2";

/// How many responses without a key may follow each other. S3 sends them where many versions were deleted.
const MAX_RESPONSES: usize = 10_000;

/// An object as it is listed, with its key decoded.
#[derive(Clone, Debug)]
pub struct ListedObject {
    pub object: ObjectRef,
    pub last_modified: Option<DateTime>,
}

/// An object whose key is not UTF-8, so that no request can name it.
#[derive(Clone, Debug)]
pub struct UnnamedObject {
    pub key: NotUtf8,
    pub size: Option<u64>,
    pub last_modified: Option<DateTime>,
}

/// One page of a listing, in key order.
#[derive(Debug, Default)]
pub struct Page {
    /// If the page is truncated, there is at least one, and the next page starts after the last one.
    pub objects: Vec<ListedObject>,
    /// In key order, too.
    pub unnamed: Vec<UnnamedObject>,
    /// Whether more keys may follow.
    pub truncated: bool,
}

/// Which keys to list.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    pub source: &'a S3Uri,
    /// Only keys after this one are listed. It need not exist. Empty for all keys.
    pub after: &'a Key,
    /// The most keys in one response. S3 returns at most 1,000.
    pub max_keys: i32,
}

/// Lists one page.
///
/// Keys are requested URL-encoded, because XML cannot hold every character that a key may have. A page starts after a
/// key, not at a token, so that a listing can continue anywhere.
///
/// S3 may send a response without keys and say that more follow. Only its token leads on. So the page goes on until it
/// ends in a key, or until nothing follows.
///
/// # Errors
/// [`ErrorKind::Incompatible`](super::ErrorKind::Incompatible) if the keys are not in order, or not those that were asked for. A listing that
/// went on from them would lose keys, or never end.
pub async fn list(client: &Client, span: Span<'_>) -> Result<Page, Error> {
    let mut page = Gathering::new(&span);
    let mut token: Option<String> = None;
    for _ in 0..MAX_RESPONSES {
        let output = request(client, &span, token.clone()).await?;
        let next = output.next_continuation_token.clone().filter(|next| !next.is_empty());
        page.add(output)?;
        if page.is_complete() {
            return Ok(page.page);
        }
        if next.is_none() {
            let problem = "the response has no key and no token, but says that more keys follow";
            return Err(Error::corrupt(LIST, span.source, problem));
        }
        if next == token {
            let problem = "the same continuation token came twice, without a key between";
            return Err(Error::incompatible(LIST, span.source, problem));
        }
        token = next;
    }
    let problem = format!("{MAX_RESPONSES} responses in a row have no key, and say that more keys follow");
    Err(Error::incompatible(LIST, span.source, problem))
}

async fn request(client: &Client, span: &Span<'_>, token: Option<String>) -> Result<ListObjectsV2Output, Error> {
    client
        .list_objects_v2()
        .bucket(span.source.bucket.as_str())
        .prefix(span.source.prefix.as_str())
        .set_start_after(Some(span.after.to_string()).filter(|after| token.is_none() && !after.is_empty()))
        .set_continuation_token(token)
        .max_keys(span.max_keys)
        .encoding_type(EncodingType::Url)
        .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
        .send()
        .await
        .map_err(|error| Error::from_sdk(LIST, span.source, &error))
}

/// A page whose responses arrive one after the other.
struct Gathering<'a> {
    span: &'a Span<'a>,
    page: Page,
    /// The last key so far.
    last: Vec<u8>,
    /// Whether no request could start after the last key, because it is not UTF-8.
    ends_unnamed: bool,
}

impl<'a> Gathering<'a> {
    fn new(span: &'a Span<'a>) -> Self {
        Self {
            span,
            page: Page::default(),
            last: span.after.as_str().into(),
            ends_unnamed: false,
        }
    }

    fn is_complete(&self) -> bool {
        !self.page.truncated || !(self.page.objects.is_empty() || self.ends_unnamed)
    }

    fn add(&mut self, output: ListObjectsV2Output) -> Result<(), Error> {
        let more = |token: &String| !token.is_empty();
        self.page.truncated = output
            .is_truncated
            .unwrap_or_else(|| output.next_continuation_token.as_ref().is_some_and(more));
        // Some stores ignore `encoding-type`. The response says whether its keys are encoded.
        let is_encoded = output.encoding_type == Some(EncodingType::Url);
        for object in output.contents.unwrap_or_default() {
            self.add_object(object, is_encoded)?;
        }
        Ok(())
    }

    fn add_object(&mut self, mut object: Object, is_encoded: bool) -> Result<(), Error> {
        let listed = object.key.take().unwrap_or_default();
        let key = if is_encoded {
            Key::decode(&listed)
        } else {
            Ok(listed.into())
        };
        self.check_order(match &key {
            Ok(key) => key.as_str().as_bytes(),
            Err(key) => &key.bytes,
        })?;
        let size = object.size.and_then(|size| u64::try_from(size).ok());
        self.ends_unnamed = key.is_err();
        match key {
            Ok(key) => self.page.objects.push(ListedObject {
                last_modified: object.last_modified,
                object: ObjectRef {
                    key,
                    size,
                    etag: object.e_tag.as_deref().and_then(ETag::parse),
                    version_id: None,
                    storage_class: archived(&object),
                },
            }),
            Err(key) => self.page.unnamed.push(UnnamedObject {
                key,
                size,
                last_modified: object.last_modified,
            }),
        }
        Ok(())
    }

    /// Checks that a key is later than the last one, and has the prefix that was asked for.
    fn check_order(&mut self, key: &[u8]) -> Result<(), Error> {
        let text = String::from_utf8_lossy;
        let Span { source, after, .. } = self.span;
        let problem = if !key.starts_with(source.prefix.as_str().as_bytes()) {
            format!(
                "the listing has the key {:?}, which does not start with the prefix",
                text(key)
            )
        } else if key > &self.last[..] {
            self.last = key.into();
            return Ok(());
        } else if self.last == after.as_str().as_bytes() {
            format!(
                "the listing has the key {:?}, but keys after {:?} were asked for (start-after)",
                text(key),
                after.as_str()
            )
        } else {
            format!(
                "the listing has the key {:?} after {:?}, so it is not in key order",
                text(key),
                text(&self.last)
            )
        };
        Err(Error::incompatible(LIST, source, problem))
    }
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
