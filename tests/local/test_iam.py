"""IAM is enforced: what a role may not do fails here as it does on AWS."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.functions import health_function, proxy_function
from tests.local.test_api import GOOD
from tests.local.waiting import wait_for_endpoint
from tools.aws import aws_client
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
Resources = Callable[[str, str], list[str]]


@contextmanager
def without_policies(iam: Any, role: str) -> Iterator[None]:
    """Remove a role's inline policies, then restore them."""
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in names
    }
    assert documents, f"{role} has no inline policy"
    for name in documents:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    try:
        yield
    finally:
        for name, document in documents.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


@contextmanager
def assuming(role: str, client: Client) -> Iterator[dict[str, str]]:
    """Give a role's credentials, by letting the account assume it for a while."""
    iam = client("iam")
    found = iam.get_role(RoleName=role)["Role"]
    trust = found["AssumeRolePolicyDocument"]
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    wider = {**trust, "Statement": [*trust["Statement"], anyone]}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(wider))
    try:
        assumed = client("sts").assume_role(RoleArn=found["Arn"], RoleSessionName="test")
        yield assumed["Credentials"]
    finally:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))


@contextmanager
def acting_as(
    role: str, client: Client, deployment: LocalDeployment
) -> Iterator[Callable[[str], Any]]:
    """Give clients with a role's own permissions."""
    with assuming(role, client) as credentials:
        environment = deployment.environment | {
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        }
        yield lambda service: aws_client(service, environment)


def role_of(client: Client, function: str) -> str:
    arn: str = client("lambda").get_function_configuration(FunctionName=function)["Role"]
    return arn.rpartition("/")[2]


def execution_role(client: Client, resources: Resources) -> str:
    model = resources("whippet-local-serving", "AWS::SageMaker::Model")[0].rpartition("/")[2]
    arn: str = client("sagemaker").describe_model(ModelName=model)["ExecutionRoleArn"]
    return arn.rpartition("/")[2]


def test_an_execution_role_that_may_not_read_the_artifact_fails_the_endpoint(
    deployment: LocalDeployment, client: Client, stack_resources: Resources
) -> None:
    sagemaker = client("sagemaker")
    serving = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    with without_policies(client("iam"), execution_role(client, stack_resources)):
        sagemaker.create_endpoint(
            EndpointName="unreadable", EndpointConfigName=serving["EndpointConfigName"]
        )
        failed = wait_for_endpoint(sagemaker, "unreadable", until="Failed")
    assert "Failed to download model data" in failed["FailureReason"]
    assert "Forbidden" in failed["FailureReason"] or "AccessDenied" in failed["FailureReason"]
    sagemaker.delete_endpoint(EndpointName="unreadable")


def test_an_execution_role_reads_every_model_of_its_stage_and_of_no_other(
    deployment: LocalDeployment, client: Client, stack_resources: Resources
) -> None:
    name = stack_resources("whippet-local-serving", "AWS::SageMaker::Model")[0].rpartition("/")[2]
    container = client("sagemaker").describe_model(ModelName=name)["PrimaryContainer"]
    bucket, _, current = container["ModelDataUrl"].removeprefix("s3://").partition("/")
    earlier = f"whippet-local/{'0f' * 32}.gz"
    foreign = (f"whippet-dev/{'0f' * 32}.gz", f"{'0f' * 32}.gz", f"whippet-local/{'0f' * 32}.json")
    s3 = client("s3")
    for key in (earlier, *foreign):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    try:
        with acting_as(execution_role(client, stack_resources), client, deployment) as role:
            for key in (current, earlier):
                assert role("s3").head_object(Bucket=bucket, Key=key)
            for key in foreign:
                with pytest.raises(ClientError, match="AccessDenied"):
                    role("s3").get_object(Bucket=bucket, Key=key)
    finally:
        for key in (earlier, *foreign):
            s3.delete_object(Bucket=bucket, Key=key)


def test_a_role_without_a_grant_cannot_invoke(deployment: LocalDeployment, client: Client) -> None:
    iam, sts = client("iam"), client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="stranger",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    credentials = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    stranger = aws_client(
        "sagemaker-runtime",
        deployment.environment
        | {
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        },
    )

    def invoke() -> int:
        response = stranger.invoke_endpoint(
            EndpointName=deployment.endpoint_name, ContentType="image/png", Body=GOOD
        )
        return int(response["ResponseMetadata"]["HTTPStatusCode"])

    with pytest.raises(ClientError, match="AccessDenied") as refused:
        invoke()
    assert "sagemaker:InvokeEndpoint" in str(refused.value)
    grant = {
        "Effect": "Allow",
        "Action": "sagemaker:InvokeEndpoint",
        "Resource": f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{deployment.endpoint_name}",
    }
    iam.put_role_policy(
        RoleName="stranger",
        PolicyName="invoke",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [grant]}),
    )
    assert invoke() == 200


IMAGE = {"ContentType": "image/png", "Body": GOOD}


def write_logs(client: Client, function: str, role: Client) -> None:
    configuration = client("lambda").get_function_configuration(FunctionName=function)
    stream = {"logGroupName": configuration["LoggingConfig"]["LogGroup"], "logStreamName": "test"}
    role("logs").create_log_stream(**stream)
    event = {"timestamp": int(time.time() * 1000), "message": "written by the function's role"}
    role("logs").put_log_events(**stream, logEvents=[event])


def test_the_proxy_may_invoke_its_endpoint_and_write_its_own_logs(
    deployment: LocalDeployment, client: Client
) -> None:
    name, function = deployment.endpoint_name, proxy_function(client)
    with acting_as(role_of(client, function), client, deployment) as proxy:
        response = proxy("sagemaker-runtime").invoke_endpoint(EndpointName=name, **IMAGE)
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 200
        write_logs(client, function, proxy)


def test_the_health_function_may_describe_its_endpoint_and_write_its_own_logs(
    deployment: LocalDeployment, client: Client
) -> None:
    function = health_function(client)
    with acting_as(role_of(client, function), client, deployment) as health:
        described = health("sagemaker").describe_endpoint(EndpointName=deployment.endpoint_name)
        assert described["EndpointStatus"] == "InService"
        write_logs(client, function, health)


ASSETS = "cdk-hnb659fds-assets-123456789012-us-east-1"  # where the model and the code lie
# IAM's error codes: SNS and EC2 have their own.
REFUSED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
# One operation or more of every service that the account has something of.
FORBIDDEN: list[tuple[str, str, dict[str, Any]]] = [
    ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "another", **IMAGE}),
    ("sagemaker", "describe_endpoint", {"EndpointName": "another"}),
    ("sagemaker", "list_endpoints", {}),
    ("sagemaker", "describe_endpoint_config", {"EndpointConfigName": "any"}),
    ("sagemaker", "delete_endpoint", {"EndpointName": "whippet-local"}),
    (
        "sagemaker",
        "update_endpoint",
        {"EndpointName": "whippet-local", "EndpointConfigName": "another"},
    ),
    ("logs", "create_log_group", {"logGroupName": "another"}),
    ("logs", "create_log_stream", {"logGroupName": "another", "logStreamName": "test"}),
    ("logs", "describe_log_groups", {}),
    ("s3", "list_buckets", {}),
    ("s3", "list_objects_v2", {"Bucket": ASSETS}),
    ("s3", "put_object", {"Bucket": ASSETS, "Key": "model.tar.gz", "Body": b""}),
    ("lambda", "list_functions", {}),
    ("lambda", "invoke", {"FunctionName": "another"}),
    ("apigateway", "get_api_keys", {"includeValues": True}),
    ("iam", "list_roles", {}),
    ("kms", "list_keys", {}),
    ("cloudformation", "describe_stacks", {}),
    ("cloudwatch", "list_metrics", {}),
    ("sns", "list_topics", {}),
    ("ssm", "describe_parameters", {}),
    ("secretsmanager", "list_secrets", {}),
    ("ecr", "describe_repositories", {}),
    ("ec2", "describe_instances", {}),
    ("dynamodb", "list_tables", {}),
]


OWN_ENDPOINT = {"EndpointName": "whippet-local"}


@pytest.mark.parametrize(
    ("function", "forbidden"),
    [
        (proxy_function, ("sagemaker", "describe_endpoint", OWN_ENDPOINT)),
        (health_function, ("sagemaker-runtime", "invoke_endpoint", OWN_ENDPOINT | IMAGE)),
    ],
)
def test_a_function_may_do_nothing_else(
    deployment: LocalDeployment,
    client: Client,
    function: Callable[[Client], str],
    forbidden: tuple[str, str, dict[str, Any]],
) -> None:
    allowed = []
    with acting_as(role_of(client, function(client)), client, deployment) as role:
        for service, operation, parameters in [forbidden, *FORBIDDEN]:
            try:
                getattr(role(service), operation)(**parameters)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in REFUSED:
                    continue
                allowed.append(f"{service} {operation}: {code}")
            else:
                allowed.append(f"{service} {operation}: done")
    assert allowed == []
