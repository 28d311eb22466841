"""Updates of the endpoint by its API, with the deployment configuration of the template."""

import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.operation.programs import make_defective
from tests.local.redeployment.retained import STAGE
from tools.aws import stack_resources
from tools.cdk import ROOT

Client = Callable[[str], Any]
Json = dict[str, Any]

STACK = f"{STAGE}-serving"
_TIMEOUT_SECONDS = 60.0


def settled(sagemaker: Any) -> Any:
    """Return DescribeEndpoint's response when no update is in progress."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        found = sagemaker.describe_endpoint(EndpointName=STAGE)
        if found["EndpointStatus"] not in {"Updating", "RollingBack"}:
            return found
        assert time.monotonic() < deadline, "the update does not end"
        time.sleep(0.1)


def instance_count(endpoint: Json) -> int:
    """Return the number of instances in a response of DescribeEndpoint."""
    (variant,) = endpoint["ProductionVariants"]
    return int(variant["CurrentInstanceCount"])


def invocations(cloudwatch: Any, configuration: str) -> int:
    """Return how many requests the fleet of a configuration had."""
    now = time.time()
    found = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": STAGE},
            {"Name": "VariantName", "Value": "primary"},
            {"Name": "EndpointConfigName", "Value": configuration},
        ],
        StartTime=now - 3600,
        EndTime=now + 60,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return int(sum(each["Sum"] for each in found))


def wait_for_invocation(cloudwatch: Any, configuration: str) -> None:
    """Wait until the fleet of a configuration has had a request."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not invocations(cloudwatch, configuration):
        assert time.monotonic() < deadline, f"{configuration} gets no request"
        time.sleep(0.05)


def defective_image(image: str, assembly: Path, defect: str) -> str:
    """Add the build context of a defective program to an assembly; return its image.

    Args:
        image: that of the deployed program.
        assembly: the folder that the local cloud reads.
        defect: as `make_defective`.
    """
    context = next(assembly.glob("asset.*/serve.py")).parent
    tag = uuid.uuid4().hex
    copy = shutil.copytree(context, assembly / f"asset.{tag}")
    shutil.copy(ROOT / "model_code" / "serve.py", copy)
    make_defective(copy / "serve.py", defect)
    return f"{image.rpartition(':')[0]}:{tag}"


def update(client: Client, change_image: Callable[[str], str] = str) -> str:
    """Update the endpoint to another model as the template would; return its configuration.

    Args:
        client: clients of the cloud.
        change_image: returns the image of the model from that of the one that serves.
    """
    sagemaker = client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName=STAGE)
    serving = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    (variant,) = serving["ProductionVariants"]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    name = f"update-{uuid.uuid4().hex[:8]}"
    container = model["PrimaryContainer"]
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=model["ExecutionRoleArn"],
        PrimaryContainer={**container, "Image": change_image(container["Image"])},
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "ModelName": name}]
    )
    properties = _endpoint_properties(client)
    deployment = properties["DeploymentConfig"]
    alarms = _copied_alarms(client, name)
    sagemaker.update_endpoint(
        EndpointName=STAGE,
        EndpointConfigName=name,
        RetainAllVariantProperties=properties["RetainAllVariantProperties"],
        DeploymentConfig={
            **deployment,
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": each} for each in alarms]},
        },
    )
    return name


def deployed_configuration(client: Client) -> str:
    """Return the configuration that the stack has, which the endpoint may not serve."""
    (name,) = _physical_ids(client, "AWS::SageMaker::EndpointConfig")
    return name.rpartition("/")[2]


def _physical_ids(client: Client, kind: str) -> list[str]:
    resources = stack_resources(client("cloudformation"), STACK)
    return [id_ for type_, id_ in resources if type_ == kind]


def _endpoint_properties(client: Client) -> Json:
    template = client("cloudformation").get_template(StackName=STACK)["TemplateBody"]
    (properties,) = (
        each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::SageMaker::Endpoint"
    )
    found: Json = properties
    return found


def _copied_alarms(client: Client, configuration: str) -> list[str]:
    """Put the template's rollback alarms once more, for another configuration."""
    cloudwatch = client("cloudwatch")
    # The execution role may read alarms whose names begin so.
    prefix = f"{STACK}-RollbackAlarms"
    names = _physical_ids(client, "AWS::CloudWatch::Alarm")
    copies = []
    for alarm in cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]:
        kind = "ModelLatency" if alarm.get("Metrics") else "ServerErrors"
        given = {name: alarm[name] for name in _RULE if alarm.get(name)}
        for metric in [given, *(_metric(each) for each in given.get("Metrics", []))]:
            for dimension in metric.get("Dimensions", []):
                if dimension["Name"] == "EndpointConfigName":
                    dimension["Value"] = configuration
        copies.append(f"{prefix}-{configuration}-{kind}")
        cloudwatch.put_metric_alarm(AlarmName=copies[-1], **given)
    assert len(copies) == 2
    return copies


def _metric(query: Json) -> Json:
    found: Json = query.get("MetricStat", {}).get("Metric", {})
    return found


_RULE = (
    "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "Metrics", "Threshold",
    "ComparisonOperator", "DatapointsToAlarm", "EvaluationPeriods", "TreatMissingData",
)  # fmt: skip
