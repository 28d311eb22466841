"""The `Platform` of the emulated SageMaker: MiniStack's IAM, STS, CloudWatch and EventBridge."""

import hashlib
import json
import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import cloudwatch, cloudwatch_logs, eventbridge, iam, sts

from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import RoleCredentials

_SAGEMAKER = "sagemaker.amazonaws.com"


def current_scope() -> Scope:
    """Return the account and region of the current request."""
    return Scope(get_account_id(), get_region())


class MiniStackPlatform:
    """Implements `Platform` with MiniStack's IAM, STS, CloudWatch and EventBridge."""

    def __init__(self, *, endpoint_url: str, certificate: Path) -> None:
        self.endpoint_url = endpoint_url
        self.certificate = certificate

    def role_credentials(
        self, scope: Scope, role_arn: str, session_name: str, service: str = _SAGEMAKER
    ) -> RoleCredentials:
        """Return temporary credentials of a role that a service assumes.

        Raises:
            HostingError: the role does not exist or does not trust the service.
        """
        role_name = role_arn.rpartition("/")[2]
        with request_scope(scope.account_id, scope.region):
            role = iam._roles.get(role_name)
        trusted = role and _trusts(scope, role_arn, role["AssumeRolePolicyDocument"], service)
        if not trusted:
            raise HostingError(
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
                f"principal '{service}' to assume the role."
            )
        return _register_session(scope, role_arn, role_name, session_name)

    def put_metric(
        self,
        name: str,
        value: float,
        *,
        unit: str,
        dimensions: Mapping[str, str],
        namespace: str = "AWS/SageMaker",
        at: float | None = None,
    ) -> None:
        """Record one datum, now or at a time in seconds since 1970."""
        time = clock.time() if at is None else at
        cloudwatch._store_datum(
            namespace, name, dict(dimensions), time, unit, value, None, None, None
        )

    def put_log(
        self, scope: Scope, group: str, stream: str, events: Sequence[tuple[int, str]]
    ) -> None:
        """Write to a log stream in CloudWatch Logs; group and stream are created if absent."""
        names = {"logGroupName": group, "logStreamName": stream}
        lines = [{"timestamp": time, "message": text} for time, text in events]
        with request_scope(scope.account_id, scope.region):
            # Both respond with an error, and change nothing, if there is one already.
            cloudwatch_logs._create_log_group(names)
            cloudwatch_logs._create_log_stream(names)
            cloudwatch_logs._put_log_events({**names, "logEvents": lines})

    def put_event(
        self,
        scope: Scope,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: Sequence[str],
    ) -> None:
        """Send an event of an AWS service to the default event bus and the targets of its rules."""
        with request_scope(scope.account_id, scope.region):
            send_event(source, detail_type, detail, resources)


def send_event(
    source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]
) -> None:
    """Send an event of an AWS service to the default bus of the current account and region."""
    event = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": list(resources),
    }
    eventbridge._put_events({"Entries": [event]}, allow_aws_source=True)


def _trusts(scope: Scope, role_arn: str, document: str | dict[str, Any], service: str) -> bool:
    policy = json.loads(document) if isinstance(document, str) else document
    # Evaluated as a resource policy: MiniStack's own evaluation of a trust policy that names
    # one service allows every service.
    statements = [{**statement, "Resource": role_arn} for statement in policy["Statement"]]
    context = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account=scope.account_id,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=scope.region,
        service_context={"aws:sourceaccount": scope.account_id},
    )
    result = iam_evaluator.evaluate_resource_policy(
        {"Statement": statements}, context, service=service
    )
    return bool(result.decision == "Allow")


def _register_session(
    scope: Scope, role_arn: str, role_name: str, session_name: str
) -> RoleCredentials:
    digest = hashlib.sha256(f"{role_arn}:{session_name}".encode()).hexdigest()
    access_key = f"ASIA{digest[:16].upper()}"
    secret, token = (hashlib.sha256(f"{use}:{digest}".encode()).hexdigest() for use in ("k", "t"))
    arn = f"arn:aws:sts::{scope.account_id}:assumed-role/{role_name}/{session_name}"
    session = {
        "Arn": arn,
        "UserId": f"{role_name}:{session_name}",
        "SecretAccessKey": secret,
        "SessionToken": token,
    }
    sts.register_session(access_key, session)
    return RoleCredentials(access_key, secret, token)
