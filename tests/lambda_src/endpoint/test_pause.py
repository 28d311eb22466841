"""A stage without an endpoint: paused, or not deployed."""

import json
import time

import pytest

from classifier_proxy.endpoint.pause import CACHE_SECONDS, PauseParameter
from classifier_proxy.errors import (
    EndpointMissingError,
    EndpointPausedError,
    EndpointThrottledError,
)
from tests.lambda_src.conftest import Proxy, Response, paused
from tests.lambda_src.stand_in import (
    Behaviour,
    SageMakerRuntime,
    drip,
    reset,
    respond,
    service_error,
    silence,
)

MISSING = service_error(400, "ValidationError", "Endpoint whippet-test of account 1 not found.")
NOT_DESCRIBED = service_error(
    400, "ValidationException", 'Could not find endpoint "arn:aws:sagemaker:::endpoint/x".'
)


def check(health_function: Proxy) -> Response:
    return health_function.call(b"", content_type=None, method="GET", path="/health")


def test_a_paused_stage_says_so_and_is_no_failure(
    proxy: Proxy,
    runtime: SageMakerRuntime,
    parameter_store: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runtime.script = [MISSING]
    parameter_store.script = [paused("true")]

    responses = [proxy.call() for _ in range(3)]

    for response in responses:
        assert (response.status, response.headers["Retry-After"]) == (503, "300")
        assert response.body["status"] == "paused"
        assert response.body["error"]["code"] == "endpoint_paused"
        assert "paused" in response.body["error"]["message"]
    assert len(runtime.requests) == 3, "a stage that was resumed serves at once"
    [request] = parameter_store.requests
    assert request.headers["X-Amz-Target"] == "AmazonSSM.GetParameter"
    assert json.loads(request.body) == {"Name": "/whippet/test/paused"}
    printed = capsys.readouterr().out
    assert "FailedRequests" not in printed
    assert "Traceback" not in printed
    assert printed.count("the stage is paused") == 3


@pytest.mark.parametrize(
    "behaviour",
    [
        paused("false"),
        paused(None),
        paused(["true"]),
        respond(200, {}),
        respond(200, b"<html>", "text/html"),
        service_error(400, "ParameterNotFound"),
        service_error(400, "AccessDeniedException"),
        reset,
        silence(2.0),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ", 4.0),
    ],
)
def test_otherwise_the_endpoint_is_missing_within_the_time_of_an_invocation(
    impatient_proxy: Proxy,
    runtime: SageMakerRuntime,
    parameter_store: SageMakerRuntime,
    behaviour: Behaviour,
) -> None:
    impatient_proxy.call()  # the function has started
    runtime.script = [MISSING]
    parameter_store.script = [behaviour]
    started = time.monotonic()

    responses = [impatient_proxy.call() for _ in range(3)]

    assert time.monotonic() - started < 1.2 + 0.6, "one read, in what an invocation may take"
    for response in responses:
        assert (response.status, response.headers["Retry-After"]) == (503, "30")
        assert response.body["error"]["code"] == "endpoint_missing"
    assert len(parameter_store.requests) == 1


def test_a_silent_parameter_takes_a_second_of_the_invocations_five(
    proxy: Proxy, runtime: SageMakerRuntime, parameter_store: SageMakerRuntime
) -> None:
    runtime.script = [MISSING]
    parameter_store.script = [silence(3.0)]
    started = time.monotonic()

    assert proxy.call().body["error"]["code"] == "endpoint_missing"

    assert time.monotonic() - started < 2.5


def test_why_the_parameter_cannot_be_read_is_logged(
    proxy: Proxy,
    runtime: SageMakerRuntime,
    parameter_store: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runtime.script = [MISSING]
    parameter_store.script = [service_error(400, "AccessDeniedException", "no ssm:GetParameter")]

    assert proxy.call().body["error"]["code"] == "endpoint_missing"

    logged = capsys.readouterr().out
    assert "Whether the stage is paused cannot be read" in logged
    assert "no ssm:GetParameter" in logged


def test_only_a_missing_endpoint_costs_a_call(
    proxy: Proxy, runtime: SageMakerRuntime, parameter_store: SageMakerRuntime
) -> None:
    parameter_store.script = [paused("true")]
    runtime.script = [*runtime.script, service_error(400, "ThrottlingException")]

    assert [proxy.call().status for _ in range(3)] == [200, 429, 429]
    assert parameter_store.requests == []


def test_health_says_that_the_stage_is_paused(
    health_function: Proxy, control_plane: SageMakerRuntime, parameter_store: SageMakerRuntime
) -> None:
    control_plane.script = [NOT_DESCRIBED]
    parameter_store.script = [paused("true")]

    response = check(health_function)

    assert (response.status, response.headers["Retry-After"]) == (503, "300")
    assert response.body["status"] == "paused"
    assert response.body["error"]["code"] == "endpoint_paused"


@pytest.mark.parametrize("behaviour", [paused("false"), silence(2.0)])
def test_health_of_a_missing_endpoint_is_unavailable_within_two_seconds(
    health_function: Proxy,
    control_plane: SageMakerRuntime,
    parameter_store: SageMakerRuntime,
    behaviour: Behaviour,
) -> None:
    control_plane.script = [NOT_DESCRIBED]
    parameter_store.script = [behaviour]
    health_function.call()  # the function has started
    started = time.monotonic()

    response = check(health_function)

    assert time.monotonic() - started < 2
    assert response.body["status"] == "unavailable"
    assert response.body["error"]["code"] == "endpoint_not_in_service"
    assert len(parameter_store.requests) == 1


def test_what_was_read_is_kept_for_some_seconds(
    environment: dict[str, str],  # noqa: ARG001 - it is the process's
    parameter_store: SageMakerRuntime,
) -> None:
    now = 1000.0
    pause = PauseParameter("/whippet/test/paused", clock=lambda: now)
    parameter_store.script = [paused("true"), reset, paused("false"), paused("true")]

    found = []
    for seconds in (0.0, CACHE_SECONDS - 0.1, 0.2, CACHE_SECONDS, CACHE_SECONDS):
        now += seconds
        found.append(type(pause.explain(EndpointMissingError(), 1.0)))

    missing, paused_error = EndpointMissingError, EndpointPausedError
    assert found == [paused_error, paused_error, missing, missing, paused_error]
    assert len(parameter_store.requests) == 4
    other = EndpointThrottledError()
    assert pause.explain(other, 1.0) is other
