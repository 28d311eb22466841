"""How the lines of a job reach CloudWatch Logs."""

from typing import Any

import pytest
from trainer import aws
from trainer.errors import JobError
from trainer.log import Log


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests of `aws logs`."""
    requests: list[Any] = []

    def call(service: str, operation: str, request: Any) -> dict[str, Any]:
        assert service == "logs"
        requests.append((operation, request))
        return {}

    monkeypatch.setattr(aws, "call", call)
    return requests


def test_every_line_but_the_empty_ones_is_sent(sent: list[Any]) -> None:
    log = Log("group", "job-1")
    log.open()
    for line in ("one", "", "two"):
        log.write(line)
    log.close()
    assert sent[0] == ("create-log-stream", {"logGroupName": "group", "logStreamName": "job-1"})
    ((_, request),) = sent[1:]
    assert [event["message"] for event in request["logEvents"]] == ["one", "two"]


def test_no_request_is_larger_than_the_service_takes(sent: list[Any]) -> None:
    log = Log("group", "job-1")
    log.open()
    for _ in range(20):
        log.write("ä" * 70_000)
    log.close()
    sizes = [
        sum(len(event["message"].encode()) + 26 for event in request["logEvents"])
        for _, request in sent[1:]
    ]
    assert len(sizes) > 1
    assert max(sizes) <= 1_048_576


def test_a_log_that_cannot_be_written_ends_no_job(
    sent: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log("group", "job-1")
    log.open()

    def refuse(*_given: Any) -> dict[str, Any]:
        raise JobError("aws logs put-log-events failed: throttled")

    monkeypatch.setattr(aws, "call", refuse)
    log.write("one")
    log.close()
    assert "throttled" in capsys.readouterr().out
    assert len(sent) == 1
