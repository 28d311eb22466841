"""Application Auto Scaling for the variants of endpoints."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    FakeApplicationAutoscalingPolicy,
    FakeScheduledAction,
    applicationautoscaling_backends,
)

from local_cloud.autoscaling.configuration import step_scaling
from local_cloud.autoscaling.resources import VARIANT
from local_cloud.autoscaling.scaler import Scaler
from local_cloud.autoscaling.schedule import ScheduleError, parse_schedule
from local_cloud.clock import Clock
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError, validation_error
from local_cloud.sagemaker.moto_backend import Scope, call_moto
from local_cloud.sagemaker.validation import check_request
from local_cloud.sagemaker.wire import Response, respond

_SERVICE: Final = "application-autoscaling"


class ScalingService:
    """Registers scaling targets for variants that are in service; moto keeps the records."""

    def __init__(self, endpoints: Endpoints, scaler: Scaler, clock: Clock) -> None:
        self._endpoints, self._scaler, self._clock = endpoints, scaler, clock

    def call(self, scope: Scope, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Carry out one operation.

        Raises:
            AwsError: with Application Auto Scaling's own code.
        """
        check_request(_SERVICE, operation, parameters)
        match operation:
            case "RegisterScalableTarget":
                self._check_target(scope, parameters)
            case "DescribeScalingActivities":
                return self._scaler.activities(scope, parameters)
            case "PutScalingPolicy":
                return self._put_policy(scope, parameters)
            case "PutScheduledAction":
                return self._put_scheduled_action(scope, parameters)
            case "DeregisterScalableTarget":
                response = call_moto(scope, _SERVICE, operation, parameters)
                _forget(_backend(scope), parameters)
                return response
        return call_moto(scope, _SERVICE, operation, parameters)

    def handle(self, scope: Scope, _path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response to one HTTP request."""
        return respond(
            lambda operation, parameters: self.call(scope, operation, parameters), headers, body
        )

    def _check_target(self, scope: Scope, parameters: Mapping[str, Any]) -> None:
        resource_id = parameters["ResourceId"]
        named = VARIANT.fullmatch(resource_id)
        if not named:
            raise validation_error(
                f"Unsupported service namespace, resource type or scalable dimension: {resource_id}"
            )
        self._endpoints.deployment(scope, named[1]).choose(named[2])
        known = _backend(scope).targets.get(parameters["ScalableDimension"], {}).get(resource_id)
        minimum = parameters.get("MinCapacity", known.min_capacity if known else None)
        maximum = parameters.get("MaxCapacity", known.max_capacity if known else None)
        if minimum is None or maximum is None:
            raise validation_error("A new scalable target needs MinCapacity and MaxCapacity.")
        if minimum > maximum:
            raise validation_error(
                f"Maximum capacity {maximum} cannot be less than minimum capacity {minimum}."
            )

    def _put_policy(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        backend = _backend(scope)
        _check_registered(backend, parameters)
        steps = parameters.get("StepScalingPolicyConfiguration")
        if steps is not None:
            step_scaling(steps, self._clock)
        key = FakeApplicationAutoscalingPolicy.formulate_key(
            parameters["ServiceNamespace"], parameters["ResourceId"],
            parameters["ScalableDimension"], parameters["PolicyName"],
        )  # fmt: skip
        known = backend.policies.get(key)
        response = call_moto(scope, _SERVICE, "PutScalingPolicy", parameters)
        if known is not None:
            # Alarms name a policy by its ARN, which a change of the policy keeps.
            backend.policies[key].policy_arn = known.policy_arn
            response["PolicyARN"] = known.policy_arn
        return response

    def _put_scheduled_action(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        backend = _backend(scope)
        _check_registered(backend, parameters)
        given = parameters | {
            name: _epoch(parameters[name])
            for name in ("StartTime", "EndTime")
            if name in parameters
        }
        known, now = _scheduled_action(backend, parameters), self._clock.now()
        expression = given.get("Schedule", known.schedule if known else None)
        if expression is None:
            raise validation_error("A new scheduled action needs a Schedule.")
        if not (given.get("ScalableTargetAction") or known):
            raise validation_error("A new scheduled action needs MinCapacity or MaxCapacity.")
        try:
            parse_schedule(
                expression, given.get("Timezone") or (known.timezone if known else None) or "UTC",
                created=self._clock.aws_time(now),
            )  # fmt: skip
        except ScheduleError as error:
            raise validation_error(str(error)) from error
        response = call_moto(scope, _SERVICE, "PutScheduledAction", given)
        put = _scheduled_action(backend, parameters)
        if known is None and put is not None:
            put.creation_time = now
        return response


def _scheduled_action(
    backend: ApplicationAutoscalingBackend, parameters: Mapping[str, Any]
) -> FakeScheduledAction | None:
    names = ("ServiceNamespace", "ResourceId", "ScalableDimension", "ScheduledActionName")
    wanted = tuple(parameters[name] for name in names)
    for each in backend.scheduled_actions:
        found = (
            each.service_namespace, each.resource_id, each.scalable_dimension,
            each.scheduled_action_name,
        )  # fmt: skip
        if found == wanted:
            return each
    return None


def _backend(scope: Scope) -> ApplicationAutoscalingBackend:
    return applicationautoscaling_backends[scope.account_id][scope.region]


def _check_registered(
    backend: ApplicationAutoscalingBackend, parameters: Mapping[str, Any]
) -> None:
    namespace, resource_id, dimension = (
        parameters[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")
    )
    if resource_id not in backend.targets.get(dimension, {}):
        raise AwsError(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: {namespace}, resource ID: "
            f"{resource_id}, scalable dimension: {dimension}",
        )


def _forget(backend: ApplicationAutoscalingBackend, parameters: Mapping[str, Any]) -> None:
    """Delete what belongs to a target that is registered no longer."""
    named = (parameters["ResourceId"], parameters["ScalableDimension"])
    for key, policy in list(backend.policies.items()):
        if (policy.resource_id, policy.scalable_dimension) == named:
            del backend.policies[key]
    backend.scheduled_actions = [
        action
        for action in backend.scheduled_actions
        if (action.resource_id, action.scalable_dimension) != named
    ]


def _epoch(value: Any) -> float:
    """Return a time of an SDK (seconds since 1970) or of a template (a text) in seconds."""
    if isinstance(value, (int, float)):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise validation_error(
            f"{value!r} is not a time: expected such as 2026-05-01T07:00:00Z"
        ) from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
