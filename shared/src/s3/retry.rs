//! Tells the SDK which errors to retry, so that its list and ours are one.

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::error::ErrorMetadata;
use aws_sdk_s3::operation::abort_multipart_upload::AbortMultipartUploadError;
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadError;
use aws_sdk_s3::operation::copy_object::CopyObjectError;
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::operation::upload_part::UploadPartError;
use aws_sdk_s3::operation::upload_part_copy::UploadPartCopyError;
use aws_smithy_runtime_api::client::interceptors::context::{self, InterceptorContext};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

use super::error_kind::ErrorKind;

/// Retries what [`ErrorKind`] calls retryable. The SDK itself retries time-outs and broken connections, and signs again
/// if the clock was wrong.
#[derive(Debug)]
pub struct ByKind;

impl ClassifyRetry for ByKind {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let status = context.response().map(|response| response.status().as_u16());
        let error = context.output_or_error().and_then(Result::err);
        match error.and_then(|error| kind(error, status)) {
            Some(ErrorKind::Throttled) => RetryAction::throttling_error(),
            Some(kind) if kind.is_retryable() => RetryAction::transient_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "ByKind"
    }
}

/// The kind of an error in the response to one request, for an interceptor. `None` if the request succeeded.
#[must_use]
pub fn error_in(context: &AfterDeserializationInterceptorContextRef<'_>) -> Option<ErrorKind> {
    kind(
        context.output_or_error().err()?,
        Some(context.response().status().as_u16()),
    )
}

/// The kind of an error that S3 has responded with. `None` if there was no response, or no error of S3 in it.
fn kind(error: &OrchestratorError<context::Error>, status: Option<u16>) -> Option<ErrorKind> {
    let meta = metadata(error.as_operation_error()?)?;
    Some(ErrorKind::of(meta.code(), meta.message().unwrap_or_default(), status))
}

/// The error of an operation. Interceptors and classifiers see it without its type.
fn metadata(error: &context::Error) -> Option<&ErrorMetadata> {
    macro_rules! first {
        ($($operation:ty),*) => {
            None$(.or_else(|| error.downcast_ref::<$operation>().map(|error| error.meta())))*
        };
    }
    first!(
        GetObjectError,
        PutObjectError,
        CopyObjectError,
        HeadObjectError,
        ListObjectsV2Error,
        UploadPartError,
        UploadPartCopyError,
        CreateMultipartUploadError,
        CompleteMultipartUploadError,
        AbortMultipartUploadError
    )
}
