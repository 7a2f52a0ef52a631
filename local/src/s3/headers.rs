use std::collections::HashMap;

use s3s::dto::Timestamp;
use s3s::{S3Result, s3_error};

/// S3 allows 2 KB of user metadata, for names and values together.
const MAX_USER_METADATA_BYTES: usize = 2048;

/// The headers of an object: PUT sets them, and GET returns them.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_type: Option<String>,
    pub expires: Option<Timestamp>,
    pub user_metadata: HashMap<String, String>,
    /// Further headers that GET and HEAD return, with any bytes.
    pub raw: Vec<(String, Vec<u8>)>,
}

impl Headers {
    /// Returns the headers, or an error if they have more user metadata than S3 allows.
    pub(super) fn check(self) -> S3Result<Self> {
        let sizes = self.user_metadata.iter().map(|(name, value)| name.len() + value.len());
        if sizes.sum::<usize>() > MAX_USER_METADATA_BYTES {
            return Err(s3_error!(
                MetadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size"
            ));
        }
        Ok(self)
    }
}

/// The headers of a request that writes an object. This is a macro because the types of PUT, COPY and
/// `CreateMultipartUpload` have the same fields, but no common trait.
macro_rules! headers_of {
    ($input:ident) => {
        $crate::s3::headers::Headers {
            cache_control: $input.cache_control,
            content_disposition: $input.content_disposition,
            // The SDK sets `aws-chunked` for the transfer, and S3 does not store it.
            content_encoding: $input.content_encoding.filter(|encoding| encoding != "aws-chunked"),
            content_language: $input.content_language,
            content_type: $input.content_type,
            expires: $input.expires,
            user_metadata: $input.metadata.unwrap_or_default(),
            raw: Vec::new(),
        }
        .check()
    };
}

/// The response to GET or HEAD for an object. The caller gives the fields in which the two differ.
macro_rules! response_for {
    ($object:expr, $output:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let object = $object;
        let headers = object.headers.clone();
        $output {
            accept_ranges: Some("bytes".to_owned()),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.last_modified.into()),
            server_side_encryption: object.encryption.clone().map(ServerSideEncryption::from),
            storage_class: object.storage_class.clone().map(StorageClass::from),
            version_id: object.version_id.clone(),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_type: headers.content_type,
            expires: headers.expires,
            metadata: Some(headers.user_metadata),
            $($field: $value,)*
            ..$output::default()
        }
    }};
}

pub(super) use headers_of;
pub(super) use response_for;
