//! Tests of the whole listing, against the local S3 server.

mod current;

use std::collections::{BTreeMap, BTreeSet};

use local::s3::{Chances, Headers, Object, Server};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use shared::filter::{Filter, Names};
use shared::object::{Bucket, S3Uri};

use super::*;
use crate::engine::planner::Planner;

async fn server(keys: &BTreeSet<String>) -> Server {
    let server = Server::start(0).await.unwrap();
    server.store.create_bucket("photos");
    for key in keys {
        let object = Object::new(Vec::new().into(), Headers::default());
        server.store.load("photos", key, object);
    }
    server
}

fn scope(prefix: &str, page_keys: u16) -> Scope {
    Scope {
        source: S3Uri {
            bucket: Bucket::new("photos").unwrap(),
            prefix: prefix.into(),
        },
        outputs: Vec::new(),
        page_keys,
        listers: MAX_LISTERS,
    }
}

/// Lists all keys in steps of `demand`. The listing is stopped and continued after every `stop` portions.
async fn drain(s3: &Client, scope: &Scope, demand: usize, stop: usize) -> Vec<Candidate> {
    let mut cursors = vec![Cursor::Keys(KeyRange::default())];
    let mut found = Vec::new();
    while !cursors.is_empty() {
        let mut source = Source::new(s3.clone(), scope.clone(), cursors);
        for _ in 0..stop {
            let Some(portion) = source.next(demand).await.unwrap() else {
                break;
            };
            found.extend(portion.candidates);
        }
        cursors = source.cursors();
    }
    found.sort_unstable_by(|one, other| one.object.key.cmp(&other.object.key));
    found
}

/// Lists all keys in steps of `demand`, and puts them into chunks. The listing is stopped and continued after every
/// `stop` portions. The open chunk is then lost, as when fanout is killed, or it is ended, as at a hand-over.
async fn drain_into_chunks(
    s3: &Client,
    scope: &Scope,
    (demand, mut stop): (usize, usize),
    max_keys: usize,
) -> Vec<Key> {
    let mut cursors = vec![Cursor::Keys(KeyRange::default())];
    let mut found = Vec::new();
    let mut is_killed = false;
    while !cursors.is_empty() {
        let mut source = Source::new(s3.clone(), scope.clone(), cursors);
        let mut planner = Planner::new(every_key(), max_keys, u64::MAX);
        for _ in 0..stop {
            let Some(portion) = source.next(demand).await.unwrap() else {
                break;
            };
            found.extend(planner.plan(portion).into_iter().flat_map(|planned| planned.objects));
        }
        is_killed = !is_killed && !source.is_exhausted();
        if is_killed {
            // Otherwise, it would never get further.
            stop *= 2;
        } else {
            found.extend(planner.close().objects);
        }
        cursors = planner.cursors().to_vec();
        for cursor in source.cursors() {
            add(&mut cursors, cursor);
        }
    }
    let mut found: Vec<Key> = found.into_iter().map(|object| object.key).collect();
    found.sort_unstable();
    found
}

fn every_key() -> Filter {
    Filter {
        names: Names::new(Some(&["*".to_owned()]), &[], shared::modes::Images::Copy).unwrap(),
        min_bytes: 0,
        max_bytes: u64::MAX,
        modified_after: None,
    }
}

/// Keys with common beginnings, made of characters of one to four bytes.
fn keys() -> impl Strategy<Value = BTreeSet<String>> {
    let part = prop_oneof![
        Just("2024/".to_owned()),
        Just("IMG_".to_owned()),
        Just("/".to_owned()),
        Just("\u{10FFFF}".to_owned()),
        Just("\u{D7FF}\u{E000}".to_owned()),
        "[0-9]{1,4}",
        "[ -~]{1,2}",
        "[a-bé-ñ一-三📷-📹\u{1}]{1,3}",
    ];
    let key = prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat());
    prop::collection::btree_set(key, 0..150)
}

#[test]
fn each_key_is_listed_once_with_any_page_size_and_short_and_empty_pages() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let percent = || prop_oneof![Just(0.0), 0.0..60.0];
    let chances = (percent(), percent(), any::<u64>()).prop_map(|(empty_page, short_page, seed)| Chances {
        empty_page,
        short_page: short_page.min(90.0 - empty_page),
        seed,
        ..Chances::default()
    });
    let cases = (
        keys(),
        (any::<Index>(), 0..4_usize),
        1..12_u16,
        (1..200_usize, 1..30_usize, 1..50_usize),
        chances,
    );
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(
            &cases,
            |(keys, (of, characters), page_keys, (demand, stop, max_keys), chances)| {
                // The beginning of one of the keys.
                let prefix: String = match keys.len() {
                    0 => String::new(),
                    count => keys
                        .iter()
                        .nth(of.index(count))
                        .unwrap()
                        .chars()
                        .take(characters)
                        .collect(),
                };
                let expected: Vec<String> = keys.iter().filter(|key| key.starts_with(&prefix)).cloned().collect();
                let listed = runtime.block_on(async {
                    let server = server(&keys).await;
                    server.faults.set_chances(Some(chances));
                    let s3 = Client::new(&server.sdk().await);
                    drain_into_chunks(&s3, &scope(&prefix, page_keys), (demand, stop), max_keys).await
                });
                let listed: Vec<String> = listed.into_iter().map(Key::into_string).collect();
                prop_assert_eq!(listed, expected);
                Ok(())
            },
        )
        .unwrap();
}

/// Lists all keys, and checks that each one comes once. Returns the most ranges at the same time, and the number of
/// requests that were not for pages.
async fn list_all(keys: impl Iterator<Item = String>) -> (usize, u64) {
    let keys: BTreeSet<String> = keys.collect();
    let server = server(&keys).await;
    let meter = shared::s3::Meter::default();
    let mut source = Source::new(
        meter.s3(&server.sdk().await),
        scope("", 100),
        vec![Cursor::Keys(KeyRange::default())],
    );
    let mut listed = BTreeMap::new();
    let mut max_pieces = 0;
    while let Some(portion) = source.next(usize::MAX).await.unwrap() {
        for candidate in portion.candidates {
            *listed.entry(candidate.object.key).or_insert(0) += 1;
        }
        max_pieces = max_pieces.max(source.listings.len());
    }
    assert!(listed.values().all(|&times| times == 1));
    assert!(listed.into_keys().map(Key::into_string).eq(keys.iter().cloned()));
    let pages = keys.len().div_ceil(100) as u64;
    (max_pieces, meter.requests().list - pages)
}

#[tokio::test]
async fn keys_of_every_shape_are_split_into_many_ranges() {
    let number = |index: u32| index.wrapping_mul(2_654_435_761);
    for (shape, keys) in [
        (
            "counted",
            (0..20_000).map(|index| format!("{index:08}.jpg")).collect::<Vec<_>>(),
        ),
        (
            "hashed",
            (0..20_000).map(|index| format!("{:08x}.jpg", number(index))).collect(),
        ),
        (
            "deep in one folder",
            (0..20_000)
                .map(|index| format!("a/b/c/photos of the year/IMG_{index:05}.jpg"))
                .collect(),
        ),
        (
            "by date",
            (0..20_000)
                .map(|index| format!("{}/{:02}/{:02}/{index}.heic", 2010 + index % 15, index % 12, index % 28))
                .collect(),
        ),
        (
            "in other letters",
            (0..20_000)
                .map(|index| {
                    let letters = |base: u32, of: u32| char::from_u32(base + of % 90).unwrap();
                    format!(
                        "фото/{}{}{index}.jpg",
                        letters('一' as u32, index),
                        letters('ぁ' as u32, index / 90)
                    )
                })
                .collect(),
        ),
        (
            "nearly all after a few",
            (0..20_000)
                .map(|index| {
                    if index < 150 {
                        format!("a{index:03}")
                    } else {
                        format!("x/y/{index:05}")
                    }
                })
                .collect(),
        ),
    ] {
        let (pieces, probes) = list_all(keys.into_iter()).await;
        assert!(pieces >= MAX_LISTERS / 2, "{shape}: {pieces} ranges");
        assert!(probes < 600, "{shape}: {probes} more requests than pages");
    }
}
