//! Compares the response to a read with what was asked for.

use std::ops::Range;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;

use crate::object::{ETag, ObjectRef};

/// What a response holds, if it agrees with its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    pub etag: ETag,
    /// The size of the whole object, in bytes.
    pub size: u64,
    /// The bytes of the object that the body has.
    pub range: Range<u64>,
    /// Whether only the length of this response says how large the object is, although a range was asked for.
    pub is_unconfirmed: bool,
}

/// How a response contradicts its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// The object has another `ETag`, although the request had `If-Match`.
    OtherETag(String),
    /// The object has another size than the caller knew, who did not know its `ETag`. So it was replaced.
    OtherSize(String),
    Wrong(String),
}

pub const GET_OBJECT: &str = "GetObject";

pub const NO_LENGTH: &str = "the response has no valid length";

/// Compares a response with its request, before its body is read.
pub fn compare(
    object: &ObjectRef,
    wanted: Option<&Range<u64>>,
    response: &GetObjectOutput,
) -> Result<Agreed, Contradiction> {
    let etag = compare_etags(object, response.e_tag.as_deref())?;
    let announced = response.content_length.and_then(|length| u64::try_from(length).ok());
    let other_size = |size: u64| {
        let listed = object.size.filter(|&listed| listed != size)?;
        let problem = format!("the object has {size} bytes instead of {listed}");
        Some(match object.etag {
            Some(_) => Contradiction::Wrong(format!("{problem}, and the same ETag")),
            None => Contradiction::OtherSize(problem),
        })
    };
    let Some(content_range) = response.content_range.as_deref() else {
        // The whole object. It is the right answer to a request for a range, too, if it is not longer.
        let size = announced
            .or(object.size)
            .ok_or(Contradiction::Wrong(NO_LENGTH.to_owned()))?;
        let range = wanted.cloned().unwrap_or(0..u64::MAX);
        if range.start > 0 || size > range.end {
            let problem = format!("the response has {size} bytes where {} were asked for", shown(&range));
            return Err(Contradiction::Wrong(problem));
        }
        if let Some(problem) = other_size(size) {
            return Err(problem);
        }
        return Ok(Agreed {
            etag,
            size,
            range: 0..size,
            is_unconfirmed: wanted.is_some() && object.size.is_none(),
        });
    };
    let (range, size) = parse(content_range)
        .ok_or_else(|| Contradiction::Wrong(format!("the response has the invalid range {content_range:?}")))?;
    if let Some(problem) = other_size(size) {
        return Err(problem);
    }
    let wanted = wanted.cloned().unwrap_or(0..u64::MAX);
    if range != (wanted.start..wanted.end.min(size)) {
        return Err(Contradiction::Wrong(format!(
            "the range {content_range:?} came where {} were asked for",
            shown(&wanted)
        )));
    }
    if announced.is_some_and(|announced| announced != range.end - range.start) {
        let length = announced.unwrap_or_default();
        let problem = format!("the response has {length} bytes and the range {content_range:?}");
        return Err(Contradiction::Wrong(problem));
    }
    Ok(Agreed {
        etag,
        size,
        range,
        is_unconfirmed: false,
    })
}

/// Compares the `ETag` of a response with the one that the caller knows.
fn compare_etags(object: &ObjectRef, found: Option<&str>) -> Result<ETag, Contradiction> {
    let found = found.and_then(ETag::parse);
    let found = found.ok_or_else(|| Contradiction::Wrong("the response has no ETag".to_owned()))?;
    match &object.etag {
        Some(wanted) if *wanted != found => Err(Contradiction::OtherETag(format!(
            "the object has the ETag {found} instead of {wanted}"
        ))),
        _ => Ok(found),
    }
}

/// Whether only the `ETag` can show that the bytes of a whole object are right.
///
/// The SDK compares the bytes with a checksum if S3 sends one. S3 has none for objects that were written before
/// December 2024 without one. The `ETag` of an object is its MD5 if S3 encrypts the object with its own keys and the
/// object was written in one piece ("Object" in the S3 API Reference).
pub fn is_md5_needed(agreed: &Agreed, response: &GetObjectOutput) -> bool {
    let has_checksum = [
        &response.checksum_crc32,
        &response.checksum_crc32_c,
        &response.checksum_crc64_nvme,
        &response.checksum_sha1,
        &response.checksum_sha256,
    ]
    .into_iter()
    // The checksum of checksums, which only says something about parts, ends in the number of parts.
    .any(|checksum| checksum.as_ref().is_some_and(|checksum| !checksum.contains('-')));
    let etag = agreed.etag.as_str();
    !has_checksum
        && agreed.range == (0..agreed.size)
        && response.server_side_encryption == Some(ServerSideEncryption::Aes256)
        && etag.len() == 32
        && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `bytes 0-131071/4194304`, as in RFC 9110, 14.4: the range and the size of the whole object.
fn parse(content_range: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = content_range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let start: u64 = first.parse().ok()?;
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    (start < end).then_some((start..end, size.parse().ok()?))
}

fn shown(range: &Range<u64>) -> String {
    match range {
        Range {
            start: 0,
            end: u64::MAX,
        } => "all bytes".to_owned(),
        Range { start, end } => format!("the bytes {start}-{}", end - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "0123456789abcdef0123456789abcdef";

    fn object(size: Option<u64>, etag: Option<&str>) -> ObjectRef {
        ObjectRef {
            size,
            etag: etag.and_then(ETag::parse),
            ..ObjectRef::latest("a.jpg".into())
        }
    }

    fn response(content_range: Option<&str>, length: Option<i64>) -> GetObjectOutput {
        GetObjectOutput::builder()
            .e_tag(format!("\"{ETAG}\""))
            .set_content_range(content_range.map(str::to_owned))
            .set_content_length(length)
            .build()
    }

    const LISTED: (Option<u64>, Option<&str>) = (Some(20), Some(ETAG));

    /// Size and `ETag` that are known; the range that is wanted; `Content-Range` and `Content-Length` of the response;
    /// and the range that it has, or the problem.
    #[rustfmt::skip]
    #[expect(clippy::type_complexity, reason = "a row of a table")]
    const RESPONSES: [((Option<u64>, Option<&str>), Option<Range<u64>>, Option<&str>, Option<i64>, Result<Range<u64>, &str>); 23] = [
        (LISTED, None, None, Some(20), Ok(0..20)),
        (LISTED, None, None, None, Ok(0..20)),
        (LISTED, None, Some("bytes 0-19/20"), Some(20), Ok(0..20)),
        (LISTED, Some(0..10), Some("bytes 0-9/20"), Some(10), Ok(0..10)),
        (LISTED, Some(0..10), Some("bytes 0-9/20"), None, Ok(0..10)),
        (LISTED, Some(5..30), Some("bytes 5-19/20"), Some(15), Ok(5..20)),
        (LISTED, Some(0..30), None, Some(20), Ok(0..20)),
        (LISTED, None, None, Some(19), Err("19 bytes instead of 20, and the same ETag")),
        (LISTED, None, None, Some(0), Err("0 bytes instead of 20")),
        (LISTED, None, Some("bytes 0-9/20"), Some(10), Err("where all bytes were")),
        (LISTED, Some(0..10), None, Some(20), Err("20 bytes where the bytes 0-9")),
        (LISTED, Some(5..10), None, Some(20), Err("20 bytes where the bytes 5-9")),
        (LISTED, Some(5..10), Some("bytes 6-10/20"), Some(5), Err("where the bytes 5-9")),
        (LISTED, Some(5..10), Some("bytes 5-8/20"), Some(4), Err("where the bytes 5-9")),
        (LISTED, Some(5..10), Some("bytes 5-9/21"), Some(5), Err("21 bytes instead of 20")),
        (LISTED, Some(5..10), Some("bytes 5-9/20"), Some(6), Err("6 bytes and the range")),
        (LISTED, Some(5..10), Some("bytes 9-5/20"), Some(5), Err("invalid range")),
        (LISTED, Some(5..10), Some("items 5-9/20"), Some(5), Err("invalid range")),
        (LISTED, Some(5..10), Some("bytes 5-9/*"), Some(5), Err("invalid range")),
        ((None, None), None, None, Some(20), Ok(0..20)),
        ((None, None), None, None, None, Err(NO_LENGTH)),
        ((Some(21), None), None, None, Some(20), Err("20 bytes instead of 21")),
        ((Some(20), Some("other")), None, None, Some(20), Err("instead of other")),
    ];

    #[test]
    fn a_response_must_agree_with_its_request_and_with_the_listing() {
        for ((size, etag), wanted, content_range, length, expected) in RESPONSES {
            let object = &object(size, etag);
            let what = format!("{object:?} {wanted:?} {content_range:?} {length:?}");
            let found = compare(object, wanted.as_ref(), &response(content_range, length));
            match (found, expected) {
                (Ok(agreed), Ok(range)) => assert_eq!((agreed.range, agreed.size), (range, 20), "{what}"),
                (Err(contradiction), Err(part)) => {
                    let text = format!("{contradiction:?}");
                    assert!(text.contains(part.trim_matches('"')), "{what}: {text}");
                }
                (found, expected) => panic!("{what}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn a_replaced_object_is_told_from_a_wrong_response() {
        let response = response(None, Some(20));
        let kind = |object: &ObjectRef| compare(object, None, &response).unwrap_err();
        assert!(matches!(kind(&object(Some(21), Some(ETAG))), Contradiction::Wrong(_)));
        assert!(matches!(kind(&object(Some(21), None)), Contradiction::OtherSize(_)));
        assert!(matches!(
            kind(&object(Some(20), Some("e"))),
            Contradiction::OtherETag(_)
        ));
    }

    #[test]
    fn a_whole_object_without_its_size_is_confirmed() {
        let confirmed = |wanted: Option<Range<u64>>, size| {
            let agreed = compare(&object(size, None), wanted.as_ref(), &response(None, Some(20)));
            !agreed.unwrap().is_unconfirmed
        };
        assert!(confirmed(None, None) && confirmed(Some(0..30), Some(20)));
        assert!(!confirmed(Some(0..30), None));
    }
}
