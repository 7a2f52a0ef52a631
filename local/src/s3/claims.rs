//! Takes requests whose signature cannot be checked, because only their sender knows the secret.
//!
//! `s3s` checks each signature that a request has. So the signature is taken out of the request, and what it claims is put
//! into an extension.

use anyhow::Context as _;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH};
use hyper::http::{HeaderMap, HeaderName, HeaderValue, Request};
use s3s::Body;

use super::uri::field;

const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// The fields of the query that sign a URL, in versions 4 and 2.
const SIGNING: [&str; 10] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "Expires",
];

/// The access key that the sender of a request claims to have. It is empty if there is none.
#[derive(Clone, Debug)]
pub struct ClaimedKey(pub String);

/// The same request without its signature, and with the key that it claims.
pub async fn unsigned(request: Request<Body>) -> anyhow::Result<Request<Body>> {
    let (mut head, mut body) = request.into_parts();
    let key = claimed_key(&head.headers, &head.uri);
    head.extensions.insert(ClaimedKey(key));
    head.headers.remove(AUTHORIZATION);
    if let Some(query) = head.uri.query() {
        let kept = query.split('&').filter(|field| {
            let name = field.split('=').next().unwrap_or_default();
            !SIGNING.contains(&name)
        });
        let kept = kept.collect::<Vec<&str>>().join("&");
        let path = head.uri.path();
        head.uri = format!("{path}?{kept}").trim_end_matches('?').parse()?;
    }
    // A body that is sent in signed chunks has these signatures between its bytes.
    let hash = head.headers.remove(CONTENT_SHA256);
    if hash.is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-")) {
        let sent = body.collect().await.map_err(|error| anyhow::anyhow!("{error}"))?;
        let (bytes, trailers) = dechunked(sent.to_bytes()).context("the body is not in aws-chunked encoding")?;
        without_chunks(&mut head.headers, bytes.len());
        head.headers.extend(trailers);
        body = Body::from(bytes);
    }
    Ok(Request::from_parts(head, body))
}

/// `Authorization: AWS4-HMAC-SHA256 Credential=KEY/date/region/s3/aws4_request, ...`, `Authorization: AWS KEY:signature`, or
/// the same in the query.
fn claimed_key(headers: &HeaderMap, uri: &hyper::Uri) -> String {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let key = match header {
        Some(header) => match header.split_once("Credential=") {
            Some((_, credential)) => credential.split('/').next().map(str::to_owned),
            None => header.trim_start_matches("AWS ").split(':').next().map(str::to_owned),
        },
        None => match field(uri, "X-Amz-Credential") {
            Some(credential) => credential.split('/').next().map(str::to_owned),
            None => field(uri, "AWSAccessKeyId"),
        },
    };
    key.unwrap_or_default()
}

/// Corrects the headers of a body that was in chunks.
fn without_chunks(headers: &mut HeaderMap, length: usize) {
    let encoding = headers.remove(CONTENT_ENCODING);
    let encoding = encoding
        .as_ref()
        .and_then(|encoding| encoding.to_str().ok())
        .unwrap_or_default();
    let kept = encoding
        .split(',')
        .map(str::trim)
        .filter(|name| !["", "aws-chunked"].contains(name));
    let kept = kept.collect::<Vec<&str>>().join(",");
    if let Ok(kept) = HeaderValue::from_str(&kept)
        && !kept.is_empty()
    {
        headers.insert(CONTENT_ENCODING, kept);
    }
    headers.insert(CONTENT_LENGTH, length.into());
    headers.remove("x-amz-decoded-content-length");
    headers.remove("x-amz-trailer");
}

/// The bytes and the trailers of a body in chunks: "Signature calculations for the Authorization header: Transferring
/// payload in multiple chunks" in the S3 API Reference.
fn dechunked(mut body: Bytes) -> Option<(Bytes, HeaderMap)> {
    let (mut bytes, mut trailers) = (Vec::new(), HeaderMap::new());
    loop {
        let start = line(&mut body)?;
        let size = std::str::from_utf8(&start).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        if body.len() < size {
            return None;
        }
        bytes.extend_from_slice(&body.split_to(size));
        if !line(&mut body)?.is_empty() {
            return None;
        }
    }
    while let Some(line) = line(&mut body) {
        let line = std::str::from_utf8(&line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        if name != "x-amz-trailer-signature" {
            trailers.insert(name, HeaderValue::from_str(value.trim()).ok()?);
        }
    }
    Some((bytes.into(), trailers))
}

/// The bytes before the next line break, which are taken from `body` with it.
fn line(body: &mut Bytes) -> Option<Bytes> {
    let end = body.windows(2).position(|pair| pair == b"\r\n")?;
    let line = body.split_to(end);
    body.advance(2);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_trailers_become_headers() {
        let signed = "5;chunk-signature=ad80c7\r\nhel\r\n\r\n3;chunk-signature=0055\r\nabc\r\n0;chunk-signature=b6c6\r\n\
                      x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:41e1\r\n\r\n";
        let (bytes, trailers) = dechunked(signed.into()).unwrap();
        assert_eq!(&*bytes, b"hel\r\nabc");
        assert_eq!(trailers.len(), 1);
        assert_eq!(trailers["x-amz-checksum-crc32"], "AAAAAA==");
        let (bytes, trailers) = dechunked("1\r\nx\r\n0\r\n\r\n".into()).unwrap();
        assert_eq!((&*bytes, trailers.len()), (&b"x"[..], 0));
        for broken in ["", "5\r\nabc", "zz\r\nabc\r\n", "2\r\nabc\r\n0\r\n\r\n", "1\r\na\r\n"] {
            assert!(dechunked(broken.into()).is_none(), "{broken:?}");
        }
    }

    #[test]
    fn a_request_claims_its_key_in_a_header_or_in_its_query() {
        let of_header = |header: &str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(header).unwrap())]);
            claimed_key(&headers, &"/b/k".parse().unwrap())
        };
        assert_eq!(
            of_header("AWS4-HMAC-SHA256 Credential=AKIA1/20261130/us-east-1/s3/aws4_request, Signature=1"),
            "AKIA1"
        );
        assert_eq!(of_header("AWS AKIA2:c2ln"), "AKIA2");
        let of_query = |uri: &str| claimed_key(&HeaderMap::new(), &uri.parse().unwrap());
        assert_eq!(
            of_query("/b/k?X-Amz-Credential=AKIA3%2F20261130%2Fus-east-1%2Fs3%2Faws4_request"),
            "AKIA3"
        );
        assert_eq!(of_query("/b/k?AWSAccessKeyId=AKIA4&Signature=1"), "AKIA4");
        assert_eq!(of_query("/b/k"), "");
    }
}
