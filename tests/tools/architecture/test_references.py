"""Which resources use which others, by all ways in which templates name one."""

from typing import Any

import pytest

from tools.architecture.references import References

OTHER = {"Fn::GetStackOutput": {"StackName": "two", "OutputName": "Out"}}
ARN = {"Fn::Join": ["", ["arn:aws:sagemaker:", {"Ref": "AWS::Region"}, ":1:endpoint/cats"]]}


def references(start: Any, middle: Any = None, **others: Any) -> References:
    """Return those of a bucket Start, whose name is any value, in a template with others."""
    one = {
        "Start": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": start}},
        "Middle": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": middle}},
        "End": {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointName": "cats"}},
        **others,
    }
    two = {
        "Resources": {"End": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Out": {"Value": {"Fn::GetAtt": ["End", "Arn"]}}},
    }
    return References({"one": {"Resources": one}, "two": two})


@pytest.mark.parametrize(
    ("value", "stack"),
    [
        ({"Ref": "End"}, "one"),
        ({"Fn::GetAtt": ["End", "Arn"]}, "one"),
        ({"Fn::Sub": "s3://${End}/x"}, "one"),
        ([{"deep": [{"Ref": "End"}]}], "one"),
        (ARN, "one"),
        (OTHER, "two"),
        ({"Fn::Join": ["", ["x", OTHER]]}, "two"),
    ],
)
def test_a_resource_uses_what_it_names(value: Any, stack: str) -> None:
    found = references(value)
    assert found.reach(("one", "Start"), (stack, "End"))
    assert not found.reach(("one", "Start"), ({"one": "two", "two": "one"}[stack], "End"))
    assert not found.reach((stack, "End"), ("one", "Start"))


@pytest.mark.parametrize("value", ["End", "cats", {"Ref": "AWS::Region"}, {"Ref": "Nothing"}, None])
def test_another_text_names_nothing(value: Any) -> None:
    assert not references(value).reach(("one", "Start"), ("one", "End"))


def test_what_is_between_two_may_be_no_box_of_its_own() -> None:
    found = references({"Ref": "Middle"}, {"Ref": "End"})
    assert found.reach(("one", "Start"), ("one", "End"))
    assert found.reach(("one", "Start"), ("one", "End"), {("one", "Unrelated")})
    assert not found.reach(("one", "Start"), ("one", "End"), {("one", "Middle")})


def test_a_role_uses_what_its_policies_name_and_not_what_names_its_policies() -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {}}
    policy = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Ref": "End"}},
    }
    found = references({"Ref": "Role"}, Role=role, Policy=policy)
    assert found.reach(("one", "Start"), ("one", "End"))
    assert not found.reach(("one", "End"), ("one", "Role"))
