"""The roles of a stage that a pipeline deploys, with IAM enforced."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.delivery.conftest import ACCOUNT, NAME, STAGE, Delivery
from tests.local.delivery.test_promotion import bucket_of, lock_of
from tools.aws import aws_client

_ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
COPY, CHECK = f"{_ROLE}-copy-model", f"{_ROLE}-check-deployment"


@pytest.fixture(scope="module")
def role(delivery: Delivery, rolled_back: str) -> Callable[[str], dict[str, str]]:
    """Return a function from a role's name to the variables of its session."""
    assert "Push this state to the main branch now" in rolled_back
    iam, sts = delivery.client("iam"), delivery.client("sts")

    def assume(name: str) -> dict[str, str]:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [COPY, CHECK]}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        iam.put_role_policy(
            RoleName=name,
            PolicyName="assume",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}),
        )
        session = sts.assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="test"
        )["Credentials"]
        return delivery.environment | {
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        }

    return assume


@pytest.fixture(scope="module")
def deliverer(delivery: Delivery, role: Callable[[str], dict[str, str]]) -> Delivery:
    """The clone with the credentials of the pipeline's role for the stage."""
    variables = role(f"whippet-pipeline-{STAGE}")
    return Delivery(delivery.clone, delivery.state, variables, delivery.public_url)


def test_the_pipeline_copies_what_is_missing_and_leaves_what_is_there(
    delivery: Delivery, deliverer: Delivery
) -> None:
    lock = lock_of(delivery)
    bucket = bucket_of(delivery)
    s3 = delivery.client("s3")
    content = s3.get_object(Bucket=bucket, Key=lock["key"])["Body"].read()
    lock_file = delivery.clone / "config" / "models" / f"{STAGE}.toml"
    before = lock_file.read_text()
    assert "already" in deliverer.tool("tools.delivery.copy_model", "--role-arn", COPY)

    # As after a promotion to the bucket of another stage: here, another key of the same bucket.
    source = f"serving/elsewhere/{lock['sha256']}.tar.gz"
    s3.put_object(Bucket=bucket, Key=source, Body=content)
    lock_file.write_text(before.replace(lock["source_uri"], f"s3://{bucket}/{source}"))
    s3.delete_object(Bucket=bucket, Key=lock["key"])
    copied = deliverer.tool("tools.delivery.copy_model", "--role-arn", COPY)
    assert f"from s3://{bucket}/{source} to s3://{bucket}/{lock['key']}" in copied
    assert s3.get_object(Bucket=bucket, Key=lock["key"])["Body"].read() == content

    s3.put_object(Bucket=bucket, Key=source, Body=b"other bytes")
    s3.delete_object(Bucket=bucket, Key=lock["key"])
    refused = deliverer.tool("tools.delivery.copy_model", "--role-arn", COPY, check=False)
    assert f"expected {lock['sha256']} as the lock states" in refused
    lock_file.write_text(before)
    s3.put_object(Bucket=bucket, Key=lock["key"], Body=content)


def test_the_pipeline_checks_what_is_served(deliverer: Delivery, delivery: Delivery) -> None:
    url = delivery.api_url()
    printed = deliverer.tool(
        "tools.delivery.check_deployment", "--role-arn", CHECK, "--api-url", url
    )
    assert "3 responses of colours-3" in printed


def test_behind_an_allow_list_the_pipeline_checks_by_the_function(
    deliverer: Delivery,
) -> None:
    settings = deliverer.clone / "config" / f"{STAGE}.toml"
    before = settings.read_text()
    top = before.partition("[web]")[0]
    closed = '[web]\nenabled = false\n[api]\nallowed_address_ranges = ["192.0.2.0/24"]\n'
    settings.write_text(top + closed)
    # No address of the API is given: nothing listens at the published one.
    printed = deliverer.tool("tools.delivery.check_deployment", "--role-arn", CHECK)
    assert "3 responses of colours-3" in printed
    settings.write_text(before)


def test_each_role_may_do_only_its_own(deliverer: Delivery, delivery: Delivery) -> None:
    session = aws_client("sts", deliverer.environment).assume_role(
        RoleArn=COPY, RoleSessionName="test"
    )["Credentials"]
    copying = delivery.environment | {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
    bucket, key = bucket_of(delivery), lock_of(delivery)["key"]
    s3 = aws_client("s3", copying)
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0
    calls: tuple[Callable[[], Any], ...] = (
        lambda: s3.delete_object(Bucket=bucket, Key=key),
        lambda: s3.get_object(Bucket=bucket, Key="training/model.tar.gz"),
        lambda: s3.put_object(Bucket=bucket, Key="training/model.tar.gz", Body=b""),
        lambda: aws_client("apigateway", copying).get_api_keys(includeValues=True),
        lambda: aws_client("sagemaker", copying).describe_endpoint(EndpointName=NAME),
    )
    for refused in calls:
        with pytest.raises(ClientError) as raised:
            refused()
        assert raised.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


def test_another_role_of_the_account_is_not_trusted(
    delivery: Delivery, role: Callable[[str], dict[str, str]]
) -> None:
    sts = aws_client("sts", role("whippet-pipeline-other"))
    for arn in (COPY, CHECK):
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=arn, RoleSessionName="test")
    assert delivery.environment["AWS_REGION"] == "us-east-1"
