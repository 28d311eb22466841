"""The alarms that roll a deployment back, read with the permissions of the execution role.

docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
"""

from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform

_ACTION = "cloudwatch:DescribeAlarms"


class RollbackAlarms:
    """Reads the states of alarms as SageMaker does: by DescribeAlarms.

    Args:
        platform: assumes the roles.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def raised(self, scope: Scope, role_arn: str, names: tuple[str, ...]) -> str | None:
        """Return the first of the alarms that is in the state ALARM, None without any.

        Args:
            scope: account and region.
            role_arn: the execution role.
            names: the alarms.

        Raises:
            HostingError: the role may not describe one of them, or there is none of that name.
        """
        access_key = self._platform.role_credentials(scope, role_arn, "SageMaker").access_key_id
        with request_scope(scope.account_id, scope.region):
            states = {name: _state(scope, access_key, role_arn, name) for name in names}
        return next((name for name, state in states.items() if state == "ALARM"), None)


def _state(scope: Scope, access_key: str, role_arn: str, name: str) -> str:
    composite = cloudwatch._composite_alarms.get(name)
    # Of composite alarms, DescribeAlarms says nothing to who may describe only some alarms.
    arn = "*" if composite else scope.arn("cloudwatch", f"alarm:{name}")
    denied = iam_evaluator.enforce(
        access_key, _ACTION, "monitoring", scope.region, resource_arn=arn
    )
    if denied:
        raise HostingError(
            f"The rollback alarm {name} cannot be read. Please ensure that the role {role_arn} has "
            f"the permission {_ACTION} on it. {_denial(denied, arn)}"
        )
    alarm: dict[str, Any] | None = composite or cloudwatch._alarms.get(name)
    if alarm is None:
        raise HostingError(f"The rollback alarm {name} cannot be read: there is no such alarm.")
    return str(alarm["StateValue"])


def _denial(denied: Any, arn: str) -> str:
    """Return IAM's message, which names the session, the action and the resource."""
    explicit = getattr(denied, "decision", "") == "Deny"
    principal = getattr(denied, "principal_arn", "")
    return str(iam_actions.identity_denial_message(_ACTION, principal, arn, explicit))
