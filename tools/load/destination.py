"""Finds where the requests of a stage go, on AWS or on the local cloud."""

import json
import os
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from local_cloud.clock import AWS_MINUTE_SECONDS
from local_cloud.environment import without_aws
from stacks.settings.stage import StageSettings
from tools.account.api_key import read_key
from tools.console import ToolError
from tools.load.first_request import invoke
from tools.load.generator import Destination
from tools.load.outcomes import describe_error
from tools.local.api_client import predict, read_image
from tools.local.deployment import read_local_deployment
from tools.stage_access import LOCAL, Client, clients_of, outputs_of, require_output

_PROBES, _RESPONSES = 4, 2
# The stage may be busy, or start its first function.
_MAY_PASS = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_WAIT_SECONDS = 2.0
_SHOWN_CHARACTERS = 300
_USER_AGENT = "whippet-load"  # AWS's common firewall rules block requests without one


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A deployed stage.

    Attributes:
        settings: of the stage.
        client: returns the boto3 client of a service.
        environment: variables for the program that sends the requests.
        minute_seconds: real seconds of a minute of metrics and scaling.
        api: its API's address, ending in a slash, and the key; None for the endpoint itself.
    """

    settings: StageSettings
    client: Client
    environment: dict[str, str]
    minute_seconds: float
    api: tuple[str, str] | None

    def destination(self) -> Destination:
        """Return where requests go."""
        certificates = self.environment.get("AWS_CA_BUNDLE")
        if self.api is not None:
            url, key = self.api
            return Destination(
                url=f"{url}predict",
                headers={"x-api-key": key, "User-Agent": _USER_AGENT},
                region=None,
                certificates=certificates,
                environment=self.environment,
            )
        meta = self.client("sagemaker-runtime").meta
        return Destination(
            url=f"{meta.endpoint_url}/endpoints/{self.settings.endpoint_name}/invocations",
            headers={"Accept": "application/json", "User-Agent": _USER_AGENT},
            region=meta.region_name,
            certificates=certificates,
            environment=self.environment,
        )

    def probe(self, image: Path, media_type: str) -> float:
        """Send an image until the model has responded to two requests.

        Returns:
            The seconds of the last one; the first may include a cold start.

        Raises:
            ToolError: the model does not respond, also not a few seconds later if it may by then.
        """
        seconds, responses, status, problem = 0.0, 0, 0, ""
        for _ in range(_PROBES):
            started = time.monotonic()
            status, problem = self._send(image, media_type)
            seconds = time.monotonic() - started
            responses += status == HTTPStatus.OK
            if responses == _RESPONSES:
                return seconds
            if status != HTTPStatus.OK and status not in _MAY_PASS:
                break
            if status != HTTPStatus.OK:
                time.sleep(_WAIT_SECONDS)
        raise ToolError(f"Nothing was sent: the response to a first request is {status}: {problem}")

    def _send(self, image: Path, media_type: str) -> tuple[int, str]:
        """Send an image; return the status and the error."""
        if self.api is None:
            runtime, body = self.client("sagemaker-runtime"), read_image(image)
            status, text = invoke(runtime, self.settings.endpoint_name, body, media_type)
            return status, text[:_SHOWN_CHARACTERS]
        url, key = self.api
        try:
            response = predict(url, key, image)
        except ToolError as error:
            raise ToolError(f"{url} cannot be reached ({error.__cause__}).") from error
        content = response.content
        text = content if isinstance(content, str) else describe_error(json.dumps(content))
        return response.status, text[:_SHOWN_CHARACTERS]


def find_stage(settings: StageSettings, *, through_api: bool, deployment: Path) -> Stage:
    """Return a deployed stage.

    Args:
        settings: of the stage.
        through_api: whether requests go through the API, or to the endpoint itself.
        deployment: the file that `make up` writes, for the stage local.

    Raises:
        ToolError: the stage is not deployed, its local cloud does not run, or the credentials may
            not read its key.
    """
    client = clients_of(settings, deployment)
    if settings.stage == LOCAL:
        local = read_local_deployment(deployment)
        return Stage(
            settings=settings,
            client=client,
            environment=without_aws(os.environ) | local.environment,
            minute_seconds=local.minute_seconds,
            api=(local.api_url, local.api_key) if through_api else None,
        )
    return Stage(
        settings=settings,
        client=client,
        environment=dict(os.environ),
        minute_seconds=AWS_MINUTE_SECONDS,
        api=_find_api(settings, client) if through_api else None,
    )


def _find_api(settings: StageSettings, client: Client) -> tuple[str, str]:
    stack = f"{settings.name}-api"
    key = read_key(
        client("cloudformation"), client("apigateway"), stage=settings.stage, stack=stack
    )
    url = require_output(outputs_of(client, settings, "api"), "ApiUrl", settings, "api")
    return f"{url.rstrip('/')}/", key
