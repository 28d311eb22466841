"""InvokeEndpoint: sends a request to an instance and records its metrics."""

import http.client
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting import serverless
from local_cloud.sagemaker.hosting.fleet import NoHealthyInstanceError
from local_cloud.sagemaker.hosting.instance import Instance
from local_cloud.sagemaker.hosting.model_server_client import (
    INVOCATION_TIMEOUT_SECONDS,
    InstanceResponse,
)
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform

# docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html
_MAX_PAYLOAD_BYTES = 25 * 1024 * 1024
_CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_ROUTING_ATTEMPTS = 3
_TARGET_VARIANT = "x-amzn-sagemaker-target-variant"


@dataclass(frozen=True)
class Invocation:
    """One InvokeEndpoint request."""

    scope: Scope
    endpoint_name: str
    headers: Mapping[str, str]
    body: bytes


def invoke_endpoint(
    endpoints: Endpoints, platform: Platform, invocation: Invocation
) -> tuple[int, dict[str, str], bytes]:
    """Send one request to a model server and record SageMaker's metrics for it.

    Returns:
        Status, headers and body of the response.

    Raises:
        AwsError: with a code of the runtime API, for example ModelError.
    """
    arrived = time.perf_counter()
    route = _Route(endpoints, invocation)
    is_serverless = route.variant.serverless is not None
    largest = serverless.MAX_PAYLOAD_BYTES if is_serverless else _MAX_PAYLOAD_BYTES
    if len(invocation.body) > largest:
        raise AwsError(
            "ValidationError",
            f"Request {len(invocation.body)} bytes has exceeded the maximum of {largest} bytes",
        )
    sent = response = None
    is_throttled = False
    try:
        with route.lease() as instance:
            sent = time.perf_counter()
            response = _invoke(instance, route.variant.name, invocation)
    except serverless.ThrottledError:
        is_throttled = True  # no invocation
        raise
    finally:
        if not is_throttled:
            _record_metrics(
                platform,
                status=response.status if response else None,
                overhead_seconds=(time.perf_counter() if sent is None else sent) - arrived,
                model_seconds=None if sent is None else time.perf_counter() - sent,
                fleet_size=None if is_serverless else route.variant.fleet.size,
                names=(
                    invocation.endpoint_name,
                    route.variant.name,
                    route.deployment.configuration_name,
                ),
            )
    if response.status >= 400:
        raise _model_error(response, route.variant.name)
    headers = {"x-Amzn-Invoked-Production-Variant": route.variant.name}
    for name, value in response.headers.items():
        if name.lower() in {"content-type", _CUSTOM_ATTRIBUTES}:
            headers[name] = value
    return 200, headers, response.body


class _Route:
    """The deployment, the variant and the instance of one request."""

    def __init__(self, endpoints: Endpoints, invocation: Invocation) -> None:
        self._endpoints, self._invocation = endpoints, invocation
        self._choose()

    @contextmanager
    def lease(self) -> Iterator[Instance]:
        """Yield an instance.

        Raises:
            AwsError: no instance is healthy.
        """
        with ExitStack() as stack:
            for _ in range(_ROUTING_ATTEMPTS):
                try:
                    instance = stack.enter_context(self.variant.fleet.lease())
                    break
                except NoHealthyInstanceError:
                    # A deployment that ended since it was chosen has no instance any more.
                    self._choose()
            else:
                raise AwsError(
                    "ServiceUnavailable",
                    f"No instance of variant {self.variant.name} is healthy; they are being "
                    "restarted.",
                    status=503,
                )
            yield instance

    def _choose(self) -> None:
        invocation = self._invocation
        self.deployment = self._endpoints.route(invocation.scope, invocation.endpoint_name)
        self.variant = self.deployment.choose(invocation.headers.get(_TARGET_VARIANT))


def _invoke(instance: Instance, variant_name: str, invocation: Invocation) -> InstanceResponse:
    headers = {
        name: value
        for name, value in invocation.headers.items()
        if name in {"content-type", "accept", _CUSTOM_ATTRIBUTES}
    }
    try:
        return instance.server.invoke(invocation.body, headers)
    except TimeoutError as error:
        raise _no_response(
            variant_name, f"Your invocation timed out after {INVOCATION_TIMEOUT_SECONDS:.0f} s"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _no_response(variant_name, "The container stopped during the request") from error


def _model_error(response: InstanceResponse, variant_name: str) -> AwsError:
    text = response.body.decode("utf-8", "replace")
    side = "client" if response.status < 500 else "server"
    return AwsError(
        "ModelError",
        f'Received {side} error ({response.status}) from {variant_name} with message "{text}".',
        status=424,
        OriginalStatusCode=response.status,
        OriginalMessage=text,
    )


def _no_response(variant_name: str, what: str) -> AwsError:
    return AwsError(
        "ModelError",
        f'Received server error (0) from {variant_name} with message "{what}".',
        status=424,
        OriginalStatusCode=500,
        OriginalMessage=what,
    )


def _record_metrics(
    platform: Platform,
    *,
    status: int | None,
    overhead_seconds: float,
    model_seconds: float | None,
    fleet_size: int | None,
    names: tuple[str, str, str],
) -> None:
    """Record SageMaker's metrics of an invocation; latencies are in microseconds."""
    # No response counts as a server error.
    status = 500 if status is None else status
    values = [
        ("Invocations", 1.0, "None"),
        ("OverheadLatency", overhead_seconds * 1e6, "Microseconds"),
        ("Invocation4XXErrors", float(400 <= status < 500), "None"),
        ("Invocation5XXErrors", float(status >= 500), "None"),
    ]
    if fleet_size is not None:  # a serverless endpoint does not publish these
        values.append(("InvocationsPerInstance", 1.0 / max(fleet_size, 1), "None"))
        values.append(("InvocationModelErrors", float(status >= 400), "None"))
    if model_seconds is not None:  # else no instance got the request
        values.append(("ModelLatency", model_seconds * 1e6, "Microseconds"))
    endpoint, variant, configuration = names
    by_variant = {"EndpointName": endpoint, "VariantName": variant}
    for name, value, unit in values:
        platform.put_metric(name, value, unit=unit, dimensions=by_variant)
        # Rollback alarms use the metrics of one configuration.
        platform.put_metric(
            name, value, unit=unit, dimensions=by_variant | {"EndpointConfigName": configuration}
        )
