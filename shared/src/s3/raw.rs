//! Reads objects whose headers the SDK cannot read: it refuses a value that is not UTF-8, and more than 100 headers.
//! S3 allows both.
//!
//! The SDK signs the request, and this module sends it. Only a few objects need this.

use std::collections::HashMap;
use std::error::Error as _;
use std::iter::successors;
use std::sync::LazyLock;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat, SdkBody};
use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, EXPIRES, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// Enough for 2 KB of user metadata, which S3 allows, in the shortest headers.
const MAX_HEADERS: usize = 2048;

/// The response must begin within this time.
const TIMEOUT: Duration = Duration::from_secs(10);

const META: &str = "x-amz-meta-";
static VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
static ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// It is built when it is first needed.
static CLIENT: LazyLock<Result<HttpClient, String>> = LazyLock::new(|| {
    let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(rustls::crypto::ring::default_provider());
    let connector = tls
        .map_err(|error| error.to_string())?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new())
        .http1_max_headers(MAX_HEADERS)
        .build(connector))
});

/// Whether a request failed only because its response has headers that the SDK cannot read.
pub fn has_unreadable_headers<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    match error {
        // A value that is not UTF-8: the request has succeeded, and the response has no error of S3.
        SdkError::ServiceError(error) => error.raw().status().is_success() && error.err().code().is_none(),
        // More than 100 headers cannot be parsed.
        SdkError::DispatchFailure(failure) => {
            let error = failure.as_connector_error().and_then(|error| error.source());
            successors(error, |&error| error.source()).any(|error| {
                let error = error.downcast_ref::<hyper::Error>();
                error.is_some_and(hyper::Error::is_parse)
            })
        }
        _ => false,
    }
}

/// How the requests are signed. They are sent at once.
pub fn signing() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(300)).expect("it is less than a week")
}

/// Sends a signed request. The error is one line.
async fn send(request: PresignedRequest) -> Result<Response<Incoming>, String> {
    let request = request.make_http_1x_request(Empty::new());
    let client = CLIENT.as_ref().map_err(Clone::clone)?;
    let response = timeout(TIMEOUT, client.request(request)).await;
    let response = response.map_err(|_| "no response in time".to_owned())?;
    let response = response.map_err(|error| error.to_string())?;
    if response.status().is_success() {
        Ok(response)
    } else {
        Err(format!("HTTP {}", response.status()))
    }
}

/// Reads an object. `missing_meta` is the number of headers that no request can repeat. They are left out.
pub async fn get(request: PresignedRequest) -> Result<GetObjectOutput, String> {
    let (parts, body) = send(request).await?.into_parts();
    let mut headers = Headers::of(&parts.headers);
    let output = GetObjectOutput::builder()
        .set_cache_control(headers.take(&CACHE_CONTROL))
        .set_content_disposition(headers.take(&CONTENT_DISPOSITION))
        .set_content_encoding(headers.take(&CONTENT_ENCODING))
        .set_content_language(headers.take(&CONTENT_LANGUAGE))
        .set_content_type(headers.take(&CONTENT_TYPE))
        .set_expires_string(headers.take(&EXPIRES))
        .set_content_range(headers.take(&CONTENT_RANGE))
        .set_content_length(headers.take(&CONTENT_LENGTH).and_then(|length| length.parse().ok()))
        .set_e_tag(headers.take(&ETAG))
        .set_last_modified(headers.take(&LAST_MODIFIED).and_then(|time| http_date(&time)))
        .set_version_id(headers.take(&VERSION_ID))
        .set_server_side_encryption(headers.take(&ENCRYPTION).as_deref().map(ServerSideEncryption::from))
        .set_metadata(Some(headers.user_metadata()));
    Ok(output
        .set_missing_meta(Some(headers.lost))
        .body(ByteStream::new(SdkBody::from_body_1_x(body)))
        .build())
}

/// Asks for an object without its bytes.
pub async fn head(request: PresignedRequest) -> Result<HeadObjectOutput, String> {
    let response = send(request).await?;
    let mut headers = Headers::of(response.headers());
    Ok(HeadObjectOutput::builder()
        .set_content_length(headers.take(&CONTENT_LENGTH).and_then(|length| length.parse().ok()))
        .set_e_tag(headers.take(&ETAG))
        .set_version_id(headers.take(&VERSION_ID))
        .build())
}

fn http_date(text: &str) -> Option<DateTime> {
    DateTime::from_str(text, DateTimeFormat::HttpDate).ok()
}

/// The headers of a response, as far as a request can repeat them.
struct Headers<'a> {
    headers: &'a HeaderMap,
    /// How many were asked for and left out, because a request cannot repeat them.
    lost: i32,
}

impl<'a> Headers<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        // S3 says itself how many names or values of user metadata it leaves out.
        let missing = headers.get("x-amz-missing-meta").and_then(|count| count.to_str().ok());
        Self {
            headers,
            lost: missing.and_then(|count| count.parse().ok()).unwrap_or_default(),
        }
    }

    fn take(&mut self, name: &HeaderName) -> Option<String> {
        let value = self.headers.get(name)?;
        self.text(value)
    }

    fn text(&mut self, value: &HeaderValue) -> Option<String> {
        let text = std::str::from_utf8(value.as_bytes()).ok();
        self.lost += i32::from(text.is_none());
        text.map(str::to_owned)
    }

    fn user_metadata(&mut self) -> HashMap<String, String> {
        let headers = self.headers;
        let metadata = headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(META)?.to_owned();
            Some((name, self.text(value)?))
        });
        metadata.collect()
    }
}
