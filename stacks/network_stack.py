"""The network that parts of a stage run in."""

from aws_cdk import CfnOutput
from constructs import Construct

from stacks.components.network.placement import Placement, Placements
from stacks.components.network.private_network import PrivateNetwork
from stacks.components.network.security_groups import SecurityGroups
from stacks.components.network.service_endpoints import (
    create_function_endpoints,
    create_s3_endpoint,
)
from stacks.names import NETWORK_OUTPUT
from stacks.settings.stage import StageSettings
from stacks.settings.stage_network import Placeable
from stacks.stage_stack import StageStack
from stacks.storage_stack import StorageStack


class NetworkStack(StageStack):
    """A network without internet access, or the security groups of the stage in an existing one.

    Attributes:
        placements: where each part of the stage runs that the settings place.
    """

    def __init__(self, scope: Construct, *, settings: StageSettings, storage: StorageStack) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="network",
            description="Whippet: network of endpoint, training and functions",
        )
        self._settings = settings
        network = settings.network
        private = self._private_network(storage) if network.vpc == "own" else None
        self._vpc_id = str(private.vpc_id if private else network.vpc_id)
        self._subnet_ids = private.subnet_ids if private else network.subnet_ids
        self._groups = SecurityGroups(self, "SecurityGroups", settings=network, vpc_id=self._vpc_id)
        self.placements: Placements = {
            part: self._placement(self._group_of(part, private)) for part in network.placed
        }
        parts = ", ".join(network.placed)
        CfnOutput(self, NETWORK_OUTPUT, value=f"{network.identity}: {parts}")

    def _private_network(self, storage: StorageStack) -> PrivateNetwork:
        settings, buckets = self._settings, storage.buckets
        network = PrivateNetwork(
            self,
            "Network",
            address_range=settings.network.address_range,
            zones=settings.network.availability_zones,
            key=storage.key,
            log_retention_days=settings.log_retention_days,
        )
        containers = {"endpoint", "training"} & {*settings.network.placed}
        uploads = storage.uploads if settings.network.places("functions") else None
        if containers or uploads:
            create_s3_endpoint(
                network,
                network=network,
                settings=settings,
                of_containers=(
                    [buckets.datasets, buckets.models, buckets.captures] if containers else []
                ),
                uploads=None if uploads is None else uploads.bucket,
            )
        return network

    def _group_of(self, part: Placeable, private: PrivateNetwork | None) -> str:
        if part == "endpoint":
            return self._groups.endpoint()
        if part == "training":
            return self._groups.training()
        if private is None:
            return self._groups.functions(None, uploads=False)
        interfaces = self._groups.interfaces()
        create_function_endpoints(
            private, network=private, settings=self._settings, security_group_id=interfaces
        )
        return self._groups.functions(interfaces, uploads=self._settings.api.uploads_enabled)

    def _placement(self, security_group_id: str) -> Placement:
        # An existing subnet may be one that another account shares.
        account = "*" if self._settings.network.vpc == "existing" else None
        arns = (
            self.format_arn(
                service="ec2", resource="subnet", resource_name=subnet_id, account=account
            )
            for subnet_id in self._subnet_ids
        )
        return Placement(
            subnet_ids=self._subnet_ids,
            subnet_arns=tuple(arns),
            security_group_id=security_group_id,
        )
