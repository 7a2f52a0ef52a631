//! Enforces the policies of roles. The access key of a role is its logical id in the template.

use std::sync::Arc;

use parking_lot::RwLock;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{Credentials, S3Auth, SecretKey};
use s3s::dto::CopySource;
use s3s::{S3Result, s3_error};

use super::claims::ClaimedKey;
use super::copy_source::Source;
use super::store::Store;
use super::uri::field;
use super::write::copies_annotations;
use super::{ACCESS_KEY, SECRET_KEY};
use crate::iam::Roles;

/// Who may do what. Clones share the roles.
#[derive(Clone, Default)]
pub struct Access {
    pub roles: Arc<RwLock<Roles>>,
    pub store: Arc<Store>,
}

/// All access keys have the same secret.
#[async_trait::async_trait]
impl S3Auth for Access {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY || self.knows(access_key) {
            return Ok(SecretKey::from(SECRET_KEY));
        }
        Err(s3_error!(InvalidAccessKeyId, "The access key does not exist"))
    }
}

/// An action, and the bucket and key that it is done with.
pub type Needed = (&'static str, String);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let claimed = context.extensions_mut().get::<ClaimedKey>().cloned();
        let Some(role) = self.role(context.credentials(), claimed)? else {
            return Ok(());
        };
        let prefix = field(context.uri(), "prefix");
        let conditions: Vec<(&str, &str)> = prefix.iter().map(|prefix| ("s3:prefix", prefix.as_str())).collect();
        let needed = self.needed(context)?;
        self.permit(&role, needed, &conditions)
    }
}

impl Access {
    /// The role that a request has; `None` for one that may do everything. A key that was not checked has the role of its
    /// name, or may do everything.
    pub fn role(&self, credentials: Option<&Credentials>, claimed: Option<ClaimedKey>) -> S3Result<Option<String>> {
        if let Some(ClaimedKey(key)) = claimed {
            return Ok(Some(key).filter(|key| self.knows(key)));
        }
        let credentials = credentials.ok_or_else(|| s3_error!(AccessDenied, "Anonymous access is forbidden"))?;
        Ok(Some(credentials.access_key.clone()).filter(|key| key != ACCESS_KEY))
    }

    fn knows(&self, role: &str) -> bool {
        self.roles.read().allow(role, "", "", &[]).is_some()
    }

    /// Fails unless the role may do all that is needed.
    pub fn permit(
        &self,
        role: &str,
        needed: impl IntoIterator<Item = Needed>,
        conditions: &[(&str, &str)],
    ) -> S3Result<()> {
        let roles = self.roles.read();
        let may = |action: &str, resource: &str| {
            roles.allow(role, action, &format!("arn:aws:s3:::{resource}"), conditions) == Some(true)
        };
        for (action, resource) in needed {
            if !may(action, &resource) {
                return Err(s3_error!(
                    AccessDenied,
                    "{role} is not allowed to do {action} with {resource}"
                ));
            }
            // "If the object you request doesn't exist, the error that S3 returns depends on whether you also have the
            // s3:ListBucket permission" (GetObject in the S3 API Reference).
            if let Some((bucket, key)) = resource.split_once('/')
                && action.starts_with("s3:GetObject")
                && self.store.get(bucket, key).is_none()
                && !may("s3:ListBucket", bucket)
            {
                return Err(s3_error!(AccessDenied, "{role} may not know whether {resource} exists"));
            }
        }
        Ok(())
    }

    /// What a request needs: "Required permissions for Amazon S3 API operations" in the S3 User Guide. An operation that is
    /// not here is never allowed.
    fn needed(&self, context: &S3AccessContext<'_>) -> S3Result<Vec<Needed>> {
        let path = context.s3_path();
        let bucket = path.get_bucket_name().unwrap_or_default();
        let object = format!("{bucket}/{}", path.get_object_key().unwrap_or_default());
        let has = |header: &str| context.headers().contains_key(header);
        Ok(match context.s3_op().name() {
            "ListObjectsV2" | "HeadBucket" => vec![("s3:ListBucket", bucket.to_owned())],
            "GetObject" | "HeadObject" if field(context.uri(), "versionId").is_some() => {
                vec![("s3:GetObjectVersion", object)]
            }
            "GetObject" | "HeadObject" => vec![("s3:GetObject", object)],
            "PutObject" => {
                let mut needed = vec![("s3:PutObject", object.clone())];
                if has("x-amz-tagging") {
                    needed.push(("s3:PutObjectTagging", object.clone()));
                }
                // The page does not say it. It is assumed, because such a write shows whether an object has an ETag.
                if has("if-match") {
                    needed.push(("s3:GetObject", object));
                }
                needed
            }
            "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => vec![("s3:PutObject", object)],
            "AbortMultipartUpload" => vec![("s3:AbortMultipartUpload", object)],
            "CopyObject" => {
                let source = source(context)?;
                let mut needed = source.reads();
                needed.push(("s3:PutObject", object.clone()));
                // Annotations are copied, too, unless the request says otherwise.
                let copies = copies_annotations(context.headers());
                let annotated = self.store.get(&source.bucket, &source.key);
                if copies && annotated.is_some_and(|source| !source.annotations.is_empty()) {
                    needed.push(("s3:GetObjectAnnotation", source.object()));
                    needed.push(("s3:PutObjectAnnotation", object));
                }
                needed
            }
            "UploadPartCopy" => [source(context)?.reads(), vec![("s3:PutObject", object)]].concat(),
            other => return Err(s3_error!(AccessDenied, "{other} is not modelled")),
        })
    }
}

/// The object that a copy reads.
struct CopiedObject {
    bucket: String,
    key: String,
    is_version: bool,
}

impl CopiedObject {
    fn object(&self) -> String {
        format!("{}/{}", self.bucket, self.key)
    }

    /// What reading it needs.
    fn reads(&self) -> Vec<Needed> {
        let action = if self.is_version {
            "s3:GetObjectVersion"
        } else {
            "s3:GetObject"
        };
        vec![(action, self.object())]
    }
}

fn source(context: &S3AccessContext<'_>) -> S3Result<CopiedObject> {
    let header = context.headers().get("x-amz-copy-source");
    let header = header.and_then(|source| source.to_str().ok()).unwrap_or_default();
    let source = CopySource::parse(header).map_err(|error| s3_error!(InvalidArgument, "x-amz-copy-source: {error}"))?;
    let source = Source::of(&source)?;
    Ok(CopiedObject {
        bucket: source.bucket.to_owned(),
        key: source.key.to_owned(),
        is_version: source.version_id.is_some(),
    })
}
