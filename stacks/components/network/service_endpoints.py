"""The ways from a network without internet access to services of AWS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.network.private_network import PrivateNetwork
from stacks.components.shared.bootstrap import asset_bucket_arn
from stacks.names import PAUSED_VALUE, parameter_path, training_asset_prefix
from stacks.settings.stage import StageSettings


@dataclass(frozen=True, kw_only=True)
class _Service:
    """A service, and what may be done through its endpoint."""

    name: str
    actions: tuple[str, ...]
    resource: str


def create_s3_endpoint(
    scope: Construct,
    *,
    network: PrivateNetwork,
    settings: StageSettings,
    of_containers: Sequence[s3.IBucket],
    uploads: s3.IBucket | None,
) -> None:
    """Create the gateway to S3: for the stage's buckets, and its files in the bootstrap's.

    S3 decrypts objects itself, and SageMaker pulls images and writes logs and metrics by its own
    network: containers need no other service
    (docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html, train-vpc.html).

    Args:
        scope: the construct's parent.
        network: the network.
        settings: of the stage.
        of_containers: the buckets that containers read and write; none: no container runs there.
        uploads: the bucket whose images functions read and delete; None: none do.
    """
    statements = _for_containers(scope, settings, of_containers) if of_containers else []
    if uploads is not None:
        # Callers write them from outside.
        actions = ("s3:DeleteObject", "s3:GetObject")
        statements.append(_of_this_account(scope, actions, [uploads.arn_for_objects("*")]))
    ec2.CfnVPCEndpoint(
        scope,
        "S3",
        vpc_id=network.vpc_id,
        vpc_endpoint_type="Gateway",
        service_name=_service_name("s3"),
        route_table_ids=[network.route_table_id],
        policy_document=iam.PolicyDocument(statements=statements),
    )


def _for_containers(
    scope: Construct, settings: StageSettings, buckets: Sequence[s3.IBucket]
) -> list[iam.PolicyStatement]:
    assets = asset_bucket_arn(scope)
    prefixes = (settings.name, training_asset_prefix(settings.name))
    objects = [
        *(bucket.arn_for_objects("*") for bucket in buckets),
        *(f"{assets}/{prefix}/*" for prefix in prefixes),
    ]
    listed = [*(bucket.bucket_arn for bucket in buckets), assets]
    return [
        _of_this_account(scope, ("s3:GetObject", "s3:PutObject"), objects),
        _of_this_account(scope, ("s3:ListBucket",), listed),
    ]


def create_function_endpoints(
    scope: Construct, *, network: PrivateNetwork, settings: StageSettings, security_group_id: str
) -> None:
    """Create an endpoint for each service that the API's functions call.

    Args:
        scope: the construct's parent.
        network: the network.
        settings: of the stage.
        security_group_id: of the endpoints.
    """
    for service in _services_of_functions(scope, settings):
        ec2.CfnVPCEndpoint(
            scope,
            "".join(part.title() for part in service.name.split(".")),
            vpc_id=network.vpc_id,
            vpc_endpoint_type="Interface",
            service_name=_service_name(service.name),
            private_dns_enabled=True,
            subnet_ids=list(network.subnet_ids),
            security_group_ids=[security_group_id],
            policy_document=iam.PolicyDocument(
                statements=[_of_this_account(scope, service.actions, [service.resource])]
            ),
        )


def _services_of_functions(scope: Construct, settings: StageSettings) -> Iterator[_Service]:
    stack = Stack.of(scope)
    endpoint = stack.format_arn(
        service="sagemaker", resource="endpoint", resource_name=settings.endpoint_name
    )
    yield _Service(
        name="sagemaker.runtime", actions=("sagemaker:InvokeEndpoint",), resource=endpoint
    )
    yield _Service(name="sagemaker.api", actions=("sagemaker:DescribeEndpoint",), resource=endpoint)
    parameter = f"{parameter_path(settings.name)}/{PAUSED_VALUE}".removeprefix("/")
    yield _Service(
        name="ssm",
        actions=("ssm:GetParameter",),
        resource=stack.format_arn(service="ssm", resource="parameter", resource_name=parameter),
    )
    yield _Service(
        name="xray",
        actions=("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
        resource="*",
    )


def _service_name(service: str) -> str:
    return f"com.amazonaws.{Aws.REGION}.{service}"


def _of_this_account(
    scope: Construct, actions: Sequence[str], resources: Sequence[str]
) -> iam.PolicyStatement:
    """Allow actions to principals of this account alone: their policies limit each further."""
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()],
        actions=list(actions),
        resources=list(resources),
        conditions={"StringEquals": {"aws:PrincipalAccount": Stack.of(scope).account}},
    )
