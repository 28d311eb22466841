"""`make check-deployment STAGE=...`: check that a stage serves the model that its lock names.

CloudFormation succeeds even where SageMaker has rolled the endpoint back. Three requests with an
image of the repository must get responses of the lock's version, in the time that the stage allows.
A paused stage passes: it serves nothing until `make resume`, which checks its endpoint.
"""

import argparse
import base64
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.names import CHECKED_PARAMETERS, PAUSED_VALUE, parameter_path
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage_of_account
from tools.cdk import ROOT
from tools.console import ToolError, run_tool, step
from tools.delivery.clients import stage_clients
from tools.delivery.lock_file import require_lock
from tools.deployment.paused import paused_note
from tools.local.api_client import ApiResponse, predict
from tools.status_line import say

_REQUESTS: Final = 3
_MAX_SECONDS: Final = 120.0
_WAIT_SECONDS: Final = 5.0
_SAMPLE: Final = ROOT / "samples" / "cat.jpg"
_OK: Final = 200

Client = Callable[[str], Any]
# Sends the sample and returns the response.
Send = Callable[[], ApiResponse]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a deployment must show.

    Attributes:
        version: of the model.
        latency_p50_ms: the longest median.
    """

    version: str
    latency_p50_ms: int


def main() -> None:
    """Retry for two minutes; print what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.delivery.check_deployment", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument("--role-arn", help="role to assume first")
    parser.add_argument("--api-url", help="the API's address; by default the published one")
    arguments = parser.parse_args()
    settings = read_stage_of_account(arguments.stage)
    lock = require_lock(settings.stage)
    client = stage_clients(settings, arguments.role_arn)
    if _published(client("ssm"), settings)[PAUSED_VALUE] == "true":
        print(f"{paused_note(settings.stage)} So nothing was checked.")
        return
    expected = Expected(
        version=lock.version,
        latency_p50_ms=settings.monitoring.deployment_check_latency_p50_ms,
    )
    with step(f"Check that {settings.stage} serves {lock.name} {lock.version}"):
        send = sender(settings, client, api_url=arguments.api_url)
        milliseconds = check_until(lambda: check_once(settings, client, send, expected))
    print(f"{_REQUESTS} responses of {lock.name} {lock.version}, median {milliseconds:.0f} ms.")


def sender(settings: StageSettings, client: Client, *, api_url: str | None = None) -> Send:
    """Return what sends the sample: through the API, or to its function where that is closed.

    Args:
        settings: of the stage.
        client: returns the client of a service.
        api_url: the API's address; None: the published one.

    Raises:
        ToolError: the stage has published no values.
    """
    values = _published(client("ssm"), settings)
    if settings.api.allowed_address_ranges or settings.api.firewall_enabled:
        return lambda: _invoke(client("lambda"), values["proxy-alias-arn"])
    key = client("apigateway").get_api_key(apiKey=values["api-key-id"], includeValue=True)["value"]
    return lambda: predict(api_url or values["api-url"], key, _SAMPLE)


def check_once(settings: StageSettings, client: Client, send: Send, expected: Expected) -> float:
    """Return the median latency of three requests in milliseconds.

    Args:
        settings: of the stage.
        client: returns the client of a service.
        send: sends the sample.
        expected: what the deployment must show.

    Raises:
        ToolError: the endpoint is not in service, or a response is not as expected.
    """
    endpoint = client("sagemaker").describe_endpoint(EndpointName=settings.endpoint_name)
    if endpoint["EndpointStatus"] != "InService":
        raise ToolError(f"The endpoint {settings.endpoint_name} is {endpoint['EndpointStatus']}.")
    latencies = []
    for _ in range(_REQUESTS):
        response = send()
        _check_response(response, expected)
        latencies.append(response.milliseconds)
    median = statistics.median(latencies)
    if median > expected.latency_p50_ms:
        raise ToolError(
            f"The median of {_REQUESTS} responses is {median:.0f} ms, expected at most "
            f"{expected.latency_p50_ms} ms (monitoring.deployment_check_latency_p50_ms)."
        )
    return median


def check_until(
    check: Callable[[], float],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Repeat a check until it passes, for two minutes.

    Args:
        check: raises ToolError if it fails.
        clock: time in seconds.
        sleep: waits for some seconds.

    Raises:
        ToolError: the check still fails.
    """
    end = clock() + _MAX_SECONDS
    reported = ""
    while True:
        try:
            return check()
        except ToolError as error:
            if clock() + _WAIT_SECONDS > end:
                raise ToolError(f"{error} (tried for {_MAX_SECONDS:.0f} s)") from error
            if str(error) != reported:
                say(f"  not yet: {error}")
            reported = str(error)
            sleep(_WAIT_SECONDS)


def _check_response(response: ApiResponse, expected: Expected) -> None:
    content = response.content
    if response.status != _OK:
        raise ToolError(f"A response has the status {response.status}: {_short(content)}")
    model = content.get("model") if isinstance(content, dict) else None
    version = model.get("version") if isinstance(model, dict) else None
    if version != expected.version:
        raise ToolError(
            f"A response is of the model version {version}, expected {expected.version} as the "
            "lock states: the endpoint was not updated, or was rolled back."
        )


def _published(ssm: Any, settings: StageSettings) -> dict[str, str]:
    path = parameter_path(settings.name)
    values = {}
    for name in CHECKED_PARAMETERS:
        try:
            found = ssm.get_parameter(Name=f"{path}/{name}")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            raise ToolError(
                f"The stage {settings.stage} is not deployed: the parameter {path}/{name} is "
                "missing."
            ) from error
        values[name] = found["Parameter"]["Value"]
    return values


def _invoke(function: Any, alias_arn: str) -> ApiResponse:
    """Invoke the function with the sample, as docs/serving.md describes direct invocations."""
    image = base64.b64encode(_SAMPLE.read_bytes()).decode()
    started = time.perf_counter()
    response = function.invoke(FunctionName=alias_arn, Payload=json.dumps({"image": image}))
    payload = json.loads(response["Payload"].read())
    milliseconds = (time.perf_counter() - started) * 1000
    if "statusCode" not in payload:
        raise ToolError(f"The function failed: {_short(payload)}")
    return ApiResponse(
        status=payload["statusCode"],
        content=json.loads(payload["body"]),
        milliseconds=milliseconds,
    )


def _short(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return text if len(text) <= 300 else f"{text[:300]}..."


if __name__ == "__main__":
    run_tool(main)
