import time

import pytest

from classifier_proxy.errors import EndpointFailedError, EndpointNotInServiceError
from classifier_proxy.health import CACHE_SECONDS, FAILURE_CACHE_SECONDS, Health
from tests.lambda_src.conftest import Proxy, Response
from tests.lambda_src.events import REQUEST_ID
from tests.lambda_src.stand_in import (
    Behaviour,
    SageMakerRuntime,
    drip,
    reset,
    respond,
    service_error,
    silence,
)

SERVING = ["InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"]
NOT_SERVING = ["OutOfService", "Creating", "Deleting", "Failed"]


def described(status: object) -> Behaviour:
    return respond(200, {"EndpointStatus": status}, "application/x-amz-json-1.1")


def check(health_function: Proxy) -> Response:
    return health_function.call(b"", content_type=None, method="GET", path="/health")


@pytest.mark.parametrize("status", SERVING)
def test_an_endpoint_that_serves_is_ok(
    health_function: Proxy, control_plane: SageMakerRuntime, runtime: SageMakerRuntime, status: str
) -> None:
    control_plane.script = [described(status)]

    result = check(health_function)

    assert result.status == 200
    assert result.body == {"status": "ok", "endpoint_status": status, "request_id": REQUEST_ID}
    [request] = control_plane.requests
    assert request.headers["X-Amz-Target"] == "SageMaker.DescribeEndpoint"
    assert request.body == b'{"EndpointName": "whippet-test"}'
    assert runtime.requests == []


@pytest.mark.parametrize(
    "behaviour",
    [
        *map(described, NOT_SERVING),
        described(None),
        service_error(400, "ValidationException", "Could not find endpoint"),
        service_error(400, "AccessDeniedException"),
        service_error(400, "ThrottlingException"),
        service_error(500, "InternalFailure"),
        respond(200, b"<html>", "text/html"),
        respond(200, []),
        respond(200, b"[" * 100_000),
        respond(200, b'{"EndpointStatus": "InService", "CreationTime": 1e300}'),
        reset,
        silence(2.0),
        drip(b"HTTP/1.1 200 OK\r\nX-Padding: ", b"x", 4.0),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ", 4.0),
    ],
)
def test_anything_else_is_unavailable_within_two_seconds(
    health_function: Proxy,
    control_plane: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
    behaviour: Behaviour,
) -> None:
    control_plane.script = [behaviour]
    health_function.call()  # the function has started
    started = time.monotonic()

    result = check(health_function)

    assert time.monotonic() - started < 2
    assert result.status == 503
    assert result.body["status"] == "unavailable"
    assert result.body["error"]["code"] == "endpoint_not_in_service"
    assert result.headers["Retry-After"] == "30"
    assert result.body.keys() == {"status", "error", "request_id"}
    assert len(control_plane.requests) == 1
    assert "FailedRequests" not in capsys.readouterr().out


def test_many_checks_call_sagemaker_once(
    health_function: Proxy, control_plane: SageMakerRuntime
) -> None:
    assert [check(health_function).status for _ in range(20)] == [200] * 20
    assert len(control_plane.requests) == 1


class Scripted:
    """Gives what is told, and counts."""

    def __init__(self, *responses: str | Exception) -> None:
        self.responses = list(responses)

    def status(self) -> str:
        given = self.responses.pop(0)
        if isinstance(given, Exception):
            raise given
        return given


def test_what_was_found_out_is_forgotten_after_its_time() -> None:
    now = 1000.0
    endpoint = Scripted("InService", EndpointFailedError(), "InService")
    health = Health(endpoint, clock=lambda: now)

    assert health.check()["status"] == "ok"
    now += CACHE_SECONDS - 0.1
    assert health.check()["status"] == "ok"
    now += 0.2
    for seconds in (FAILURE_CACHE_SECONDS - 0.1, 0.2):  # a failure is remembered too, but not long
        with pytest.raises(EndpointNotInServiceError) as caught:
            health.check()
        assert isinstance(caught.value.__cause__, EndpointFailedError)
        now += seconds
    assert health.check()["status"] == "ok"
    assert endpoint.responses == []
