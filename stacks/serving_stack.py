"""The endpoint: model, configuration, rollback alarms, scaling."""

from aws_cdk import CfnOutput, DefaultStackSynthesizer
from constructs import Construct

from stacks.components.network.placement import Placement
from stacks.components.serving.artifact_url import artifact_url
from stacks.components.serving.endpoint import Endpoint, update_settings
from stacks.components.serving.endpoint_configuration import EndpointConfiguration
from stacks.components.serving.endpoint_log_group import endpoint_log_group
from stacks.components.serving.endpoint_scaling import EndpointScaling
from stacks.components.serving.model_server import model_server_environment
from stacks.components.serving.pausable import remove_while_paused
from stacks.components.serving.rollback_alarms import (
    ALARMS_ID,
    RollbackAlarms,
    allow_reading_alarms,
)
from stacks.components.serving.serverless_schedule import ServerlessConcurrencySchedule
from stacks.components.serving.serving_image import ServingImage
from stacks.components.shared.bootstrap import asset_bucket_arn
from stacks.components.shared.execution_role import ExecutionRole
from stacks.components.shared.pause import Pause
from stacks.components.shared.published_values import publish
from stacks.inputs import Inputs
from stacks.names import endpoint_log_group_name
from stacks.settings.stage import StageSettings
from stacks.stage_stack import StageStack
from stacks.storage_stack import StorageStack


class ServingStack(StageStack):
    """The SageMaker endpoint with everything that it needs.

    The model is in the bucket of models under the key that the stage's lock names, or without a
    lock an asset. The key has the sha256 of the archive: a different archive has another key, which
    replaces Model and EndpointConfig.

    Raises:
        SettingsError: the settings require something that the model does not have.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        storage: StorageStack,
        placement: Placement | None,
        inputs: Inputs,
    ) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="serving",
            description="Whippet: the endpoint that serves the model",
            # The execution role may read the S3 keys with this prefix: the stage's models.
            synthesizer=DefaultStackSynthesizer(bucket_prefix=f"{settings.name}/"),
        )
        self._settings = settings
        self._placement = placement
        configuration = self._configure(storage, inputs)
        endpoint = self._create_endpoint(configuration, inputs)
        log_group = endpoint_log_group(
            self,
            "EndpointLogs",
            endpoint_name=settings.endpoint_name,
            key=storage.key,
            retention_days=settings.log_retention_days,
        )
        endpoint.node.add_dependency(log_group)
        pause = Pause(self)
        remove_while_paused(pause, endpoint, *self._create_scaling(endpoint))
        # A literal: the endpoint's attribute does not exist while the stage is paused.
        CfnOutput(self, "EndpointName", value=settings.endpoint_name)
        CfnOutput(self, "ModelVersion", value=inputs.model.version)
        publish(
            self,
            settings.name,
            endpoint_name=settings.endpoint_name,
            model_version=inputs.model.version,
            paused=pause.value,
        )

    def _configure(self, storage: StorageStack, inputs: Inputs) -> EndpointConfiguration:
        serving = self._settings.serving
        image = ServingImage(
            self, "Image", settings=serving, model_code_directory=inputs.model_code_directory
        )
        role = ExecutionRole(
            self,
            "ExecutionRole",
            description="Execution role of the endpoint",
            # Of a model without a lock, which an earlier deployment may have served.
            asset_bucket_arn=asset_bucket_arn(self),
            asset_keys=f"{self._settings.name}/*.gz",
            asset_key_arn=self._settings.asset_key_arn,
            repository_arn=image.repository_arn,
            log_group_name=endpoint_log_group_name(self._settings.endpoint_name),
            # A serverless container has no volume.
            volume_key=None if serving.is_serverless else storage.key,
        )
        # All of the prefix: while the endpoint is updated, the old fleet may start instances.
        role.role.add_managed_policy(storage.buckets.read_models)
        allow_reading_alarms(role.policy)
        if self._placement is not None:
            self._placement.allow_sagemaker(role.policy)
        if serving.data_capture_percent > 0:
            role.role.add_managed_policy(storage.buckets.write_captures)
        return EndpointConfiguration(
            self,
            "Configuration",
            settings=serving,
            model=inputs.model,
            artifact_url=artifact_url(
                self, "ModelArtifact", model=inputs.model, buckets=storage.buckets
            ),
            image_uri=image.uri,
            environment={
                **model_server_environment(self._settings, inputs.model),
                # Nothing reads it: another value replaces Model and EndpointConfig.
                "WHIPPET_ENDPOINT_UPDATES": update_settings(serving),
            },
            execution_role=role,
            placement=self._placement,
            key=storage.key,
            captures=storage.buckets.captures,
        )

    def _create_scaling(self, endpoint: Endpoint) -> list[Construct]:
        """Return what changes the endpoint's capacity: its scaling, or a schedule, or nothing."""
        serving = self._settings.serving
        if serving.scales:
            return [
                EndpointScaling(
                    self,
                    "Scaling",
                    settings=serving,
                    endpoint_attribute_name=endpoint.attribute_name,
                )
            ]
        if serving.serverless_provisioned_concurrency_schedule:
            return [
                ServerlessConcurrencySchedule(
                    self,
                    "ConcurrencySchedule",
                    settings=serving,
                    endpoint_attribute_name=endpoint.attribute_name,
                )
            ]
        return []

    def _create_endpoint(self, configuration: EndpointConfiguration, inputs: Inputs) -> Endpoint:
        alarms = RollbackAlarms(
            self,
            f"{ALARMS_ID}{configuration.replacement_hash}",
            settings=self._settings,
            endpoint_configuration_name=configuration.name,
        ).alarms
        enabled = self._settings.serving.rollback_alarms_enabled
        return Endpoint(
            self,
            "Endpoint",
            settings=self._settings,
            model=inputs.model,
            endpoint_configuration_name=configuration.name,
            rollback_alarms=alarms if enabled else [],
        )
