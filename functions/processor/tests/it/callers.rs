//! The sample events of each caller, and the responses in its format.

use local::dataset;
use local::s3::{Effect, Fault, S3ErrorCode};
use serde_json::{Value, json};

use crate::cloud::{Cloud, DESTINATION, PHOTOS, sample};

const AWKWARD: &str = "été 2026/1+1 café.jpg";

/// A cloud with the photos that the sample events name.
async fn cloud() -> Cloud {
    let cloud = Cloud::start(&[DESTINATION]).await;
    cloud.put(&dataset::file_name(0), PHOTOS[0].clone());
    cloud.put(&dataset::file_name(1), PHOTOS[1].clone());
    cloud.put(AWKWARD, PHOTOS[0].clone());
    cloud
}

#[tokio::test]
async fn the_response_to_a_notification_has_counts() {
    for (name, ok, ignored, images) in [
        ("s3-put.json", 1, vec![], vec!["IMG_00000.jpg"]),
        ("s3-put-encoded-key.json", 1, vec![], vec![AWKWARD]),
        ("s3-put-minimal.json", 1, vec![], vec!["IMG_00000.jpg"]),
        (
            "s3-test.json",
            0,
            vec!["it is the test event that S3 sends when notifications are set up"],
            vec![],
        ),
        ("eventbridge-object-created.json", 1, vec![], vec![AWKWARD]),
        ("eventbridge-transformed.json", 1, vec![], vec![AWKWARD]),
        ("sns.json", 2, vec![], vec!["IMG_00001.jpg", AWKWARD]),
        (
            "s3-out-of-order.json",
            2,
            vec![
                "a newer event of the same key arrived with it",
                "the event names it twice",
                "the event is ObjectRemoved:Delete, not ObjectCreated",
                "it is a folder marker",
            ],
            vec!["IMG_00000.jpg", "IMG_00001.jpg"],
        ),
        ("step-functions-items.json", 1, vec![], vec![AWKWARD]),
        (
            "step-functions-batch.json",
            3,
            vec![],
            vec!["IMG_00000.jpg", "IMG_00001.jpg", AWKWARD],
        ),
    ] {
        let cloud = cloud().await;
        let response = cloud.invoke(sample(name)).await.unwrap();
        assert_eq!(response["with_exif"], ok, "{name}: {response}");
        let reasons: Vec<&str> = response["ignored"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ignored| ignored["reason"].as_str().unwrap())
            .collect();
        assert_eq!(reasons, ignored, "{name}");
        assert_eq!(response["failed"], json!([]), "{name}");
        let expected: Vec<String> = images.iter().map(|key| format!("images/{key}")).collect();
        assert_eq!(cloud.server.store.keys("photos-out", "images/"), expected, "{name}");
        let records = cloud.server.store.keys("photos-out", "records/job=events-");
        assert_eq!(records.len(), images.len(), "{name}");

        // The same event again writes the same bytes to the same keys.
        let written = |cloud: &Cloud| -> Vec<(String, Vec<u8>)> {
            let keys = cloud.server.store.keys("photos-out", "");
            let file = |key: String| (key.clone(), cloud.output(&key).unwrap().body.bytes().to_vec());
            keys.into_iter().map(file).collect()
        };
        let before = written(&cloud);
        cloud.invoke(sample(name)).await.unwrap();
        assert!(before == written(&cloud), "{name}");
    }
}

fn failed_messages(response: &Value) -> Vec<&str> {
    let failures = response["batchItemFailures"].as_array().unwrap();
    failures
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn sqs_gets_only_the_messages_that_must_come_again() {
    for (name, images) in [
        ("sqs-s3.json", 2),
        ("sqs-eventbridge.json", 2),
        ("sqs-sns.json", 1),
        ("sqs-sns-fifo.json", 1),
        ("sqs-message-attributes.json", 1),
    ] {
        let cloud = cloud().await;
        let response = cloud.invoke(sample(name)).await.unwrap();
        assert_eq!(response, json!({"batchItemFailures": []}), "{name}");
        assert_eq!(cloud.server.store.keys("photos-out", "images/").len(), images, "{name}");
    }

    let cloud = cloud().await;
    let mut event = sample("sqs-s3.json");
    let id = |event: &Value, index: usize| event["Records"][index]["messageId"].as_str().unwrap().to_owned();
    let broken = |operation, key: &str| Fault {
        operation,
        key_contains: key.to_owned(),
        effect: Effect::Error(S3ErrorCode::NotImplemented),
        after: 0,
        times: usize::MAX,
    };
    cloud.server.faults.add(broken("CopyObject", "café"));
    event["Records"][2]["body"] = json!("not a notification");
    let response = cloud.invoke(event.clone()).await.unwrap();
    // The two messages that name the broken object, and the message that cannot be read. The missing object is recorded
    // instead.
    assert_eq!(
        failed_messages(&response),
        [id(&event, 0), id(&event, 1), id(&event, 2)]
    );
    assert!(cloud.output("images/IMG_00001.jpg").is_some());
    let [failed] = cloud
        .server
        .store
        .keys("photos-out", "jobs/events/failed/")
        .try_into()
        .unwrap();
    assert_eq!(cloud.records(&failed)[0]["key"], "gone.jpg");
}

#[tokio::test]
async fn batch_operations_get_a_result_for_each_task() {
    for (name, results) in [
        ("s3-batch-1.0.json", vec![("Succeeded", "ok")]),
        (
            "s3-batch-2.0.json",
            vec![
                ("Succeeded", "ok"),
                ("Succeeded", "ok"),
                ("PermanentFailure", "not_found: "),
            ],
        ),
    ] {
        let cloud = cloud().await;
        let event = sample(name);
        let response = cloud.invoke(event.clone()).await.unwrap();
        for field in ["invocationSchemaVersion", "invocationId"] {
            assert_eq!(response[field], event[field], "{name}");
        }
        assert_eq!(response["treatMissingKeysAs"], "TemporaryFailure");
        let tasks = event["tasks"].as_array().unwrap();
        let found = response["results"].as_array().unwrap();
        assert_eq!(found.len(), tasks.len());
        for ((task, found), (code, text)) in tasks.iter().zip(found).zip(results) {
            assert_eq!(found["taskId"], task["taskId"], "{name}");
            assert_eq!(found["resultCode"], code, "{found}");
            assert!(found["resultString"].as_str().unwrap().starts_with(text), "{found}");
        }
        assert!(cloud.output(&format!("images/{AWKWARD}")).is_some(), "{name}");
        assert_eq!(
            cloud.server.store.keys("photos-out", "jobs/"),
            [""; 0],
            "failures are in the report of S3"
        );
    }

    let cloud = cloud().await;
    cloud.server.faults.add(Fault {
        operation: "GetObject",
        key_contains: "café".to_owned(),
        effect: Effect::Error(S3ErrorCode::NotImplemented),
        after: 0,
        times: usize::MAX,
    });
    let mut event = sample("s3-batch-2.0.json");
    event["tasks"][1]["s3Key"] = json!("%FF.jpg");
    event["tasks"][2]["s3Bucket"] = json!("");
    let response = cloud.invoke(event).await.unwrap();
    assert_eq!(response["results"][0]["resultCode"], "TemporaryFailure");
    assert_eq!(response["results"][2]["resultCode"], "PermanentFailure");
    assert_eq!(response["results"][1]["resultCode"], "PermanentFailure");
    assert!(
        response["results"][1]["resultString"]
            .as_str()
            .unwrap()
            .contains("not UTF-8")
    );
}

#[tokio::test]
async fn a_workflow_sees_what_failed() {
    let cloud = cloud().await;
    let mut event = sample("step-functions-batch.json");
    event["Items"][1]["Etag"] = json!("\"of an older version\"");
    let response = cloud.invoke(event).await.unwrap();
    assert_eq!(
        (&response["ok"], &response["failed"][0]["class"]),
        (&json!(2), &json!("changed"))
    );
}

#[tokio::test]
async fn the_sample_chunk_works_on_the_sample_photos() {
    let cloud = cloud().await;
    let response = cloud.invoke(sample("processor-chunk.json")).await.unwrap();
    assert_eq!((&response["ok"], &response["failed"]), (&json!(2), &json!([])));
    assert_eq!(cloud.records("records/job=by-hand/0-1-1.ndjson").len(), 2);
}

/// An event of S3 with these records. Each is a key, or `None` for a record that cannot be read.
fn records(keys: &[Option<&str>]) -> Value {
    let record = |key: Option<&str>| match key {
        Some(key) => json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                            "s3": {"bucket": {"name": "photos"}, "object": {"key": key}}}),
        None => json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {}}}),
    };
    json!({"Records": keys.iter().copied().map(record).collect::<Vec<_>>()})
}

fn message(id: &str, group: Option<&str>, body: &Value) -> Value {
    let attributes = group.map(|group| json!({"MessageGroupId": group}));
    json!({"eventSource": "aws:sqs", "messageId": id, "attributes": attributes, "body": body.to_string()})
}

#[tokio::test]
async fn a_record_that_cannot_be_read_fails_alone() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    for key in ["a.jpg", "b.jpg", "c.jpg"] {
        cloud.put(key, PHOTOS[0].clone());
    }
    let error = cloud
        .invoke(records(&[Some("a.jpg"), None]))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("Records[1]: s3: missing field `object`"), "{error}");
    assert!(cloud.output("images/a.jpg").is_some());

    let messages = [
        message("good", None, &records(&[Some("b.jpg")])),
        message("bad", None, &records(&[None, Some("c.jpg")])),
    ];
    let response = cloud.invoke(json!({"Records": messages})).await.unwrap();
    assert_eq!(failed_messages(&response), ["bad"]);
    assert!(cloud.output("images/b.jpg").is_some() && cloud.output("images/c.jpg").is_some());

    let items = json!({"BatchInput": {"Bucket": "photos"}, "Items": [{"Size": 1}, {"Key": "a.jpg"}]});
    cloud.server.store.delete("photos-out", "images/a.jpg");
    let error = cloud.invoke(items).await.unwrap_err().to_string();
    assert!(error.contains("Items[0]: missing field `Key`"), "{error}");
    assert!(cloud.output("images/a.jpg").is_some());
}

#[tokio::test]
async fn messages_that_follow_a_failed_one_in_their_group_are_held_back() {
    let cloud = Cloud::start(&[DESTINATION]).await;
    cloud.put("good.jpg", PHOTOS[0].clone());
    let (good, bad) = (records(&[Some("good.jpg")]), records(&[None]));
    let messages = [
        message("1", Some("x"), &good),
        message("2", Some("x"), &bad),
        message("3", Some("y"), &good),
        message("4", Some("x"), &good),
        message("5", None, &good),
    ];
    let response = cloud.invoke(json!({"Records": messages})).await.unwrap();
    assert_eq!(failed_messages(&response), ["2", "4"]);
}

#[tokio::test]
async fn events_in_lists_and_failed_events_are_processed() {
    let failed = |event: &Value| json!({"version": "1.0", "requestContext": {}, "requestPayload": event});
    let event = records(&[Some("a.jpg")]);
    for event in [
        json!([event]),
        json!([event["Records"][0]]),
        failed(&event),
        failed(&sample_of("a.jpg")),
        json!([message("1", None, &failed(&event))]),
        json!({"Records": [message("1", None, &failed(&failed(&event)))]}),
    ] {
        let cloud = Cloud::start(&[DESTINATION]).await;
        cloud.put("a.jpg", PHOTOS[0].clone());
        let response = cloud.invoke(event.clone()).await.unwrap();
        assert!(cloud.output("images/a.jpg").is_some(), "{event}: {response}");
    }
}

/// The sample event of `EventBridge`, for another object.
fn sample_of(key: &str) -> Value {
    let mut event = sample("eventbridge-object-created.json");
    event["detail"]["bucket"]["name"] = json!("photos");
    event["detail"]["object"] = json!({"key": key});
    event
}
