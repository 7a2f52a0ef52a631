//! Jobs whose fanout was killed. The simulator kills it at any moment.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use shared::protocol::examples::Example;
use shared::protocol::ignored::IgnoreReason;
use shared::protocol::job::State;

use crate::cloud::{Cloud, LEASE, Processor, invocation};

/// A cloud in which the fifth and the sixth invocation of the processor hang.
async fn hangs_from_the_fifth() -> Cloud {
    Cloud::with(async |number, processor: Processor| {
        if (5..=6).contains(&number) {
            std::future::pending::<()>().await;
        }
        processor.run().await
    })
    .await
}

/// Kills fanout when only invocations that hang are in flight, and four chunks are counted in the checkpoint.
async fn kill_while_it_hangs(cloud: &Cloud, fields: Value) {
    let counted = |cloud: &Cloud| {
        let checkpoint = cloud.checkpoint("job");
        checkpoint.is_some_and(|checkpoint| checkpoint["counters"]["invocations"] == 4)
    };
    let killed = cloud
        .kill_when(fields, |cloud| cloud.invocations.load(Relaxed) == 6 && counted(cloud))
        .await;
    assert!(killed);
    cloud.clock.advance(LEASE);
}

#[tokio::test]
async fn uncounted_files_of_failed_keys_are_emptied() {
    let cloud = hangs_from_the_fifth().await;
    cloud.put_many(40);
    cloud.server.faults.deny("GetObject", "7.jpg");
    let fields = json!({"chunk_keys": 4, "parallel": 2});
    kill_while_it_hangs(&cloud, fields.clone()).await;
    // As if the first invocation had written two files, and the second one had written one and had not emptied those of
    // the first. None of them was counted.
    let mut checkpoint = cloud.checkpoint("job").unwrap();
    checkpoint["generation"] = json!(2);
    checkpoint["uncounted_failures"] = json!([{"generation": 1, "from": 1}]);
    cloud.put_out("jobs/job/checkpoint.json", checkpoint.to_string());
    for file in ["1-1", "1-2", "2-1"] {
        let line = json!({"key": "00007.jpg", "class": "access_denied", "error": file});
        cloud.put_out(&format!("jobs/job/failed/{file}.ndjson"), format!("{line}\n"));
    }
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.ok, report.failed), (36, 4), "{report:?}");
    cloud.check_all(&report);
    // The next file of each may still be on its way, so a blank line takes its place.
    let files = ["1-1", "1-2", "1-3", "2-1", "2-2"];
    let texts = files.map(|file| cloud.text(&format!("jobs/job/failed/{file}.ndjson")));
    assert_eq!(texts, ["", "", "\n", "", "\n"]);
}

#[tokio::test]
async fn each_ignored_key_is_listed_once() {
    let cloud = hangs_from_the_fifth().await;
    cloud.put_many(40);
    let ending = |number: usize| if number.is_multiple_of(7) { "SVG" } else { "txt" };
    let key = |number: usize| format!("{number:05}-\u{1}\u{202e}.{}", ending(number));
    (0..700).for_each(|number| cloud.put(&key(number), b"x"));
    let fields = json!({"chunk_keys": 4, "parallel": 2, "list_ignored": true});
    kill_while_it_hangs(&cloud, fields.clone()).await;
    // As if the first invocation had written a file that was not counted.
    let counted = cloud.checkpoint("job").unwrap()["counters"]["ignored_files"]
        .as_u64()
        .unwrap();
    let uncounted = format!("jobs/job/ignored/1-{}.ndjson", counted + 1);
    let line = json!({"key": key(699), "reason": "name"});
    cloud.put_out(&uncounted, format!("{line}\n"));
    let report = cloud.run(fields).await.unwrap();
    assert_eq!((report.ok, report.ignored), (40, 700), "{report:?}");
    cloud.check(&report);
    assert_eq!(cloud.text(&uncounted), "");
    let lines = cloud.lines("jobs/job/ignored/");
    assert!(lines.iter().all(|line| line["reason"] == "name"), "{lines:?}");
    let mut keys: Vec<_> = lines
        .iter()
        .map(|line| line["key"].as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    assert_eq!(keys, (0..700).map(key).collect::<Vec<_>>());
    let examples = report.examples.of(Example::Ignored(IgnoreReason::Name));
    assert_eq!((examples.len(), report.ignored_by[&IgnoreReason::Name]), (20, 700));
    assert_eq!(report.ignored_image_endings, [("svg".to_owned(), 100)].into());
}

#[tokio::test]
async fn stop_ends_a_killed_job_with_what_was_done() {
    let cloud = hangs_from_the_fifth().await;
    cloud.put_many(60);
    kill_while_it_hangs(&cloud, json!({"chunk_keys": 4, "parallel": 2})).await;
    let status = cloud.run(json!({"action": "status"})).await.unwrap();
    assert!(
        status
            .reason
            .as_ref()
            .unwrap()
            .contains("no invocation works on the job"),
        "{status:?}"
    );
    let stopped = cloud.run(json!({"action": "stop"})).await.unwrap();
    assert_eq!((stopped.state, stopped.generation), (State::Aborted, 2), "{stopped:?}");
    assert_eq!((stopped.ok, stopped.pending), (16, 44), "{stopped:?}");
    cloud.check(&stopped);
    let redrive = json!({"action": "redrive", "parent": "job", "job_id": "again"});
    let rest = cloud.run(redrive).await.unwrap();
    assert_eq!(stopped.ok + rest.ok, 60, "{rest:?}");
    cloud.check(&rest);
}

/// `checkpoints/v1.json` and `v2.json` are the checkpoint of an invocation of an older version, in layouts 1 and 2. It
/// was killed when it took the job over: it had given up no attempts and emptied no files.
#[tokio::test]
async fn running_jobs_of_older_versions_complete() {
    for checkpoint in [
        include_str!("../checkpoints/v1.json"),
        include_str!("../checkpoints/v2.json"),
    ] {
        complete(checkpoint).await;
    }
}

async fn complete(checkpoint: &str) {
    let cloud = Cloud::start().await;
    cloud.put_many(30);
    cloud.server.faults.deny("GetObject", "00001.jpg");
    cloud.put_out("jobs/job/checkpoint.json", checkpoint);
    let failed =
        |key: u32| json!({"key": format!("{key:05}.jpg"), "class": "timeout", "error": "x"}).to_string() + "\n";
    // A list of the parent that is not read yet, and a file that was not counted.
    cloud.put_out(
        "jobs/parent/failed/1-3.ndjson",
        (20..25).map(failed).collect::<String>(),
    );
    cloud.put_out("jobs/job/failed/1-1.ndjson", failed(1));
    let record = |key: u32| {
        json!({"key": format!("{key:05}.jpg"), "exif": key.is_multiple_of(10).then_some("x")}).to_string() + "\n"
    };
    // The records of the counted keys. One of the two attempts in flight has committed half of its keys.
    for (file, keys) in [
        ("0-1-1", vec![0]),
        ("1-1-2", vec![2, 3]),
        ("2-1-3", vec![4, 5]),
        ("5-1-6", vec![10, 11]),
        ("4-1-5", vec![8]),
    ] {
        let records: String = keys.into_iter().map(record).collect();
        cloud.put_out(&format!("records/job=job/{file}.ndjson"), records);
    }
    let next = json!({"continue_job": "job", "destination": "s3://photos-out/", "generation": 3});
    let fanout::Response::Report(report) = fanout::handle(&cloud.app, next, &invocation("next")).await.unwrap() else {
        panic!("the response should be a report");
    };
    assert_eq!((report.state, report.generation), (State::Completed, 3), "{report:?}");
    assert_eq!(
        (report.listed, report.ok, report.with_exif, report.failed),
        (30, 29, 3, 1),
        "{report:?}"
    );
    cloud.check_counts(&report);
    cloud.check_keys(&report);
}
