use aws_sdk_s3::types::{EncodingType, OptionalObjectAttributes};
use local::s3::{Headers, Object};
use shared::object::Key;

use super::{code, put, start};

#[tokio::test]
async fn listings_page_through_every_key_in_order() {
    let (_server, client) = start().await;
    let mut keys = [
        "a b+c",
        "%2B",
        "été/📷",
        "x//y",
        "/z",
        "../up",
        "bell\u{7}",
        "line\nbreak",
        "p/1",
        "p/2",
        "p/q/3",
    ];
    for key in keys {
        put(&client, key, "x").await;
    }
    keys.sort_unstable();
    for page in [1, 2, 3, 1000] {
        let request = client
            .list_objects_v2()
            .bucket("photos")
            .encoding_type(EncodingType::Url)
            .max_keys(page);
        let mut pages = request.into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            listed.extend(
                page.unwrap()
                    .contents()
                    .iter()
                    .map(|object| Key::decode(object.key().unwrap()).unwrap().into_string()),
            );
        }
        assert_eq!(listed, keys, "pages of {page}");
    }
    let after = client
        .list_objects_v2()
        .bucket("photos")
        .start_after("p/1")
        .prefix("p/")
        .send()
        .await
        .unwrap();
    let after: Vec<&str> = after.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(after, ["p/2", "p/q/3"]);
}

#[tokio::test]
async fn a_delimiter_groups_keys_across_pages() {
    let (_server, client) = start().await;
    for key in ["a/1", "a/2", "b/1", "c", "d/1", "d/2"] {
        put(&client, key, "x").await;
    }
    for page in [1, 2, 10] {
        let request = client.list_objects_v2().bucket("photos").delimiter("/").max_keys(page);
        let mut pages = request.into_paginator().send();
        let (mut groups, mut keys) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            groups.extend(
                page.common_prefixes()
                    .iter()
                    .filter_map(|group| group.prefix().map(str::to_owned)),
            );
            keys.extend(
                page.contents()
                    .iter()
                    .filter_map(|object| object.key().map(str::to_owned)),
            );
        }
        assert_eq!(
            (groups, keys),
            (vec!["a/".into(), "b/".into(), "d/".into()], vec!["c".to_owned()]),
            "pages of {page}"
        );
    }
}

#[tokio::test]
async fn listings_have_the_storage_class_and_the_restore_status() {
    let (server, client) = start().await;
    for (key, tier, restored) in [
        ("a", None, false),
        ("b", Some("GLACIER"), false),
        ("c", Some("GLACIER"), true),
    ] {
        let mut object = Object::new(b"x".to_vec().into(), Headers::default());
        object.storage_class = tier.map(str::to_owned);
        object.restored = restored;
        server.store.load("photos", key, object);
    }
    let list = || client.list_objects_v2().bucket("photos");
    let asked = list()
        .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
        .send()
        .await
        .unwrap();
    let listed: Vec<_> = asked
        .contents()
        .iter()
        .map(|object| {
            let status = object.restore_status();
            (
                object.storage_class().unwrap().as_str(),
                status.map(|status| (status.is_restore_in_progress(), status.restore_expiry_date().is_some())),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("STANDARD", None),
            ("GLACIER", None),
            ("GLACIER", Some((Some(false), true)))
        ]
    );
    let not_asked = list().send().await.unwrap();
    assert!(
        not_asked
            .contents()
            .iter()
            .all(|object| object.restore_status().is_none())
    );
    let get = |key: &str| client.get_object().bucket("photos").key(key).send();
    assert_eq!(code(get("b").await), "InvalidObjectState");
    assert_eq!(code(get("c").await), "none");
}
