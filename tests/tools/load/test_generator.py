"""The program that sends requests: an open loop, against a server that stalls."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.tools.load.stalling_server import Script, StallingServer
from tools.cdk import ROOT
from tools.console import ToolError
from tools.load import generator
from tools.load.generator import Destination, Generator, Load
from tools.load.outcomes import Outcome

PHOTO = ROOT / "samples" / "cat.jpg"
KEY, SECRET = "AKIDEXAMPLE", "secret"


def destination(url: str, region: str | None = None, **headers: str) -> Destination:
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    return Destination(
        url=url, headers=headers, region=region, certificates=None,
        environment=os.environ | environment,
    )  # fmt: skip


def load(rate: float, requests: int, *images: tuple[Path, str]) -> Load:
    return Load(rate=rate, requests=requests, images=images or ((PHOTO, "image/jpeg"),))


def run(to: Destination, what: Load) -> list[Outcome]:
    outcomes: list[Outcome] = []
    running = Generator(to, what, outcomes.append)
    try:
        assert running.wait(30)
    finally:
        running.kill()
    return sorted(outcomes, key=lambda each: each.number)


def test_requests_start_at_their_times_while_the_server_stalls() -> None:
    script = Script(stall=(0.5, 1.5))
    with StallingServer(script) as server:
        outcomes = run(destination(f"{server.url}/predict"), load(40, 80))
    begin = outcomes[0].scheduled
    assert [round(each.scheduled - begin, 3) for each in outcomes] == [n / 40 for n in range(80)]
    assert {each.status for each in outcomes} == {200}
    # A closed loop of one or a few users sends nothing, or a few, in the second of the stall.
    assert sum(0.5 < each.at < 1.5 for each in script.received) >= 25
    # A busy machine starts a few late.
    assert sum(each.is_late for each in outcomes) < 20
    # Each of these waited until the end of the stall, and its latency says so.
    waited = [each for each in outcomes if 0.6 < each.scheduled - begin < 1.4]
    assert len(waited) >= 30
    for each in waited:
        assert each.latency > 1.5 - (each.scheduled - begin) - 0.15
    assert max(each.latency for each in waited) < 3


def test_images_go_in_turn_with_the_key_and_their_media_types(tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(b"png " * 1000)
    script = Script(status=429, body=b'{"message": "Too Many Requests"}')
    images = ((PHOTO, "image/jpeg"), (other, "image/png"))
    with StallingServer(script) as server:
        to = destination(f"{server.url}/v1/predict", **{"x-api-key": "k"})
        outcomes = run(to, load(20, 5, *images))
    assert [len(each.body) for each in script.received] == (
        [PHOTO.stat().st_size, 4000, PHOTO.stat().st_size, 4000, PHOTO.stat().st_size]
    )
    assert [each.headers["content-type"] for each in script.received][:2] == (
        ["image/jpeg", "image/png"]
    )
    assert {(each.path, each.headers["x-api-key"]) for each in script.received} == (
        {("/v1/predict", "k")}
    )
    assert {(each.status, each.body) for each in outcomes} == (
        {(429, '{"message": "Too Many Requests"}')}
    )


def test_too_many_in_flight_are_not_started_and_none_waits_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(generator, "MAX_IN_FLIGHT", 4)
    monkeypatch.setattr(generator, "TIMEOUT_SECONDS", 2)
    with StallingServer(Script(stall=(0.0, 5.0))) as server:
        outcomes = run(destination(server.url), load(20, 12))
    started = [each.started is not None for each in outcomes]
    assert started == [True] * 4 + [False] * 8
    assert {each.status for each in outcomes} == {None}
    assert {each.body for each in outcomes[:4]} == {"no response within 2 s"}
    assert {each.body for each in outcomes[4:]} == {"too many in flight"}
    assert all(1.9 < each.latency < 4 for each in outcomes[:4])


def test_requests_to_the_endpoint_are_signed() -> None:
    script = Script()
    path = "/endpoints/whippet-dev/invocations"
    with StallingServer(script) as server:
        run(destination(f"{server.url}{path}", "eu-west-1", accept="application/json"), load(10, 1))
    (received,) = script.received
    signed = received.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"accept", "content-type", "host", "x-amz-date"} <= set(signed)
    # Signed again, with what arrived.
    request = AWSRequest(
        "POST", f"{server.url}{path}", data=received.body,
        headers={name: received.headers[name] for name in signed},
    )  # fmt: skip
    request.context["timestamp"] = received.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(KEY, SECRET), "sagemaker", "eu-west-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert received.headers["authorization"].endswith(
        f"Signature={signer.signature(text, request)}"
    )
    assert f"{KEY}/" in received.headers["authorization"]


def test_a_stopped_program_sends_no_more_and_ends() -> None:
    outcomes: list[Outcome] = []
    script = Script()
    with StallingServer(script) as server:
        running = Generator(destination(server.url), load(20, 1000), outcomes.append)
        try:
            while len(script.received) < 5:
                assert not running.wait(0.05)
            running.stop()
            stopped = time.monotonic()
            assert running.wait(5)
        finally:
            running.kill()
    assert time.monotonic() - stopped < 3
    assert 5 <= len(outcomes) < 60
    assert len(outcomes) == len(script.received)


def test_a_server_that_is_not_there_is_reported() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outcomes = run(destination(f"http://127.0.0.1:{closed.getsockname()[1]}"), load(20, 2))
    assert {each.status for each in outcomes} == {None}
    assert "ConnectionRefusedError" in outcomes[0].body


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    with pytest.raises(ToolError, match="The program that sends the requests failed") as raised:
        run(destination("http://127.0.0.1:1"), load(20, 2, (missing, "image/jpeg")))
    assert str(missing) in str(raised.value)


def test_the_plan_is_no_argument_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key would be in the list of processes."""
    called: list[list[str]] = []
    started = subprocess.Popen

    def note(command: list[str], **named: object) -> object:
        called.append(command)
        return started(command, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", note)
    with StallingServer(Script()) as server:
        run(destination(server.url, **{"x-api-key": "hidden"}), load(20, 1))
    assert "hidden" not in json.dumps(called)
