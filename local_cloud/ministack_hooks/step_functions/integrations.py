"""Which resource ARNs of Task states name a service's operation, and what they accept."""

import functools
import re
from dataclasses import dataclass

import botocore.session
from botocore.model import OperationModel, ServiceModel

from local_cloud.sagemaker.validation import service_model

_RESOURCE = re.compile(r"arn:aws[a-z-]*:states:::(.+)")
_SDK = "aws-sdk:"
_PATTERN = re.compile(r"\.(sync(:2)?|waitForTaskToken)$")

# Names of services in `aws-sdk:` that differ from those of botocore.
_BOTOCORE_NAMES = {
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sfn": "stepfunctions",
    "sagemakerruntime": "sagemaker-runtime",
    "applicationautoscaling": "application-autoscaling",
}
# Names of botocore that `aws-sdk:` does not know.
_NOT_NAMES = set(_BOTOCORE_NAMES.values())

# The parameters that an optimized integration supports: those of the developer guide's lists
# (connect-sagemaker, connect-sns, connect-lambda), and those that AWS is known to accept:
# CheckpointConfig (aws-step-functions-data-science-sdk-python#86), EnableManagedSpotTraining (#42),
# the debugger's and ExperimentConfig (its TrainingStep), Environment and EnableNetworkIsolation
# (CDK's SageMakerCreateTrainingJob). What is neither is refused here: better refused on a laptop
# than after a deployment.
_OPTIMIZED: dict[tuple[str, str], str] = {
    ("lambda", "invoke"): "ClientContext FunctionName InvocationType Payload Qualifier",
    ("sagemaker", "createEndpoint"): "EndpointConfigName EndpointName Tags",
    ("sagemaker", "createEndpointConfig"): "EndpointConfigName KmsKeyId ProductionVariants Tags",
    ("sagemaker", "createHyperParameterTuningJob"): (
        "HyperParameterTuningJobConfig HyperParameterTuningJobName Tags TrainingJobDefinition "
        "WarmStartConfig"
    ),
    ("sagemaker", "createModel"): (
        "Containers EnableNetworkIsolation ExecutionRoleArn ModelName PrimaryContainer Tags "
        "VpcConfig"
    ),
    ("sagemaker", "createTrainingJob"): (
        "AlgorithmSpecification CheckpointConfig DebugHookConfig DebugRuleConfigurations "
        "EnableManagedSpotTraining EnableNetworkIsolation Environment ExperimentConfig "
        "HyperParameters InputDataConfig OutputDataConfig ResourceConfig RoleArn "
        "StoppingCondition Tags TrainingJobName VpcConfig"
    ),
    ("sagemaker", "createTransformJob"): (
        "BatchStrategy Environment MaxConcurrentTransforms MaxPayloadInMB ModelName Tags "
        "TransformInput TransformJobName TransformOutput TransformResources"
    ),
    ("sagemaker", "updateEndpoint"): "EndpointConfigName EndpointName",
    ("sns", "publish"): (
        "Message MessageAttributes MessageDeduplicationId MessageGroupId MessageStructure "
        "PhoneNumber Subject TargetArn TopicArn"
    ),
}
# Nested fields are checked too (aws-cdk#10014), and these are newer than the integration.
_REFUSED = {
    "createTrainingJob": frozenset(
        {
            "AlgorithmSpecification.ContainerArguments",
            "AlgorithmSpecification.ContainerEntrypoint",
        }
    )
}
# Optimized integrations of AWS that the local cloud leaves to MiniStack.
_OTHER_OPTIMIZED = {
    "apigateway", "athena", "batch", "bedrock", "codebuild", "databrew", "dynamodb", "ecs", "eks",
    "elasticmapreduce", "emr-containers", "emr-serverless", "events", "glue", "http",
    "mediaconvert", "sqs", "states",
}  # fmt: skip


@dataclass(frozen=True)
class Integration:
    """An operation that a Task state names.

    Attributes:
        service: botocore's name of the service.
        action: the operation as the ARN writes it, for example `createTrainingJob`.
        is_optimized: whether it is an optimized integration, not one of `aws-sdk:`.
        is_sync: whether the task waits for the end of a job.
        members: the parameters that an optimized integration accepts.
    """

    service: str
    action: str
    is_optimized: bool
    is_sync: bool
    members: frozenset[str] = frozenset()

    @property
    def operation(self) -> OperationModel:
        """The operation in botocore's model."""
        return service_model(self.service).operation_model(_pascal(self.action))

    def accepts(self, path: str) -> bool:
        """Return whether it passes on a field of the request, for example `VpcConfig.Subnets`."""
        if not self.is_optimized:
            return True
        refused = _REFUSED.get(self.action, frozenset())
        return path not in refused if "." in path else path in self.members


class UnknownResourceError(Exception):
    """A resource ARN names no operation that Step Functions knows."""


def parse_resource(resource: str) -> Integration | None:
    """Return what a resource ARN names; None for a function, an activity or another integration.

    Raises:
        UnknownResourceError: Step Functions does not know the service or the operation.
    """
    found = _RESOURCE.fullmatch(resource)
    if not found:
        return None
    name = found[1]
    pattern = _PATTERN.search(name)
    name = _PATTERN.sub("", name)
    kind = pattern[1] if pattern else ""
    if name.startswith(_SDK):
        return _sdk_integration(name.removeprefix(_SDK), kind)
    service, _, action = name.partition(":")
    if service in _OTHER_OPTIMIZED:
        return None
    members = _OPTIMIZED.get((service, action))
    patterns = {"", "waitForTaskToken"}
    if service == "sagemaker":
        patterns = {"", "sync"} if action.endswith("Job") else {""}
    if members is None or kind not in patterns:
        raise UnknownResourceError
    if kind == "waitForTaskToken":
        return None
    names = frozenset(members.split())
    return Integration(service, action, is_optimized=True, is_sync=kind == "sync", members=names)


def _sdk_integration(name: str, kind: str) -> Integration | None:
    service, _, action = name.partition(":")
    known = _BOTOCORE_NAMES.get(service, service)
    if service in _NOT_NAMES or known not in _services() or kind.startswith("sync"):
        raise UnknownResourceError
    model: ServiceModel = service_model(known)
    if not action[:1].islower() or _pascal(action) not in model.operation_names:
        raise UnknownResourceError
    if kind:
        return None
    return Integration(known, action, is_optimized=False, is_sync=False)


@functools.cache
def _services() -> frozenset[str]:
    return frozenset(botocore.session.Session().get_available_services())


def _pascal(action: str) -> str:
    return action[:1].upper() + action[1:]
