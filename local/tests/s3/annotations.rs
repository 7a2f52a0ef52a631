//! Annotations of objects.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{AnnotationDirective, ChecksumAlgorithm};
use local::s3::{Headers, Object, Part};

use super::{body, code, put, start};

async fn annotate(client: &Client, key: &str, name: &str, text: impl Into<Vec<u8>>) -> String {
    code(request(client, key, name, text).send().await)
}

fn request(
    client: &Client,
    key: &str,
    name: &str,
    text: impl Into<Vec<u8>>,
) -> aws_sdk_s3::operation::put_object_annotation::builders::PutObjectAnnotationFluentBuilder {
    let request = client.put_object_annotation().bucket("photos").key(key);
    request
        .annotation_name(name)
        .annotation_payload(ByteStream::from(text.into()))
}

/// The text of an annotation, or the code of the error.
async fn text(client: &Client, key: &str, name: &str) -> String {
    let request = client.get_object_annotation().bucket("photos").key(key);
    match request.annotation_name(name).send().await {
        Ok(output) => {
            let bytes = output.annotation_payload.collect().await.unwrap().into_bytes();
            String::from_utf8(bytes.to_vec()).unwrap()
        }
        error => code(error),
    }
}

async fn names(client: &Client, key: &str) -> Vec<String> {
    let output = client
        .list_object_annotations()
        .bucket("photos")
        .key(key)
        .send()
        .await
        .unwrap();
    let entries = output.annotations().iter();
    entries.map(|entry| entry.annotation_name().to_owned()).collect()
}

#[tokio::test]
async fn an_annotation_is_written_read_listed_and_deleted() {
    let (_server, client) = start().await;
    let etag = put(&client, "é +%/a.jpg", "a photo").await;
    let key = "é +%/a.jpg";
    let written = request(&client, key, "exif", "{}").send().await.unwrap();
    assert_eq!((written.key(), written.annotation_name()), (Some(key), Some("exif")));
    assert_eq!(written.e_tag(), Some("\"99914b932bd37a50b983c5e7c90ae93b\""));
    assert_eq!(annotate(&client, key, "Überblick-1.txt", "two").await, "none");
    assert_eq!(annotate(&client, key, "exif", "{\"a\": 1}").await, "none", "replaced");
    assert_eq!(text(&client, key, "exif").await, "{\"a\": 1}");
    assert_eq!(names(&client, key).await, ["exif", "Überblick-1.txt"]);
    // The object itself is as it was.
    assert_eq!(body(&client, key).await, "a photo");
    let head = client.head_object().bucket("photos").key(key).send().await.unwrap();
    assert_eq!(head.e_tag(), Some(&*etag));

    let list = || client.list_object_annotations().bucket("photos").key(key);
    let first = list().max_annotation_results(1).send().await.unwrap();
    assert_eq!(first.annotation_count(), Some(1));
    let next = first.next_continuation_token().unwrap();
    let second = list().continuation_token(next).send().await.unwrap();
    assert_eq!(second.annotations()[0].annotation_name(), "Überblick-1.txt");
    assert_eq!(second.annotations()[0].size(), 3);
    assert_eq!(second.next_continuation_token(), None);
    let prefixed = list().annotation_prefix("ex").send().await.unwrap();
    assert_eq!(prefixed.annotation_count(), Some(1));

    for _ in 0..2 {
        let delete = client.delete_object_annotation().bucket("photos").key(key);
        assert_eq!(code(delete.annotation_name("exif").send().await), "none");
    }
    assert_eq!(text(&client, key, "exif").await, "NoSuchAnnotation");
    assert_eq!(text(&client, "missing", "exif").await, "NoSuchKey");
}

#[tokio::test]
async fn an_annotation_is_refused_unless_it_follows_the_rules() {
    let (_server, client) = start().await;
    let etag = put(&client, "a.jpg", "a photo").await;
    let long = "n".repeat(513);
    for (name, payload, error) in [
        ("exif", Vec::new(), "InvalidRequest"),
        ("exif", vec![b'x'; (1 << 20) + 1], "EntityTooLarge"),
        ("exif", vec![0xff], "UnsupportedMediaType"),
        ("a b", vec![b'x'], "InvalidAnnotationName"),
        ("AWS-x", vec![b'x'], "InvalidAnnotationName"),
        ("s3x", vec![b'x'], "InvalidAnnotationName"),
        (long.as_str(), vec![b'x'], "AnnotationNameTooLong"),
        ("exif", vec![b'x'; 1 << 20], "none"),
    ] {
        assert_eq!(annotate(&client, "a.jpg", name, payload).await, error, "{name:.10}");
    }
    assert_eq!(annotate(&client, "missing", "exif", "x").await, "NoSuchKey");
    for (condition, error) in [(etag.as_str(), "none"), ("\"0\"", "PreconditionFailed")] {
        let write = request(&client, "a.jpg", "exif", "x").object_if_match(condition);
        assert_eq!(code(write.send().await), error);
    }
    let wrong = request(&client, "a.jpg", "exif", "x").checksum_sha256("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=");
    assert_eq!(code(wrong.send().await), "BadDigest");
    for algorithm in [ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Crc64Nvme] {
        let write = request(&client, "a.jpg", "exif", "x").checksum_algorithm(algorithm);
        assert_eq!(code(write.send().await), "none");
    }
    for number in 0..1000 {
        let error = annotate(&client, "a.jpg", &number.to_string(), "x").await;
        let expected = if number < 999 {
            "none"
        } else {
            "AnnotationLimitExceeded"
        };
        assert_eq!(error, expected, "{number}");
    }
}

#[tokio::test]
async fn an_annotation_belongs_to_one_version_of_an_object() {
    let (server, client) = start().await;
    put(&client, "a.jpg", "first").await;
    annotate(&client, "a.jpg", "exif", "of the first").await;
    put(&client, "a.jpg", "second").await;
    assert_eq!(
        names(&client, "a.jpg").await,
        [""; 0],
        "they are deleted with the object"
    );

    server.store.create_versioned("photos");
    server.store.load(
        "photos",
        "b.jpg",
        Object::new(b"first".to_vec().into(), Headers::default()),
    );
    let first = server.store.get("photos", "b.jpg").unwrap().version_id.clone().unwrap();
    annotate(&client, "b.jpg", "exif", "of the first").await;
    put(&client, "b.jpg", "second").await;
    assert_eq!(text(&client, "b.jpg", "exif").await, "NoSuchAnnotation");
    let write = request(&client, "b.jpg", "more", "x").version_id(&first);
    assert_eq!(write.send().await.unwrap().object_version_id(), Some(&*first));
    let list = client.list_object_annotations().bucket("photos").key("b.jpg");
    let of_first = list.version_id(&first).send().await.unwrap();
    assert_eq!(of_first.annotation_count(), Some(2));
}

#[tokio::test]
async fn a_copy_has_the_annotations_unless_they_are_excluded() {
    let (_server, client) = start().await;
    put(&client, "a.jpg", "a photo").await;
    annotate(&client, "a.jpg", "exif", "x").await;
    let copy = |key: &str| {
        client
            .copy_object()
            .bucket("photos")
            .key(key)
            .copy_source("photos/a.jpg")
    };
    copy("with.jpg").send().await.unwrap();
    let excluding = copy("without.jpg").annotation_directive(AnnotationDirective::Exclude);
    excluding.send().await.unwrap();
    assert_eq!(names(&client, "with.jpg").await, ["exif"]);
    assert_eq!(names(&client, "without.jpg").await, [""; 0]);
    annotate(&client, "with.jpg", "exif", "changed").await;
    assert_eq!(text(&client, "a.jpg", "exif").await, "x", "a copy has its own");
}

#[tokio::test]
async fn a_store_that_does_not_know_annotations_takes_them_for_objects() {
    let (server, client) = start().await;
    server.faults.ignore(Part::Annotations);
    put(&client, "a.jpg", "a photo").await;
    let _ = request(&client, "a.jpg", "exif", "{}").send().await;
    assert_eq!(body(&client, "a.jpg").await, "{}");
}
