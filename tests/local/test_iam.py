"""IAM is enforced: what a role may not do fails here as it does on AWS."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.asking import ask
from tests.local.test_api import GOOD
from tests.local.waiting import wait_for_endpoint
from tools.aws import aws_client
from tools.local_deployment import LocalDeployment

Client = Callable[[str], Any]
Resources = Callable[[str, str], list[str]]


@contextmanager
def without_policies(iam: Any, role: str) -> Iterator[None]:
    """Take a role's inline policies away, and give them back."""
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


def proxy_role(client: Client, resources: Resources) -> str:
    function = resources("whippet-local-api", "AWS::Lambda::Function")[0]
    arn: str = client("lambda").get_function_configuration(FunctionName=function)["Role"]
    return arn.rpartition("/")[2]


def execution_role(client: Client, resources: Resources) -> str:
    model = resources("whippet-local-serving", "AWS::SageMaker::Model")[0].rpartition("/")[2]
    arn: str = client("sagemaker").describe_model(ModelName=model)["ExecutionRoleArn"]
    return arn.rpartition("/")[2]


def test_a_proxy_that_may_not_invoke_answers_the_documented_500(
    deployment: LocalDeployment, client: Client, stack_resources: Resources
) -> None:
    with without_policies(client("iam"), proxy_role(client, stack_resources)):
        status, answer = ask(deployment, GOOD)
    assert (status, answer["error"]["code"]) == (500, "endpoint_access_denied")
    assert ask(deployment, GOOD)[0] == 200


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
        answer = stranger.invoke_endpoint(
            EndpointName=deployment.endpoint_name, ContentType="image/png", Body=GOOD
        )
        return int(answer["ResponseMetadata"]["HTTPStatusCode"])

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
