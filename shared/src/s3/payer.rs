use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;

/// The operations at the source.
const AT_SOURCE: [&str; 7] = [
    "GetObject",
    "HeadObject",
    "ListObjectsV2",
    "CopyObject",
    "UploadPartCopy",
    "ListObjectAnnotations",
    "PutObjectAnnotation",
];

/// Says in each request to the source that the requester pays for it, which a bucket with "Requester Pays" demands. Other buckets ignore
/// this.
#[derive(Debug)]
pub(super) struct RequesterPays;

#[dyn_dispatch_hint]
impl Intercept for RequesterPays {
    fn name(&self) -> &'static str {
        "RequesterPays"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _runtime_components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = cfg.load::<Metadata>().map(Metadata::name);
        if operation.is_some_and(|name| AT_SOURCE.contains(&name)) {
            let headers = context.request_mut().headers_mut();
            headers.insert("x-amz-request-payer", "requester");
        }
        Ok(())
    }
}
