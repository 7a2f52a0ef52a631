//! Responses to reads that contradict their request, the listing or themselves.

use local::s3::Effect;
use serde_json::json;
use shared::protocol::failure::FailureClass;

use crate::cloud::{Cloud, RECORDS, photo};

/// Wrong responses to a read, and the sizes of images for which they are wrong in a mode.
fn wrong_reads(mode: &str) -> Vec<(Effect, &'static [usize])> {
    let ranged: &[usize] = if mode == "upload" { &[] } else { &[300_000] };
    vec![
        (Effect::Shorter, &[20_000, 300_000]),
        (Effect::NoBytes, &[20_000, 300_000]),
        (Effect::NoETag, &[20_000, 300_000]),
        (Effect::OtherRange, ranged),
        (Effect::Flipped, &[20_000]),
    ]
}

#[tokio::test]
async fn a_wrong_response_to_a_read_is_read_again() {
    for mode in ["none", "copy", "upload"] {
        for (effect, sizes) in wrong_reads(mode) {
            for &size in sizes {
                let cloud = Cloud::start_impatient(&[]).await;
                let object = cloud.put("a.jpg", photo(size));
                // Two reads that are wrong in the same way agree.
                let times = if effect == Effect::Flipped { 1 } else { 2 };
                cloud.fault("GetObject", "a.jpg", effect.clone(), times);
                let response = cloud.chunk(mode, &[object]).await;
                let what = format!("{mode} {effect:?} {size}");
                assert_eq!(response.ok, 1, "{what}: {:?}", response.failed);
                assert_eq!(response.with_exif, 1, "{what}");
                let record = &cloud.records(RECORDS)[0];
                assert_eq!(record["size"], size, "{what}");
                if mode != "none" {
                    assert!(cloud.output("images/a.jpg").unwrap().body == photo(size), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_read_that_stays_wrong_is_never_ok() {
    for mode in ["none", "copy", "upload"] {
        for (effect, sizes) in wrong_reads(mode) {
            for &size in sizes {
                let what = format!("{mode} {effect:?} {size}");
                let cloud = Cloud::start_impatient(&[]).await;
                let object = cloud.put("a.jpg", photo(size));
                cloud.fault("GetObject", "a.jpg", effect.clone(), usize::MAX);
                let response = cloud.chunk(mode, &[object]).await;
                if effect == Effect::Flipped {
                    // Two reads agree, so the ETag may be something else than an MD5.
                    assert_eq!(response.ok, 1, "{what}: {:?}", response.failed);
                    let warnings = cloud.records(RECORDS)[0]["warnings"].to_string();
                    assert!(warnings.contains("two reads agreed"), "{what}: {warnings}");
                    continue;
                }
                assert_eq!(
                    (response.ok, response.failed.len()),
                    (0, 1),
                    "{what}: {:?}",
                    response.failed
                );
                assert_eq!(
                    response.failed[0].class,
                    FailureClass::Corrupt,
                    "{what}: {:?}",
                    response.failed
                );
                assert!(cloud.output("images/a.jpg").is_none(), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn an_object_that_was_replaced_is_changed_even_if_the_store_ignores_conditions() {
    for mode in ["none", "copy", "upload"] {
        let cloud = Cloud::start_impatient(&[]).await;
        let listed = cloud.put("a.jpg", photo(20_000));
        cloud.put("a.jpg", photo(20_001));
        cloud.fault("GetObject", "a.jpg", Effect::Unconditional, usize::MAX);
        let response = cloud.chunk(mode, &[listed]).await;
        assert_eq!(
            (response.ok, response.failed.len()),
            (0, 1),
            "{mode}: {:?}",
            response.failed
        );
        assert_eq!(
            response.failed[0].class,
            FailureClass::Changed,
            "{mode}: {:?}",
            response.failed
        );
    }
}

#[tokio::test]
async fn an_old_object_without_a_checksum_is_compared_with_its_etag() {
    for mode in ["none", "copy", "upload"] {
        let cloud = Cloud::start_impatient(&[]).await;
        let listed = cloud.put("a.jpg", photo(20_000));
        let mut old = (*cloud.server.store.get("photos", "a.jpg").unwrap()).clone();
        old.checksum = None;
        cloud.server.store.load("photos", "a.jpg", old.clone());
        let response = cloud.chunk(mode, &[listed]).await;
        assert_eq!(
            (response.ok, response.usage.requests.get),
            (1, 1),
            "{mode}: {:?}",
            response.failed
        );
        assert_eq!(cloud.records(RECORDS)[0]["warnings"], json!([]), "{mode}");

        // With a KMS key, and in other stores, the ETag is something else.
        for (etag, encryption, gets) in [
            ("0123456789abcdef0123456789abcdef", Some("AES256"), 2),
            ("0123456789abcdef0123456789abcdef", Some("aws:kms"), 1),
            ("0123456789abcdef0123456789abcdef", None, 1),
            ("0123456789abcdef0123456789abcdef-2", Some("AES256"), 1),
            ("some-etag", Some("AES256"), 1),
        ] {
            let mut other = old.clone();
            etag.clone_into(&mut other.etag);
            other.encryption = encryption.map(str::to_owned);
            let cloud = Cloud::start_impatient(&[]).await;
            cloud.server.store.load("photos", "a.jpg", other);
            let listed = json!({"key": "a.jpg", "size": 20_000, "etag": etag});
            let response = cloud.chunk(mode, &[listed]).await;
            assert_eq!(
                (response.ok, response.usage.requests.get),
                (1, gets),
                "{mode} {etag} {encryption:?}"
            );
            let warnings = cloud.records(RECORDS)[0]["warnings"].as_array().unwrap().len();
            assert_eq!(warnings, usize::from(gets == 2), "{mode} {etag} {encryption:?}");
        }
    }
}

#[tokio::test]
async fn a_length_that_is_missing_is_no_problem_if_the_listing_has_it() {
    for (mode, size) in [
        ("none", 20_000),
        ("copy", 300_000),
        ("upload", 20_000),
        ("upload", 300_000),
    ] {
        let cloud = Cloud::start_impatient(&[]).await;
        let object = cloud.put("a.jpg", photo(size));
        cloud.fault("GetObject", "a.jpg", Effect::NoLength, usize::MAX);
        let response = cloud.chunk(mode, &[object]).await;
        assert_eq!(response.ok, 1, "{mode} {size}: {:?}", response.failed);
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_read_further() {
    for (mode, size) in [("none", 20_000), ("copy", 300_000), ("upload", 300_000)] {
        let cloud = Cloud::start_impatient(&[]).await;
        let object = cloud.put("a.jpg", photo(size));
        cloud.fault("GetObject", "a.jpg", Effect::Endless, usize::MAX);
        let response = cloud.chunk(mode, &[object]).await;
        let failed = &response.failed[0];
        assert_eq!(failed.class, FailureClass::Corrupt, "{mode}: {failed:?}");
        assert!(failed.error.contains("were asked for"), "{mode}: {failed:?}");
    }
}
