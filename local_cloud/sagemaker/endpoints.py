"""Endpoints: SageMaker's states, and the deployment that serves each endpoint."""

import contextvars
import logging
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from moto.sagemaker.models import FakeEndpoint

from local_cloud.clock import Clock
from local_cloud.sagemaker.errors import AwsError, HostingError, validation_error
from local_cloud.sagemaker.hosting.hosting import Deployment, HostedVariant, Hosting
from local_cloud.sagemaker.hosting.rollout import Rollout, read_rollout, shift
from local_cloud.sagemaker.moto_backend import Scope, call_moto, endpoint_record

logger = logging.getLogger(__name__)

# Takes account and region, the role that reads the alarms, and their names.
RaisedAlarm = Callable[[Scope, str, tuple[str, ...]], str | None]

_IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


class Endpoints:
    """Creates, updates and deletes endpoints; each change runs in its own thread.

    Args:
        hosting: starts instances.
        clock: the time of rollouts.
        raised_alarm: returns the first of the alarms that is in the state ALARM; raises
            HostingError if the role may not read them.
    """

    def __init__(
        self,
        hosting: Hosting,
        clock: Clock,
        raised_alarm: RaisedAlarm,
    ) -> None:
        self._hosting, self._clock, self._raised_alarm = hosting, clock, raised_alarm
        self._new_fleets: dict[tuple[Scope, str], tuple[Deployment, float]] = {}
        self._deployments: dict[tuple[Scope, str], Deployment] = {}
        self._changes: dict[tuple[Scope, str], threading.Thread] = {}
        # Held while a request checks an endpoint's status and changes it.
        self._lock = threading.Lock()

    def create(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle CreateEndpoint: start the endpoint's instances in the background."""
        name, configuration = parameters["EndpointName"], parameters["EndpointConfigName"]
        with self._lock:
            if endpoint_record(scope, name):
                raise validation_error(
                    f'Cannot create already existing endpoint "{_arn(scope, name)}".'
                )
            _checked_variants(scope, configuration)
            response = call_moto(scope, "sagemaker", "CreateEndpoint", {"Tags": [], **parameters})
            self._begin(scope, name, "Creating", lambda: self._start(scope, name, configuration))
        return response

    def update(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle UpdateEndpoint: replace the fleet (blue/green) in the background."""
        name, configuration = parameters["EndpointName"], parameters["EndpointConfigName"]
        retained = bool(parameters.get("RetainAllVariantProperties"))
        with self._lock:
            self._check_changeable(scope, name)
            variants = _checked_variants(scope, configuration)
            self._check_mode(scope, name, variants)
            counts = self._instance_counts(scope, name) if retained else {}
            sizes = list(counts.values()) or [
                int(variant.get("InitialInstanceCount", 1)) for variant in variants
            ]
            rollout = read_rollout(parameters.get("DeploymentConfig"), min(sizes))
            self._begin(
                scope,
                name,
                "Updating",
                lambda: self._replace(scope, name, configuration, counts, rollout),
            )
        return {"EndpointArn": _arn(scope, name)}

    def delete(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle DeleteEndpoint: stop the endpoint's instances in the background."""
        name = parameters["EndpointName"]
        with self._lock:
            self._check_changeable(scope, name)
            self._begin(scope, name, "Deleting", lambda: self._remove(scope, name))
        return {}

    def resize(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle UpdateEndpointWeightsAndCapacities; weights are ignored."""
        name = parameters["EndpointName"]
        wanted = {
            change["VariantName"]: int(change["DesiredInstanceCount"])
            for change in parameters["DesiredWeightsAndCapacities"]
            if "DesiredInstanceCount" in change
        }
        with self._lock:
            self._check_changeable(scope, name)
            variants = self.deployment(scope, name).variants
            known = {variant.name for variant in variants}
            if unknown := wanted.keys() - known:
                raise validation_error(f"Variant(s) {sorted(unknown)} not found on {name}.")
            if wanted and any(variant.serverless for variant in variants):
                raise validation_error(
                    f"Endpoint {name} is serverless: it has no instances, and its concurrency is "
                    "that of its configuration."
                )
            self._begin(scope, name, "Updating", lambda: self._resize(scope, name, wanted))
        return {"EndpointArn": _arn(scope, name)}

    def deployment(self, scope: Scope, name: str) -> Deployment:
        """Return the deployment that serves an endpoint's requests now.

        Raises:
            AwsError: the endpoint does not exist or is not in service yet.
        """
        record = endpoint_record(scope, name)
        if record is None:
            raise validation_error(f"Endpoint {name} of account {scope.account_id} not found.")
        deployment = self._deployments.get((scope, name))
        if deployment is None:
            raise validation_error(
                f"Endpoint {name} of account {scope.account_id} is not in service: its status is "
                f"{record.endpoint_status}."
            )
        return deployment

    def route(self, scope: Scope, name: str) -> Deployment:
        """Return the deployment for one request; an update may shift the traffic in steps.

        Raises:
            AwsError: as `deployment`.
        """
        old = self.deployment(scope, name)
        new = self._new_fleets.get((scope, name))
        # Routing, no secret.
        return new[0] if new and random.random() < new[1] else old  # noqa: S311

    def deployments(self) -> dict[tuple[Scope, str], Deployment]:
        """Return the deployments that serve requests, by scope and endpoint name."""
        return dict(self._deployments)

    def wait(self, scope: Scope, name: str) -> FakeEndpoint | None:
        """Wait until no change is in progress; return the endpoint's record or None."""
        change = self._changes.get((scope, name))
        if change:
            change.join()
        return endpoint_record(scope, name)

    def stop(self) -> None:
        """Stop every instance of every endpoint."""
        new_fleets = [new for new, _ in self._new_fleets.values()]
        for deployment in [*self._deployments.values(), *new_fleets]:
            deployment.stop(drain_seconds=0)

    def _check_changeable(self, scope: Scope, name: str) -> None:
        record = endpoint_record(scope, name)
        if record is None:
            raise validation_error(f'Could not find endpoint "{_arn(scope, name)}".')
        if record.endpoint_status in _IN_PROGRESS:
            raise validation_error(f'Cannot update in-progress endpoint "{_arn(scope, name)}".')

    def _check_mode(self, scope: Scope, name: str, variants: list[dict[str, Any]]) -> None:
        """Refuse to make a serverless endpoint of one with instances, as SageMaker does."""
        old = self._deployments.get((scope, name))
        has_instances = old is not None and not any(each.serverless for each in old.variants)
        if has_instances and any("ServerlessConfig" in each for each in variants):
            raise validation_error(
                f"Cannot update the endpoint {name} from instances to serverless; create another "
                "endpoint."
            )

    def _begin(self, scope: Scope, name: str, status: str, change: Callable[[], None]) -> None:
        _set_status(scope, name, status)

        def run() -> None:
            try:
                change()
            except Exception as error:
                # Otherwise the endpoint would keep its status, and no later change be possible.
                _set_status(scope, name, "Failed", _reason(name, error))

        # In a copy of the request's context: the emulator keeps the account in a context variable.
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(run,), daemon=True)
        self._changes[scope, name] = thread
        thread.start()

    def _start(self, scope: Scope, name: str, configuration: str) -> None:
        try:
            deployment = self._hosting.deploy(scope, name, configuration, {})
        except Exception as error:
            _set_status(scope, name, "Failed", _reason(name, error))
        else:
            self._deployments[scope, name] = deployment
            _show(scope, name, deployment)
            _set_status(scope, name, "InService")

    def _instance_counts(self, scope: Scope, name: str) -> dict[str, int]:
        """Return the size of each variant's fleet, by its name."""
        deployment = self._deployments.get((scope, name))
        variants = deployment.variants if deployment else ()
        return {each.name: each.fleet.size for each in variants if not each.serverless}

    def _replace(
        self, scope: Scope, name: str, configuration: str, counts: dict[str, int], rollout: Rollout
    ) -> None:
        """Start the new fleet, shift the traffic to it, then stop the old one.

        The old fleet stays if the new one does not start, an alarm is raised, or the new model's
        execution role may not read the alarms.
        """
        key = (scope, name)
        old = self._deployments.get(key)
        try:
            new = self._hosting.deploy(scope, name, configuration, counts)
        except Exception as error:
            # As in SageMaker: back in service with the old configuration, and with the reason.
            _set_status(scope, name, "InService" if old else "Failed", _reason(name, error))
            return
        if old:
            try:
                shift(
                    rollout,
                    set_share=lambda share: self._new_fleets.update({key: (new, share)}),
                    raised=partial(self._raised_alarm, scope, new.variants[0].execution_role_arn),
                    clock=self._clock,
                )
            except Exception as error:
                self._new_fleets.pop(key, None)
                reason = _reason(name, error)
                _set_status(scope, name, "RollingBack", reason)
                new.stop()
                _set_status(scope, name, "InService", reason)
                return
        self._deployments[key] = new
        self._new_fleets.pop(key, None)
        _show(scope, name, new)
        if old:
            old.stop()
        _set_status(scope, name, "InService")

    def _resize(self, scope: Scope, name: str, counts: dict[str, int]) -> None:
        deployment = self._deployments[scope, name]
        reason: str | None = None
        try:
            for variant in deployment.variants:
                if variant.name in counts:
                    variant.fleet.resize(counts[variant.name])
        except Exception as error:
            reason = _reason(name, error)
        _show(scope, name, deployment)
        _set_status(scope, name, "InService", reason)

    def _remove(self, scope: Scope, name: str) -> None:
        deployment = self._deployments.pop((scope, name), None)
        if deployment:
            deployment.stop()
        call_moto(scope, "sagemaker", "DeleteEndpoint", {"EndpointName": name})


def _reason(name: str, error: Exception) -> str:
    """Return the FailureReason; log errors that the model did not cause."""
    if isinstance(error, HostingError):
        return str(error)
    logger.error("endpoint %s could not be changed", name, exc_info=error)
    return f"Internal error of the local cloud: {error!r}"


def _arn(scope: Scope, name: str) -> str:
    return scope.arn("sagemaker", f"endpoint/{name.lower()}")


def _checked_variants(scope: Scope, configuration: str) -> list[dict[str, Any]]:
    """Return the variants of an endpoint configuration, which must exist."""
    name = {"EndpointConfigName": configuration}
    try:
        found = call_moto(scope, "sagemaker", "DescribeEndpointConfig", name)
    except AwsError as error:
        arn = scope.arn("sagemaker", f"endpoint-config/{configuration.lower()}")
        raise validation_error(f'Could not find endpoint configuration "{arn}".') from error
    variants: list[dict[str, Any]] = found["ProductionVariants"]
    return variants


def _set_status(scope: Scope, name: str, status: str, reason: str | None = None) -> None:
    record = endpoint_record(scope, name)
    if record is None:
        return
    record.failure_reason = reason
    record.last_modified_time = datetime.now(UTC).replace(tzinfo=None)
    record.endpoint_status = status


def _show(scope: Scope, name: str, deployment: Deployment) -> None:
    """Set the variants in DescribeEndpoint's response to those that are running."""
    record = endpoint_record(scope, name)
    if record is None:
        return
    record.endpoint_config_name = deployment.configuration_name
    record.production_variants = [_shown(variant) for variant in deployment.variants]


def _shown(variant: HostedVariant) -> dict[str, Any]:
    weights = {
        "VariantName": variant.name,
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
    }
    if variant.serverless is not None:
        # Its containers are not instances.
        return {
            **weights,
            "CurrentInstanceCount": 0,
            "CurrentServerlessConfig": dict(variant.serverless),
        }
    size = variant.fleet.size
    return {**weights, "CurrentInstanceCount": size, "DesiredInstanceCount": size}
