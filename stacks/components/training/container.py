"""The container of a training job: AWS's PyTorch image in script mode.

Script mode: the image's entry point (github.com/aws/sagemaker-training-toolkit) downloads the
source archive, sets the `SM_*` variables and runs the program with the other hyperparameters as
flags. It would install a `requirements.txt` from PyPI, so the archive has none. ContainerEntrypoint
and ContainerArguments are not used: an argument is limited to 256 characters without a line break,
and tuning jobs support neither.
"""

from typing import Any

from aws_cdk import Aws

from stacks.components.training.source import PROGRAM
from stacks.settings import instance_types

IMAGE_REPOSITORY = "pytorch"
CPU_IMAGE_TAG = "2.14-cpu-amzn2023-sagemaker"
GPU_IMAGE_TAG = "2.13-cu133-amzn2023-sagemaker"

# The lines that train.py prints: epoch=3 train_loss=0.1 valid_loss=0.2 valid_accuracy=0.98
METRICS = ("train_loss", "valid_loss", "valid_accuracy", "test_accuracy")
TUNING_OBJECTIVE = "valid_accuracy"
CHECKPOINT_FOLDER = "/opt/ml/checkpoints"


def training_image(repository_account: str, instance_type: str) -> str:
    """Return the URI of AWS's PyTorch training image for an instance type.

    Args:
        repository_account: the AWS account that owns the images in the stack's region.
        instance_type: selects the image for GPUs or the one for CPUs.
    """
    tag = GPU_IMAGE_TAG if instance_types.has_gpu(instance_type) else CPU_IMAGE_TAG
    registry = f"{repository_account}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}"
    return f"{registry}/{IMAGE_REPOSITORY}:{tag}"


def algorithm_specification(image: str) -> dict[str, Any]:
    """Return CreateTrainingJob's AlgorithmSpecification: image, input mode, metrics."""
    return {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "MetricDefinitions": [
            {"Name": name, "Regex": rf"\b{name}=([0-9.eE+-]+)"} for name in METRICS
        ],
    }


def script_mode_hyperparameters(submit_directory: str) -> dict[str, str]:
    """Return the hyperparameters that select the program to run.

    The SDK sends each value as a quoted JSON string; the toolkit uses values that are not JSON
    unchanged.

    Args:
        submit_directory: S3 address of the source archive, or its path in the container.
    """
    return {
        "sagemaker_program": PROGRAM,
        "sagemaker_submit_directory": submit_directory,
        "sagemaker_region": Aws.REGION,
    }
