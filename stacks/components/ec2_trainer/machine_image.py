"""The machine images of the EC2 trainer: AWS's own, by their public parameters."""

from stacks.settings.ec2_trainer import Ec2TrainerSettings

# docs.aws.amazon.com/dlami/latest/devguide: the PyTorch of the images for SageMaker, and on Arm the
# newest that AWS publishes for Amazon Linux 2023.
_DEEP_LEARNING_VERSIONS = {"x86_64": "2.13", "arm64": "2.11"}


def machine_image(settings: Ec2TrainerSettings) -> str:
    """Return the image's id as a launch template takes it: EC2 reads the parameter at each launch.

    So a machine starts from the newest image, and nothing is looked up when templates are written.
    Source: docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-launch-template.html, "Use a Systems
    Manager parameter instead of an AMI ID".
    """
    architecture = settings.architecture
    if settings.has_gpu:
        version = _DEEP_LEARNING_VERSIONS[architecture]
        return (
            f"resolve:ssm:/aws/service/deeplearning/ami/{architecture}/"
            f"oss-nvidia-driver-gpu-pytorch-{version}-amazon-linux-2023/latest/ami-id"
        )
    return (
        f"resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"
    )
