use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

use super::{code, start};

async fn put(client: &Client, body: &'static str) -> String {
    let put = client.put_object().bucket("versions").key("a b");
    let put = put.body(ByteStream::from_static(body.as_bytes())).send();
    put.await.unwrap().version_id.unwrap()
}

#[tokio::test]
async fn every_version_can_be_read_and_copied() {
    let (server, client) = start().await;
    server.store.create_versioned("versions");
    let (old, new) = (put(&client, "old").await, put(&client, "newer").await);
    assert_ne!(old, new);
    let get = || client.get_object().bucket("versions").key("a b");
    for (request, version, body) in [
        (get(), &new, "newer"),
        (get().version_id(&old), &old, "old"),
        (get().version_id(&new), &new, "newer"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.version_id(), Some(version.as_str()));
        assert_eq!(response.body.collect().await.unwrap().into_bytes(), body);
    }
    let head = client.head_object().bucket("versions").key("a b").version_id(&old);
    let head = head.send().await.unwrap();
    assert_eq!(
        (head.version_id(), head.content_length()),
        (Some(old.as_str()), Some(3))
    );
    assert_eq!(code(get().version_id("none").send().await), "NoSuchVersion");

    let source = format!("versions/a%20b?versionId={old}");
    let copy = client.copy_object().bucket("versions").key("a b").copy_source(source);
    let copy = copy.send().await.unwrap();
    assert_eq!(copy.copy_source_version_id(), Some(old.as_str()));
    let current = server.store.get("versions", "a b").unwrap();
    assert_eq!(current.body, "old");
    assert_eq!(current.version_id.as_deref(), copy.version_id());

    let listed = client.list_objects_v2().bucket("versions").send().await.unwrap();
    assert_eq!(listed.contents().len(), 1, "a listing has only current versions");
}

#[tokio::test]
async fn a_deleted_key_keeps_its_versions() {
    let (server, client) = start().await;
    server.store.create_versioned("versions");
    let version = put(&client, "x").await;
    let delete = || client.delete_object().bucket("versions").key("a b");
    let deleted = delete().send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let get = || client.get_object().bucket("versions").key("a b");
    assert_eq!(code(get().send().await), "NoSuchKey");
    let listed = client.list_objects_v2().bucket("versions").send().await.unwrap();
    assert_eq!(listed.contents().len(), 0);
    assert_eq!(code(get().version_id(&version).send().await), "none");
    let marker = deleted.version_id().unwrap();
    assert_eq!(code(get().version_id(marker).send().await), "MethodNotAllowed");

    delete().version_id(marker).send().await.unwrap();
    assert_eq!(get().send().await.unwrap().version_id(), Some(version.as_str()));
    delete().version_id(&version).send().await.unwrap();
    assert_eq!(code(get().version_id(&version).send().await), "NoSuchVersion");
}

#[tokio::test]
async fn a_bucket_has_no_versions_by_default() {
    let (_server, client) = start().await;
    super::put(&client, "a", "x").await;
    let head = client.head_object().bucket("photos").key("a").send().await.unwrap();
    assert_eq!(head.version_id(), None);
    let deleted = client.delete_object().bucket("photos").key("a").send().await.unwrap();
    assert_eq!(deleted.delete_marker(), None);
}
