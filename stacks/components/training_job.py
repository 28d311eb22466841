"""What a SageMaker training job of this project is, as Step Functions starts it."""

from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets

from stacks import instance_types
from stacks.components.buckets import MODEL_PREFIX, Buckets
from stacks.settings import StageSettings, TrainingSettings

IMAGE_REPOSITORY = "pytorch"
_CPU_IMAGE_TAG = "2.14-cpu-amzn2023-sagemaker"
_GPU_IMAGE_TAG = "2.13-cu133-amzn2023-sagemaker"

# The lines that train.py prints: epoch=3 train_loss=0.1 valid_loss=0.2 valid_accuracy=0.98
METRICS = ("train_loss", "valid_loss", "valid_accuracy")
_METRIC_PATTERN = "{name}=([0-9.e+-]+)"
DATASET_CHANNELS = ("train", "valid", "test")

# A directory asset is a .zip, which SageMaker copies as it is.
_ENTRY_SCRIPT = """\
mkdir -p /opt/ml/code
python -m zipfile -e /opt/ml/input/data/code/*.zip /opt/ml/code
cd /opt/ml/code
exec torchrun --standalone --nproc-per-node=1 train.py
"""


def training_image(repository_account: str, settings: TrainingSettings) -> str:
    """Return the URI of AWS's PyTorch training image for the instance type.

    Args:
        repository_account: the account that owns AWS's images in the stack's region.
        settings: tells whether the job runs on a GPU.
    """
    gpu = instance_types.has_gpu(settings.instance_type)
    tag = _GPU_IMAGE_TAG if gpu else _CPU_IMAGE_TAG
    registry = f"{repository_account}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}"
    return f"{registry}/{IMAGE_REPOSITORY}:{tag}"


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

    CustomState, because the L2 task renders no bash entry point for an image of another account.
    """
    training = settings.training
    return {
        "Type": "Task",
        "Resource": f"arn:{Aws.PARTITION}:states:::sagemaker:createTrainingJob.sync",
        "Parameters": {
            "TrainingJobName.$": f"States.Format('{settings.name}-{{}}', $$.Execution.Name)",
            "RoleArn": role.role_arn,
            "AlgorithmSpecification": _algorithm(image),
            "HyperParameters.$": "$.hyperparameters",
            "InputDataConfig": _channels(buckets, source),
            "OutputDataConfig": {
                "S3OutputPath": buckets.models.s3_url_for_object(MODEL_PREFIX),
                "KmsKeyId": key.key_arn,
            },
            "ResourceConfig": {
                "InstanceType": training.instance_type,
                "InstanceCount": training.instance_count,
                "VolumeSizeInGB": training.volume_size_gib,
                # SageMaker refuses a volume key where the disk is the instance's own.
                **(
                    {}
                    if instance_types.has_local_storage(training.instance_type)
                    else {"VolumeKmsKeyId": key.key_arn}
                ),
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": training.maximum_runtime_seconds},
        },
        "Retry": [
            {
                "ErrorEquals": ["SageMaker.ThrottlingException"],
                "IntervalSeconds": 10,
                "BackoffRate": 2,
                "MaxAttempts": 5,
            }
        ],
    }


def _algorithm(image: str) -> dict[str, Any]:
    return {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["bash", "-euo", "pipefail", "-c"],
        "ContainerArguments": [_ENTRY_SCRIPT],
        "MetricDefinitions": [
            {"Name": name, "Regex": _METRIC_PATTERN.format(name=name)} for name in METRICS
        ],
    }


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
