import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.deployment.empty_stage import empty_stage

TLS_ONLY = {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*"}


class Buckets:
    """One bucket, with CloudFormation's word for it; a log may arrive until it is refused."""

    def __init__(self, policy: dict[str, Any] | None) -> None:
        self.policy = policy
        self.objects = ["a", "b"]
        self.calls: list[str] = []

    def client(self, _service: str, region_name: str) -> "Buckets":
        assert region_name == "cn-north-1"
        return self

    def get_partition_for_region(self, _region: str) -> str:
        return "aws-cn"

    def put_bucket_logging(self, **_arguments: Any) -> None:
        self.calls.append("put_bucket_logging")

    def get_bucket_policy(self, **_bucket: str) -> dict[str, str]:
        if self.policy is None:
            raise ClientError({"Error": {"Code": "NoSuchBucketPolicy"}}, "GetBucketPolicy")
        return {"Policy": json.dumps(self.policy)}

    def put_bucket_policy(self, **arguments: str) -> None:
        self.calls.append("put_bucket_policy")
        self.policy = json.loads(arguments["Policy"])

    def get_paginator(self, operation: str) -> "Buckets":
        self.calls.append(operation)
        return self

    def paginate(self, **of: str) -> list[dict[str, Any]]:
        if "StackName" in of:
            # The creation of the second one was rolled back: it is not there any more.
            return [
                {
                    "StackResourceSummaries": [
                        {"ResourceType": "AWS::S3::Bucket", "PhysicalResourceId": name}
                        | {"ResourceStatus": status}
                    ]
                }
                for name, status in (("logs", "CREATE_COMPLETE"), ("gone", "DELETE_COMPLETE"))
            ]
        return [{"Versions": [{"Key": key, "VersionId": "1"} for key in self.objects]}]

    def delete_objects(self, **arguments: Any) -> dict[str, Any]:
        for each in arguments["Delete"]["Objects"]:
            self.objects.remove(each["Key"])
        return {}


@pytest.mark.parametrize("statements", [None, [], [TLS_ONLY]])
def test_nothing_is_written_into_a_bucket_that_is_emptied(
    statements: list[dict[str, str]] | None,
) -> None:
    policy = None if statements is None else {"Version": "2012-10-17", "Statement": statements}
    buckets = Buckets(policy)

    for _ in range(2):  # again, where the first destruction failed
        emptied = empty_stage(buckets, "cn-north-1", "whippet-dev-web")  # type: ignore[arg-type] # has what is used of a session

        assert emptied == ["logs"]
        assert buckets.objects == []
        assert buckets.policy is not None
        *kept, refusal = buckets.policy["Statement"]
        assert kept == (statements or [])
        assert (refusal["Effect"], refusal["Action"]) == ("Deny", "s3:PutObject")
        assert refusal["Resource"] == "arn:aws-cn:s3:::logs/*"
    assert buckets.calls.index("put_bucket_policy") < buckets.calls.index("list_object_versions")


def test_a_bucket_that_is_kept_stays_as_it_is() -> None:
    buckets = Buckets({"Version": "2012-10-17", "Statement": [TLS_ONLY]})
    emptied = empty_stage(buckets, "cn-north-1", "whippet-dev-storage", kept=["logs"])  # type: ignore[arg-type] # as above
    assert emptied == []
    assert buckets.objects == ["a", "b"]
    assert buckets.policy == {"Version": "2012-10-17", "Statement": [TLS_ONLY]}
    assert buckets.calls == ["list_stack_resources"]
