import json
from collections.abc import Callable
from typing import Any

import pytest

from classifier_proxy.circuit_breaker import MAX_OPEN_SECONDS, MIN_OPEN_SECONDS, CircuitBreaker
from classifier_proxy.errors import (
    EndpointNotRespondingError,
    EndpointTimeoutError,
    EndpointUnavailableError,
    ModelRejectionError,
)
from tests.lambda_src.conftest import Proxy
from tests.lambda_src.observability.test_telemetry import metric_lines
from tests.lambda_src.stand_in import (
    CLASSIFICATION,
    Behaviour,
    SageMakerRuntime,
    model_error,
    reset,
    respond,
    service_error,
    silence,
)


class Breaker:
    """A circuit breaker with a clock that a test sets, open for 20 seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.opened: list[float] = []
        self.bounds: list[tuple[float, float]] = []
        self.tested = CircuitBreaker(self.opened.append, lambda: self.now, self._uniform)

    def call(self, outcome: Exception | None = None) -> None:
        with self.tested.call():
            if outcome is not None:
                raise outcome

    def time_out(self) -> None:
        with pytest.raises(EndpointTimeoutError):
            self.call(EndpointTimeoutError())

    def refused_for(self) -> int | None:
        with pytest.raises(EndpointNotRespondingError) as refused:
            self.call()
        return refused.value.retry_after_seconds

    def _uniform(self, minimum: float, maximum: float) -> float:
        self.bounds.append((minimum, maximum))
        return 20.0


def test_one_timeout_opens_it_for_a_random_time_within_the_bounds() -> None:
    breaker = Breaker()
    breaker.call()
    assert breaker.opened == []

    breaker.time_out()

    assert breaker.opened == [20.0]
    assert breaker.bounds == [(15.0, 25.0)]
    assert breaker.refused_for() == 20
    breaker.now += 0.1
    assert breaker.refused_for() == 20, "rounded up"
    breaker.now += 19.8
    assert breaker.refused_for() == 1


def test_breakers_open_for_different_times() -> None:
    opened: list[float] = []
    for _ in range(50):
        with pytest.raises(EndpointTimeoutError), CircuitBreaker(opened.append).call():
            raise EndpointTimeoutError
    assert all(MIN_OPEN_SECONDS <= seconds <= MAX_OPEN_SECONDS for seconds in opened)
    assert max(opened) - min(opened) > 3


def test_the_longest_time_is_the_documented_one() -> None:
    assert EndpointNotRespondingError.retry_after_seconds == MAX_OPEN_SECONDS


def test_then_one_request_is_the_probe_and_its_success_closes_it() -> None:
    breaker = Breaker()
    breaker.time_out()
    breaker.now += 20

    with breaker.tested.call():
        assert breaker.refused_for() == 1, "another request during the probe"

    breaker.call()
    breaker.call()
    assert breaker.opened == [20.0]


def test_a_probe_that_times_out_opens_it_again() -> None:
    breaker = Breaker()
    breaker.time_out()
    breaker.now += 20
    breaker.time_out()

    assert breaker.opened == [20.0, 20.0]
    assert breaker.refused_for() == 20
    breaker.now += 20
    breaker.call()


@pytest.mark.parametrize(
    "outcome", [EndpointUnavailableError(), ModelRejectionError(422), KeyboardInterrupt()]
)
def test_any_other_outcome_of_a_probe_closes_it(outcome: BaseException) -> None:
    breaker = Breaker()
    breaker.time_out()
    breaker.now += 20
    with pytest.raises(type(outcome)), breaker.tested.call():
        raise outcome
    breaker.call()
    breaker.call()


@pytest.mark.parametrize("outcome", [EndpointUnavailableError(), ModelRejectionError(422)])
def test_only_a_timeout_opens_it(outcome: Exception) -> None:
    breaker = Breaker()
    with pytest.raises(type(outcome)):
        breaker.call(outcome)
    breaker.call()
    assert breaker.opened == []


def read_log(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if "_aws" not in line]


def test_after_a_timeout_the_function_refuses_at_once_and_says_for_how_long(
    impatient_proxy: Proxy, runtime: SageMakerRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.script = [silence(1.0), respond(200, CLASSIFICATION)]

    timed_out, *refused = [impatient_proxy.call() for _ in range(3)]

    assert (timed_out.status, timed_out.body["error"]["code"]) == (504, "endpoint_timeout")
    for response in refused:
        assert (response.status, response.body["error"]["code"]) == (503, "endpoint_not_responding")
        assert 14 <= int(response.headers["Retry-After"]) <= 25
    assert len(runtime.requests) == 1
    output = capsys.readouterr().out
    opened, *others = metric_lines(output)
    assert opened["CircuitBreakerOpened"] == opened["FailedRequests"] == 1
    for line in others:
        assert line["CircuitBreakerRefusals"] == line["FailedRequests"] == 1
        # A refused request is no invocation: its 0 ms would lower the endpoint's average.
        assert not {"CircuitBreakerOpened", "EndpointLatency"} & line.keys()
    log = read_log(output)
    assert [(line["level"], line["message"].partition(":")[0]) for line in log] == [
        ("WARNING", "circuit breaker opened"),
        ("ERROR", "request failed"),
        ("WARNING", "request refused"),
        ("WARNING", "request refused"),
    ]
    assert 15 <= log[0]["open_seconds"] <= 25
    assert not any("exception" in line for line in log[2:])


def test_an_invalid_request_is_rejected_as_such_while_it_is_open(
    impatient_proxy: Proxy, runtime: SageMakerRuntime
) -> None:
    runtime.script = [silence(1.0)]
    assert impatient_proxy.call().status == 504
    assert impatient_proxy.call(b"no image").status == 415


@pytest.mark.parametrize(
    "behaviour",
    [
        reset,
        respond(200, b"<html>"),
        model_error(500, "boom"),
        model_error(503, "overloaded"),
        model_error(422, "unreadable"),
        service_error(400, "ThrottlingException"),
        service_error(503, "ServiceUnavailable"),
    ],
)
def test_an_endpoint_that_responds_is_invoked_again(
    proxy: Proxy, runtime: SageMakerRuntime, behaviour: Behaviour
) -> None:
    runtime.script = [behaviour]
    assert proxy.call().status != 200
    runtime.script = [respond(200, CLASSIFICATION)]
    assert proxy.call().status == 200


def test_the_function_probes_after_the_time_and_is_in_service_again(
    impatient_proxy: Proxy, runtime: SageMakerRuntime, advance: Callable[[float], None]
) -> None:
    runtime.script = [silence(1.0), silence(1.0), respond(200, CLASSIFICATION)]
    assert impatient_proxy.call().status == 504
    advance(MAX_OPEN_SECONDS)
    assert [impatient_proxy.call().status for _ in range(2)] == [504, 503]
    advance(MAX_OPEN_SECONDS)
    assert [impatient_proxy.call().status for _ in range(2)] == [200, 200]
    assert len(runtime.requests) == 4


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that advances the breaker's clock."""
    passed = [0.0]
    real = CircuitBreaker.__init__

    def create(breaker: CircuitBreaker, on_open: Callable[[float], None], **others: Any) -> None:
        real(breaker, on_open, lambda: passed[0], **others)

    monkeypatch.setattr(CircuitBreaker, "__init__", create)

    def advance(seconds: float) -> None:
        passed[0] += seconds

    return advance
