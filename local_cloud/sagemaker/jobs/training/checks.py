"""What makes a request for a training job invalid beyond SageMaker's service model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.sagemaker.errors import validation_error
from local_cloud.sagemaker.jobs.storage import Storage, parse_address
from local_cloud.sagemaker.jobs.training.folders import CONTAINER_DATA
from local_cloud.sagemaker.jobs.training.hyperparameters import PROGRAM, SUBMIT_DIRECTORY
from local_cloud.sagemaker.moto_backend import Scope

# docs.aws.amazon.com/general/latest/gr/sagemaker.html: the quotas of an account
_MAX_INSTANCES = 20
# docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html: 28 days
_MAX_RUNTIME_SECONDS = 2_419_200


def check_definition(request: Mapping[str, Any]) -> None:
    """Check what CreateTrainingJob and the definition of a tuning job have in common.

    Raises:
        AwsError: ValidationException.
    """
    _check_image(request)
    _check_metrics(request["AlgorithmSpecification"].get("MetricDefinitions", []))
    _check_resources(request.get("ResourceConfig", {}))
    _check_time(request)
    _check_channels(request)


def check_data(
    scope: Scope, role_arn: str, channels: Sequence[Mapping[str, Any]], storage: Storage
) -> None:
    """Check that the role finds an object for each channel, as SageMaker does before it accepts.

    Raises:
        AwsError: ValidationException.
    """
    for channel in channels:
        require_objects(scope, role_arn, channel["DataSource"]["S3DataSource"]["S3Uri"], storage)


def require_objects(scope: Scope, role_arn: str, url: str, storage: Storage) -> None:
    """Check that the role finds an object below an address.

    Raises:
        AwsError: ValidationException, with SageMaker's message.
    """
    try:
        if next(storage.objects(url), None) is not None:
            return
    except (ClientError, BotoCoreError):
        pass  # SageMaker does not tell a missing bucket from a missing permission
    raise validation_error(
        f'No S3 objects found under S3 URL "{url}" given in input data source. Please ensure that '
        f"the bucket exists in the selected region ({scope.region}), that objects exist under that "
        f'S3 prefix, and that the role "{role_arn}" has "s3:ListBucket" permissions on bucket '
        f'"{parse_address(url).bucket}".'
    )


def _check_image(request: Mapping[str, Any]) -> None:
    specification = request["AlgorithmSpecification"]
    if "TrainingImage" not in specification:
        raise validation_error(
            "The local cloud runs no algorithm by its name: AlgorithmSpecification must have a "
            "TrainingImage."
        )
    image = specification["TrainingImage"]
    repository = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    if repository.startswith("pytorch") or PROGRAM in request.get("HyperParameters", {}):
        return
    raise validation_error(
        f"The local cloud cannot run the image {image}: it pulls no images, but runs the program "
        "of a script-mode job. Use AWS's image of the repository pytorch, or give the "
        f"hyperparameters {PROGRAM} and {SUBMIT_DIRECTORY}."
    )


def _check_metrics(definitions: Sequence[Mapping[str, str]]) -> None:
    names = [each["Name"] for each in definitions]
    if len(set(names)) < len(names):
        raise validation_error(f"Metric names must be unique; got {names}.")
    for each in definitions:
        try:
            re.compile(each["Regex"])
        except re.error as error:
            raise validation_error(
                f"The regular expression of the metric {each['Name']} is invalid: {error}"
            ) from error


def _check_resources(resources: Mapping[str, Any]) -> None:
    for name in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
        if not resources.get(name):
            raise validation_error(
                f"ResourceConfig must have {name} (the local cloud has no instance groups)."
            )
    if resources["InstanceCount"] > _MAX_INSTANCES:
        raise validation_error(
            f"ResourceConfig.InstanceCount {resources['InstanceCount']} exceeds {_MAX_INSTANCES}."
        )


def _check_time(request: Mapping[str, Any]) -> None:
    condition = request.get("StoppingCondition", {})
    runtime = condition.get("MaxRuntimeInSeconds", 86_400)
    wait = condition.get("MaxWaitTimeInSeconds")
    if runtime > _MAX_RUNTIME_SECONDS:
        raise validation_error(
            f"MaxRuntimeInSeconds {runtime} exceeds {_MAX_RUNTIME_SECONDS} (28 days)."
        )
    if request.get("EnableManagedSpotTraining"):
        if wait is None:
            raise validation_error(
                "Invalid MaxWaitTimeInSeconds. It must be present with EnableManagedSpotTraining."
            )
        if wait < runtime:
            raise validation_error(
                f"Invalid MaxWaitTimeInSeconds. It must be greater than or equal to "
                f"MaxRuntimeInSeconds; got {wait} and {runtime}."
            )
    elif wait is not None:
        raise validation_error(
            "Invalid MaxWaitTimeInSeconds. It is only valid with EnableManagedSpotTraining."
        )


def _check_channels(request: Mapping[str, Any]) -> None:
    channels = request.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        raise validation_error(f"Channel names must be unique within a job; got {names}.")
    # The model's pattern allows them; each is a folder.
    if {".", ".."} & set(names):
        raise validation_error(f"Channel names must have a letter or a digit; got {names}.")
    modes = [each.get("InputMode") for each in channels]
    modes.append(request["AlgorithmSpecification"]["TrainingInputMode"])
    if "Pipe" in modes:
        raise validation_error("The local cloud supports the input modes File and FastFile only.")
    for channel in channels:
        _check_source(channel)
    submitted = request.get("HyperParameters", {}).get(SUBMIT_DIRECTORY, "").strip('"')
    isolated = request.get("EnableNetworkIsolation")
    if isolated and submitted.partition("://")[1]:
        raise validation_error(
            f"With network isolation the container cannot download its source from {submitted}: "
            f"give the archive as a channel, and name it as {CONTAINER_DATA}<channel>/<file>."
        )


def _check_source(channel: Mapping[str, Any]) -> None:
    name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource")
    if source is None:
        raise validation_error(
            f"The channel {name} has no S3DataSource, the only source that the local cloud has."
        )
    if source["S3DataType"] != "S3Prefix" or channel.get("CompressionType", "None") != "None":
        raise validation_error(
            f"The channel {name} has the S3DataType {source['S3DataType']} and the compression "
            f"{channel.get('CompressionType', 'None')}; the local cloud supports S3Prefix and None."
        )
