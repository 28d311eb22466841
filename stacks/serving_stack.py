"""The endpoint: model, configuration, rollout, scaling."""

from aws_cdk import AssetHashType, CfnOutput, IgnoreMode
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.components.endpoint import Endpoint
from stacks.components.endpoint_configuration import EndpointConfiguration
from stacks.components.endpoint_scaling import EndpointScaling
from stacks.components.rollback_alarms import RollbackAlarms
from stacks.components.serving_role import ServingRole
from stacks.inputs import Inputs
from stacks.settings import StageSettings
from stacks.stage_stack import StageStack
from stacks.storage_stack import StorageStack


class ServingStack(StageStack):
    """A model served by instances.

    The model is an asset whose hash is its identity: the same model built on another machine
    deploys nothing, and another model has another S3 key, which replaces Model and
    EndpointConfig.
    """

    def __init__(
        self, scope: Construct, *, settings: StageSettings, storage: StorageStack, inputs: Inputs
    ) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="serving",
            description="Whippet: the endpoint that serves the model",
        )
        artifact = s3_assets.Asset(
            self,
            "ModelArtifact",
            path=str(inputs.model.archive),
            asset_hash=inputs.model.identity,
            asset_hash_type=AssetHashType.CUSTOM,
        )
        image = ecr_assets.DockerImageAsset(
            self,
            "Image",
            directory=str(inputs.model_code_directory),
            ignore_mode=IgnoreMode.DOCKER,  # .dockerignore there is an allow-list
            platform=ecr_assets.Platform.LINUX_AMD64,  # whatever the laptop is
        )
        serving_role = ServingRole(
            self,
            "ServingRole",
            settings=settings,
            artifact=artifact,
            repository=image.repository,
            key=storage.key,
        )
        if settings.serving.data_capture_percent > 0:
            storage.buckets.allow_writing_captures(serving_role.role)
        configuration = EndpointConfiguration(
            self,
            "Configuration",
            settings=settings.serving,
            model=inputs.model,
            artifact=artifact,
            image_uri=image.image_uri,
            serving_role=serving_role,
            key=storage.key,
            captures=storage.buckets.captures,
        )
        rollback_alarms = (
            RollbackAlarms(
                self,
                "RollbackAlarms",
                settings=settings,
                endpoint_configuration_name=configuration.name,
            ).alarms
            if settings.serving.rollback_alarms_enabled
            else []
        )
        endpoint = Endpoint(
            self,
            "Endpoint",
            settings=settings,
            model=inputs.model,
            endpoint_configuration_name=configuration.name,
            role=serving_role.role,
            rollback_alarms=rollback_alarms,
        )
        if settings.serving.minimum_instance_count < settings.serving.maximum_instance_count:
            EndpointScaling(
                self,
                "Scaling",
                settings=settings.serving,
                endpoint_attribute_name=endpoint.attribute_name,
            )
        CfnOutput(self, "EndpointName", value=endpoint.attribute_name)
        CfnOutput(self, "ModelVersion", value=inputs.model.version)
