"""What a SageMaker training job of this project is, as Step Functions starts it."""

from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets

from stacks import instance_types
from stacks.components.buckets import MODEL_PREFIX, Buckets
from stacks.components.training_container import ENVIRONMENT, algorithm_specification
from stacks.settings import StageSettings, TrainingSettings

DATASET_CHANNELS = ("train", "valid", "test")
_RETRY = {
    "ErrorEquals": ["SageMaker.ThrottlingException"],
    "IntervalSeconds": 10,
    "BackoffRate": 2,
    "MaxAttempts": 5,
}


def create_training_job_task(
    *,
    settings: StageSettings,
    image: str,
    role: iam.IRole,
    buckets: Buckets,
    key: kms.IKey,
    source: s3_assets.Asset,
) -> dict[str, Any]:
    """Return the state that runs a training job to its end, in Amazon States Language.

    Its input is `{"dataset_prefix": "...", "hyperparameters": {"name": "text"}}`; the prefix
    holds the folders train, valid and test in the datasets bucket. The job is named after the
    execution. The result is DescribeTrainingJob's answer.

    Written out and not CDK's SageMakerCreateTrainingJob, which grants itself far more than it uses.
    """
    return {
        "Type": "Task",
        "Resource": f"arn:{Aws.PARTITION}:states:::sagemaker:createTrainingJob.sync",
        "Parameters": {
            "TrainingJobName.$": f"States.Format('{settings.name}-{{}}', $$.Execution.Name)",
            "RoleArn": role.role_arn,
            "AlgorithmSpecification": algorithm_specification(image),
            "Environment": ENVIRONMENT,
            "HyperParameters.$": "$.hyperparameters",
            "InputDataConfig": _channels(buckets, source),
            "OutputDataConfig": {
                "S3OutputPath": buckets.models.s3_url_for_object(MODEL_PREFIX),
                "KmsKeyId": key.key_arn,
            },
            "ResourceConfig": _resources(settings.training, key),
            "StoppingCondition": {"MaxRuntimeInSeconds": settings.training.maximum_runtime_seconds},
        },
        "Retry": [_RETRY],
    }


def _resources(training: TrainingSettings, key: kms.IKey) -> dict[str, Any]:
    resources: dict[str, Any] = {
        "InstanceType": training.instance_type,
        "InstanceCount": training.instance_count,
        "VolumeSizeInGB": training.volume_size_gib,
    }
    # SageMaker refuses a volume key where the disk is the instance's own.
    if not instance_types.has_local_storage(training.instance_type):
        resources["VolumeKmsKeyId"] = key.key_arn
    return resources


def _channels(buckets: Buckets, source: s3_assets.Asset) -> list[dict[str, Any]]:
    bucket = buckets.datasets.bucket_name
    datasets = [
        _channel(
            name,
            {"S3Uri.$": f"States.Format('s3://{bucket}/{{}}/{name}/', $.dataset_prefix)"},
        )
        for name in DATASET_CHANNELS
    ]
    return [*datasets, _channel("code", {"S3Uri": source.s3_object_url})]


def _channel(name: str, source: dict[str, str]) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3DataDistributionType": "FullyReplicated",
                **source,
            }
        },
    }
