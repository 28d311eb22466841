"""The container image of the model server: built from model_code/, or prebuilt."""

from pathlib import Path

from aws_cdk import ArnFormat, IgnoreMode, Stack
from aws_cdk import aws_ecr_assets as ecr_assets
from constructs import Construct

from stacks.settings import instance_types
from stacks.settings.ecr_image import parse_image_uri
from stacks.settings.serving import ServingSettings

CPU_REQUIREMENTS = "requirements-serving.txt"
GPU_REQUIREMENTS = "requirements-serving-gpu.txt"


class ServingImage(Construct):
    """The container image for an instance type.

    Attributes:
        uri: the image's URI, for a Model's container.
        repository_arn: ARN of the image's repository.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: ServingSettings,
        model_code_directory: Path,
    ) -> None:
        super().__init__(scope, construct_id)
        if settings.image_uri is not None:
            self.uri = settings.image_uri
            self.repository_arn = self._prebuilt_repository_arn(settings.image_uri)
            return
        asset = self._build(
            model_code_directory, gpu=instance_types.has_gpu(settings.instance_type)
        )
        self.uri = asset.image_uri
        self.repository_arn = asset.repository.repository_arn

    def _prebuilt_repository_arn(self, uri: str) -> str:
        image = parse_image_uri(uri)
        return Stack.of(self).format_arn(
            service="ecr",
            account=image.account,
            region=image.region,
            resource="repository",
            resource_name=image.repository,
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )

    def _build(self, directory: Path, *, gpu: bool) -> ecr_assets.DockerImageAsset:
        used, unused = CPU_REQUIREMENTS, GPU_REQUIREMENTS
        if gpu:
            used, unused = unused, used
        return ecr_assets.DockerImageAsset(
            self,
            "Asset",
            directory=str(directory),
            build_args={"REQUIREMENTS": used},
            ignore_mode=IgnoreMode.DOCKER,  # model_code/.dockerignore is an allow-list
            exclude=[unused],  # changes of unused files must not update the endpoint
            platform=ecr_assets.Platform.LINUX_AMD64,  # also on a laptop with another architecture
        )
