use sha2::{Digest, Sha256};

/// A file name that is the same for every event of one version of an object: made from bucket, key and version, or
/// `ETag` where the bucket keeps no versions.
pub fn object_id(bucket: &str, key: &str, version_id: Option<&str>, etag: &str) -> String {
    let version = version_id.unwrap_or(etag);
    // No bucket name and no ETag holds a NUL, so the parts cannot run together.
    let digest = Sha256::digest(format!("{bucket}\0{version}\0{key}"));
    hex::encode(digest)
}
