//! Names of objects, checked or decoded once, where they enter.
//!
//! | type | what it is |
//! |---|---|
//! | [`Bucket`] | the name of a bucket |
//! | [`Key`] | the plain key of an object; the one decoder of URL-encoded keys |
//! | [`Prefix`] | the beginning of keys |
//! | [`ETag`] | without its quotes |
//! | [`S3Uri`] | `s3://bucket/prefix` |
//! | [`ObjectUri`] | `s3://bucket/key` |
//! | [`ObjectRef`] | an object of a bucket, as it was listed or announced |
//! | [`ObjectMeta`] | what S3 says of an object beside its bytes |

mod bucket;
pub mod etag;
mod key;
mod meta;
mod object_ref;
mod prefix;
mod uri;

pub use bucket::{Bucket, BucketError};
pub use etag::ETag;
pub use key::{Key, KeyTooLong, MAX_KEY_BYTES, NotUtf8};
pub use meta::ObjectMeta;
pub use object_ref::ObjectRef;
pub use prefix::Prefix;
pub use uri::{ObjectUri, S3Uri, UriError};
