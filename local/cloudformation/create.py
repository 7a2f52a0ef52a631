"""Creates the template as a stack in moto's CloudFormation, with five sets of parameters. Checks the command for a job of
S3 Batch Operations, too.

usage: create.py TEMPLATE, with the packages of requirements-moto.txt

It applies the SAM transform first, which moto does not have. Then moto resolves conditions and functions with its own
code, and creates what it knows. What it does not know is printed: only `translate.py` checks these types.
"""

import json
import logging
import shlex
import sys

import boto3
from botocore.validate import ParamValidator
from moto import mock_aws
from moto.cloudformation.parsing import get_model_map
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from translate import NoManagedPolicies, translated

BUCKETS = {"SourceBucket": "photos", "DestinationBucket": "photos-out"}
KEY = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000"

SETS = {
    "defaults": {},
    "own buckets, S3 notifies the queue": {"CreateSourceBucket": "yes", "Trigger": "s3", "SourcePrefix": "2024/"},
    "no queue, nothing new is created": {"UploadQueue": "no", "CreateDestinationBucket": "no", "ManifestBucket": "lists"},
    "only jobs, with limits and alarms": {
        "ProcessNewUploads": "no",
        "ProcessorConcurrency": "40",
        "FanoutConcurrency": "3",
        "AlarmEmail": "ops@example.com",
        "Dashboard": "yes",
    },
    "records apart from the images": {
        "RecordsBucket": "private",
        "RecordsPrefix": "photos/",
        "Workflow": "yes",
        "QueryDatabase": "photos",
    },
    "keys, workflow, boundary": {
        "CreateSourceBucket": "yes",
        "SourceKey": KEY,
        "DestinationKey": KEY,
        "QueueKey": KEY,
        "LogKey": KEY,
        "Versioning": "yes",
        "AccessLogBucket": "access-logs",
        "Workflow": "yes",
        "Tracing": "yes",
        "RolePath": "/photos/",
        "PermissionsBoundary": "arn:aws:iam::111122223333:policy/boundary",
        "DestinationPrefix": "out/",
        "QueryDatabase": "photos",
    },
}


def create(template, parameters):
    """Creates the stack. Returns how many of its resources exist, and the types that moto does not know."""
    given = {**BUCKETS, **parameters}
    expected = translated(yaml_parse(template), given)["Resources"]
    sam = yaml_parse(template)
    for resource in sam["Resources"].values():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = "s3://code/function.zip"
    body = json.dumps(transform(sam, given, NoManagedPolicies()))
    with mock_aws():
        code = boto3.client("s3", region_name="us-east-1")
        for bucket in ("code", "access-logs"):
            code.create_bucket(Bucket=bucket)
        code.put_object(Bucket="code", Key="function.zip", Body=b"")
        cloudformation = boto3.client("cloudformation", region_name="us-east-1")
        cloudformation.create_stack(
            StackName="stack",
            TemplateBody=body,
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        status = cloudformation.describe_stacks(StackName="stack")["Stacks"][0]["StackStatus"]
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName="stack")
        created = {entry["LogicalResourceId"] for page in pages for entry in page["StackResourceSummaries"]}
    unknown = {resource["Type"] for resource in expected.values()} - set(get_model_map())
    missing = {name for name, resource in expected.items() if resource["Type"] not in unknown} - created
    if status != "CREATE_COMPLETE" or missing:
        sys.exit(f"{status}; not created: {sorted(missing)}")
    return len(created & set(expected)), unknown


def create_queries(template):
    """Creates the table and the queries for Athena. The fields of the template are those of the API, which moto has."""
    given = {**BUCKETS, "DestinationPrefix": "out/", "QueryDatabase": "photos", "DestinationKey": KEY}
    resources = translated(yaml_parse(template), given)["Resources"].values()

    def properties(kind):
        return [resource["Properties"] for resource in resources if resource["Type"] == kind]

    with mock_aws():
        glue = boto3.client("glue", region_name="us-east-1")
        athena = boto3.client("athena", region_name="us-east-1")
        [database], [table] = properties("AWS::Glue::Database"), properties("AWS::Glue::Table")
        glue.create_database(**database)
        glue.create_table(**table)
        [group] = properties("AWS::Athena::WorkGroup")
        athena.create_work_group(
            Name=group["Name"], Description=group["Description"], Configuration=group["WorkGroupConfiguration"]
        )
        for query in properties("AWS::Athena::NamedQuery"):
            athena.create_named_query(**query)
        created = glue.get_table(DatabaseName="photos", Name="records")["Table"]["StorageDescriptor"]
        group = athena.get_work_group(WorkGroup=group["Name"])["WorkGroup"]["Configuration"]["ResultConfiguration"]
        queries = len(athena.list_named_queries(WorkGroup="stack")["NamedQueryIds"])
    if (created["Location"], group["OutputLocation"]) != ("s3://photos-out/out/records/", "s3://photos-out/out/queries/"):
        sys.exit(f"{created} {group}")
    print(f"queries: a table with {len(created['Columns'])} columns, and {queries} named queries")


def check_batch_operations(template):
    """Checks the options of the command in the output StartBatchOperations as the AWS CLI does."""
    for prefix in ("", "2024/"):
        outputs = translated(yaml_parse(template), {**BUCKETS, "Workflow": "yes", "SourcePrefix": prefix})["Outputs"]
        words = shlex.split(outputs["StartBatchOperations"]["Value"])
        assert words[:3] == ["aws", "s3control", "create-job"], words
        options = {"ConfirmationRequired": "--no-confirmation-required" not in words}
        words = [word for word in words[3:] if word != "--no-confirmation-required"]
        for name, value in zip(words[::2], words[1::2], strict=True):
            field = "".join(part.capitalize() for part in name.removeprefix("--").split("-"))
            options[field] = json.loads(value) if value.startswith("{") else value
        options["Priority"] = int(options["Priority"])
        shape = boto3.client("s3control", region_name="us-east-1").meta.service_model.operation_model("CreateJob").input_shape
        report = ParamValidator().validate(options, shape)
        if report.has_errors():
            sys.exit(f"StartBatchOperations: {report.generate_report()}")


def main():
    [path] = sys.argv[1:]
    # moto warns again and again about what is printed once below.
    logging.disable(logging.WARNING)
    with open(path, encoding="utf-8") as file:
        template = file.read()
    check_batch_operations(template)
    create_queries(template)
    for name, parameters in SETS.items():
        created, unknown = create(template, parameters)
        print(f"{name}: {created} resources; moto does not know {', '.join(sorted(unknown)) or 'none'}")


if __name__ == "__main__":
    main()
