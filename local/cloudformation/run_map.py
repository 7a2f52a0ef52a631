"""Runs the state machine of the template in moto's interpreter, against a real S3 endpoint and a real Lambda endpoint.

usage: run_map.py TEMPLATE S3_URL LAMBDA_URL ACCESS_KEY SECRET_KEY NAME, with the packages of requirements-moto.txt

moto has the Distributed Map. What it lacks is stood in for here: ItemBatcher (with MaxItemsPerBatch and BatchInput), and
listings of more than one page. Lambda is called without the SDK, because `cargo lambda watch` names functions and reports
their errors in its own way. WriterConfig, the tolerated failure and the jitter of retries are left out. The responses
to the batches are printed as one JSON object, with the status of the execution.
"""

import json
import sys
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import resource_eval_s3 as reader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval import (
    resource_eval_s3 as writer,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from state_machine import definition


def batches(items, batcher, name):
    """What ItemBatcher makes of a listing."""
    size = batcher["MaxItemsPerBatch"]
    given = dict(batcher["BatchInput"])
    assert given.pop("Job.$") == "$$.Execution.Name", given
    given["Job"] = name
    return [{"BatchInput": given, "Items": items[start : start + size]} for start in range(0, len(items), size)]


def main():
    template, s3_url, lambda_url, access_key, secret_key, name = sys.argv[1:]
    s3 = boto3.client("s3", endpoint_url=s3_url, aws_access_key_id=access_key, aws_secret_access_key=secret_key)
    machine = definition(template)
    state = machine["States"]["Batches"]
    batcher = state.pop("ItemBatcher")
    state["ResultWriter"].pop("WriterConfig")
    state.pop("ToleratedFailurePercentage")
    for retry in state["ItemProcessor"]["States"]["Process"]["Retry"]:
        retry.pop("JitterStrategy", None)
        retry.pop("MaxDelaySeconds", None)
        retry["IntervalSeconds"] = 1
    outputs = []

    def list_objects(env, _part, _credentials):
        pages = s3.get_paginator("list_objects_v2").paginate(**env.stack.pop())
        items = [item for page in pages for item in page.get("Contents", [])]
        items = json.loads(json.dumps(items, default=lambda time: time.timestamp()))
        env.stack.append(batches(items, batcher, name))

    def invoke(parameters, **_):
        request = Request(f"{lambda_url}/2015-03-31/functions/processor/invocations", parameters["Payload"])
        try:
            with urlopen(request) as response:
                payload = json.load(response)
        except HTTPError as error:
            # `cargo lambda watch` reports an error of a function in this way.
            raise lambda_eval_utils.LambdaFunctionErrorException("Unhandled", error.read().decode()) from error
        # moto drops the outputs of a map run, so they are taken where they arrive.
        outputs.append(payload)
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": payload}

    reader.ResourceEvalS3._handle_list_objects_v2 = staticmethod(list_objects)
    writer.ResourceEvalS3._get_s3_client = staticmethod(lambda **_: s3)
    lambda_eval_utils._invoke_lambda_function = invoke
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        steps = boto3.client("stepfunctions", region_name="us-east-1")
        role = "arn:aws:iam::111122223333:role/map"
        arn = steps.create_state_machine(name="map", definition=json.dumps(machine), roleArn=role)["stateMachineArn"]
        execution = steps.start_execution(stateMachineArn=arn, name=name)["executionArn"]
        while (found := steps.describe_execution(executionArn=execution))["status"] == "RUNNING":
            time.sleep(0.1)
    problem = {key: found[key] for key in ("error", "cause") if key in found}
    json.dump({"status": found["status"], **problem, "outputs": outputs}, sys.stdout)


if __name__ == "__main__":
    main()
