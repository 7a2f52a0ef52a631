//! Faults of a response as it is sent.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, ETAG, HeaderName};
use s3s::Body;

/// A header that is not sent. It says what happens to the response that has it.
pub const WIRE: HeaderName = HeaderName::from_static("x-local-wire");

/// What happens to a response.
#[derive(Clone, Copy, Debug)]
pub enum Wire {
    NoETag,
    Spaces { every: Duration, count: u32 },
}

/// Changes a response. Fails if the connection is to break.
pub async fn transform(mut response: Response<Body>) -> anyhow::Result<Response<Body>> {
    match response.headers_mut().remove(WIRE) {
        Some(what) if what == "drop" => bail!("injected fault: the connection breaks"),
        Some(_) => {
            response.headers_mut().remove(CONTENT_LENGTH);
            return Ok(response.map(|_| Body::empty()));
        }
        None => {}
    }
    match response.extensions_mut().remove::<Wire>() {
        None => Ok(response),
        Some(Wire::NoETag) => {
            response.headers_mut().remove(ETAG);
            // The body of an object is a stream; an XML document is not.
            let Some(document) = response.body().bytes().filter(|bytes| !bytes.is_empty()) else {
                return Ok(response);
            };
            response.headers_mut().remove(CONTENT_LENGTH);
            Ok(response.map(|_| Body::from(without_etag(&document))))
        }
        Some(Wire::Spaces { every, count }) => {
            response.headers_mut().remove(CONTENT_LENGTH);
            let (parts, body) = response.into_parts();
            let bytes = BodyExt::collect(body)
                .await
                .map_err(|error| anyhow::anyhow!("{error}"))?
                .to_bytes();
            Ok(Response::from_parts(parts, spaced(&bytes, every, count)))
        }
    }
}

/// An XML document without its `ETag` elements.
fn without_etag(xml: &[u8]) -> String {
    let mut rest = String::from_utf8_lossy(xml).into_owned();
    while let (Some(start), Some(end)) = (rest.find("<ETag>"), rest.find("</ETag>")) {
        rest.replace_range(start..end + "</ETag>".len(), "");
    }
    rest
}

/// A document that begins with its XML declaration and spaces, as S3 sends it while an operation takes long.
fn spaced(document: &Bytes, every: Duration, count: u32) -> Body {
    let declaration = document
        .windows(2)
        .position(|end| end == b"?>")
        .map_or(0, |end| end + 2);
    let (start, end) = (document.slice(..declaration), document.slice(declaration..));
    let spaces = stream::iter(0..count).then(move |_| async move {
        tokio::time::sleep(every).await;
        Bytes::from_static(b" ")
    });
    let pieces = stream::iter([start]).chain(spaces).chain(stream::iter([end]));
    Body::http_body_unsync(StreamBody::new(
        pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece))),
    ))
}
