use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, StorageClass};
use bytes::Bytes;
use local::s3::{Effect, Fault, Headers, Object};

use super::{code, put, start};

const MIB: usize = 1 << 20;
const GIB: u64 = 1 << 30;

async fn begin(client: &Client, key: &str) -> String {
    let create = client.create_multipart_upload().bucket("photos").key(key);
    create.send().await.unwrap().upload_id.unwrap()
}

async fn upload(client: &Client, key: &str, id: &str, number: i32, body: Bytes) -> CompletedPart {
    let part = client.upload_part().bucket("photos").key(key).upload_id(id);
    let part = part.part_number(number).body(ByteStream::from(body)).send();
    part_of(number, part.await.unwrap().e_tag)
}

fn part_of(number: i32, etag: Option<String>) -> CompletedPart {
    CompletedPart::builder().part_number(number).set_e_tag(etag).build()
}

/// The request that completes an upload.
macro_rules! complete {
    ($client:expr, $key:expr, $id:expr, $parts:expr) => {
        $client
            .complete_multipart_upload()
            .bucket("photos")
            .key($key)
            .upload_id($id)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(Vec::from($parts)))
                    .build(),
            )
    };
}

#[tokio::test]
async fn parts_become_one_object_with_its_headers() {
    let (server, client) = start().await;
    let create = client.create_multipart_upload().bucket("photos").key("a");
    let create = create
        .content_type("image/jpeg")
        .metadata("album", "summer")
        .storage_class(StorageClass::StandardIa);
    let id = create.send().await.unwrap().upload_id.unwrap();
    assert_eq!(server.store.uploads("photos"), 1);

    let first = Bytes::from(b"0123456789".repeat(MIB / 2));
    let last = upload(&client, "a", &id, 7, "end".into()).await;
    upload(&client, "a", &id, 2, "replaced".into()).await;
    let parts = [upload(&client, "a", &id, 2, first.clone()).await, last];
    let done = complete!(client, "a", &id, parts).send().await.unwrap();
    // MD5 of the MD5s of the two parts.
    assert_eq!(done.e_tag(), Some("\"a079a771afc0257abab2df2692fb8715-2\""));
    assert_eq!(server.store.uploads("photos"), 0);

    let object = server.store.get("photos", "a").unwrap();
    assert_eq!(object.body, [&first[..], b"end"].concat());
    let head = client.head_object().bucket("photos").key("a").send().await.unwrap();
    assert_eq!(head.e_tag(), done.e_tag());
    assert_eq!(head.content_type(), Some("image/jpeg"));
    assert_eq!(head.metadata().unwrap()["album"], "summer");
    assert_eq!(head.storage_class(), Some(&StorageClass::StandardIa));
}

#[tokio::test]
async fn six_gigabytes_are_copied_in_parts() {
    let (server, client) = start().await;
    let source = Object::long(Bytes::from_static(b"front"), 6 * GIB, Headers::default());
    let (body, etag) = (source.body.clone(), source.etag.clone());
    server.store.load("photos", "source", source);
    let id = begin(&client, "copy").await;
    let copy = |number: i32, first: u64, last: u64| {
        let copy = client.upload_part_copy().bucket("photos").key("copy").upload_id(&id);
        copy.part_number(number)
            .copy_source("photos/source")
            .copy_source_range(format!("bytes={first}-{last}"))
    };
    let mut parts = Vec::new();
    for (number, first, last) in [
        (1, 0, 5 * GIB - 1),
        (2, 5 * GIB, 5 * GIB + 9_999_999),
        (3, 5 * GIB + 10_000_000, 6 * GIB - 1),
    ] {
        let copied = copy(number, first, last)
            .copy_source_if_match(format!("\"{etag}\""))
            .send()
            .await
            .unwrap();
        parts.push(part_of(number, copied.copy_part_result.unwrap().e_tag));
    }
    complete!(client, "copy", &id, parts.clone()).send().await.unwrap();
    let copied = &server.store.get("photos", "copy").unwrap().body;
    assert!(*copied == body);
    assert!(
        format!("{copied:?}").len() < 1_000,
        "the copy has real bytes instead of runs, which takes time and memory"
    );

    assert_eq!(code(complete!(client, "copy", &id, parts).send().await), "NoSuchUpload");
    let id = begin(&client, "copy").await;
    let copy = |range: &str| {
        let copy = client.upload_part_copy().bucket("photos").key("copy").upload_id(&id);
        copy.part_number(1)
            .copy_source("photos/source")
            .copy_source_range(range)
    };
    assert_eq!(code(copy("bytes=0-6442450944").send().await), "InvalidArgument");
    assert_eq!(code(copy("bytes=0-5368709120").send().await), "InvalidRequest");
    assert_eq!(
        code(copy("bytes=0-1").copy_source_if_match("\"other\"").send().await),
        "PreconditionFailed"
    );
}

#[tokio::test]
async fn an_upload_that_cannot_be_completed_stays_open() {
    let (server, client) = start().await;
    let id = begin(&client, "a").await;
    let first = upload(&client, "a", &id, 1, "small".into()).await;
    let second = upload(&client, "a", &id, 2, "end".into()).await;
    let wrong = part_of(2, Some("\"wrong\"".to_owned()));
    let missing = part_of(3, second.e_tag.clone());
    for (parts, expected) in [
        (vec![first.clone(), second.clone()], "EntityTooSmall"),
        (vec![second.clone(), first.clone()], "InvalidPartOrder"),
        (vec![first.clone(), wrong], "InvalidPart"),
        (vec![first.clone(), missing], "InvalidPart"),
        (vec![], "MalformedXML"),
    ] {
        assert_eq!(code(complete!(client, "a", &id, parts).send().await), expected);
    }
    put(&client, "a", "there").await;
    let unless_there = complete!(client, "a", &id, [first.clone()]).if_none_match("*");
    assert_eq!(code(unless_there.send().await), "PreconditionFailed");
    let other = upload_code(&client, "b", &id, 1).await;
    assert_eq!(other, "NoSuchUpload", "the upload belongs to another key");
    assert_eq!(upload_code(&client, "a", &id, 10_001).await, "InvalidArgument");
    assert_eq!(server.store.uploads("photos"), 1);

    let abort = client.abort_multipart_upload().bucket("photos").key("a").upload_id(&id);
    abort.clone().send().await.unwrap();
    assert_eq!(server.store.uploads("photos"), 0);
    assert_eq!(code(abort.send().await), "NoSuchUpload");
    assert_eq!(upload_code(&client, "a", &id, 1).await, "NoSuchUpload");
    assert_eq!(server.store.get("photos", "a").unwrap().body, "there");
}

async fn upload_code(client: &Client, key: &str, id: &str, number: i32) -> String {
    let part = client.upload_part().bucket("photos").key(key).upload_id(id);
    code(
        part.part_number(number)
            .body(ByteStream::from_static(b"x"))
            .send()
            .await,
    )
}

#[tokio::test]
async fn faults_can_hit_each_operation_of_an_upload() {
    let (server, client) = start().await;
    put(&client, "source", "x").await;
    let id = begin(&client, "a").await;
    for operation in [
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
    ] {
        server.faults.deny(operation, "");
    }
    let denied = "AccessDenied";
    let create = client.create_multipart_upload().bucket("photos").key("a");
    assert_eq!(code(create.send().await), denied);
    assert_eq!(upload_code(&client, "a", &id, 1).await, denied);
    let copy = client.upload_part_copy().bucket("photos").key("a").upload_id(&id);
    let copy = copy.part_number(1).copy_source("photos/source");
    assert_eq!(code(copy.send().await), denied);
    assert_eq!(code(complete!(client, "a", &id, []).send().await), denied);
    let abort = client.abort_multipart_upload().bucket("photos").key("a").upload_id(&id);
    assert_eq!(code(abort.send().await), denied);

    // The response to the first abort is lost, so the SDK retries. By then, the upload is already gone.
    server.faults.clear();
    server.faults.add(Fault {
        operation: "AbortMultipartUpload",
        key_contains: "a".to_owned(),
        effect: Effect::Cut,
        after: 0,
        times: 1,
    });
    let abort = client.abort_multipart_upload().bucket("photos").key("a").upload_id(&id);
    assert_eq!(code(abort.send().await), "NoSuchUpload");
    assert_eq!(server.store.uploads("photos"), 0);
}
