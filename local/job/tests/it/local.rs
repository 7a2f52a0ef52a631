//! Jobs on this machine, and options that are wrong.

use ::local::s3::Server;
use serde_json::Value;

use crate::cloud::{Cloud, run};

#[tokio::test]
async fn a_job_is_planned_started_shown_and_listed() {
    let cloud = Cloud::start().await;
    let plan = cloud.job("plan --source s3://photos/in/").await;
    plan.has(
        0,
        &["images    3 of 7 keys", "Their names do not match", "cost      about $"],
    );

    let refused = cloud.job("start --source s3://photos/in/").await;
    refused.has(1, &["add --yes to start without a question"]);
    let started = cloud
        .job("start --yes --source s3://photos/in/ --job-id one --list-ignored")
        .await;
    started.has(
        0,
        &[
            "All 3 images were processed.",
            "processed  3 (2 with EXIF)",
            "not images 1 file, whatever the names say. Such as in/text.jpg",
            "2 name: Their names do not match include, or match exclude.",
            "evil\\u{1b}[31m\\u{202e}.txt",
            "1 size: ",
            "1 folder: ",
            "were planned",
            "s3://photos-out/jobs/one/report.html",
            "cargo job report one --local",
        ],
    );
    let ignored = cloud.server.store.keys("photos-out", "jobs/one/ignored/");
    assert_eq!(ignored, ["jobs/one/ignored/1-1.ndjson"]);
    let file = cloud.server.store.get("photos-out", &ignored[0]).unwrap();
    assert_eq!(String::from_utf8_lossy(&file.body.bytes()).lines().count(), 4);

    let status = cloud.job("status one --json").await;
    status.has(0, &[]);
    let report: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&report["ok"], &report["ignored_by"]["name"]), (&3.into(), &2.into()));
    cloud.job("watch one").await.has(0, &["All 3 images were processed."]);
    cloud.job("list").await.has(0, &["one", "completed", "3 ok"]);
    cloud.job("report one").await.has(0, &["report-one.html"]);
    let page = std::fs::read(cloud.folder.path().join("report-one.html")).unwrap();
    let written = cloud.server.store.get("photos-out", "jobs/one/report.html").unwrap();
    assert_eq!(page, written.body.bytes());

    // What is asked of a job that does not exist, or has left nothing.
    let missing = cloud.job("redrive typo").await;
    missing.has(1, &["NoSuchJob", "typo"]);
    let rest = cloud.job("redrive one --job-id rest").await;
    rest.has(5, &["job one has left no keys, so there was nothing to do"]);
    cloud.job("stop one").await.has(0, &["All 3 images were processed."]);
    let alone = cloud.job("start --yes --no-watch --source s3://photos/in/").await;
    alone.has(1, &["--no-watch does not work with --local"]);

    // The same id with other settings, and a prefix that does not exist.
    let again = cloud
        .job("start --yes --source s3://photos/in/ --job-id one --images none")
        .await;
    again.has(1, &["job one exists already, and has ended, so nothing was started"]);
    let nothing = cloud.job("start --yes --source s3://photos/typo/ --job-id two").await;
    nothing.has(
        5,
        &["nothing was listed: no key of the bucket photos begins with \"typo/\""],
    );
}

#[tokio::test]
async fn every_error_says_what_would_be_right() {
    let server = Server::start(0).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &'static str, environment: Vec<(&'static str, String)>| {
        let folder = folder.path();
        async move { run(words, &environment, folder).await }
    };
    // Nothing listens there.
    let local = run(
        "status one --local=http://127.0.0.1:9 --destination s3://photos-out/",
        server.environment(),
    )
    .await;
    local.has(1, &["fanout does not answer on this machine", "`cargo lambda watch`"]);
    run("status one --local=http://127.0.0.1:9", server.environment())
        .await
        .has(1, &["give --destination, or set DESTINATION"]);
    run("status one --destination photos", server.environment())
        .await
        .has(2, &["\"photos\" is not an S3 URI"]);
    run("status one", vec![])
        .await
        .has(1, &["no AWS region is set: give --region"]);
    run("status one --region us-east-1 --function f", vec![])
        .await
        .has(1, &["the settings of the function f cannot be read", "credentials"]);
}
