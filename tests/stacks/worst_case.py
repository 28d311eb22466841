"""Resolves intrinsics of a template to the longest values that AWS can return."""

import re
from collections.abc import Callable
from typing import Any

from tests.stacks.assembly import Assembly, Json

PARTITION = "aws-us-gov"
REGION = "ap-southeast-7"
ACCOUNT = "123456789012"
MAX_STAGE_NAME = "a" * 16
MAX_BUCKET_NAME = "b" * 63
KEY_ARN = f"arn:{PARTITION}:kms:{REGION}:{ACCOUNT}:key/mrk-{'0' * 32}"
# The name of a state machine and that of an execution have up to 80 characters.
EXECUTION_CONTEXT: Json = {
    "Execution": {
        "Id": f"arn:{PARTITION}:states:{REGION}:{ACCOUNT}:execution:{'s' * 80}:{'ü' * 80}",
        "Name": "ü" * 80,
    },
    "State": {"Name": "TrainModel", "EnteredTime": "2026-11-26T09:00:00.123Z", "RetryCount": 99},
}

_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": PARTITION,
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com.cn",
}
# Ref of a resource without a name: the longest name that CloudFormation generates.
_REFERENCES = {
    "AWS::CloudWatch::Alarm": "c" * 255,
    "AWS::S3::Bucket": MAX_BUCKET_NAME,
    "AWS::SNS::Topic": f"arn:{PARTITION}:sns:{REGION}:{ACCOUNT}:{'t' * 256}",
}
_ATTRIBUTES = {
    ("AWS::EC2::SecurityGroup", "GroupId"): f"sg-{'0' * 17}",
    ("AWS::EC2::Subnet", "SubnetId"): f"subnet-{'0' * 17}",
    ("AWS::IAM::Role", "Arn"): f"arn:{PARTITION}:iam::{ACCOUNT}:role/{'r' * 64}",
    ("AWS::KMS::Key", "Arn"): KEY_ARN,
    ("AWS::SageMaker::EndpointConfig", "EndpointConfigName"): "d" * 63,
    ("AWS::SageMaker::Model", "ModelName"): "m" * 63,
}


def resolve(assembly: Assembly, purpose: str, value: Any) -> Any:
    """Return a value of a stack's template without intrinsics.

    Raises:
        KeyError: an intrinsic or a reference without a longest value here.
    """
    if isinstance(value, list):
        return [resolve(assembly, purpose, item) for item in value]
    if not isinstance(value, dict):
        return value
    name, argument = next(iter(value.items()), ("", None))
    if name != "Ref" and not name.startswith("Fn::"):
        return {key: resolve(assembly, purpose, item) for key, item in value.items()}
    return _INTRINSICS[name](assembly, purpose, argument)


def _reference(assembly: Assembly, purpose: str, name: str) -> str:
    return _PSEUDO_PARAMETERS.get(name) or _REFERENCES[_type(assembly, purpose, name)]


def _attribute(assembly: Assembly, purpose: str, argument: list[str]) -> str:
    name, attribute = argument
    return _ATTRIBUTES[_type(assembly, purpose, name), attribute]


def _join(assembly: Assembly, purpose: str, argument: list[Any]) -> str:
    separator, parts = argument
    return str(separator).join(resolve(assembly, purpose, part) for part in parts)


def _substitute(assembly: Assembly, purpose: str, text: str) -> str:
    return re.sub(r"\$\{([^}]+)}", lambda found: _reference(assembly, purpose, found[1]), text)


def _stack_output(assembly: Assembly, _purpose: str, argument: Json) -> str:
    other = argument["StackName"].removeprefix(f"{assembly.settings.name}-")
    output = assembly.template(other)["Outputs"][argument["OutputName"]]
    return str(resolve(assembly, other, output["Value"]))


def _mapped(assembly: Assembly, purpose: str, argument: list[Any]) -> str:
    mapping, _key, name = argument
    values = assembly.template(purpose)["Mappings"][mapping].values()
    return max((str(each[name]) for each in values), key=len)


def _type(assembly: Assembly, purpose: str, logical_id: str) -> str:
    return str(assembly.template(purpose)["Resources"][logical_id]["Type"])


_INTRINSICS: dict[str, Callable[[Assembly, str, Any], str]] = {
    "Ref": _reference,
    "Fn::FindInMap": _mapped,
    "Fn::GetAtt": _attribute,
    "Fn::GetStackOutput": _stack_output,
    "Fn::Join": _join,
    "Fn::Sub": _substitute,
}
