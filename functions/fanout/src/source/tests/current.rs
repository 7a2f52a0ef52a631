//! Tests of the comparison with outputs.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared::destination::{Destination, OutputFolder};
use shared::transform::Transform;

use super::*;

/// Seconds since 1970.
const SOURCE: u64 = 1_700_000_000;

/// When an output was written, or nothing.
const OUTPUTS: [Option<u64>; 5] = [
    None,
    Some(SOURCE - 5),
    Some(SOURCE),
    // Twice, so that images with several outputs are current often enough.
    Some(SOURCE + 5),
    Some(SOURCE + 5),
];

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn put(server: &Server, bucket: &str, key: &str, seconds: u64) {
    let mut object = Object::new(Vec::new().into(), Headers::default());
    object.last_modified = at(seconds);
    server.store.load(bucket, key, object);
}

async fn empty_server() -> Server {
    let server = Server::start(0).await.unwrap();
    server.store.create_bucket("photos");
    server.store.create_bucket("photos-out");
    server
}

/// The folders of these renditions. Without any, that of copies.
fn folders(renditions: &str) -> Vec<OutputFolder> {
    let destination = Destination::from("s3://photos-out/2024/".parse::<S3Uri>().unwrap());
    if renditions.is_empty() {
        return vec![destination.images()];
    }
    let transform: Transform = format!(r#"{{"renditions": [{renditions}]}}"#).parse().unwrap();
    transform
        .renditions
        .iter()
        .map(|rendition| destination.renditions(rendition))
        .collect()
}

/// Keys that are often a prefix of another, with characters below and above the dot. With the long part, some outputs
/// have a key that S3 accepts, and others do not.
fn keys() -> impl Strategy<Value = BTreeSet<String>> {
    let short = "[!\\-./0aé]{1,4}";
    let key = prop_oneof![
        12 => short.prop_map(|key| key),
        1 => short.prop_map(|key| "a".repeat(1003) + &key),
    ];
    prop::collection::btree_set(key, 0..40)
}

fn renditions() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(""),
        Just(r#"{"max_edge": 9, "format": "keep"}"#),
        Just(r#"{"max_edge": 9}"#),
        Just(r#"{"name": "a", "max_edge": 9, "format": "webp"}, {"name": "a-", "max_edge": 9, "format": "keep"}"#),
        Just(
            r#"{"name": "b", "max_edge": 9}, {"name": "a", "max_edge": 9}, {"name": "0", "max_edge": 9, "format": "png"}"#
        ),
    ]
}

/// What a listing is about: the source, its outputs, and the outputs of others.
#[derive(Debug)]
struct Case {
    keys: BTreeSet<String>,
    prefix: String,
    folders: Vec<OutputFolder>,
    /// When the outputs of each key were written.
    written: Vec<[Option<u64>; 3]>,
    others: BTreeSet<String>,
}

impl Case {
    async fn server(&self) -> Server {
        let server = empty_server().await;
        for other in &self.others {
            for folder in ["", "a/", "b/"] {
                put(
                    &server,
                    "photos-out",
                    &format!("2024/images/{folder}{other}"),
                    SOURCE + 5,
                );
            }
        }
        for (key, written) in self.keys.iter().zip(&self.written) {
            put(&server, "photos", key, SOURCE);
            for (folder, written) in self.folders.iter().zip(written) {
                let Some(output) = self.output(folder, key) else {
                    continue;
                };
                match written {
                    Some(seconds) => put(&server, "photos-out", output.as_str(), *seconds),
                    None => server.store.delete("photos-out", output.as_str()),
                }
            }
        }
        server
    }

    fn output(&self, folder: &OutputFolder, key: &str) -> Option<Key> {
        let relative = Key::from(key).relative_to(&self.prefix.as_str().into())?.to_owned();
        Some(folder.output(&relative).ok()?.key)
    }

    /// The keys below the prefix, and what is to be done with each, by looking up each output.
    fn expected(&self, server: &Server) -> Vec<(String, Disposition)> {
        let is_newer = |key: &str, folder: &OutputFolder| {
            let output = self.output(folder, key)?;
            let output = server.store.get("photos-out", output.as_str())?;
            Some(output.last_modified > at(SOURCE))
        };
        let keys = self.keys.iter().filter(|key| key.starts_with(&self.prefix));
        keys.map(|key| {
            let is_current = self.folders.iter().all(|folder| is_newer(key, folder) == Some(true));
            let disposition = if is_current {
                Disposition::Skip
            } else {
                Disposition::Process
            };
            (key.clone(), disposition)
        })
        .collect()
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let written = prop::sample::select(&OUTPUTS[..]);
    let written = prop::collection::vec([written.clone(), written.clone(), written], 40);
    let beginning = (any::<Index>(), 0..3_usize);
    (keys(), keys(), renditions(), written, beginning).prop_map(
        |(keys, others, renditions, written, (of, characters))| {
            let of = keys.iter().nth(of.index(keys.len().max(1)));
            Case {
                prefix: of.map(|key| key.chars().take(characters).collect()).unwrap_or_default(),
                keys,
                folders: folders(renditions),
                written,
                others,
            }
        },
    )
}

#[test]
fn an_image_is_skipped_if_and_only_if_all_its_outputs_are_newer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 120,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    // How many images were skipped, and how many were listed.
    let counts = Cell::new((0, 0));
    let listings = (cases(), 1..6_u16, 1..60_usize, 1..30_usize);
    runner
        .run(&listings, |(case, page_keys, demand, stop)| {
            let (found, expected) = runtime.block_on(async {
                let server = case.server().await;
                let scope = Scope {
                    outputs: case.folders.clone(),
                    ..scope(&case.prefix, page_keys)
                };
                let found = drain(&Client::new(&server.sdk().await), &scope, demand, stop).await;
                (found, case.expected(&server))
            });
            let found = found
                .into_iter()
                .map(|candidate| (candidate.object.key.into_string(), candidate.disposition));
            let found: Vec<_> = found.collect();
            prop_assert_eq!(&found, &expected);
            let (skipped, listed) = counts.get();
            let is_skipped = |(_, disposition): &&(String, Disposition)| *disposition == Disposition::Skip;
            counts.set((skipped + found.iter().filter(is_skipped).count(), listed + found.len()));
            Ok(())
        })
        .unwrap();
    let (skipped, listed) = counts.get();
    assert!(
        skipped > listed / 20 && skipped < listed / 2,
        "{skipped} of {listed} images were skipped"
    );
}

/// The listing of `keys` whose outputs are all newer, page by page. Returns the number of its requests.
async fn lists(server: &Server, renditions: &str, page_keys: u16) -> u64 {
    let scope = Scope {
        outputs: folders(renditions),
        ..scope("", page_keys)
    };
    for key in server.store.keys("photos", "") {
        for folder in &scope.outputs {
            put(
                server,
                "photos-out",
                folder.output(&key).unwrap().key.as_str(),
                SOURCE + 5,
            );
        }
    }
    let meter = shared::s3::Meter::default();
    // Without demand for more than a page, no range is split.
    let found = drain(&meter.s3(&server.sdk().await), &scope, 1, usize::MAX).await;
    assert!(found.iter().all(|candidate| candidate.disposition == Disposition::Skip));
    meter.requests().list
}

const TWO: &str = r#"{"name": "a", "max_edge": 9}, {"name": "b", "max_edge": 9, "format": "webp"}"#;

#[tokio::test]
async fn outputs_cost_about_one_request_for_each_page_of_each_rendition() {
    let server = empty_server().await;
    for number in 0..2_000 {
        put(&server, "photos", &format!("{number:05}.jpg"), SOURCE);
    }
    // The last page of the source is the 20th, and so is that of each rendition.
    assert_eq!(lists(&server, TWO, 100).await, 3 * 20);
}

#[tokio::test]
async fn outputs_between_two_that_are_wanted_are_passed_over() {
    // How many keys come before "a", whose output comes after those of all "a-…". It needs a page of its own in each
    // rendition. If "a" is the last key of a page of the source, so do the keys after it.
    for (earlier, own_pages) in [(0, 1), (50, 1), (99, 2)] {
        let server = empty_server().await;
        for number in 0..earlier {
            put(&server, "photos", &format!("0{number:04}"), SOURCE);
        }
        put(&server, "photos", "a", SOURCE);
        for number in 0..1_999 - earlier {
            put(&server, "photos", &format!("a-{number:04}"), SOURCE);
        }
        assert_eq!(lists(&server, TWO, 100).await, 20 + 2 * (20 + own_pages), "{earlier}");
        // The same outputs, of images that are gone.
        for number in 0..1_999 - earlier {
            server.store.delete("photos", &format!("a-{number:04}"));
        }
        assert_eq!(lists(&server, TWO, 100).await, 1 + 2 * (1 + 1), "{earlier}");
    }
}
