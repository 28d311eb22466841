"""Application Auto Scaling for the variants of endpoints."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from local_cloud.autoscaling.configuration import step_scaling
from local_cloud.autoscaling.records import ScalingRecords
from local_cloud.autoscaling.resources import INSTANCES, VARIANT, TargetKey
from local_cloud.autoscaling.scaler import Scaler
from local_cloud.autoscaling.schedule import ScheduleError, parse_schedule
from local_cloud.clock import Clock
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.errors import AwsError, validation_error
from local_cloud.sagemaker.hosting.hosting import HostedVariant
from local_cloud.sagemaker.moto_backend import PROVISIONED_CONCURRENCY, Scope, call_moto
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
                ScalingRecords(scope).forget(_key(scope, parameters))
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
        variant = self._endpoints.deployment(scope, named[1]).choose(named[2])
        known = ScalingRecords(scope).target(resource_id, parameters["ScalableDimension"])
        minimum = parameters.get("MinCapacity", known.min_capacity if known else None)
        maximum = parameters.get("MaxCapacity", known.max_capacity if known else None)
        if minimum is None or maximum is None:
            raise validation_error("A new scalable target needs MinCapacity and MaxCapacity.")
        if minimum > maximum:
            raise validation_error(
                f"Maximum capacity {maximum} cannot be less than minimum capacity {minimum}."
            )
        _check_dimension(variant, parameters["ScalableDimension"], minimum, maximum)

    def _put_policy(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        records, key = ScalingRecords(scope), _key(scope, parameters)
        _check_registered(records, key, parameters["ServiceNamespace"])
        steps = parameters.get("StepScalingPolicyConfiguration")
        if steps is not None:
            step_scaling(steps, self._clock)
        known = records.policy(key, parameters["PolicyName"])
        response = call_moto(scope, _SERVICE, "PutScalingPolicy", parameters)
        put = records.policy(key, parameters["PolicyName"])
        if known is not None and put is not None:
            # Alarms name a policy by its ARN, which a change of the policy keeps.
            put.policy_arn = known.policy_arn
            response["PolicyARN"] = known.policy_arn
        return response

    def _put_scheduled_action(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        records, key = ScalingRecords(scope), _key(scope, parameters)
        _check_registered(records, key, parameters["ServiceNamespace"])
        name = parameters["ScheduledActionName"]
        given = parameters | {
            member: _epoch(parameters[member])
            for member in ("StartTime", "EndTime")
            if member in parameters
        }
        known, now = records.scheduled_action(key, name), self._clock.now()
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
        put = records.scheduled_action(key, name)
        if known is None and put is not None:
            put.creation_time = now
        return response


def _check_dimension(variant: HostedVariant, dimension: str, minimum: int, maximum: int) -> None:
    """Refuse a capacity that a variant does not have, or more of it than it can have.

    docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-autoscale.html
    """
    wanted = INSTANCES if variant.serverless is None else PROVISIONED_CONCURRENCY
    if dimension != wanted:
        raise validation_error(
            f"The variant {variant.name} cannot be scaled by {dimension}: expected {wanted}."
        )
    if variant.serverless is None:
        return
    if "ProvisionedConcurrency" not in variant.serverless:
        raise validation_error(
            f"The variant {variant.name} was created without provisioned concurrency, which is "
            "needed to scale it."
        )
    largest = variant.serverless["MaxConcurrency"]
    if minimum < 1 or maximum > largest:
        raise validation_error(
            f"Provisioned concurrency of {minimum} to {maximum}: expected 1 to {largest}, the "
            f"maximum concurrency of the variant {variant.name}."
        )


def _key(scope: Scope, parameters: Mapping[str, Any]) -> TargetKey:
    return TargetKey(scope, parameters["ResourceId"], parameters["ScalableDimension"])


def _check_registered(records: ScalingRecords, key: TargetKey, namespace: str) -> None:
    if records.target(key.resource_id, key.dimension) is None:
        raise AwsError(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: {namespace}, resource ID: "
            f"{key.resource_id}, scalable dimension: {key.dimension}",
        )


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
