//! Lists one page of a range of keys, and compares it with its outputs in the destination.

use std::vec::IntoIter;

use aws_sdk_s3::Client;
use shared::destination::Destination;
use shared::object::{Key, MAX_KEY_BYTES, ObjectRef, Prefix, S3Uri};
use shared::s3::{self, ListedObject, Span, UnnamedObject};

use super::candidate::{Candidate, Disposition};
use super::scope::Scope;

/// One page of a range.
#[derive(Debug)]
pub struct Page {
    /// If the page is truncated, there is at least one, and the next page starts after the last one.
    pub objects: Vec<Candidate>,
    pub unnamed: Vec<UnnamedObject>,
    /// Whether more keys may follow, in this range or after it.
    pub truncated: bool,
}

impl Page {
    /// Leaves out the keys after `until`.
    pub fn truncate(&mut self, until: &Key) {
        self.objects
            .truncate(self.objects.partition_point(|candidate| candidate.object.key <= *until));
        self.unnamed
            .retain(|unnamed| &unnamed.key.bytes[..] <= until.as_str().as_bytes());
    }
}

/// Lists the page after a key. If outputs are to be compared, they are listed at the same time. They have the same
/// order as the source, since the key of each output is the key of its source with another beginning.
pub async fn page(s3: &Client, scope: &Scope, after: &Key) -> Result<Page, s3::Error> {
    let span = Span {
        source: &scope.source,
        after,
        max_keys: scope.page_keys.into(),
    };
    let Some(destination) = &scope.outputs else {
        let page = s3::list(s3, span).await?;
        let objects = page
            .objects
            .into_iter()
            .map(|listed| candidate(listed, Disposition::Process));
        return Ok(Page {
            objects: objects.collect(),
            unnamed: page.unnamed,
            truncated: page.truncated,
        });
    };
    let mut outputs = Outputs::new(s3, scope, destination, after);
    let (page, ()) = tokio::try_join!(s3::list(s3, span), outputs.more())?;
    let mut objects = Vec::with_capacity(page.objects.len());
    for listed in page.objects {
        let relative = listed.object.key.relative_to(&scope.source.prefix).unwrap_or_default();
        let newer = match (destination.image(relative), listed.last_modified) {
            (Ok(output), Some(modified)) => {
                let output = outputs.find(&output.key).await?;
                output
                    .and_then(|output| output.last_modified)
                    .is_some_and(|output| output > modified)
            }
            _ => false,
        };
        objects.push(candidate(
            listed,
            if newer { Disposition::Skip } else { Disposition::Process },
        ));
    }
    Ok(Page {
        objects,
        unnamed: page.unnamed,
        truncated: page.truncated,
    })
}

/// An object that fails, because no request can name it.
pub fn unnamed(unnamed: UnnamedObject) -> Candidate {
    Candidate {
        object: ObjectRef {
            size: unnamed.size,
            ..ObjectRef::latest(unnamed.key.encoded.into())
        },
        last_modified: unnamed.last_modified,
        disposition: Disposition::Unnamed,
    }
}

fn candidate(listed: ListedObject, disposition: Disposition) -> Candidate {
    Candidate {
        object: listed.object,
        last_modified: listed.last_modified,
        disposition,
    }
}

/// The outputs of a range, in key order.
struct Outputs<'a> {
    s3: &'a Client,
    span: S3Uri,
    after: Key,
    page: IntoIter<ListedObject>,
    truncated: bool,
}

impl<'a> Outputs<'a> {
    fn new(s3: &'a Client, scope: &Scope, destination: &Destination, after: &Key) -> Self {
        let prefix = &scope.source.prefix;
        let output_of = |key: &Key| {
            let mut output = destination.image_key(key.relative_to(prefix).unwrap_or_default());
            // Longer keys have no output. With a shortened key, only a few more outputs are listed.
            output.truncate(output.floor_char_boundary(MAX_KEY_BYTES));
            output
        };
        Self {
            s3,
            span: S3Uri {
                bucket: destination.bucket.clone(),
                prefix: Prefix::from(output_of(&Key::from(prefix.as_str()))),
            },
            after: if *after == Key::default() {
                Key::default()
            } else {
                output_of(after).into()
            },
            page: Vec::new().into_iter(),
            truncated: true,
        }
    }

    async fn more(&mut self) -> Result<(), s3::Error> {
        let span = Span {
            source: &self.span,
            after: &self.after,
            max_keys: 1000,
        };
        let page = s3::list(self.s3, span).await?;
        if let Some(last) = page.objects.last() {
            self.after.clone_from(&last.object.key);
        }
        self.truncated = page.truncated;
        self.page = page.objects.into_iter();
        Ok(())
    }

    /// Finds one output. Each call must ask for a later key than the call before.
    async fn find(&mut self, key: &Key) -> Result<Option<ListedObject>, s3::Error> {
        loop {
            match self.page.as_slice().first() {
                Some(first) if first.object.key > *key => return Ok(None),
                Some(first) if first.object.key == *key => return Ok(self.page.next()),
                Some(_) => {
                    self.page.next();
                }
                None if self.truncated => self.more().await?,
                None => return Ok(None),
            }
        }
    }
}
