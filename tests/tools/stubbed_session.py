"""A session whose clients are botocore's stubs."""

import functools
from contextlib import ExitStack
from typing import Any

import boto3
from botocore.stub import Stubber

SERVICES = (
    "apigateway",
    "application-autoscaling",
    "cloudformation",
    "ecr",
    "lambda",
    "logs",
    "sagemaker",
    "service-quotas",
    "sns",
    "ssm",
    "sts",
)
MODEL_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model/m"


@functools.cache
def stubbed_client(service: str) -> Any:
    """Return the client that all tests stub: its definitions take longer to read than they run."""
    return boto3.client(
        service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


class StubbedSession:
    """A session whose clients return prepared responses."""

    region_name = "eu-west-1"

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.stubs: dict[str, Stubber] = {}
        for service in SERVICES:
            self.stubs[service] = stack.enter_context(Stubber(stubbed_client(service)))

    def client(self, service: str, region_name: str) -> Any:
        assert region_name == self.region_name
        return stubbed_client(service)


ALL_INSTANCES = "Number of instances across active endpoints"
# Of prod, and of dev.
TRAINING = "ml.m5.2xlarge for training job usage"
SPOT_TRAINING = "ml.m5.2xlarge for spot training job usage"
_TRAINING_IN_DEV = "ml.m5.xlarge for training job usage"
BATCH = "ml.m5.large for transform job usage"


def add_quota(
    session: StubbedSession,
    name: str,
    value: float,
    *,
    all_instances: float = 20,
    training: float = 1,
    batch: float = 1,
) -> None:
    """Stub SageMaker's applied quotas as two pages: all instances, then the others."""
    other = {"QuotaName": ALL_INSTANCES, "Value": all_instances}
    quotas = session.stubs["service-quotas"]
    quotas.add_response(
        "list_service_quotas",
        {"Quotas": [other], "NextToken": "more"},
        {"ServiceCode": "sagemaker"},
    )
    quotas.add_response(
        "list_service_quotas",
        {
            "Quotas": [
                {"QuotaName": name, "Value": value},
                {"QuotaName": TRAINING, "Value": training},
                {"QuotaName": SPOT_TRAINING, "Value": 0},
                {"QuotaName": _TRAINING_IN_DEV, "Value": training},
                {"QuotaName": BATCH, "Value": batch},
            ]
        },
        {"ServiceCode": "sagemaker", "NextToken": "more"},
    )


def add_stack_resources(session: StubbedSession, stack: str, **resources: tuple[str, str]) -> None:
    """Stub a stack's resources, type and physical id by name, as pages of one."""
    pages = [
        {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": id_}
        | {"LastUpdatedTimestamp": 0, "ResourceStatus": "CREATE_COMPLETE"}
        for name, (kind, id_) in resources.items()
    ]
    for index, resource in enumerate(pages):
        more = {"NextToken": f"{index + 1}"} if index + 1 < len(pages) else {}
        session.stubs["cloudformation"].add_response(
            "list_stack_resources",
            {"StackResourceSummaries": [resource], **more},
            {"StackName": stack} | ({"NextToken": f"{index}"} if index else {}),
        )


def add_endpoint(sagemaker: Stubber, status: str = "InService") -> None:
    """Stub an endpoint with the configuration `c`."""
    sagemaker.add_response(
        "describe_endpoint",
        {"EndpointName": "whippet-dev", "EndpointArn": MODEL_ARN, "EndpointConfigName": "c"}
        | {"EndpointStatus": status, "CreationTime": 0, "LastModifiedTime": 0},
        {"EndpointName": "whippet-dev"},
    )


def add_configuration(sagemaker: Stubber, **variant: str) -> None:
    """Stub the configuration `c` with one variant."""
    common = {"EndpointConfigName": "c", "EndpointConfigArn": MODEL_ARN, "CreationTime": 0}
    sagemaker.add_response(
        "describe_endpoint_config",
        common | {"ProductionVariants": [{"VariantName": "primary", **variant}]},
        {"EndpointConfigName": "c"},
    )


def add_model(sagemaker: Stubber) -> None:
    """Stub the model `m`."""
    described = {"ModelName": "m", "ModelArn": MODEL_ARN, "CreationTime": 0}
    sagemaker.add_response("describe_model", described, {"ModelName": "m"})


def add_deployed_model(sagemaker: Stubber, tags: dict[str, str], status: str = "InService") -> None:
    """Stub an endpoint that serves the model `m` with some tags."""
    add_endpoint(sagemaker, status)
    add_configuration(sagemaker, ModelName="m")
    add_model(sagemaker)
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    sagemaker.add_response("list_tags", {"Tags": listed}, {"ResourceArn": MODEL_ARN})


def add_unmanaged_log_group(session: StubbedSession) -> None:
    """Stub the log group of whippet-dev that no stack holds, and whose import is refused."""
    name = "/aws/sagemaker/Endpoints/whippet-dev"
    session.stubs["logs"].add_response(
        "describe_log_groups",
        {"logGroups": [{"logGroupName": f"{name}2"}, {"logGroupName": name}]},
        {"logGroupNamePrefix": name},
    )
    cloudformation = session.stubs["cloudformation"]
    missing = "Stack with id whippet-dev-serving does not exist"
    cloudformation.add_client_error("describe_stack_resource", "ValidationError", missing)
    cloudformation.add_client_error("describe_stacks", "ValidationError", missing)
    cloudformation.add_client_error("delete_change_set", "ChangeSetNotFound", "does not exist")
    cloudformation.add_client_error("create_change_set", "AccessDenied", "not authorized")
