//! Lists one page of a range of keys, and compares it with its outputs in the destination.

use aws_sdk_s3::Client;
use futures::future::{try_join, try_join_all};
use shared::object::{Key, ObjectRef};
use shared::s3::{self, ListedObject, Span, UnnamedObject};

use super::candidate::{Candidate, Disposition};
use super::outputs::{self, Walk};
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

    /// All objects, with and without a name, in key order.
    pub fn candidates(self) -> Vec<Candidate> {
        let mut candidates = Vec::with_capacity(self.objects.len() + self.unnamed.len());
        let mut unnamed = self.unnamed.into_iter().peekable();
        for object in self.objects {
            let key = object.object.key.as_str().as_bytes();
            while let Some(earlier) = unnamed.next_if(|unnamed| &unnamed.key.bytes[..] < key) {
                candidates.push(self::unnamed(earlier));
            }
            candidates.push(object);
        }
        candidates.extend(unnamed.map(self::unnamed));
        candidates
    }
}

/// Lists the page after a key. If outputs are to be compared, their first pages are listed at the same time.
pub async fn page(s3: &Client, scope: &Scope, after: &Key) -> Result<Page, s3::Error> {
    let span = Span {
        source: &scope.source,
        after,
        max_keys: scope.page_keys.into(),
    };
    let walks = scope.outputs.iter().map(|folder| Walk::start(s3, scope, folder, after));
    let (page, walks) = try_join(s3::list(s3, span), try_join_all(walks)).await?;
    let current = outputs::current(scope, &page.objects, walks).await?;
    let objects = page.objects.into_iter().zip(current);
    Ok(Page {
        objects: objects.map(candidate).collect(),
        unnamed: page.unnamed,
        truncated: page.truncated,
    })
}

/// An object that fails, because no request can name it.
fn unnamed(unnamed: UnnamedObject) -> Candidate {
    Candidate {
        object: ObjectRef {
            size: unnamed.size,
            ..ObjectRef::latest(unnamed.key.encoded.into())
        },
        last_modified: unnamed.last_modified,
        is_named: false,
        disposition: Disposition::Unnamed,
    }
}

fn candidate((listed, is_current): (ListedObject, bool)) -> Candidate {
    Candidate {
        object: listed.object,
        last_modified: listed.last_modified,
        is_named: true,
        disposition: if is_current {
            Disposition::Skip
        } else {
            Disposition::Process
        },
    }
}
