//! Jobs of a deployed stack: moto has the stacks, and a Lambda endpoint stands before the functions.

use std::collections::BTreeMap;
use std::time::Duration;

use ::local::dataset;
use ::local::functions::in_front_of;
use ::local::iam::Roles;
use ::local::lambda::Endpoint;
use ::local::moto::Moto;
use ::local::s3::{Headers, Latency, Object, sdk};
use aws_config::Region;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::config::Builder;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::cloud::{Cloud, Run, command, run};

/// A stack `s3-exif` in each of two regions, and one more in the first.
const STACKS: [(&str, &str, &str); 3] = [
    ("us-east-1", "s3-exif", "exif-Fanout-1"),
    ("eu-west-1", "s3-exif", "exif-Fanout-2"),
    ("us-east-1", "other", "other-Fanout"),
];

struct Account {
    cloud: Cloud,
    lambda: Endpoint,
    moto: Moto,
}

impl Account {
    async fn start() -> Self {
        let cloud = Cloud::start().await;
        let lambda = in_front_of(&cloud.functions.fanout, "fanout").await.unwrap();
        let destination = ("DESTINATION".to_owned(), "s3://photos-out/".to_owned());
        *lambda.variables.write() = BTreeMap::from([destination]);
        let moto = Moto::start().await.unwrap();
        for (region, stack, function) in STACKS {
            let sdk = sdk(&moto.url).await;
            let client = Client::from_conf(Builder::from(&sdk).region(Region::from_static(region)).build());
            let template = json!({
                "Resources": {"Failed": {"Type": "AWS::SQS::Queue"}},
                "Outputs": {"FanoutFunction": {"Value": function}},
            });
            let create = client
                .create_stack()
                .stack_name(stack)
                .template_body(template.to_string());
            create.send().await.unwrap();
        }
        Self { cloud, lambda, moto }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.cloud.server.environment();
        environment.push(("AWS_ENDPOINT_URL_LAMBDA", self.lambda.url()));
        environment.push(("AWS_ENDPOINT_URL_CLOUDFORMATION", self.moto.url.clone()));
        environment
    }

    async fn job(&self, words: &str) -> Run {
        run(words, &self.environment(), self.cloud.folder.path()).await
    }

    /// Runs a command, and interrupts it as Ctrl-C does when standard error has a text.
    async fn interrupted(&self, words: &str, when: &str) -> Run {
        let mut child = command(words, &self.environment(), self.cloud.folder.path())
            .spawn()
            .unwrap();
        let (mut stderr, mut seen) = (child.stderr.take().unwrap(), Vec::new());
        while !String::from_utf8_lossy(&seen).contains(when) {
            let read = stderr.read_buf(&mut seen).await.unwrap();
            assert!(read > 0, "{when:?} is missing: {}", String::from_utf8_lossy(&seen));
        }
        let id = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        kill_process(id, Signal::INT).unwrap();
        stderr.read_to_end(&mut seen).await.unwrap();
        let mut run = Run::from(child.wait_with_output().await.unwrap());
        run.stderr = String::from_utf8(seen).unwrap();
        run
    }
}

#[tokio::test]
async fn a_job_of_a_stack_is_started_left_and_watched() {
    let account = Account::start().await;
    let started = account.job("start --yes --source s3://photos/in/ --job-id one").await;
    started.has(
        0,
        &[
            "asking the stack s3-exif in us-east-1",
            "All 3 images were processed.",
            "s3://photos-out/jobs/one/report.html",
            "cargo job report one\n",
        ],
    );

    // A job that takes some seconds.
    let photo = dataset::photo(1).unwrap();
    for number in 0..300 {
        let object = Object::new(photo.clone().into(), Headers::default());
        account
            .cloud
            .server
            .store
            .load("photos", &format!("many/{number}.jpg"), object);
    }
    let get = Duration::from_secs(2);
    account.cloud.server.faults.set_latency(Latency {
        get,
        ..Latency::default()
    });
    let left = account
        .interrupted("start --yes --source s3://photos/many/ --job-id many", "keys: ")
        .await;
    left.has(
        6,
        &[
            "the job goes on; come back with: cargo job watch many\n",
            "end it with: cargo job stop many\n",
        ],
    );
    let again = account.job("start --yes --source s3://photos/in/ --job-id many").await;
    again.has(1, &["job many exists already, for the source s3://photos/many/"]);
    account.cloud.server.faults.set_latency(Latency::default());
    account
        .job("watch many")
        .await
        .has(0, &["All 300 images were processed."]);

    let sent = account
        .job("start --yes --no-watch --source s3://photos/in/ --job-id sent --json")
        .await;
    assert_eq!(sent.stdout, "{\"job_id\":\"sent\"}\n");
    sent.has(0, &["sent; watch it with: cargo job watch sent"]);
    account
        .job("watch sent")
        .await
        .has(0, &["All 3 images were processed."]);
    account.job("list").await.has(0, &["one ", "many ", "sent "]);
}

#[tokio::test]
async fn the_stack_is_the_one_that_was_named() {
    let account = Account::start().await;
    // Two stacks of one name: the region decides.
    for (region, words) in [("us-east-1", "plan"), ("eu-west-1", "plan --region eu-west-1")] {
        let plan = account.job(&format!("{words} --source s3://photos/in/")).await;
        plan.has(
            0,
            &[
                &format!("asking the stack s3-exif in {region}: "),
                "images    3 of 7 keys",
            ],
        );
    }
    let typo = account.job("plan --stack s3-exfi").await;
    typo.has(
        1,
        &[
            "there is no stack \"s3-exfi\" in us-east-1",
            "stacks of s3-exif in this region: ",
            "s3-exif",
            "other",
        ],
    );
    account
        .job("plan --stack s3-exfi --region ap-south-1")
        .await
        .has(1, &["no stack in this region is one of s3-exif"]);

    // A job of another stack is not in the destination of this one. (The role of fanout may read this folder.)
    account
        .job("start --yes --source s3://photos/in/ --job-id one")
        .await
        .has(0, &[]);
    // Where records and jobs are is a setting of the stack, too.
    let records = (
        "RECORDS_DESTINATION".to_owned(),
        "s3://photos-out/jobs/private/".to_owned(),
    );
    account.lambda.variables.write().extend([records]);
    let elsewhere = account.job("status one").await;
    elsewhere.has(1, &["NoSuchJob", "one", "s3://photos-out/jobs/private/"]);
    account.lambda.variables.write().remove("RECORDS_DESTINATION");
    account
        .lambda
        .variables
        .write()
        .insert("DESTINATION".to_owned(), "s3://photos-out/jobs/other/".to_owned());
    let other = account.job("status one --stack other").await;
    other.has(1, &["NoSuchJob", "one", "s3://photos-out/jobs/other/"]);
    let watched = account.job("stop one --stack other").await;
    watched.has(1, &["NoSuchJob"]);

    // A function that is no fanout.
    account.lambda.variables.write().clear();
    let wrong = account.job("status one --function thumbnails").await;
    wrong.has(
        1,
        &["the function thumbnails has no variable DESTINATION: is it fanout?"],
    );
}

#[tokio::test]
async fn a_role_without_invoke_is_told_what_it_needs() {
    let account = Account::start().await;
    let reader = json!({"Resources": {"Reader": {"Type": "AWS::IAM::Role", "Properties": {"Policies": []}}}});
    *account.lambda.roles.write() = Roles::of_stack(&reader).unwrap();
    let mut environment = account.environment();
    for (name, value) in &mut environment {
        if *name == "AWS_ACCESS_KEY_ID" {
            "Reader".clone_into(value);
        }
    }
    let denied = run(
        "plan --source s3://photos/in/",
        &environment,
        account.cloud.folder.path(),
    )
    .await;
    denied.has(
        1,
        &[
            "the function exif-Fanout-1 cannot be invoked: AccessDeniedException",
            "your user or role needs the permission lambda:InvokeFunction on it",
        ],
    );
}

/// The program looks for this output.
#[test]
fn the_template_names_fanout() {
    let template = include_str!("../../../../template.yaml");
    let (_, outputs) = template.split_once("\nOutputs:\n").unwrap();
    assert!(outputs.contains("\n  FanoutFunction:\n") || outputs.starts_with("  FanoutFunction:\n"));
}
