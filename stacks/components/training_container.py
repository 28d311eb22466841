"""What runs inside a training job: AWS's PyTorch image, our source, and how the two meet."""

from typing import Any

from aws_cdk import Aws

from stacks import instance_types

IMAGE_REPOSITORY = "pytorch"
CPU_IMAGE_TAG = "2.14-cpu-amzn2023-sagemaker"
GPU_IMAGE_TAG = "2.13-cu133-amzn2023-sagemaker"

# What train.py imports beyond the image, as pinned in requirements/training.txt.
EXPORT_PACKAGES = ("onnx==1.23.2", "onnxscript==0.7.2")
# And what --quantize needs besides.
QUANTIZE_PACKAGES = ("nncf==3.4.0", "onnxruntime==1.26.0", "openvino==2026.4.1")

# The lines that train.py prints: epoch=3 train_loss=0.1 valid_loss=0.2 valid_accuracy=0.98
METRICS = ("train_loss", "valid_loss", "valid_accuracy")

# SageMaker's own toolkit sets these, but only where the image's entry point runs.
ENVIRONMENT = {
    "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
    "SM_CHANNEL_VALID": "/opt/ml/input/data/valid",
    "SM_CHANNEL_TEST": "/opt/ml/input/data/test",
    "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
    "SM_MODEL_DIR": "/opt/ml/model",
    "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
    "SM_OUTPUT_DIR": "/opt/ml/output",
}

# A folder's asset is a .zip, which SageMaker copies as it is.
_ENTRY_SCRIPT = f"""\
python -m pip install --quiet {" ".join(EXPORT_PACKAGES)}
if grep --quiet '"quantize"' /opt/ml/input/config/hyperparameters.json; then
  python -m pip install --quiet {" ".join(QUANTIZE_PACKAGES)}
fi
mkdir -p /opt/ml/code
python -m zipfile -e /opt/ml/input/data/code/*.zip /opt/ml/code
cd /opt/ml/code
export SM_NUM_CPUS=$(nproc)
exec python train.py
"""


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
    """Return CreateTrainingJob's AlgorithmSpecification: image, entry point, metrics."""
    return {
        "TrainingImage": image,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["bash", "-euo", "pipefail", "-c"],
        "ContainerArguments": [_ENTRY_SCRIPT],
        "MetricDefinitions": [
            {"Name": name, "Regex": rf"\b{name}=([0-9.eE+-]+)"} for name in METRICS
        ],
    }
