use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use local::s3::{Body, Headers, Object};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{code, start};

const GIB: u64 = 1 << 30;

fn long(front: &'static [u8], len: u64) -> Body {
    Body::long(Bytes::from_static(front), len)
}

#[test]
fn bodies_are_equal_if_their_bytes_are() {
    let body = long(b"front", 200_000);
    let bytes = body.bytes();
    assert_eq!((body.len(), bytes.len()), (200_000, 200_000));
    assert!(bytes.starts_with(b"front") && !bytes[5..].contains(&0xFF));
    assert_eq!(
        bytes[5..65_536],
        bytes[65_541..131_072],
        "the pattern repeats after 64 KiB"
    );
    let real = Body::from(bytes.clone());
    assert!(body == bytes && body == real);

    for range in [0..3, 3..9, 70_000..70_001, 4..200_000, 150_000..300_000, 7..7] {
        let part = body.slice(range.clone());
        let [from, to] = [range.start, range.end].map(|at| usize::try_from(at).unwrap().min(bytes.len()));
        let expected = bytes.get(from..to).unwrap_or_default();
        assert_eq!(part.bytes(), expected, "{range:?}");
        assert!(part == expected && part == real.slice(range.clone()), "{range:?}");
        assert_eq!(part.is_empty(), expected.is_empty(), "{range:?}");
    }
    for cut in [0, 2, 5, 6, 65_536, 199_999] {
        let parts = [body.slice(0..cut), body.slice(cut..200_000)];
        assert_eq!(Body::concat(parts), body, "cut at {cut}");
    }
    assert_ne!(body, long(b"front", 200_001));
    assert_ne!(body, long(b"fronT", 200_000));
    let mut other = bytes.to_vec();
    *other.last_mut().unwrap() ^= 1;
    assert!(body != other && body != bytes[1..]);
    let other = Body::from(other);
    assert!(body != other);
    assert_eq!(long(b"front", 3), b"fro");
}

#[test]
fn comparing_and_slicing_gigabytes_is_fast() {
    let body = long(b"front", 6 * GIB);
    assert_eq!(body.len(), 6 * GIB);
    let shifted = body.slice(1..6 * GIB);
    assert_ne!(shifted, body.slice(0..6 * GIB - 1));
    assert_eq!(shifted.slice(GIB..2 * GIB), body.slice(GIB + 1..2 * GIB + 1));
    let pieces = body.slice(5 * GIB..6 * GIB).chunks();
    assert!(pieces.take(10).all(|piece| piece.len() == 65_536));
}

#[tokio::test]
async fn a_range_of_gigabytes_can_be_read_and_stored_without_memory() {
    let (server, client) = start().await;
    let object = Object::long(Bytes::from_static(b"front"), 6 * GIB, Headers::default());
    let made = object.body.clone();
    server.store.load("photos", "a", object);
    let get = client.get_object().bucket("photos").key("a");
    let read = get.range("bytes=5368709120-5369757695").send().await.unwrap();
    assert_eq!(read.content_length(), Some(1 << 20));
    assert_eq!(read.content_range(), Some("bytes 5368709120-5369757695/6442450944"));
    let read = read.body.collect().await.unwrap().into_bytes();
    assert_eq!(made.slice(5 * GIB..5 * GIB + (1 << 20)), read);

    let put = client.put_object().bucket("photos").key("b");
    put.body(ByteStream::from(read)).send().await.unwrap();
    let kept = server.store.get("photos", "b").unwrap();
    assert_eq!(kept.body, made.slice(5 * GIB..5 * GIB + (1 << 20)));
    assert!(
        format!("{:?}", kept.body).len() < 1_000,
        "the object has real bytes instead of a run"
    );
}

#[tokio::test]
async fn one_request_writes_at_most_5_gib() {
    let (server, client) = start().await;
    for (key, len) in [("most", 5 * GIB), ("more", 5 * GIB + 1)] {
        server
            .store
            .load("photos", key, Object::long(Bytes::new(), len, Headers::default()));
    }
    let copy = |key: &str| {
        let copy = client.copy_object().bucket("photos").key("copy");
        copy.copy_source(format!("photos/{key}")).send()
    };
    assert_eq!(code(copy("more").await), "InvalidRequest");
    assert_eq!(code(copy("most").await), "none");
    assert_eq!(server.store.get("photos", "copy").unwrap().body.len(), 5 * GIB);

    // Sent without the SDK, which would read the whole body to sign it.
    let put = client.put_object().bucket("photos").key("put");
    let signed = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let signed = put.presigned(signed).await.unwrap();
    let path = signed.uri().strip_prefix(&server.endpoint()).unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
        server.address(),
        5 * GIB + 1
    );
    let mut connection = TcpStream::connect(server.address()).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut response = [0; 1024];
    let len = connection.read(&mut response).await.unwrap();
    let response = String::from_utf8_lossy(&response[..len]);
    assert!(
        response.starts_with("HTTP/1.1 400") && response.contains("<Code>EntityTooLarge"),
        "{response}"
    );
}
