//! Least privilege: under the roles of the template, everything works, and without any one of their permissions,
//! something breaks.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use aws_config::SdkConfig;
use fanout::{App, Config, Invocation, Response, handle, invoke_client};
use futures::{StreamExt as _, stream};
use lambda_runtime::Diagnostic;
use local::dataset;
use local::iam::{Grant, Roles};
use local::lambda::{Endpoint, Reply};
use local::s3::{Effect, Fault, Headers, Object, Server, sdk, sdk_of};
use serde_json::{Value, json};
use shared::protocol::job::{Report, State};

use crate::cloud::TINY;

const PARAMETERS: [(&str, &str); 7] = [
    ("SourceBucket", "photos"),
    ("SourcePrefix", "in/"),
    ("DestinationBucket", "photos-out"),
    ("DestinationPrefix", "out/"),
    ("ManifestBucket", "lists"),
    ("Workflow", "yes"),
    ("Records", "annotation"),
];

/// The annotated one not counted.
const PHOTOS: usize = 4;
const LARGE: u64 = 70 * 1024 * 1024;

/// An account with the functions under their roles.
struct Account {
    server: Arc<Server>,
    fanout: Arc<App>,
    processor_sdk: SdkConfig,
    /// Whether the response of the next chunk is lost.
    loses_response: Arc<AtomicBool>,
    _lambda: Endpoint,
}

/// The settings that the template gives both functions.
fn variable(name: &str) -> Option<String> {
    let value = match name {
        "SOURCE" => "s3://photos/in/",
        "DESTINATION" => "s3://photos-out/out/",
        "PROCESSOR_FUNCTION" => "stack-Processor",
        "AWS_LAMBDA_FUNCTION_NAME" => "stack-Fanout",
        "CHUNK_KEYS" => "2",
        _ => return None,
    };
    Some(value.to_owned())
}

fn processor_app(sdk: &SdkConfig) -> processor::App {
    processor::App::new(processor::Config::load(&variable).unwrap(), sdk)
}

/// An S3 server with photos, an empty destination and a bucket for lists.
async fn s3(roles: &Roles) -> Server {
    let server = Server::start(0).await.unwrap();
    *server.roles.write() = roles.clone();
    server.store.create_versioned("photos");
    server.store.create_bucket("photos-out");
    server.store.create_bucket("lists");
    // The roles may not copy an annotation.
    let annotated = Object::new(dataset::photo(0).unwrap().into(), Headers::default());
    annotated.annotations.put("labels", "a dog".into(), UNIX_EPOCH);
    server.store.load("photos", "in/annotated.jpg", annotated);
    for number in 0..PHOTOS {
        let photo = Object::new(dataset::photo(number).unwrap().into(), Headers::default());
        server.store.load("photos", &format!("in/{number}.jpg"), photo);
    }
    // An output is current if it is newer by the second.
    server.clock.advance(Duration::from_secs(5));
    server
}

/// Runs the processor. The first generation of the job `chain` is throttled, until fanout has invoked itself.
async fn process(processor: Arc<processor::App>, payload: Value, loses_response: Arc<AtomicBool>) -> Reply {
    let attempt = payload["attempt"].as_str().unwrap_or_default();
    if payload["job_id"] == "chain" && attempt.starts_with("1-") {
        return Reply::Rejected(429, "TooManyRequestsException");
    }
    let response = processor::handle(&processor, payload, 0).await;
    if loses_response.swap(false, Relaxed) {
        return Reply::Dropped;
    }
    match response {
        Ok(response) => Reply::Ok(response),
        Err(error) => {
            let error: Diagnostic = error.into();
            Reply::FunctionError(json!({"errorType": error.error_type, "errorMessage": error.error_message}))
        }
    }
}

impl Account {
    async fn new(roles: &Roles) -> Self {
        let server = Arc::new(s3(roles).await);
        let processor_sdk = server.sdk_of("ProcessorRole").await;
        let processor = Arc::new(processor_app(&processor_sdk));
        let (itself, loses_response) = (Arc::<OnceLock<Arc<App>>>::default(), Arc::<AtomicBool>::default());
        let lambda = {
            let (itself, loses) = (itself.clone(), loses_response.clone());
            Endpoint::start(move |name, payload| {
                let (fanout, processor, loses) = (itself.get().unwrap().clone(), processor.clone(), loses.clone());
                async move {
                    if name == "stack-Processor" {
                        return process(processor, payload, loses).await;
                    }
                    let response = handle(&fanout, payload, &invocation("continued", 0)).await;
                    Reply::Ok(serde_json::to_value(response.unwrap()).unwrap())
                }
            })
            .await
            .unwrap()
        };
        *lambda.roles.write() = roles.clone();
        let fanout = Arc::new(App {
            config: Config::load(&variable).unwrap(),
            lambda: invoke_client(&sdk_of(&lambda.url(), "FanoutRole").await).unwrap(),
            // Without schedules.
            scheduler: aws_sdk_scheduler::Client::new(&sdk(&lambda.url()).await),
            sdk: server.sdk_of("FanoutRole").await,
            clock: server.clock.clone(),
        });
        assert!(itself.set(fanout.clone()).is_ok());
        Self {
            server,
            fanout,
            processor_sdk,
            loses_response,
            _lambda: lambda,
        }
    }

    async fn report(&self, request: Value) -> anyhow::Result<Report> {
        match handle(&self.fanout, request, &invocation("request", 0)).await? {
            Response::Report(report) => Ok(*report),
            Response::Estimate(_) => anyhow::bail!("an estimate"),
        }
    }

    /// Runs a job in which all objects must be `ok`.
    async fn job(&self, request: Value) -> anyhow::Result<()> {
        let report = self.report(request).await?;
        ensure!(
            report.state == State::Completed && report.failed == 0 && report.ok > 0,
            "{report:?}"
        );
        Ok(())
    }

    async fn event(&self, event: Value) -> anyhow::Result<Value> {
        let app = processor_app(&self.processor_sdk);
        Ok(Box::pin(processor::handle(&app, event, 0)).await?)
    }

    fn fault(&self, operation: &'static str, effect: Effect, times: usize) {
        self.server.faults.add(Fault {
            operation,
            key_contains: "large".to_owned(),
            effect,
            after: 0,
            times,
        });
    }
}

fn invocation(request_id: &str, deadline_ms: u64) -> Invocation {
    Invocation {
        request_id: request_id.to_owned(),
        deadline_ms,
        function_arn: "arn:aws:lambda:us-east-1:111122223333:function:stack-Fanout".to_owned(),
    }
}

/// Uses everything that needs a permission. Fails if something does not work.
async fn everything(roles: &Roles) -> anyhow::Result<()> {
    let account = Account::new(roles).await;
    jobs(&account).await.context("jobs")?;
    lists(&account).await.context("lists")?;
    large_images(&account).await.context("large images")?;
    chain(&account).await.context("a chain of invocations")?;
    events(&account).await.context("events")?;
    engines(&account).await.context("engines")
}

async fn jobs(account: &Account) -> anyhow::Result<()> {
    // A lost response makes fanout look for the records.
    account.loses_response.store(true, Relaxed);
    account.job(json!({"job_id": "copy"})).await?;
    account
        .job(json!({"job_id": "sidecar", "records": "sidecar", "images": "none"}))
        .await?;
    let again = account.report(json!({"job_id": "again", "skip_current": true})).await?;
    ensure!(again.skipped == PHOTOS as u64 + 1, "{again:?}");
    account
        .job(json!({"job_id": "annotation", "records": "annotation", "images": "none"}))
        .await?;
    // The checkpoint has no room for the objects of all these chunks.
    for number in 0..200 {
        let key = format!("in/many/{}{number}.jpg", "long".repeat(200));
        let tiny = Object::new(TINY.to_vec().into(), Headers::default());
        account.server.store.load("photos", &key, tiny);
    }
    let many = json!({"job_id": "many", "source": "s3://photos/in/many/", "images": "none", "parallel": 1});
    account.job(many).await?;
    for key in account.server.store.keys("photos", "in/many/") {
        account.server.store.delete("photos", &key);
    }
    let missing = account.report(json!({"action": "status", "job_id": "missing"})).await;
    let error = missing.err().context("there is no such job")?.to_string();
    ensure!(!error.contains("AccessDenied"), "{error}");
    Ok(())
}

async fn lists(account: &Account) -> anyhow::Result<()> {
    let list = Object::new(b"key\nin/0.jpg\n".to_vec().into(), Headers::default());
    account.server.store.load("lists", "list.csv", list);
    account
        .job(json!({"job_id": "list", "manifest": "s3://lists/list.csv"}))
        .await?;
    let version = account
        .server
        .store
        .get("photos", "in/0.jpg")
        .unwrap()
        .version_id
        .clone();
    let list = format!("bucket,key,version_id\nphotos,in/0.jpg,{}\n", version.unwrap());
    let list = Object::new(list.into_bytes().into(), Headers::default());
    account.server.store.load("lists", "versions.csv", list);
    let list =
        json!({"job_id": "versions", "manifest": "s3://lists/versions.csv", "images": "none", "records": "annotation"});
    account.job(list).await?;
    let missing = account
        .report(json!({"job_id": "typo", "manifest": "s3://lists/lost.csv"}))
        .await;
    let error = missing.err().context("there is no such list")?.to_string();
    ensure!(!error.contains("AccessDenied"), "{error}");
    Ok(())
}

async fn large_images(account: &Account) -> anyhow::Result<()> {
    let photo = dataset::photo(0).unwrap();
    let large = Object::long(photo.into(), LARGE, Headers::default());
    account.server.store.load("photos", "in/large.jpg", large);
    // What has become of an upload without a response shows in the destination, so the image is not uploaded again.
    account.fault("CompleteMultipartUpload", Effect::Cut, 1);
    let written = || account.server.served.totals().bytes_written;
    let before = written();
    account
        .job(json!({"job_id": "parts", "images": "upload", "include": ["large*"]}))
        .await?;
    ensure!(
        written() - before < LARGE * 3 / 2,
        "{} bytes were written",
        written() - before
    );
    account.fault("UploadPart", Effect::Status(403, Some("AccessDenied")), usize::MAX);
    let failed = account
        .report(json!({"job_id": "abort", "images": "upload", "include": ["large*"]}))
        .await?;
    ensure!(failed.failed == 1, "{failed:?}");
    ensure!(account.server.store.uploads("photos-out") == 0, "parts are left");
    account.server.faults.clear();
    account.server.store.delete("photos", "in/large.jpg");
    Ok(())
}

/// A job whose first invocation has no time, so that fanout invokes itself.
async fn chain(account: &Account) -> anyhow::Result<()> {
    let soon = account.server.clock.since_epoch() + Duration::from_secs(20);
    let invocation = invocation("chain", u64::try_from(soon.as_millis())?);
    handle(&account.fanout, json!({"job_id": "chain"}), &invocation).await?;
    for _ in 0..6000 {
        let file = account.server.store.get("photos-out", "out/jobs/chain/job.json");
        let report: Option<Report> = file
            .map(|file| serde_json::from_slice(&file.body.bytes()))
            .transpose()?;
        match report {
            Some(report) if report.state == State::Running => tokio::time::sleep(Duration::from_millis(10)).await,
            Some(report) => {
                ensure!(report.state == State::Completed && report.generation > 1, "{report:?}");
                return Ok(());
            }
            None => anyhow::bail!("there is no report"),
        }
    }
    anyhow::bail!("the job did not end")
}

async fn events(account: &Account) -> anyhow::Result<()> {
    let event = |object: Value| json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}, "object": object}});
    let response = account.event(event(json!({"key": "in/1.jpg"}))).await?;
    ensure!(response["ok"] == 1, "{response}");
    let response = account.event(event(json!({"key": "in/gone.jpg"}))).await?;
    ensure!(response["failed"][0]["class"] == "not_found", "{response}");
    ensure!(
        !account
            .server
            .store
            .keys("photos-out", "out/jobs/events/failed/")
            .is_empty()
    );
    Ok(())
}

/// S3 Batch Operations and a Distributed Map.
async fn engines(account: &Account) -> anyhow::Result<()> {
    let listed = account.server.store.get("photos", "in/2.jpg").unwrap();
    let task = json!({"taskId": "1", "s3Key": "in/2.jpg", "s3Bucket": "photos", "s3VersionId": listed.version_id});
    let job = json!({"invocationSchemaVersion": "2.0", "invocationId": "1", "tasks": [task]});
    let response = account.event(job).await?;
    ensure!(response["results"][0]["resultCode"] == "Succeeded", "{response}");
    let batch = json!({"BatchInput": {"Job": "map"}, "Items": [{"Key": "in/3.jpg"}]});
    for _ in 0..2 {
        let response = account.event(batch.clone()).await?;
        ensure!(response["ok"] == 1, "{response}");
    }
    ensure!(account.server.store.keys("photos-out", "out/records/job=map/").len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_of_the_template_are_enough() {
    let roles = Roles::of_template(&PARAMETERS).await.unwrap();
    everything(&roles).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_is_needed() {
    let roles = Roles::of_template(&PARAMETERS).await.unwrap();
    let grants =
        ["FanoutRole", "ProcessorRole"].map(|role| roles.enforced(role).into_iter().map(move |grant| (role, grant)));
    let grants: Vec<(&str, Grant)> = grants.into_iter().flatten().collect();
    assert!(grants.len() > 15, "{grants:?}");
    // Each takes a few seconds, which it mostly waits.
    let tried = stream::iter(&grants).map(|(role, grant)| {
        let roles = roles.without(role, grant);
        async move { (role, grant, everything(&roles).await) }
    });
    let mut tried = tried.buffer_unordered(6);
    while let Some((role, grant, result)) = tried.next().await {
        let error = result.expect_err(&format!("{role} does not need {grant:?}"));
        println!(
            "{role} without {} {} on {}: {error:#}",
            grant.sid, grant.action, grant.resource
        );
    }
}
