import json
import socket
import time

import pytest
from botocore.session import get_session

from classifier_proxy.endpoint.invoke import SageMakerEndpoint
from classifier_proxy.endpoint.pause import PauseParameter
from classifier_proxy.errors import EndpointTimeoutError
from classifier_proxy.requests import ClassificationRequest
from tests.lambda_src.conftest import Proxy
from tests.lambda_src.events import REQUEST_ID
from tests.lambda_src.stand_in import (
    CLASSIFICATION,
    Behaviour,
    SageMakerRuntime,
    drip,
    model_error,
    reset,
    respond,
    send_half,
    service_error,
    silence,
    silent_in_the_middle,
)

HTML = b"<html><body>Bad gateway</body></html>"
LONG_SILENCE_SECONDS = 1.0
LONG_DRIP_SECONDS = 2.5  # the whole call has 1.2 s here


# What SageMaker does, what the caller gets (status, code, Retry-After), how often it is called.
FAULTS: list[tuple[str, Behaviour, int, str, str | None, int]] = [
    ("model loading", service_error(429, "ModelNotReadyException"), 503, "model_not_ready", "5", 1),
    ("throttled", service_error(400, "ThrottlingException"), 429, "throttled", "1", 1),
    ("429 of a proxy", respond(429, b"slow down", "text/plain"), 429, "throttled", "1", 1),
    (
        "unavailable",
        service_error(503, "ServiceUnavailable"),
        503,
        "endpoint_unavailable",
        "5",
        1,
    ),
    ("failure", service_error(500, "InternalFailure"), 502, "endpoint_failed", None, 1),
    (
        "a dependency's failure",
        service_error(530, "InternalDependencyException"),
        502,
        "endpoint_failed",
        None,
        1,
    ),
    (
        "no such endpoint",
        service_error(400, "ValidationError", "Endpoint x of account 1 not found."),
        503,
        "endpoint_missing",
        "30",
        1,
    ),
    (
        "call refused",
        service_error(400, "ValidationError", "1 validation error detected"),
        502,
        "endpoint_failed",
        None,
        1,
    ),
    (
        "not allowed",
        service_error(403, "AccessDeniedException"),
        500,
        "endpoint_access_denied",
        None,
        1,
    ),
    (
        "credentials expired",
        service_error(403, "ExpiredTokenException"),
        500,
        "endpoint_access_denied",
        None,
        1,
    ),
    (
        "bad signature",
        service_error(403, "InvalidSignatureException"),
        500,
        "endpoint_access_denied",
        None,
        1,
    ),
    ("model's 500", model_error(500, "boom"), 502, "model_failed", None, 1),
    ("model overloaded", model_error(503, {"code": "overloaded"}), 503, "overloaded", "1", 1),
    ("model's 504", model_error(504, "late"), 502, "model_failed", None, 1),
    ("model's 406", model_error(406, {"code": "not_acceptable"}), 502, "model_failed", None, 1),
    ("model's 408", model_error(408, {"code": "body_timeout"}), 502, "model_failed", None, 1),
    ("model's 404", model_error(404, {"code": "not_found"}), 502, "model_failed", None, 1),
    ("model's nonsense", model_error([], ""), 502, "invalid_endpoint_response", None, 1),
    ("reset", reset, 502, "endpoint_unreachable", None, 2),
    ("half a response", send_half, 502, "invalid_endpoint_response", None, 1),
    ("silence", silence(LONG_SILENCE_SECONDS), 504, "endpoint_timeout", None, 1),
    (
        "silence after half",
        silent_in_the_middle(LONG_SILENCE_SECONDS),
        504,
        "endpoint_timeout",
        None,
        1,
    ),
    ("HTML 502", respond(502, HTML, "text/html"), 502, "endpoint_failed", None, 1),
    ("HTML 404", respond(404, HTML, "text/html"), 502, "endpoint_failed", None, 1),
    ("a list for an error", respond(400, []), 502, "invalid_endpoint_response", None, 1),
    (
        "bytes for an error",
        respond(400, b"\xff\xfe\x00"),
        502,
        "invalid_endpoint_response",
        None,
        1,
    ),
]
BROKEN_CHUNKS = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
FAULTS += [
    (name, behaviour, 502, "invalid_endpoint_response", None, 1)
    for name, behaviour in {
        "an error in broken chunks": drip(BROKEN_CHUNKS, b"", 0),
        "a nested error": respond(400, b"[" * 100_000),
        "an infinite status": respond(
            424, b'{"OriginalStatusCode": 1e999}', error_type="ModelError"
        ),
        "HTML 200": respond(200, HTML, "text/html"),
        "empty 200": respond(200, b""),
        "a huge response": respond(200, json.dumps(CLASSIFICATION).encode() + b" " * 6 * 2**20),
        "more than was requested": respond(
            200, {**CLASSIFICATION, "predictions": CLASSIFICATION["predictions"] * 2}
        ),
    }.items()
]
FAULTS += [
    (name, drip(head, part, LONG_DRIP_SECONDS), 504, "endpoint_timeout", None, 1)
    for name, (head, part) in {
        "a dripping header": (b"HTTP/1.1 200 OK\r\nX-Padding: ", b"x"),
        "dripping headers": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
        "dripping interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "a dripping body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "),
        "dripping chunks": (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\n \r\n",
        ),
        "an error that stops half-way": (
            b"HTTP/1.1 424 Failed\r\nContent-Length: 1000\r\n\r\n{",
            b"",
        ),
        "a dripping error": (b"HTTP/1.1 400 Bad\r\nContent-Length: 1000\r\n\r\n", b" "),
    }.items()
]


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "retry_after", "calls"),
    [pytest.param(*fault[1:], id=fault[0]) for fault in FAULTS],
)
def test_a_fault_of_the_endpoint_becomes_the_documented_error(
    impatient_proxy: Proxy,
    runtime: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
    behaviour: Behaviour,
    status: int,
    code: str,
    retry_after: str | None,
    calls: int,
) -> None:
    runtime.script = [behaviour]
    started = time.monotonic()

    result = impatient_proxy.call(query=[("top_k", "3")])

    assert time.monotonic() - started < 3
    assert (result.status, result.body["error"]["code"]) == (status, code)
    assert result.headers.get("Retry-After") == retry_after
    assert result.body["request_id"] == REQUEST_ID
    assert len(runtime.requests) == calls
    for inside in ("Traceback", "SageMaker", "boom", "<html>", "arn:aws"):
        assert inside not in json.dumps(result.body)
    log = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [line] = [line for line in log if line.get("message") == "request failed"]
    assert (line["level"], line["error_code"]) == ("ERROR", code)
    assert "Traceback" in line["exception"]
    [metrics] = [line for line in log if "_aws" in line]
    assert metrics["EndpointLatency"] > 0
    assert ("EndpointAccessDenied" in metrics) == (code == "endpoint_access_denied")
    assert ("FailedRequests" in metrics) == (status >= 500)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_top_k"),
        (413, "image_too_large"),
        (415, "unsupported_media_type"),
        (422, "unreadable_image"),
    ],
)
def test_what_the_container_refuses_is_refused_in_its_words(
    proxy: Proxy, runtime: SageMakerRuntime, status: int, code: str
) -> None:
    runtime.script = [model_error(status, {"code": code, "message": "It ends early."})]

    result = proxy.call()

    assert result.status == status
    assert result.body["error"] == {"code": code, "message": "It ends early."}
    assert len(runtime.requests) == 1


def test_a_connection_that_was_closed_is_opened_again(
    proxy: Proxy, runtime: SageMakerRuntime
) -> None:
    for requests in (2, 4):
        runtime.script = [reset, respond(200, CLASSIFICATION)]
        assert proxy.call().status == 200
        assert len(runtime.requests) == requests


def test_after_two_failed_attempts_there_is_one_until_the_endpoint_responds(
    proxy: Proxy, runtime: SageMakerRuntime
) -> None:
    rejection = model_error(422, {"code": "unreadable_image", "message": "It ends early."})
    runtime.script = [reset, reset, reset, rejection, reset, rejection, reset, rejection]
    statuses = [proxy.call().status for _ in range(5)]
    assert statuses == [502, 502, 422, 422, 422]
    assert len(runtime.requests) == 8


def test_a_second_attempt_has_only_the_time_that_the_first_one_left(
    proxy: Proxy, runtime: SageMakerRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENDPOINT_READ_TIMEOUT_SECONDS", "1")
    runtime.script = [silence(0.8), silence(5)]  # closes the connection after its silence
    started = time.monotonic()

    result = proxy.call()

    assert (result.status, result.body["error"]["code"]) == (504, "endpoint_timeout")
    assert time.monotonic() - started < 2.6
    assert len(runtime.requests) == 2


def test_an_endpoint_that_does_not_take_the_request_timed_out(
    environment: dict[str, str],  # noqa: ARG001 - it is the process's
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=5) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        endpoint = SageMakerEndpoint(
            "whippet-test", PauseParameter("/none"), 0.5, connect_timeout_seconds=0.3
        )
        with pytest.raises(EndpointTimeoutError):
            # More than the kernel keeps for a peer that reads nothing.
            endpoint.invoke(ClassificationRequest(bytes(32_000_000), "image/png", None))
        listener.settimeout(0)
        listener.accept()[0].close()
        with pytest.raises(BlockingIOError):  # there was no second attempt
            listener.accept()


def test_nobody_listening_is_502(impatient_proxy: Proxy, runtime: SageMakerRuntime) -> None:
    runtime.close()

    result = impatient_proxy.call()

    assert (result.status, result.body["error"]["code"]) == (502, "endpoint_unreachable")


def test_no_credentials_are_as_bad_as_wrong_ones(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    # Another one has found credentials.
    monkeypatch.setattr("classifier_proxy.endpoint.clients.session", get_session)

    result = proxy.call()

    assert (result.status, result.body["error"]["code"]) == (500, "endpoint_access_denied")


@pytest.mark.parametrize(("remaining", "status"), [(5_999, 503), (6_000, 200)])
def test_with_too_little_time_left_the_endpoint_is_not_invoked(
    proxy: Proxy, runtime: SageMakerRuntime, remaining: int, status: int
) -> None:
    proxy.context.remaining_milliseconds = remaining

    result = proxy.call()

    assert result.status == status
    assert len(runtime.requests) == (1 if status == 200 else 0)
    if status == 503:
        assert result.body["error"]["code"] == "deadline_too_short"
        assert result.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("behaviour", "status", "attempts"),
    [
        (service_error(503, "ServiceUnavailable"), 503, 20),
        (service_error(500, "InternalFailure"), 502, 20),
        (model_error(503, "overloaded"), 503, 20),
        (reset, 502, 21),
    ],
)
def test_a_failing_endpoint_gets_no_additional_load(
    proxy: Proxy, runtime: SageMakerRuntime, behaviour: Behaviour, status: int, attempts: int
) -> None:
    runtime.script = [behaviour]

    for _ in range(20):
        assert proxy.call().status == status

    assert len(runtime.requests) == attempts
