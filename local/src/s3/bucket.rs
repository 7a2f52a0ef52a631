use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use s3s::dto::{DeleteObjectOutput, RequestPayer};
use s3s::{S3Result, s3_error};

use super::counted::Counted;
use super::object::Object;
use super::uploads::Uploads;
use super::versions::{Version, Versions};

#[derive(Debug)]
pub struct Bucket {
    pub created: SystemTime,
    /// The current object of each key.
    objects: BTreeMap<String, Arc<Object>>,
    /// Present if the bucket is versioned.
    versions: Option<Versions>,
    /// If present, the bucket has only these objects.
    counted: Option<Counted>,
    /// Whether a request must say that the requester pays.
    requester_pays: bool,
    /// The multipart uploads that were started, and neither completed nor aborted.
    pub uploads: Uploads,
}

impl Bucket {
    pub fn new() -> Self {
        Self {
            created: SystemTime::now(),
            objects: BTreeMap::new(),
            versions: None,
            counted: None,
            requester_pays: false,
            uploads: Uploads::default(),
        }
    }

    pub fn versioned() -> Self {
        Self {
            versions: Some(Versions::default()),
            ..Self::new()
        }
    }

    pub fn requester_pays() -> Self {
        Self {
            requester_pays: true,
            ..Self::new()
        }
    }

    /// Refuses a read that does not say who pays.
    pub fn check_payer(&self, payer: Option<&RequestPayer>) -> S3Result<()> {
        if self.requester_pays && payer.is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(())
    }

    pub fn counted(counted: Counted) -> Self {
        Self {
            counted: Some(counted),
            ..Self::new()
        }
    }

    /// The current object of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Object>> {
        match &self.counted {
            None => self.objects.get(key),
            Some(counted) => counted.get(key),
        }
    }

    /// The object that a request names, or the error that S3 returns if there is none.
    pub fn find(&self, key: &str, version_id: Option<&str>) -> S3Result<&Arc<Object>> {
        let Some(id) = version_id else {
            return self
                .get(key)
                .ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."));
        };
        match self.versions.as_ref().and_then(|versions| versions.get(key, id)) {
            None => Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
            Some(Version { object: None, .. }) => Err(s3_error!(
                MethodNotAllowed,
                "The specified method is not allowed against a delete marker."
            )),
            Some(Version {
                object: Some(object), ..
            }) => Ok(object),
        }
    }

    /// Puts an object. Returns the id of the new version if the bucket is versioned.
    pub fn put(&mut self, key: String, mut object: Object) -> Option<String> {
        let version_id = self.versions.as_mut().map(Versions::next_id);
        object.version_id.clone_from(&version_id);
        let object = Arc::new(object);
        if let (Some(versions), Some(id)) = (&mut self.versions, &version_id) {
            let version = Version {
                id: id.clone(),
                object: Some(object.clone()),
            };
            versions.add(&key, version);
        }
        self.objects.insert(key, object);
        version_id
    }

    /// Deletes a key. In a versioned bucket, this adds a delete marker; with a `version_id`, it removes that version
    /// permanently.
    pub fn delete(&mut self, key: &str, version_id: Option<String>) -> DeleteObjectOutput {
        let Some(versions) = &mut self.versions else {
            self.objects.remove(key);
            return DeleteObjectOutput::default();
        };
        let (id, is_marker) = if let Some(id) = version_id {
            let removed = versions.remove(key, &id);
            (id, removed.is_some_and(|version| version.object.is_none()))
        } else {
            let id = versions.next_id();
            let marker = Version {
                id: id.clone(),
                object: None,
            };
            versions.add(key, marker);
            (id, true)
        };
        match versions.current(key) {
            Some(object) => self.objects.insert(key.to_owned(), object.clone()),
            None => self.objects.remove(key),
        };
        DeleteObjectOutput {
            delete_marker: Some(is_marker),
            version_id: Some(id),
            ..DeleteObjectOutput::default()
        }
    }

    /// The current objects from a key on, in key order.
    pub fn range<'a>(&'a self, from: Bound<&'a str>) -> impl Iterator<Item = (Cow<'a, str>, &'a Arc<Object>)> {
        let objects = self
            .objects
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(key, object)| (Cow::from(key), object));
        let counted = self
            .counted
            .iter()
            .flat_map(move |counted| counted.range(from).map(|key| (Cow::from(key), &counted.object)));
        objects.chain(counted)
    }
}
