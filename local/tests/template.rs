//! The template, translated as `CloudFormation` does it.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeSet;

use local::cloudformation::translated;
use local::iam::Roles;
use serde_json::Value;

const BUCKETS: [(&str, &str); 2] = [("SourceBucket", "photos"), ("DestinationBucket", "photos-out")];

const KEY: &str = "arn:aws:kms:eu-west-1:444455556666:key/00000000-0000-0000-0000-000000000000";

async fn stack(parameters: &[(&str, &str)]) -> Value {
    translated(&[&BUCKETS, parameters].concat()).await.unwrap()
}

/// Everything that can be turned on.
fn all() -> Vec<(&'static str, &'static str)> {
    vec![
        ("SourcePrefix", "2024/é $1/"),
        ("DestinationPrefix", "out/"),
        ("CreateSourceBucket", "yes"),
        ("ManifestBucket", "lists"),
        ("ProcessorConcurrency", "60"),
        ("FanoutConcurrency", "3"),
        ("AlarmEmail", "ops@example.com"),
        ("Dashboard", "yes"),
        ("Tracing", "yes"),
        ("LogLevel", "FATAL"),
        ("SourceKey", KEY),
        ("DestinationKey", KEY),
        ("QueueKey", KEY),
        ("LogKey", KEY),
        ("Versioning", "yes"),
        ("AccessLogBucket", "access-logs"),
        ("PermissionsBoundary", "arn:aws:iam::111122223333:policy/boundary"),
        ("RolePath", "/photos/"),
        ("VpcSubnets", "subnet-0123456789abcdef0,subnet-0123456789abcdef1"),
        ("VpcSecurityGroups", "sg-0123456789abcdef0"),
        ("Workflow", "yes"),
        ("Records", "annotation"),
        ("QueryDatabase", "photos_2024"),
    ]
}

#[tokio::test]
async fn bad_parameters_are_refused_before_anything_is_created() {
    let long = "a".repeat(1024);
    for (name, value) in [
        ("SourceBucket", ""),
        ("SourceBucket", "Photos"),
        ("SourceBucket", long.as_str()),
        ("DestinationBucket", "photos"),
        ("SourcePrefix", "a/${aws:username}/"),
        ("SourcePrefix", "a*"),
        ("SourcePrefix", "a?"),
        ("SourcePrefix", "a\"b"),
        ("SourcePrefix", "a\\b"),
        ("SourcePrefix", "a\nb"),
        ("SourcePrefix", "日本/"),
        ("SourcePrefix", long.as_str()),
        ("DestinationPrefix", "out"),
        ("DestinationPrefix", "${x}/"),
        ("DestinationPrefix", "*/"),
        ("DestinationPrefix", "日本/"),
        ("RecordsBucket", "photos"),
        ("RecordsBucket", "s3://private"),
        ("RecordsPrefix", "records"),
        ("RecordsPrefix", "records/"),
        ("ManifestBucket", "a/b"),
        ("Trigger", "sns"),
        ("Records", "annotations"),
        ("UploadConcurrency", "1"),
        ("UploadConcurrency", "1001"),
        ("UploadConcurrency", ""),
        ("Parallel", "0"),
        ("Concurrency", "901"),
        ("ProcessorConcurrency", "0"),
        ("ProcessorConcurrency", "-1"),
        ("FanoutConcurrency", "0"),
        ("FanoutConcurrency", "2"),
        ("AlarmEmail", "nobody"),
        ("AlarmTopic", "topic"),
        ("LogLevel", "info"),
        ("SourceKey", "alias/photos"),
        ("QueueKey", long.as_str()),
        ("PermissionsBoundary", "boundary"),
        ("RolePath", "photos"),
        ("QueryDatabase", "photos-2024"),
        ("VpcSubnets", "vpc-1"),
        ("VpcSubnets", "subnet-1"),
        ("VpcSecurityGroups", "sg-1"),
    ] {
        let mut parameters = BUCKETS.to_vec();
        parameters.retain(|(other, _)| *other != name);
        parameters.push((name, value));
        let refusal = translated(&parameters).await;
        let refusal = refusal
            .expect_err(&format!("{name}={value:.80} is accepted"))
            .to_string();
        assert!(!refusal.contains("Traceback"), "{name}={value:.80}: {refusal}");
    }
}

#[tokio::test]
async fn alarms_have_one_target() {
    let both = [
        ("AlarmEmail", "a@example.com"),
        ("AlarmTopic", "arn:aws:sns:us-east-1:111122223333:alarms"),
    ];
    let refusal = translated(&[&BUCKETS[..], &both].concat())
        .await
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("either AlarmEmail or AlarmTopic"), "{refusal}");
}

#[tokio::test]
async fn records_of_their_own_bucket_are_not_beside_the_images() {
    let parameters = [
        ("RecordsBucket", "private"),
        ("RecordsPrefix", "2024/"),
        ("DestinationPrefix", "out/"),
        ("Workflow", "yes"),
        ("QueryDatabase", "photos_2024"),
    ];
    let stack = stack(&parameters).await;
    let text = stack.to_string();
    for folder in ["jobs/", "records/", "sidecars/", "queries/"] {
        assert!(!text.contains(&format!("photos-out/out/{folder}")), "{folder}");
        assert!(text.contains(&format!("private/2024/{folder}")), "{folder}");
    }
    assert!(text.contains("photos-out/out/images/") && !text.contains("private/2024/images/"));
    let variables = |function: &str| &stack["Resources"][function]["Properties"]["Environment"]["Variables"];
    for function in ["Fanout", "Processor"] {
        assert_eq!(
            variables(function)["RECORDS_DESTINATION"],
            "s3://private/2024/",
            "{function}"
        );
    }
}

#[tokio::test]
async fn every_combination_of_triggers_refers_only_to_what_exists() {
    for trigger in ["eventbridge", "s3"] {
        for queue in ["yes", "no"] {
            for (uploads, create) in [("yes", "yes"), ("yes", "no"), ("no", "yes")] {
                for prefix in ["", "2024/"] {
                    let parameters = [
                        ("Trigger", trigger),
                        ("UploadQueue", queue),
                        ("ProcessNewUploads", uploads),
                        ("CreateSourceBucket", create),
                        ("SourcePrefix", prefix),
                    ];
                    let stack = stack(&parameters).await;
                    let resources = stack["Resources"].as_object().unwrap();
                    let is_queued = uploads == "yes" && queue == "yes";
                    assert_eq!(
                        resources.contains_key("UploadsToProcessor"),
                        is_queued,
                        "{parameters:?}"
                    );
                    let is_rule = uploads == "yes" && trigger == "eventbridge";
                    assert_eq!(resources.contains_key("NewUploads"), is_rule, "{parameters:?}");
                }
            }
        }
    }
    let stack = stack(&all()).await;
    assert!(stack["Resources"].as_object().unwrap().len() > 35);
}

/// What a role may do besides what is enforced. None of it is executed in a test. Each has a reason.
const NOT_EXECUTED: [(&str, &str, &str); 29] = [
    ("BatchRole", "s3:GetObject", "S3 reads the report that it has written"),
    (
        "BatchRole",
        "s3:GetObjectVersion",
        "S3 reads the report that it has written",
    ),
    ("BatchRole", "s3:PutObject", "S3 writes the report of a job"),
    (
        "BatchRole",
        "s3:PutInventoryConfiguration",
        "S3 makes the list of a job itself",
    ),
    ("BatchRole", "lambda:InvokeFunction", "S3 invokes processor"),
    ("FanoutRole", "iam:PassRole", "Scheduler gets RestartRole from fanout"),
    (
        "FanoutRole",
        "kms:Decrypt",
        "files of jobs, and sending to an encrypted queue",
    ),
    (
        "FanoutRole",
        "kms:GenerateDataKey",
        "files of jobs, and sending to an encrypted queue",
    ),
    (
        "FanoutRole",
        "logs:CreateLogStream",
        "Lambda writes the log with the role of the function",
    ),
    (
        "FanoutRole",
        "logs:PutLogEvents",
        "Lambda writes the log with the role of the function",
    ),
    (
        "FanoutRole",
        "scheduler:CreateSchedule",
        "a schedule for each job that runs",
    ),
    (
        "FanoutRole",
        "scheduler:DeleteSchedule",
        "a schedule for each job that runs",
    ),
    (
        "FanoutRole",
        "sqs:SendMessage",
        "Lambda sends what failed with the role of the function",
    ),
    ("FanoutRole", "xray", "traces"),
    ("FanoutRole", "ec2", "Lambda connects the function with the VPC"),
    ("MapRole", "kms", "results in an encrypted bucket"),
    ("MapRole", "s3", "Step Functions lists the source and writes results"),
    ("MapRole", "lambda:InvokeFunction", "Step Functions invokes processor"),
    (
        "MapRole",
        "states",
        "a Distributed Map starts executions of its own state machine",
    ),
    ("MapRole", "xray", "traces"),
    ("BatchRole", "kms", "a report in an encrypted bucket"),
    ("ProcessorRole", "kms:Decrypt", "encrypted objects and messages"),
    ("ProcessorRole", "kms:GenerateDataKey", "encrypted objects and messages"),
    (
        "ProcessorRole",
        "logs:CreateLogStream",
        "Lambda writes the log with the role of the function",
    ),
    (
        "ProcessorRole",
        "logs:PutLogEvents",
        "Lambda writes the log with the role of the function",
    ),
    (
        "ProcessorRole",
        "sqs",
        "mappings of queues, and Lambda sends what failed",
    ),
    ("ProcessorRole", "xray", "traces"),
    ("ProcessorRole", "ec2", "Lambda connects the function with the VPC"),
    ("RestartRole", "lambda:InvokeFunction", "Scheduler invokes fanout"),
];

#[tokio::test]
async fn each_permission_that_is_not_executed_has_a_reason() {
    let roles = Roles::of_stack(&stack(&all()).await).unwrap();
    let is_listed = |role: &str, action: &str| {
        let service = action.split(':').next().unwrap();
        NOT_EXECUTED
            .iter()
            .any(|(of, what, _)| *of == role && (*what == action || *what == service))
    };
    let mut used = BTreeSet::new();
    for role in ["FanoutRole", "ProcessorRole", "RestartRole", "MapRole", "BatchRole"] {
        let enforced = match role {
            "FanoutRole" | "ProcessorRole" => roles.enforced(role),
            _ => Vec::new(),
        };
        let mut grants = roles.grants(role);
        assert!(!grants.is_empty(), "{role}");
        grants.retain(|grant| !enforced.contains(grant));
        for grant in grants {
            assert!(is_listed(role, &grant.action), "{role} {grant:?}");
            used.insert((role, grant.action));
        }
    }
    for (role, what, _) in NOT_EXECUTED {
        let is_used = used
            .iter()
            .any(|(of, action)| *of == role && (action == what || action.starts_with(&format!("{what}:"))));
        assert!(is_used, "{role} has no {what}");
    }
}

#[tokio::test]
async fn statements_for_keys_are_json() {
    let stack = stack(&all()).await;
    for output in [
        "SourceKeyPolicy",
        "DestinationKeyPolicy",
        "QueueKeyPolicy",
        "LogKeyPolicy",
    ] {
        let text = stack["Outputs"][output]["Value"].as_str().unwrap();
        let statement: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{output}: {error}: {text}"));
        let first = statement.get(0).unwrap_or(&statement);
        assert_eq!(first["Effect"], "Allow", "{output}");
    }
    let body = stack["Resources"]["Overview"]["Properties"]["DashboardBody"]
        .as_str()
        .unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(body["widgets"].as_array().unwrap().len() > 4);
}
