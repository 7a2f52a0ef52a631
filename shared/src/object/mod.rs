//! Names of objects. Each is checked or decoded once, when it enters.
//!
//! | type | what it is |
//! |---|---|
//! | [`Bucket`] | the name of a bucket |
//! | [`Key`] | the plain key of an object, with the only decoder of URL-encoded keys |
//! | [`Prefix`] | what keys start with |
//! | [`ETag`] | an `ETag` without its quotes |
//! | [`S3Uri`] | `s3://bucket/prefix` |
//! | [`ObjectUri`] | `s3://bucket/key` |
//! | [`ObjectRef`] | an object of a bucket, as a listing or an event names it |
//! | [`ObjectMeta`] | what S3 says about an object, apart from its bytes |

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
