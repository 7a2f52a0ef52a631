//! Jobs that make renditions.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fanout::Response;
use local::dataset;
use local::lambda::Reply;
use local::s3::{Effect, Fault};
use serde_json::{Value, json};
use shared::protocol::job::State;

use crate::cloud::{Cloud, LEASE, Processor, TINY};

const IMAGES: usize = 60;

fn put_photos(cloud: &Cloud) {
    let photos = [0, 1].map(|index| dataset::photo(index).unwrap());
    for index in 0..IMAGES {
        cloud.put(&format!("2024/{index:02}.jpg"), &photos[index % 2]);
    }
}

fn fields() -> Value {
    json!({
        "images": "transform", "chunk_keys": 7, "parallel": 3,
        "transform": {"renditions": [
            {"name": "web", "max_edge": 90, "format": "webp"},
            {"name": "thumb", "max_edge": 24, "quality": 60},
        ]},
    })
}

fn outputs(cloud: &Cloud) -> BTreeMap<String, Vec<u8>> {
    let keys = cloud.server.store.keys("photos-out", "images/");
    let output = |key: String| {
        let object = cloud.server.store.get("photos-out", &key).unwrap();
        (key, object.body.bytes().to_vec())
    };
    keys.into_iter().map(output).collect()
}

#[tokio::test]
async fn faults_and_kills_change_no_byte_of_a_rendition() {
    let calm = Cloud::start().await;
    put_photos(&calm);
    let report = calm.run(fields()).await.unwrap();
    assert_eq!((report.ok, report.failed), (IMAGES as u64, 0), "{report:?}");
    assert!(report.stages.transform.p50_ms > 0.0, "{report:?}");
    calm.check_all(&report);
    let expected = outputs(&calm);
    assert_eq!(expected.len(), 2 * IMAGES);

    let troubled = Cloud::with(|number, processor: Processor| async move {
        match number {
            2 | 9 => Reply::FunctionError(json!({"errorType": "Runtime.ExitError"})),
            4 | 11 => {
                processor.run().await;
                Reply::Dropped
            }
            _ => processor.run().await,
        }
    })
    .await;
    put_photos(&troubled);
    for operation in ["GetObject", "PutObject"] {
        for (effect, after) in [(Effect::Cut, 3), (Effect::Drop, 11), (Effect::Status(503, None), 17)] {
            troubled.server.faults.add(Fault {
                operation,
                key_contains: ".jpg".to_owned(),
                effect,
                after,
                times: 3,
            });
        }
    }
    let moment = troubled.requests() + 60;
    assert!(troubled.kill_when(fields(), |cloud| cloud.requests() >= moment).await);
    troubled.clock.advance(LEASE);
    let report = troubled.run(fields()).await.unwrap();
    assert_eq!(
        (report.state, report.ok, report.failed),
        (State::Completed, IMAGES as u64, 0),
        "{report:?}"
    );
    troubled.check_all(&report);
    assert!(outputs(&troubled) == expected);
}

#[tokio::test]
async fn a_redrive_makes_the_renditions_that_failed() {
    let cloud = Cloud::start().await;
    put_photos(&cloud);
    cloud.put("2024/empty.jpg", &TINY);
    cloud.server.faults.deny("GetObject", "7.jpg");
    let report = cloud.run(fields()).await.unwrap();
    // The smallest JPEG has no picture.
    let mut failed = cloud.failed("job");
    failed.sort();
    let expected: Vec<_> = (0..IMAGES)
        .filter(|index| index % 10 == 7)
        .map(|index| (format!("2024/{index:02}.jpg"), "access_denied".to_owned()))
        .chain([("2024/empty.jpg".to_owned(), "corrupt".to_owned())])
        .collect();
    assert_eq!(failed, expected, "{report:?}");
    cloud.server.faults.clear();
    let mut redrive = fields();
    for (name, value) in [
        ("action", json!("redrive")),
        ("parent", json!("job")),
        ("job_id", json!("again")),
        ("source", Value::Null),
    ] {
        redrive[name] = value;
    }
    let report = cloud.run(redrive).await.unwrap();
    assert_eq!(
        (report.listed, report.ok, report.failed),
        (expected.len() as u64, expected.len() as u64 - 1, 1),
        "{report:?}"
    );
    assert_eq!(outputs(&cloud).len(), 2 * IMAGES);
}

const MINUTE: Duration = Duration::from_mins(1);

/// Changes when an output was written.
fn redate(cloud: &Cloud, output: &str, change: impl FnOnce(SystemTime) -> SystemTime) {
    let mut object = (*cloud.server.store.get("photos-out", output).unwrap()).clone();
    object.last_modified = change(object.last_modified);
    cloud.server.store.load("photos-out", output, object);
}

#[tokio::test]
async fn only_what_is_new_is_made_where_the_keys_are_the_same() {
    let cloud = Cloud::start().await;
    put_photos(&cloud);
    let fields = json!({
        "images": "transform", "skip_current": true,
        "transform": {"renditions": [{"max_edge": 24, "format": "keep"}]},
    });
    let report = cloud.run(fields.clone()).await.unwrap();
    assert_eq!((report.ok, report.skipped), (IMAGES as u64, 0), "{report:?}");
    let mut again = fields;
    again["job_id"] = json!("again");
    for key in cloud.server.store.keys("photos-out", "images/") {
        redate(&cloud, &key, |written| written + MINUTE);
    }
    let report = cloud.run(again).await.unwrap();
    assert_eq!((report.ok, report.skipped), (0, IMAGES as u64), "{report:?}");
}

#[tokio::test]
async fn an_image_is_made_again_if_one_of_its_renditions_is_missing_or_old() {
    let cloud = Cloud::start().await;
    let photo = dataset::photo(0).unwrap();
    // The outputs of "a.jpg" come after those of all the others, on the third page.
    let others = (0..2_100).map(|number| format!("a.jpg-{number:04}.jpg"));
    let keys: Vec<String> = ["a.jpg".to_owned()].into_iter().chain(others).collect();
    for key in &keys {
        cloud.put(key, &photo);
        for output in outputs_of(key) {
            cloud.put_out(&output, "");
            redate(&cloud, &output, |written| written + MINUTE);
        }
    }
    let expected = ["a.jpg", "a.jpg-0998.jpg", "a.jpg-0999.jpg", "a.jpg-2099.jpg"];
    let [web, thumb] = [0, 1].map(|rendition| expected.map(|key| outputs_of(key)[rendition].clone()));
    cloud.server.store.delete("photos-out", &web[0]);
    cloud.server.store.delete("photos-out", &thumb[1]);
    redate(&cloud, &web[2], |written| written - 2 * MINUTE);
    redate(&cloud, &thumb[3], |written| written - 2 * MINUTE);

    let mut fields = fields();
    fields["skip_current"] = json!(true);
    let mut plan = fields.clone();
    plan["action"] = json!("plan");
    let Response::Estimate(plan) = cloud.response(plan).await.unwrap() else {
        panic!("a plan should respond with an estimate");
    };
    let skipped = (keys.len() - expected.len()) as u64;
    assert_eq!((plan.listed, plan.skipped, plan.images), (2_101, skipped, 4));
    let report = cloud.run(fields.clone()).await.unwrap();
    assert_eq!(
        (report.listed, report.skipped, report.ok),
        (2_101, skipped, 4),
        "{report:?}"
    );
    assert!(cloud.records("job").keys().eq(&expected), "{report:?}");
    // Three pages of the source, as many of each rendition and one more for "a.jpg", and a few requests to split.
    assert!(report.requests.list < 20, "{report:?}");
    for output in web.iter().chain(&thumb) {
        let object = cloud.server.store.get("photos-out", output).unwrap();
        assert!(!object.body.is_empty(), "{output}");
        redate(&cloud, output, |written| written + MINUTE);
    }
    fields["job_id"] = json!("again");
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.skipped, report.ok), (2_101, 0), "{report:?}");
}

/// The keys of the two renditions of an image.
fn outputs_of(key: &str) -> [String; 2] {
    [format!("images/web/{key}.webp"), format!("images/thumb/{key}.jpeg")]
}
