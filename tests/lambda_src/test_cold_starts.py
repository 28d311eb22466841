"""A serverless endpoint that starts is no endpoint that hangs."""

import json

import pytest

from classifier_proxy.circuit_breaker import CircuitBreaker
from classifier_proxy.cold_starts import MAX_START_SECONDS, ColdStarts
from classifier_proxy.errors import (
    EndpointNotRespondingError,
    EndpointStartingError,
    EndpointThrottledError,
    EndpointTimeoutError,
)
from tests.lambda_src.conftest import Proxy
from tests.lambda_src.stand_in import CLASSIFICATION, SageMakerRuntime, respond, silence


class Breaker:
    """The circuit breaker of a serverless endpoint, with a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.opened: list[float] = []
        self._tested = CircuitBreaker(
            self.opened.append,
            lambda: self.now,
            lambda _minimum, _maximum: 20.0,
            ColdStarts(lambda: self.now),
        )

    def call(self, outcome: Exception | None = None, after: float = 0.0) -> None:
        self.now += after
        with self._tested.call():
            if outcome is not None:
                raise outcome

    def starts(self, after: float) -> None:
        with pytest.raises(EndpointStartingError) as raised:
            self.call(EndpointTimeoutError(), after)
        assert isinstance(raised.value.__cause__, EndpointTimeoutError)

    def hangs(self, after: float) -> None:
        with pytest.raises(EndpointTimeoutError):
            self.call(EndpointTimeoutError(), after)


def test_timeouts_during_a_start_are_told_as_such_and_do_not_open_the_breaker() -> None:
    breaker = Breaker()
    for _ in range(int(MAX_START_SECONDS / 30) + 1):
        breaker.starts(after=30)
    breaker.call()
    assert breaker.opened == []


def test_an_endpoint_that_is_silent_for_longer_than_a_start_opens_the_breaker() -> None:
    breaker = Breaker()
    breaker.starts(after=0)
    breaker.starts(after=MAX_START_SECONDS)
    breaker.hangs(after=1)
    assert breaker.opened == [20.0]
    with pytest.raises(EndpointNotRespondingError):
        breaker.call()
    breaker.hangs(after=20)
    breaker.call(after=20)


@pytest.mark.parametrize("response", [None, EndpointThrottledError()])
def test_after_a_response_a_timeout_is_another_start(response: Exception | None) -> None:
    breaker = Breaker()
    breaker.starts(after=0)
    breaker.starts(after=MAX_START_SECONDS - 1)
    if response is None:
        breaker.call()
    else:
        with pytest.raises(type(response)):
            breaker.call(response)
    breaker.starts(after=100)
    assert breaker.opened == []


def test_rare_requests_that_each_find_it_cold_do_not_open_the_breaker() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.starts(after=MAX_START_SECONDS + 1)
    assert breaker.opened == []


def test_the_function_says_that_the_model_starts_and_goes_on_to_invoke_it(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    runtime: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ENDPOINT_MODE", "serverless")
    monkeypatch.setenv("ENDPOINT_READ_TIMEOUT_SECONDS", "0.3")
    assert environment["ENDPOINT_READ_TIMEOUT_SECONDS"] == "4"
    proxy = Proxy()
    runtime.script = [silence(1.0), silence(1.0), respond(200, CLASSIFICATION)]
    for _ in range(2):
        response = proxy.call()
        assert (response.status, response.body["error"]["code"]) == (503, "endpoint_starting")
        assert response.headers["Retry-After"] == "10"
    assert proxy.call().status == 200
    assert len(runtime.requests) == 3, "the breaker stayed closed"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (warning, _) = (line for line in lines if line.get("level") == "WARNING")
    assert warning["message"] == "request failed: a container is starting"
    assert warning["error_code"] == "endpoint_starting"
    assert "exception" not in warning
