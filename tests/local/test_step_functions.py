"""Task states call services with the permissions of their machine's role, as on AWS."""

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.state_machines import StateMachines, allow, arn, machines, task

__all__ = ["machines"]

Client = Callable[[str], Any]
BUCKET = "machine-test"
CONTENT = json.dumps({"test_accuracy": 0.9417, "größe": "ä"}).encode()
READ = allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*")
LIST = allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}")


@pytest.fixture(scope="module", autouse=True)
def bucket(client: Client) -> Iterator[None]:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="in/metrics ä.json", Body=CONTENT)
    yield
    for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def get(key: str) -> dict[str, Any]:
    return task("aws-sdk:s3:getObject", {"Bucket": BUCKET, "Key": key})


def test_the_body_of_an_object_is_text(machines: StateMachines) -> None:
    result = machines.result(get("in/metrics ä.json"), READ)
    assert json.loads(result["Body"]) == json.loads(CONTENT)
    assert result["ContentLength"] == len(CONTENT)
    assert re.fullmatch(r'"[0-9a-f]{32}"', result["ETag"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", result["LastModified"])
    assert "ResponseMetadata" not in result


def test_a_permission_that_the_role_lacks_fails_the_task(machines: StateMachines) -> None:
    execution = machines.run(get("in/metrics ä.json"), LIST)
    assert (execution["status"], execution["error"]) == ("FAILED", "S3.S3Exception")
    assert "s3:GetObject" in execution["cause"] or "Access Denied" in execution["cause"]
    assert "(Service: S3, Status Code: 403, Request ID:" in execution["cause"]


@pytest.mark.parametrize("operation", ["getObject", "headObject"])
def test_a_missing_object_has_the_name_of_its_exception(
    machines: StateMachines, operation: str
) -> None:
    state = task(f"aws-sdk:s3:{operation}", {"Bucket": BUCKET, "Key": "in/absent"})
    execution = machines.run(state, READ, LIST)
    assert execution["error"] == "S3.NoSuchKeyException"


def test_a_copy_has_the_checksum_of_its_bytes(machines: StateMachines) -> None:
    state = task(
        "aws-sdk:s3:copyObject",
        {
            "Bucket": BUCKET,
            "Key": "out/archive",
            "CopySource": f"{BUCKET}/in/metrics%20%C3%A4.json",
            "ChecksumAlgorithm": "SHA256",
        },
        # What turns the checksum to the digits that `sha256sum` prints.
        Output="{% $states.result.CopyObjectResult.ChecksumSHA256 %}",
    )
    checksum = machines.result(state, READ, allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/out/*"))
    assert base64.b64decode(checksum) == hashlib.sha256(CONTENT).digest()
    attributes = machines.client("s3").get_object_attributes(
        Bucket=BUCKET, Key="out/archive", ObjectAttributes=["Checksum"]
    )
    assert attributes["Checksum"]["ChecksumSHA256"] == checksum


def test_objects_are_listed_and_written(machines: StateMachines) -> None:
    write = allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/written/*")
    body = {"a": [1, "ü"]}
    machines.result(
        task("aws-sdk:s3:putObject", {"Bucket": BUCKET, "Key": "written/x", "Body": body}), write
    )
    state = task("aws-sdk:s3:listObjectsV2", {"Bucket": BUCKET, "Prefix": "written/"})
    result = machines.result(state, LIST)
    assert [each["Key"] for each in result["Contents"]] == ["written/x"]
    assert (result["KeyCount"], result["IsTruncated"]) == (1, False)
    stored = machines.client("s3").get_object(Bucket=BUCKET, Key="written/x")["Body"].read()
    assert json.loads(stored) == body


def test_a_result_that_is_too_large_is_refused(machines: StateMachines, client: Client) -> None:
    client("s3").put_object(Bucket=BUCKET, Key="in/large", Body=b"x" * 262_145)
    caught = get("in/large") | {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Never"}]}
    machine = machines.create(
        {"Only": {**caught}, "Never": {"Type": "Succeed"}}, machines.role(READ)
    )
    execution = machines.ended(machines.start(machine))
    assert (execution["status"], execution["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_a_message_reaches_the_subscribers_of_a_topic(
    machines: StateMachines, client: Client
) -> None:
    sns, sqs = client("sns"), client("sqs")
    topic = sns.create_topic(Name="machine-test")["TopicArn"]
    queue = sqs.create_queue(QueueName="machine-test")["QueueUrl"]
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn("sqs", "machine-test"),
            }
        ]
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", "machine-test"))
    for resource, message, error in (
        ("sns:publish", {"ended": [1]}, "SNS.AuthorizationErrorException"),
        ("aws-sdk:sns:publish", "ended", "Sns.AuthorizationErrorException"),
    ):
        state = task(resource, {"TopicArn": topic, "Message": message, "Subject": "ended"})
        refused = machines.run(state, LIST)
        assert (refused["status"], refused["error"]) == ("FAILED", error)
        result = machines.result(state, allow("sns:Publish", topic))
        assert result["MessageId"]
        received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=received[0]["ReceiptHandle"])
        text = message if isinstance(message, str) else json.dumps(message)
        assert json.loads(received[0]["Body"])["Message"] == text
    sqs.delete_queue(QueueUrl=queue)
    sns.delete_topic(TopicArn=topic)


FUNCTION = """
def handle(event, context):
    if "fail" in event:
        raise ValueError(event["fail"])
    return {"doubled": event["number"] * 2}
"""


def test_a_function_is_invoked_as_the_role(machines: StateMachines, client: Client) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("function.py", FUNCTION)
    created = client("lambda").create_function(
        FunctionName="machine-test",
        Role=machines.role(trusts="lambda.amazonaws.com"),
        Runtime="python3.13",
        Handler="function.handle",
        Code={"ZipFile": archive.getvalue()},
    )
    function = created["FunctionArn"]
    invoke = allow("lambda:InvokeFunction", function)
    arguments = {"FunctionName": function, "Payload": {"number": 21}}
    result = machines.result(task("lambda:invoke", arguments), invoke)
    assert (result["Payload"], result["StatusCode"]) == ({"doubled": 42}, 200)
    refused = machines.run(task("lambda:invoke", arguments), LIST)
    assert refused["error"] == "Lambda.AWSLambdaException"
    assert "lambda:InvokeFunction" in refused["cause"]
    arguments["Payload"] = {"fail": "no number"}
    failed = machines.run(task("lambda:invoke", arguments), invoke)
    # MiniStack names no class of the function's error.
    assert failed["status"] == "FAILED"
    assert json.loads(failed["cause"])["errorMessage"].endswith("no number")
    client("lambda").delete_function(FunctionName="machine-test")


def test_a_role_that_does_not_trust_step_functions_is_refused(machines: StateMachines) -> None:
    role = machines.role(READ, trusts="sagemaker.amazonaws.com")
    with pytest.raises(ClientError, match=r"AccessDeniedException.*states\.amazonaws\.com"):
        machines.create({"Only": get("in/x")}, role)
    # A role that lost its trust after the machine was created.
    role = machines.role(READ)
    machine = machines.create({"Only": get("in/x")}, role)
    principal = {"Service": "sagemaker.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    machines.client("iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2], PolicyDocument=json.dumps({"Statement": [trust]})
    )
    execution = machines.ended(machines.start(machine))
    assert execution["status"] == "FAILED"
    assert role in execution["cause"]


def test_the_history_names_what_a_task_called(machines: StateMachines) -> None:
    arguments = {"Bucket": BUCKET, "Key": "in/metrics ä.json"}
    state = task("aws-sdk:s3:headObject", {"Bucket": BUCKET, "Key": "{% $states.input.key %}"})
    execution = machines.run(state, READ, given={"key": arguments["Key"]})
    history = machines.states.get_execution_history(executionArn=execution["executionArn"])
    events = {event["type"]: event for event in history["events"]}
    scheduled = events["TaskScheduled"]["taskScheduledEventDetails"]
    assert (scheduled["resourceType"], scheduled["resource"]) == ("aws-sdk:s3", "headObject")
    assert json.loads(scheduled["parameters"]) == arguments
    assert events["TaskSucceeded"]["taskSucceededEventDetails"]["resource"] == "headObject"
