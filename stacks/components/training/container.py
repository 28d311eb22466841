"""What runs inside a training job: AWS's PyTorch image, our source, and how the two meet.

Script mode: the image's own entry point (github.com/aws/sagemaker-training-toolkit) downloads the
source archive, installs its `requirements.txt`, sets the `SM_*` variables and runs the program
with the other hyperparameters as flags. ContainerEntrypoint and ContainerArguments are not used:
an argument has at most 256 characters without a line break, and a tuning job has neither.
"""

from typing import Any

from aws_cdk import Aws

from stacks.components.training.source import PROGRAM
from stacks.settings import instance_types

IMAGE_REPOSITORY = "pytorch"
CPU_IMAGE_TAG = "2.14-cpu-amzn2023-sagemaker"
GPU_IMAGE_TAG = "2.13-cu133-amzn2023-sagemaker"

# The lines that train.py prints: epoch=3 train_loss=0.1 valid_loss=0.2 valid_accuracy=0.98
METRICS = ("train_loss", "valid_loss", "valid_accuracy")


def training_image(repository_account: str, instance_type: str) -> str:
    """Return the URI of AWS's PyTorch training image for an instance type.

    Args:
        repository_account: the account that owns AWS's images in the stack's region.
        instance_type: decides between the image for GPUs and the one for CPUs.
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


def script_mode_hyperparameters(source_url: str) -> dict[str, str]:
    """Return the hyperparameters that tell the image what to run.

    The SDK sends each value as a quoted JSON text; the toolkit takes what is no JSON as it is.

    Args:
        source_url: the S3 address of the source archive, which may end in `.gz` alone: the toolkit
            saves it under a name of its own and opens it as `r:gz`.
    """
    return {
        "sagemaker_program": PROGRAM,
        "sagemaker_submit_directory": source_url,
        "sagemaker_region": Aws.REGION,
    }
