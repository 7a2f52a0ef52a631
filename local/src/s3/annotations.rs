//! The annotations of objects: PUT, GET, list and DELETE, as "Annotating your objects" in the S3 User Guide has them.
//!
//! The crate `s3s` does not know these operations, so they are a route of their own.

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use s3s::route::S3Route;
use s3s::xml::{SerResult, Serializer};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::access::Access;
use super::annotation::{Annotation, CRC64NVME, checksums};
use super::claims::ClaimedKey;
use super::conditions;
use super::object::Object;
use super::service::Service;
use super::uri::{field, has_field, path};

const MAX_PAYLOAD_BYTES: usize = 1 << 20;
const MAX_NAME_BYTES: usize = 512;
const MAX_ANNOTATIONS: usize = 1000;

/// The operations of annotations.
pub struct Operations {
    pub service: Service,
    pub access: Access,
}

#[async_trait::async_trait]
impl S3Route for Operations {
    fn is_match(&self, _method: &Method, uri: &Uri, _headers: &HeaderMap, _extensions: &mut Extensions) -> bool {
        has_field(uri, "annotation") && !self.service.faults.ignores_annotations()
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        let (bucket, key) = path(&request.uri)?;
        let is_version = has_field(&request.uri, "versionId");
        let action = match (operation(request)?, is_version) {
            (Operation::Put, false) => "s3:PutObjectAnnotation",
            (Operation::Put, true) => "s3:PutObjectVersionAnnotation",
            (Operation::Get, false) => "s3:GetObjectAnnotation",
            (Operation::Get, true) => "s3:GetObjectVersionAnnotation",
            (Operation::List, false) => "s3:ListObjectAnnotations",
            (Operation::List, true) => "s3:ListObjectVersionAnnotations",
            (Operation::Delete, false) => "s3:DeleteObjectAnnotation",
            (Operation::Delete, true) => "s3:DeleteObjectVersionAnnotation",
        };
        let needed = [(action, format!("{bucket}/{key}"))];
        let claimed = request.extensions.get::<ClaimedKey>().cloned();
        match self.access.role(request.credentials.as_ref(), claimed)? {
            Some(role) => self.access.permit(&role, needed, &[]),
            None => Ok(()),
        }
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        match operation(&request)? {
            Operation::Put => self.put(request).await,
            Operation::Get => self.get(&request).await,
            Operation::List => self.list(&request).await,
            Operation::Delete => self.delete(&request).await,
        }
    }
}

#[derive(Clone, Copy)]
enum Operation {
    Put,
    Get,
    List,
    Delete,
}

fn operation(request: &S3Request<Body>) -> S3Result<Operation> {
    Ok(match request.method {
        Method::PUT => Operation::Put,
        Method::DELETE => Operation::Delete,
        Method::GET if has_field(&request.uri, "annotationName") => Operation::Get,
        Method::GET => Operation::List,
        _ => return Err(s3_error!(MethodNotAllowed)),
    })
}

impl Operations {
    async fn put(&self, mut request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let (bucket, key) = path(&request.uri)?;
        let after = self.service.admit("PutObjectAnnotation", &key).await?;
        let name = name(&request.uri)?;
        let payload = request.input.store_all_limited(MAX_PAYLOAD_BYTES);
        let payload = payload
            .await
            .map_err(|error| s3_error!(EntityTooLarge, "the annotation cannot be received: {error}"))?;
        if payload.is_empty() {
            return Err(s3_error!(InvalidRequest, "an annotation has 1 byte at least"));
        }
        if std::str::from_utf8(&payload).is_err() {
            return Err(custom("UnsupportedMediaType", StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let trailers = request.trailing_headers.as_ref().and_then(s3s::TrailingHeaders::take);
        let checksum = checked(&payload, [Some(&request.headers), trailers.as_ref()])?;
        let object = self.object(&request, &bucket, &key)?;
        self.service.served.received(payload.len() as u64);
        let annotation = Annotation::new(payload, self.service.now(), checksum);
        {
            let mut annotations = object.annotations.0.lock();
            if annotations.len() >= MAX_ANNOTATIONS && !annotations.contains_key(&name) {
                return Err(custom("AnnotationLimitExceeded", StatusCode::BAD_REQUEST));
            }
            annotations.insert(name.clone(), annotation.clone());
        }
        let document = xml("PutObjectAnnotationOutput", |xml| {
            xml.content("Key", &key)?;
            xml.content("AnnotationName", &name)
        })?;
        let mut response = after.respond(document).await?;
        describe(&mut response.headers, &object, Some(&annotation))?;
        Ok(response)
    }

    async fn get(&self, request: &S3Request<Body>) -> S3Result<S3Response<Body>> {
        let (bucket, key) = path(&request.uri)?;
        let after = self.service.admit("GetObjectAnnotation", &key).await?;
        let object = self.object(request, &bucket, &key)?;
        let annotation = object
            .annotations
            .get(&name(&request.uri)?)
            .ok_or_else(|| custom("NoSuchAnnotation", StatusCode::NOT_FOUND))?;
        self.service.served.sent(annotation.payload.len() as u64);
        let mut response = after.respond(Body::from(annotation.payload.clone())).await?;
        describe(&mut response.headers, &object, Some(&annotation))?;
        let modified = httpdate::fmt_http_date(annotation.last_modified);
        insert(&mut response.headers, "last-modified", &modified)?;
        Ok(response)
    }

    async fn list(&self, request: &S3Request<Body>) -> S3Result<S3Response<Body>> {
        let (bucket, key) = path(&request.uri)?;
        let after = self.service.admit("ListObjectAnnotations", &key).await?;
        let object = self.object(request, &bucket, &key)?;
        let prefix = field(&request.uri, "annotation-prefix").unwrap_or_default();
        // The token is the last name of the page before.
        let token = field(&request.uri, "continuation-token");
        let most = field(&request.uri, "max-annotation-results").and_then(|most| most.parse().ok());
        let most = most.unwrap_or(MAX_ANNOTATIONS).clamp(1, MAX_ANNOTATIONS);
        let named = object.annotations.0.lock().clone();
        let mut rest = named
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix) && token.as_ref().is_none_or(|token| *name > token));
        let page: Vec<(&String, &Annotation)> = rest.by_ref().take(most).collect();
        let next = rest.next().and(page.last()).map(|(name, _)| name.as_str());
        let document = xml("ListObjectAnnotationsOutput", |xml| {
            xml.element("Annotations", |xml| {
                page.iter().try_for_each(|(name, one)| entry(xml, name, one))
            })?;
            xml.content("Bucket", &bucket)?;
            xml.content("Key", &key)?;
            xml.content("AnnotationPrefix", &prefix)?;
            xml.content("MaxAnnotationResults", &most.to_string())?;
            xml.content("AnnotationCount", &page.len().to_string())?;
            token
                .iter()
                .try_for_each(|token| xml.content("ContinuationToken", token))?;
            next.iter()
                .try_for_each(|next| xml.content("NextContinuationToken", *next))
        })?;
        let mut response = after.respond(document).await?;
        describe(&mut response.headers, &object, None)?;
        Ok(response)
    }

    /// Succeeds if there is no such annotation.
    async fn delete(&self, request: &S3Request<Body>) -> S3Result<S3Response<Body>> {
        let (bucket, key) = path(&request.uri)?;
        let after = self.service.admit("DeleteObjectAnnotation", &key).await?;
        let object = self.object(request, &bucket, &key)?;
        object.annotations.0.lock().remove(&name(&request.uri)?);
        let mut response = after.respond(Body::empty()).await?;
        response.status = Some(StatusCode::NO_CONTENT);
        describe(&mut response.headers, &object, None)?;
        Ok(response)
    }

    /// The version of the object that the request names, if it has the `ETag` of `x-amz-object-if-match`.
    fn object(&self, request: &S3Request<Body>, bucket: &str, key: &str) -> S3Result<Arc<Object>> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let payer = header("x-amz-request-payer").map(|payer| s3s::dto::RequestPayer::from(payer.to_owned()));
        self.service.check_payer(bucket, payer.as_ref())?;
        let version_id = field(&request.uri, "versionId");
        let object = self.service.object(bucket, key, version_id.as_deref())?;
        if let Some(etag) = header("x-amz-object-if-match") {
            let etag = etag
                .parse()
                .map_err(|_| s3_error!(InvalidArgument, "x-amz-object-if-match is not an ETag"))?;
            conditions::check(Some(&object.etag), Some(&etag), None)?;
        }
        Ok(object)
    }
}

/// The name of an annotation, if it is valid.
fn name(uri: &Uri) -> S3Result<String> {
    let name = field(uri, "annotationName").unwrap_or_default();
    if name.len() > MAX_NAME_BYTES {
        return Err(custom("AnnotationNameTooLong", StatusCode::BAD_REQUEST));
    }
    let is_allowed = |c: char| c.is_alphabetic() || c.is_ascii_digit() || "_.-".contains(c);
    let start = name.to_ascii_lowercase();
    if name.is_empty() || !name.chars().all(is_allowed) || start.starts_with("aws") || start.starts_with("s3") {
        return Err(custom("InvalidAnnotationName", StatusCode::BAD_REQUEST));
    }
    Ok(name)
}

/// The checksum that the request states, if the payload has it; otherwise the one that S3 computes by itself.
fn checked(payload: &[u8], stated: [Option<&HeaderMap>; 2]) -> S3Result<(&'static str, String)> {
    let computed = checksums(payload);
    let known = [
        ("x-amz-checksum-crc32", computed.checksum_crc32),
        ("x-amz-checksum-crc32c", computed.checksum_crc32c),
        ("x-amz-checksum-sha1", computed.checksum_sha1),
        ("x-amz-checksum-sha256", computed.checksum_sha256),
        (CRC64NVME, computed.checksum_crc64nvme.clone()),
    ];
    for (header, computed) in known {
        let computed = computed.unwrap_or_default();
        if let Some(value) = stated.iter().flatten().find_map(|headers| headers.get(header)) {
            if value.as_bytes() != computed.as_bytes() {
                return Err(s3_error!(BadDigest, "{header} is not that of the payload"));
            }
            return Ok((header, computed));
        }
    }
    Ok((CRC64NVME, computed.checksum_crc64nvme.unwrap_or_default()))
}

/// The headers of a response: what it says of the object, and of the annotation.
fn describe(headers: &mut HeaderMap, object: &Object, annotation: Option<&Annotation>) -> S3Result<()> {
    if let Some(version) = &object.version_id {
        insert(headers, "x-amz-object-version-id", version)?;
    }
    let Some(annotation) = annotation else {
        return Ok(());
    };
    if let Some(encryption) = &object.encryption {
        insert(headers, "x-amz-server-side-encryption", encryption)?;
    }
    insert(headers, "etag", &format!("\"{}\"", annotation.etag))?;
    insert(headers, "x-amz-checksum-type", "FULL_OBJECT")?;
    let (name, value) = &annotation.checksum;
    insert(headers, name, value)
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) -> S3Result<()> {
    let value = HeaderValue::from_str(value).map_err(|error| s3_error!(InternalError, "{name}: {error}"))?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

fn entry(xml: &mut Serializer<&mut Vec<u8>>, name: &str, annotation: &Annotation) -> SerResult {
    let modified = humantime::format_rfc3339_seconds(annotation.last_modified).to_string();
    let (header, _) = annotation.checksum;
    let algorithm = header.trim_start_matches("x-amz-checksum-").to_uppercase();
    xml.element("AnnotationEntry", |xml| {
        xml.content("AnnotationName", name)?;
        xml.content("LastModified", &modified)?;
        xml.content("Size", &annotation.payload.len().to_string())?;
        xml.content("ChecksumAlgorithm", &algorithm)?;
        xml.content("ETag", &format!("\"{}\"", annotation.etag))
    })
}

/// An XML document.
fn xml(root: &str, write: impl FnOnce(&mut Serializer<&mut Vec<u8>>) -> SerResult) -> S3Result<Body> {
    let mut document = br#"<?xml version="1.0" encoding="UTF-8"?>"#.to_vec();
    Serializer::new(&mut document)
        .element(root, write)
        .map_err(|error| s3_error!(InternalError, "{error}"))?;
    Ok(Body::from(Bytes::from(document)))
}

/// An error that `s3s` does not know.
fn custom(code: &'static str, status: StatusCode) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::Custom(code.into()));
    error.set_status_code(status);
    error
}
