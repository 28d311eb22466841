"""The two SageMaker resources that every change replaces: Model and EndpointConfig."""

import hashlib
import json
from collections.abc import Mapping

from aws_cdk import CfnDeletionPolicy, CfnResource, CfnTag, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.components.network.placement import Placement
from stacks.components.serving.endpoint_metrics import VARIANT_NAME
from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.shared.execution_role import ExecutionRole
from stacks.components.storage.buckets import CAPTURE_PREFIX
from stacks.settings import instance_types
from stacks.settings.serving import ServingSettings

# NVIDIA's driver 580. Without it ml.g4dn and ml.g5 get 470, on which CUDA 12 does not start
# (docs.aws.amazon.com/sagemaker/latest/dg/inference-gpu-drivers.html).
_GPU_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"


class EndpointConfiguration(Construct):
    """A Model and its EndpointConfig, both unnamed: a change of any property replaces them.

    Attributes:
        name: the generated name of the EndpointConfig.
        replacement_hash: 8 hexadecimal digits that change whenever CloudFormation replaces the
            EndpointConfig, and only then.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: ServingSettings,
        model: ModelArtifact,
        artifact_url: str,
        image_uri: str,
        environment: Mapping[str, str],
        execution_role: ExecutionRole,
        placement: Placement | None,
        key: kms.IKey | None,
        captures: s3.IBucket,
    ) -> None:
        super().__init__(scope, construct_id)
        cfn_model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=execution_role.role.role_arn,
            # The container needs no network access; Serverless Inference has no isolation.
            enable_network_isolation=None if settings.is_serverless else True,
            vpc_config=None if placement is None else placement.of_model,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image_uri,
                model_data_url=artifact_url,
                environment=environment,
            ),
            tags=[
                CfnTag(key="whippet:model-name", value=model.name),
                CfnTag(key="whippet:model-identity", value=model.identity),
                CfnTag(key="whippet:model-sha256", value=model.sha256),
            ],
        )
        cfn_model.node.add_dependency(execution_role.policy)
        configuration = sagemaker.CfnEndpointConfig(
            self,
            "EndpointConfig",
            production_variants=[_variant(settings, cfn_model.attr_model_name)],
            data_capture_config=_data_capture(settings, key, captures),
            # Without one SageMaker encrypts the volumes with a key of its own.
            kms_key_id=key.key_arn if key and _has_encrypted_volumes(settings) else None,
            metrics_config=_metrics(settings),
        )
        for resource in (cfn_model, configuration):
            _keep_when_replaced(resource)
        self.name = configuration.attr_endpoint_config_name
        self.replacement_hash = _replacement_hash(cfn_model, configuration)


def _variant(
    settings: ServingSettings, model_name: str
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    if settings.is_serverless:
        return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            variant_name=VARIANT_NAME,
            model_name=model_name,
            initial_variant_weight=1,
            serverless_config=sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
                memory_size_in_mb=settings.serverless_memory_mb,
                max_concurrency=settings.serverless_max_concurrency,
                provisioned_concurrency=settings.serverless_provisioned_concurrency or None,
            ),
        )
    return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
        variant_name=VARIANT_NAME,
        model_name=model_name,
        instance_type=settings.instance_type,
        initial_instance_count=settings.min_instance_count,
        initial_variant_weight=1,
        container_startup_health_check_timeout_in_seconds=(
            settings.container_startup_timeout_seconds
        ),
        inference_ami_version=_GPU_AMI if instance_types.has_gpu(settings.instance_type) else None,
    )


def _has_encrypted_volumes(settings: ServingSettings) -> bool:
    """Whether SageMaker attaches volumes; some types have disks of their own, and no key."""
    return not settings.is_serverless and not instance_types.has_local_storage(
        settings.instance_type
    )


def _metrics(
    settings: ServingSettings,
) -> sagemaker.CfnEndpointConfig.MetricsConfigProperty | None:
    """Turn detailed metrics of instances off.

    They are on by default: SageMaker would request GET /metrics of each container, which does not
    have it, and publish metrics of each machine.
    """
    if settings.is_serverless:
        return None
    return sagemaker.CfnEndpointConfig.MetricsConfigProperty(enable_detailed_observability=False)


def _data_capture(
    settings: ServingSettings, key: kms.IKey | None, captures: s3.IBucket
) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty | None:
    if settings.data_capture_percent == 0:
        return None
    option = sagemaker.CfnEndpointConfig.CaptureOptionProperty
    return sagemaker.CfnEndpointConfig.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=settings.data_capture_percent,
        destination_s3_uri=captures.s3_url_for_object(CAPTURE_PREFIX),
        kms_key_id=None if key is None else key.key_arn,
        capture_options=[option(capture_mode="Input"), option(capture_mode="Output")],
    )


def _keep_when_replaced(resource: CfnResource) -> None:
    """Retain the resource when an update replaces it; delete it with the stack.

    After a silent rollback the endpoint still serves the old configuration. If CloudFormation
    deleted that, the next update would fail with "Could not find endpoint configuration".
    """
    resource.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
    resource.cfn_options.deletion_policy = CfnDeletionPolicy.DELETE


def _replacement_hash(*resources: CfnResource) -> str:
    """Hash logical ids and properties; a change of tags alone is made in place."""
    described = [
        [
            resource.ref,
            {name: value for name, value in resource._cfn_properties.items() if name != "tags"},
        ]
        for resource in resources
    ]
    resolved = Stack.of(resources[0]).resolve(described)
    return hashlib.sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()[:8]
