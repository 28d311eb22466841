"""What stays when a stack is deleted, and what does not."""

import pytest

from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import PURPOSES, Assembly, Resource
from tests.stacks.conftest import Synthesize

# A bucket's policy stays with it: it refuses requests without TLS.
HOLD_DATA = {
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::KMS::Key",
    "AWS::SageMaker::ModelPackageGroup",
}
# The deletion and the replacement policy.
RETAINED = ("RetainExceptOnCreate", "Retain")
DELETED = ("Delete", "Delete")


def policies(resource: Resource) -> tuple[str, str]:
    """Return DeletionPolicy and UpdateReplacePolicy, as CloudFormation understands them."""
    body = resource.body
    return body.get("DeletionPolicy", "Delete"), body.get("UpdateReplacePolicy", "Delete")


def expected_policies(resource: Resource, *, retain: bool) -> tuple[str, str]:
    type_ = resource.body["Type"]
    if type_ in HOLD_DATA and not resource.logical_id.startswith("PageBucket"):
        return RETAINED if retain else DELETED
    if resource.logical_id.startswith("BatchModel"):
        return DELETED  # a job that runs has read it
    if type_ in {"AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig"}:
        return ("Delete", "Retain")  # after a silent rollback the endpoint uses the replaced ones
    if resource.logical_id.startswith("AccountLogging"):
        return ("Retain", "Retain")  # the account's setting: other APIs may use it at any time
    return DELETED


def all_resources(assembly: Assembly) -> list[Resource]:
    return [
        Resource(logical_id, body)
        for purpose in PURPOSES
        for logical_id, body in assembly.template(purpose)["Resources"].items()
    ]


@pytest.mark.parametrize("retain", [True, False])
@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_only_what_holds_data_is_retained_and_only_after_its_creation(
    stage: str, retain: bool, assemblies: dict[str, Assembly], synthesize_with: Synthesize
) -> None:
    settings: StageSettings = assemblies[stage].settings
    changed = with_changes(settings, retain_stateful_resources=retain)
    assembly = assemblies[stage] if changed == settings else synthesize_with(changed)
    resources = all_resources(assembly)
    for resource in resources:
        expected = expected_policies(resource, retain=retain)
        assert policies(resource) == expected, resource.logical_id
    if retain:
        retained = [each.body["Type"] for each in resources if policies(each) == RETAINED]
        assert sorted(retained) == [
            "AWS::KMS::Key",
            *["AWS::S3::Bucket"] * 5,
            *["AWS::S3::BucketPolicy"] * 5,
            "AWS::SageMaker::ModelPackageGroup",
        ]
