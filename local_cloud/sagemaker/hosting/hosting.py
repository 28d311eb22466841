"""Starts the fleets of an endpoint configuration."""

import random
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cloud.clock import Clock
from local_cloud.sagemaker.errors import AwsError, HostingError, validation_error
from local_cloud.sagemaker.hosting.artifacts import artifact_url, fetch_artifact
from local_cloud.sagemaker.hosting.fleet import DRAIN_SECONDS, Fleet
from local_cloud.sagemaker.hosting.images import Images
from local_cloud.sagemaker.hosting.instance import Instance, InstanceSpecification
from local_cloud.sagemaker.hosting.serverless import STARTUP_TIMEOUT_SECONDS, Containers
from local_cloud.sagemaker.moto_backend import Scope, call_moto
from local_cloud.sagemaker.platform import Platform

DEFAULT_STARTUP_TIMEOUT_SECONDS = 240
_ENGINE = "WHIPPET_ENGINE"
_PRECISION = "WHIPPET_PRECISION"


@dataclass(frozen=True, kw_only=True)
class HostedVariant:
    """A running production variant.

    Attributes:
        name: the variant's.
        weight: its share of the traffic, relative to those of the other variants.
        execution_role_arn: the role of its model.
        fleet: its instances, or the containers of a serverless variant.
        model_directory: its unpacked artifact.
        serverless: its ServerlessConfig; None: it has instances.
    """

    name: str
    weight: float
    execution_role_arn: str
    fleet: Fleet | Containers
    model_directory: Path
    serverless: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The running variants of one endpoint configuration."""

    configuration_name: str
    variants: tuple[HostedVariant, ...]

    def choose(self, target: str | None) -> HostedVariant:
        """Return the target variant, or without a target one chosen at random by weight.

        Raises:
            AwsError: there is no variant with that name.
        """
        if target is None:
            weights = [variant.weight for variant in self.variants]
            return random.choices(self.variants, weights)[0]  # noqa: S311 - routing, no secret
        for variant in self.variants:
            if variant.name == target:
                return variant
        raise validation_error(f"Variant {target} is not found.")

    def stop(self, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Stop every instance and delete the unpacked artifacts.

        Args:
            drain_seconds: how long they may respond to their requests before.
        """
        for variant in self.variants:
            variant.fleet.resize(0, drain_seconds=drain_seconds)
            shutil.rmtree(variant.model_directory, ignore_errors=True)


class Hosting:
    """Starts deployments as processes of this machine.

    Args:
        platform: IAM, S3 and CloudWatch.
        images: the model servers by image.
        python: interpreter of the serving environment.
        models: folder for unpacked artifacts.
        logs: folder for the instances' logs.
        clock: the time after which an idle serverless container is stopped.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        images: Images,
        python: Path,
        models: Path,
        logs: Path,
        clock: Clock,
    ) -> None:
        self._platform = platform
        self._images = images
        self._python = python
        self._models = models
        self._logs = logs
        self._clock = clock

    def deploy(
        self,
        scope: Scope,
        endpoint_name: str,
        configuration_name: str,
        counts: dict[str, int],
    ) -> Deployment:
        """Start all instances of a configuration and wait until they are healthy.

        Args:
            scope: account and region.
            endpoint_name: the name of the log folder.
            configuration_name: the endpoint configuration.
            counts: number of instances by variant; overrides the configuration's initial counts.

        Raises:
            HostingError: a model could not be downloaded or a server not started.
        """
        configuration = call_moto(
            scope, "sagemaker", "DescribeEndpointConfig",
            {"EndpointConfigName": configuration_name},
        )  # fmt: skip
        variants: list[HostedVariant] = []
        try:
            for wanted in configuration["ProductionVariants"]:
                variants.append(self._start_variant(scope, endpoint_name, wanted, counts))
        except BaseException:
            Deployment(configuration_name=configuration_name, variants=tuple(variants)).stop()
            raise
        return Deployment(configuration_name=configuration_name, variants=tuple(variants))

    def _start_variant(
        self, scope: Scope, endpoint_name: str, wanted: dict[str, Any], counts: dict[str, int]
    ) -> HostedVariant:
        name = wanted["VariantName"]
        serverless = wanted.get("ServerlessConfig")
        if serverless is None and "InitialInstanceCount" not in wanted:
            raise HostingError(
                f"Variant {name} has no InitialInstanceCount: the local cloud hosts variants on "
                "instances or serverless."
            )
        try:
            model = call_moto(
                scope, "sagemaker", "DescribeModel", {"ModelName": wanted["ModelName"]}
            )
        except AwsError as error:
            raise HostingError(error.message) from error
        # A new folder: an earlier deployment uses its own until this one is healthy.
        deployment_id = uuid.uuid4().hex[:8]
        directory = self._models / f"{name}-{deployment_id}"
        try:
            timeout = (
                STARTUP_TIMEOUT_SECONDS
                if serverless
                else wanted.get(
                    "ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_TIMEOUT_SECONDS
                )
            )
            specification = self.specification(
                scope, model, directory, startup_timeout_seconds=float(timeout)
            )
            log_name = f"{endpoint_name}/{name}-{deployment_id}"
            fleet: Fleet | Containers
            if serverless:
                fleet = self._containers(specification, log_name, endpoint_name, name, serverless)
            else:
                count = counts.get(name, int(wanted["InitialInstanceCount"]))
                fleet = self._start_fleet(specification, log_name, count)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return HostedVariant(
            name=name,
            weight=float(wanted.get("InitialVariantWeight", 1.0)),
            execution_role_arn=model.get("ExecutionRoleArn") or "",
            fleet=fleet,
            model_directory=directory,
            serverless=serverless,
        )

    def _containers(
        self,
        specification: InstanceSpecification,
        log_name: str,
        endpoint_name: str,
        variant_name: str,
        configuration: Mapping[str, int],
    ) -> Containers:
        """Return the containers of a serverless variant; none runs before the first request."""
        dimensions = {"EndpointName": endpoint_name, "VariantName": variant_name}

        def put_metric(name: str, value: float, unit: str) -> None:
            self._platform.put_metric(name, value, unit=unit, dimensions=dimensions)

        return Containers(
            lambda number: Instance(specification, self._logs / f"{log_name}-{number}.log"),
            variant_name=variant_name,
            max_concurrency=configuration["MaxConcurrency"],
            memory_mb=configuration["MemorySizeInMB"],
            put_metric=put_metric,
            clock=self._clock,
        )

    def _start_fleet(
        self, specification: InstanceSpecification, log_name: str, count: int
    ) -> Fleet:
        def make_instance(number: int) -> Instance:
            return Instance(specification, self._logs / f"{log_name}-{number}.log")

        fleet = Fleet(make_instance)
        fleet.resize(count)
        return fleet

    def specification(
        self,
        scope: Scope,
        model: dict[str, Any],
        directory: Path,
        *,
        startup_timeout_seconds: float,
        environment: Mapping[str, str] | None = None,
    ) -> InstanceSpecification:
        """Download a model's artifact; return how to start its server.

        Args:
            scope: account and region.
            model: DescribeModel's response.
            directory: a new folder for the artifact.
            startup_timeout_seconds: maximum time until the server is healthy.
            environment: variables besides those of the model's container.

        Raises:
            HostingError: there is no server for the image, or the artifact cannot be read.
        """
        container: dict[str, Any] = model.get("PrimaryContainer") or model["Containers"][0]
        server = self._images.server(container["Image"])
        url = artifact_url(container)
        if url:
            fetch_artifact(
                self._platform, scope,
                url=url, role_arn=model["ExecutionRoleArn"], destination=directory,
            )  # fmt: skip
        return InstanceSpecification(
            python=self._python,
            server=server,
            model_directory=directory,
            environment=_on_this_machine(
                {**container.get("Environment", {}), **(environment or {})}
            ),
            startup_timeout_seconds=startup_timeout_seconds,
        )


def _on_this_machine(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a container's variables, with the engine replaced by OpenVINO, and fp16 by fp32.

    The local serving environment has only the engine for CPU types, so it also runs endpoints on
    GPU types. The other variables, including those of batching, are kept.
    """
    replaced = dict(environment)
    if _ENGINE in replaced:
        replaced[_ENGINE] = "openvino"
    if replaced.get(_PRECISION) == "fp16":
        replaced[_PRECISION] = "fp32"
    return replaced
